"""Bootstrap of whole clusters: which to draw, and what a statistic is of a draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recipes.AntiDeepfake.metrics.rates import eer, mean_rate

__all__ = ["Statistic", "cluster_codes", "draw_counts", "of_draws", "value_of"]

# "eer", or a function of scores and labels. It returns a number, or a tuple that
# starts with it, as `min_dcf` does.
Statistic = str | Callable[[NDArray, NDArray], float | tuple[float, ...]]

# Numbers in the largest arrays of a block of resamples: 32 MB each.
BLOCK = 2**22
# Steps of the coarse curve; finer steps leave fewer trials for the fine curve.
COARSE = 64


def value_of(statistic: Statistic, scores: NDArray, labels: NDArray) -> float:
    """The statistic of all trials, each taken once."""
    if statistic == "eer":
        statistic = eer
    elif not callable(statistic):
        raise ValueError(
            f'statistic is {statistic!r}: give "eer", or a function of scores and '
            "labels that returns a number."
        )
    value = statistic(scores, labels)
    return float(value[0] if isinstance(value, tuple) else value)


def cluster_codes(clusters: ArrayLike, labels: NDArray) -> NDArray:
    """Number of the cluster of each trial, from 0 on, [trials].

    Raises
    ------
    ValueError
        If there is not one cluster for each trial, or all trials of a class are in
        one cluster, which leaves nothing to see of the variation of that class.
    """
    clusters = np.asarray(clusters)
    if clusters.shape != labels.shape:
        raise ValueError(
            f"clusters has shape {clusters.shape} and labels has {labels.shape}: "
            "give one cluster for each trial."
        )
    names, codes = np.unique(clusters, return_inverse=True)
    for label, name in ((1, "real"), (0, "fake")):
        mine = codes[labels == label]
        if len(mine) and mine.min() == mine.max():
            raise ValueError(
                f"all {len(mine)} {name} trials are in one cluster, "
                f"{str(names[mine[0]])!r}: nothing can be said about how they vary. "
                "Give clusters of which this class has several, such as a speaker or "
                "a recording for each trial."
            )
    return codes


def draw_counts(
    codes: NDArray, labels: NDArray, resamples: int, seed: int
) -> Iterator[NDArray]:
    """How often each cluster is drawn, in blocks of resamples.

    Clusters with real trials only, with fakes only and with both are three strata,
    in each of which as many clusters are drawn as there are, with replacement. So
    each resample has trials of both classes.

    Yields
    ------
    ndarray
        [resamples of this block, clusters], float64 (whole numbers, for products
        of matrices).
    """
    rng = np.random.default_rng(seed)
    number = codes.max() + 1
    has_real = np.bincount(codes[labels == 1], minlength=number) > 0
    has_fake = np.bincount(codes[labels == 0], minlength=number) > 0
    kind = has_real + 2 * has_fake
    strata = [np.flatnonzero(kind == each) for each in (1, 2, 3)]
    block = max(1, BLOCK // len(codes))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        counts = np.zeros((rows, number))
        for stratum in filter(len, strata):
            size = len(stratum)
            drawn = rng.integers(size, size=(rows, size))
            drawn += size * np.arange(rows)[:, None]
            counts[:, stratum] = np.bincount(
                drawn.ravel(), minlength=rows * size
            ).reshape(rows, size)
        yield counts


def of_draws(
    statistic: Statistic, scores: NDArray, labels: NDArray, codes: NDArray
) -> Callable[[NDArray], NDArray]:
    """A function from counts, as of `draw_counts`, to the statistic of each resample.

    Raises
    ------
    ValueError
        By the function, if the statistic of a resample is NaN.
    """
    if isinstance(statistic, str) or statistic is eer:
        return _DrawnEer(scores, labels, codes)

    def drawn(counts: NDArray) -> NDArray:
        values = np.empty(len(counts))
        for row, count in enumerate(counts.astype(np.intp)):
            trials = np.repeat(np.arange(len(codes)), count[codes])
            values[row] = value_of(statistic, scores[trials], labels[trials])
        if np.isnan(values).any():
            raise ValueError(
                f"the statistic is NaN for {np.isnan(values).sum()} of {len(values)} "
                "resamples: give one that is a number for every set of trials of "
                "both classes."
            )
        return values

    return drawn


class _DrawnEer:
    """EER of resamples given as counts of clusters, without repeating trials.

    The trials are sorted once. A coarse curve of some 64 thresholds, for which the
    trials of each cluster have been counted, is one product of matrices for all
    resamples. It shows between which thresholds the crossings of FRR and FAR lie,
    and only the trials between them are counted one by one. The result is exact.
    """

    def __init__(self, scores: NDArray, labels: NDArray, codes: NDArray):
        order = np.argsort(scores, kind="stable")
        scores, self.codes = scores[order], codes[order]
        self.real = labels[order] == 1
        # A threshold is named by the number of trials at or below it.
        self.thresholds = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) + 1
        clusters = codes.max() + 1
        steps = max(2, min(COARSE, BLOCK // clusters))
        wanted = np.linspace(0, len(scores), steps + 1)[1:]
        self.coarse = np.unique(
            self.thresholds[self.thresholds.searchsorted(np.floor(wanted))]
        )
        self.real_below = self._count_below(self.real, clusters)
        self.fake_below = self._count_below(~self.real, clusters)

    def _count_below(self, chosen: NDArray, clusters: int) -> NDArray:
        """Trials of each cluster at or below the coarse thresholds."""
        steps = len(self.coarse)
        step = self.coarse.searchsorted(np.flatnonzero(chosen), "right")
        table = np.bincount(
            self.codes[chosen] * steps + step, minlength=clusters * steps
        )
        return table.reshape(clusters, steps).cumsum(axis=1, dtype=np.float64)

    def __call__(self, counts: NDArray) -> NDArray:
        real_below, fake_below = counts @ self.real_below, counts @ self.fake_below
        real, fake = real_below[:, -1:], fake_below[:, -1:]
        crossing = np.argmax(_gap(real_below, fake_below, real, fake) >= 0, axis=1)
        first, last = crossing.min(), crossing.max()
        start, stop = (self.coarse[first - 1] if first else 0), self.coarse[last]
        thresholds = self.thresholds[
            slice(*self.thresholds.searchsorted([start, stop], "right"))
        ]
        # Column 0 is the threshold `start`; if it is 0, nothing is rejected there.
        columns = np.append(start, thresholds) - start
        drawn = counts[:, self.codes[start:stop]]
        below = []
        for chosen, base in ((self.real, real_below), (~self.real, fake_below)):
            counted = np.zeros((len(counts), stop - start + 1))
            np.cumsum(drawn * chosen[start:stop], axis=1, out=counted[:, 1:])
            if first:
                counted += base[:, first - 1 : first]
            below.append(counted[:, columns])
        # Of equally near points the lower one, as `eer` does.
        nearest = np.argmin(np.abs(_gap(*below, real, fake)), axis=1)
        rejected, passed = (b[np.arange(len(counts)), nearest] for b in below)
        real, fake = real[:, 0], fake[:, 0]
        return mean_rate(rejected, fake - passed, real, fake)


def _gap(
    real_below: NDArray, fake_below: NDArray, real: NDArray, fake: NDArray
) -> NDArray:
    """FRR - FAR times the number of pairs, whole numbers to be free of rounding."""
    return real_below * fake - (fake - fake_below) * real
