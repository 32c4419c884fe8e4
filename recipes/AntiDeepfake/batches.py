"""Batches of items of similar length, made for millions of items at once.

The items of a pass are shuffled and dealt out to buckets by their length; whenever a
bucket has as many as fit, they are a batch. That is what SpeechBrain's
`DynamicBatchSampler` does item by item, and with the same boundaries the batches here
are the same in the same order. Here it takes some sorts of whole arrays, and a batch is
a piece of one array until it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import lognorm

__all__ = [
    "Batches",
    "Buckets",
    "batches_by_length",
    "fitted_boundaries",
    "lognormal_boundaries",
]

# Of the histogram of lengths.
_BINS = 1000


class Batches(Sequence):
    """A list of batches, each a list of indices, kept as two arrays.

    Arguments
    ---------
    items : numpy.ndarray
        Indices of the items, batch after batch.
    starts, stops : numpy.ndarray
        Where in `items` each batch begins and ends.

    Example
    -------
    >>> batches = Batches(np.array([4, 2, 7]), np.array([0, 2]), np.array([2, 3]))
    >>> batches[0], list(batches)
    ([4, 2], [[4, 2], [7]])
    """

    def __init__(self, items: NDArray, starts: NDArray, stops: NDArray):
        self.items = items
        self.starts = starts
        self.stops = stops

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index):
        """One batch, or some as `Batches`."""
        if isinstance(index, slice):
            return Batches(self.items, self.starts[index], self.stops[index])
        return self.items[self.starts[index] : self.stops[index]].tolist()

    def __iter__(self) -> Iterator[list[int]]:
        for start, stop in zip(self.starts, self.stops, strict=True):
            yield self.items[start:stop].tolist()

    def __eq__(self, other) -> bool:
        return list(self) == list(other)

    __hash__ = None

    def padding(self, lengths: ArrayLike) -> float:
        """How much of the batches is padding, from 0 to 1.

        Arguments
        ---------
        lengths : array of float
            Length of each item.

        Returns
        -------
        float

        Example
        -------
        >>> batches_by_length([1.0, 2.0], 4.0).padding([1.0, 2.0])
        0.25
        """
        # In the order of the items: what is between two pieces is gone through as well.
        order = np.argsort(self.starts)
        starts, stops = self.starts[order], self.stops[order]
        pieces = np.column_stack([starts, stops]).ravel()
        # One value more, because the last piece ends behind the last item.
        values = np.append(np.asarray(lengths, np.float64)[self.items], 0.0)
        sums = np.add.reduceat(values, pieces)[::2]
        longest = np.maximum.reduceat(values, pieces)[::2]
        return float(1 - sums.sum() / (longest * (stops - starts)).sum())


class Buckets:
    """Makes batches by classes of length.

    Arguments
    ---------
    lengths : array of float
        Length of each item.
    boundaries : array of float
        Greatest length of each class, ascending. What is longer than all is alone.
    max_batch_length : float
        Greatest length of a batch, padding included.
    max_batch_items : int, optional
        Most items in a batch.

    Example
    -------
    >>> buckets = Buckets([1.0, 5.0, 1.0, 1.0], [1.0, 5.0], max_batch_length=2.0)
    >>> sorted(buckets.deal(np.arange(4), seed=0))
    [[0, 2], [1], [3]]
    """

    def __init__(
        self,
        lengths: ArrayLike,
        boundaries: ArrayLike,
        max_batch_length: float,
        max_batch_items: int | None = None,
    ):
        boundaries = np.asarray(boundaries, np.float64)
        sizes = np.maximum(1, (max_batch_length / boundaries).astype(np.int64))
        if max_batch_items is not None:
            sizes = np.minimum(sizes, max_batch_items)
        # Items in a full batch of each class.
        self.sizes = np.append(sizes, 1)
        lengths = np.asarray(lengths)
        # The fewer bytes, the faster they are sorted. For the few boundaries that there
        # are, comparing all lengths takes a tenth of the time of `np.searchsorted`.
        self.classes = np.zeros(lengths.shape, np.min_scalar_type(len(boundaries)))
        for boundary in boundaries:
            self.classes += lengths > boundary

    def count(self) -> int:
        """Number of batches of a pass in which every item occurs once."""
        items = np.bincount(self.classes, minlength=len(self.sizes))
        return int((-(-items // self.sizes)).sum())

    def deal(self, indices: NDArray[np.int64], seed: int) -> Batches:
        """Make the batches of one pass.

        Arguments
        ---------
        indices : numpy.ndarray
            Indices of `PassDataset`, in the order in which they are dealt out: modulo
            the number of items they say which item it is.
        seed : int
            Seed of the order of the batches.

        Returns
        -------
        Batches
            Of these indices, in random order.
        """
        classes = self.classes[indices % len(self.classes)]
        # Stable, so that within a class the order stays.
        order = np.argsort(classes, kind="stable")
        counts = np.bincount(classes, minlength=len(self.sizes))
        starts, stops, complete = [], [], []
        first = 0
        for number, (count, size) in enumerate(zip(counts, self.sizes, strict=True)):
            begins = first + np.arange(0, count, size)
            ends = np.minimum(begins + size, first + count)
            full = ends - begins == size
            # When the last item came; what was left in the end comes class by class.
            when = np.where(full, order[ends - 1], len(indices) + number)
            starts.append(begins)
            stops.append(ends)
            complete.append(when)
            first += count
        by_completion = np.argsort(np.concatenate(complete), kind="stable")
        by_completion = by_completion[_permutation(len(by_completion), seed)]
        return Batches(
            indices[order],
            np.concatenate(starts)[by_completion],
            np.concatenate(stops)[by_completion],
        )

    def deal_all(self, seed: int, pass_number: int = 0) -> Batches:
        """The batches of a pass in which every item occurs once, in random order."""
        count = len(self.classes)
        order = _permutation(count, seed)
        return self.deal(pass_number * count + order, seed)


def _permutation(count: int, seed: int) -> NDArray[np.int64]:
    """A random order, that of SpeechBrain for this seed."""
    generator = torch.Generator()
    generator.manual_seed(seed)
    return torch.randperm(count, generator=generator).numpy()


def lognormal_boundaries(max_batch_length: float, num_buckets: int) -> NDArray:
    """Boundaries of classes of length as SpeechBrain's `DynamicBatchSampler` has them.

    Arguments
    ---------
    max_batch_length : float
        Greatest length of a batch, and the last boundary.
    num_buckets : int
        Number of classes.

    Returns
    -------
    numpy.ndarray
        Quantiles of a log-normal distribution, whatever the data are.

    Example
    -------
    >>> lognormal_boundaries(10.0, 3).round(2)
    array([ 2.6 ,  5.09, 10.  ])
    """
    shares = np.linspace(1, num_buckets, num_buckets) / (num_buckets + 1)
    quantiles = lognorm.ppf(shares, 1)
    return quantiles * max_batch_length / quantiles[-1]


def fitted_boundaries(lengths: ArrayLike, num_buckets: int) -> NDArray:
    """Boundaries of classes of length that leave the least padding.

    With density f of the lengths and lambda of the boundaries, the mean padding of an
    item is about half of the integral of f / lambda. For a given number of boundaries
    that is least where lambda is proportional to the square root of f.

    Arguments
    ---------
    lengths : array of float
        Length of each item.
    num_buckets : int
        Number of classes; there are fewer if few lengths differ.

    Returns
    -------
    numpy.ndarray
        Ascending; the last one is the greatest length.

    Example
    -------
    >>> fitted_boundaries(np.arange(0.5, 8.5), 4).round(1)
    array([2.5, 4.5, 6.5, 7.5])
    """
    lengths = np.asarray(lengths, np.float64)
    counts, edges = np.histogram(lengths, _BINS)
    roots = np.append(0.0, np.cumsum(np.sqrt(counts)))
    shares = np.arange(1, num_buckets + 1) / num_buckets
    boundaries = np.interp(shares * roots[-1], roots, edges)
    boundaries[-1] = lengths.max()
    return np.unique(np.minimum(boundaries, boundaries[-1]))


def batches_by_length(lengths: ArrayLike, max_batch_length: float) -> Batches:
    """Group items of similar length, shortest first, for scoring.

    Arguments
    ---------
    lengths : array of float
        Seconds of each item.
    max_batch_length : float
        Most seconds in a batch, padding included (a longer item is alone).

    Returns
    -------
    Batches
        Every index exactly once.

    Example
    -------
    >>> list(batches_by_length([3.0, 1.0, 1.0, 9.0], 6.0))
    [[1, 2], [0], [3]]
    """
    lengths = np.asarray(lengths, np.float64)
    order = np.argsort(lengths, kind="stable")
    ascending = lengths[order]
    starts = []
    start = 0
    while start < len(order):
        starts.append(start)
        # No more fit than if all were as short as the first.
        most = max(1, int(min(max_batch_length / ascending[start], len(order) - start)))
        # The last one is the longest of the batch.
        padded = ascending[start : start + most] * np.arange(1, most + 1)
        start += max(1, int(np.searchsorted(padded, max_batch_length, "right")))
    edges = np.array([*starts, len(order)], np.int64)
    return Batches(order, edges[:-1], edges[1:])
