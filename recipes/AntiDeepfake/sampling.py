"""Which items go together in a batch, in training and in scoring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from speechbrain.dataio.dataloader import LoopedLoader, make_dataloader
from speechbrain.dataio.sampler import DynamicBatchSampler
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

from recipes.AntiDeepfake.dataio import PassDataset, seconds

__all__ = [
    "EndlessBatchSampler",
    "ResumableLoopedLoader",
    "batches_by_length",
    "process_rank",
    "scoring_loader",
    "training_loader",
]


def process_rank() -> tuple[int, int]:
    """Rank of this process and the number of processes (0, 1 when alone)."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class EndlessBatchSampler(torch.utils.data.Sampler):
    """Passes over the data one after another, each with batches of its own.

    SpeechBrain's `DynamicBatchSampler` makes the batches of each pass; indices are
    those of `PassDataset`, which carry the number of the pass. The stream of
    batches is one and the same for any number of processes: process r of n takes
    batches r, r + n, r + 2n, ... so that no item is left out or taken twice.

    Arguments
    ---------
    lengths : list of float
        Seconds of each item, as it will be after cropping.
    max_batch_length : float
        Most seconds in a batch, padding included (a longer item is alone).
    num_buckets : int
        Number of classes of similar length.
    seed : int
        Seed of the shuffling.
    max_batch_items : int, optional
        Most items in a batch.
    """

    def __init__(
        self,
        lengths: Sequence[float],
        max_batch_length: float,
        num_buckets: int = 20,
        seed: int = 0,
        max_batch_items: int | None = None,
    ):
        self.lengths = lengths
        self.sampler = DynamicBatchSampler(
            lengths,
            max_batch_length,
            num_buckets=num_buckets,
            lengths_list=list(lengths),
            max_batch_ex=max_batch_items,
            seed=seed,
        )
        self.first_batch = 0

    def __iter__(self) -> Iterator[list[int]]:
        """Give this process's batches, from its `first_batch`-th on, for ever."""
        rank, world = process_rank()
        upcoming = rank + self.first_batch * world
        pass_number, done = 0, 0
        while True:
            self.sampler.set_epoch(pass_number)
            # A copy: DynamicBatchSampler makes new batches in place.
            batches = list(self.sampler._batches)
            while upcoming < done + len(batches):
                offset = pass_number * len(self.lengths)
                yield [offset + index for index in batches[upcoming - done]]
                upcoming += world
            done += len(batches)
            pass_number += 1


@register_checkpoint_hooks
class ResumableLoopedLoader(LoopedLoader):
    """A nominal epoch over an endless loader that resumes at the exact batch.

    SpeechBrain's `LoopedLoader` restores its counts, but starts the data again
    from the beginning; this one also moves the sampler to where the run was.
    """

    # The hooks are repeated here because SpeechBrain registers them by class.
    @mark_as_saver
    def save(self, path):
        """Save the counts."""
        super().save(path)

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Restore the counts and move the sampler."""
        if self.iterator is not None:
            # Loaded after training, to get the best model: data stay where they are.
            return
        super().load(path, end_of_epoch)
        self.loader.batch_sampler.first_batch = self.total_steps


def training_loader(
    dataset: PassDataset,
    valid_interval: int,
    max_batch_length: float,
    longest: float,
    num_buckets: int = 20,
    seed: int = 0,
    **loader_kwargs,
) -> ResumableLoopedLoader:
    """Make the loader for `Brain.fit`.

    Arguments
    ---------
    dataset : PassDataset
        Training data.
    valid_interval : int
        Batches in a nominal epoch, after which `fit` validates.
    max_batch_length : float
        Most seconds in a batch.
    longest : float
        Longest crop in seconds: an item counts as what is left of it.
    num_buckets : int
        Number of length buckets.
    seed : int
        Seed of the order.
    **loader_kwargs
        Further arguments of `torch.utils.data.DataLoader` (`num_workers`, ...).

    Returns
    -------
    ResumableLoopedLoader
    """
    lengths = [min(length, longest) for length in seconds(dataset)]
    sampler = EndlessBatchSampler(lengths, max_batch_length, num_buckets, seed)
    loader = make_dataloader(dataset, batch_sampler=sampler, **loader_kwargs)
    return ResumableLoopedLoader(loader, valid_interval)


def scoring_loader(
    dataset: torch.utils.data.Dataset,
    lengths: Sequence[float],
    max_batch_length: float,
    **loader_kwargs,
) -> torch.utils.data.DataLoader:
    """Make a loader that gives every item once, over all processes together.

    Arguments
    ---------
    dataset : Dataset
        What is to be scored.
    lengths : list of float
        Seconds of each item.
    max_batch_length : float
        Most seconds in a batch; see `batches_by_length`.
    **loader_kwargs
        Further arguments of `torch.utils.data.DataLoader` (`num_workers`, ...).

    Returns
    -------
    torch.utils.data.DataLoader
        With this process's share of the batches.
    """
    rank, world = process_rank()
    mine = batches_by_length(lengths, max_batch_length)[rank::world]
    return make_dataloader(dataset, batch_sampler=mine, **loader_kwargs)


def batches_by_length(
    lengths: Sequence[float], max_batch_length: float
) -> list[list[int]]:
    """Group items of similar length, shortest first, for scoring.

    Arguments
    ---------
    lengths : list of float
        Seconds of each item.
    max_batch_length : float
        Most seconds in a batch, padding included (a longer item is alone).

    Returns
    -------
    list of list of int
        Every index exactly once.

    Example
    -------
    >>> batches_by_length([3.0, 1.0, 1.0, 9.0], 6.0)
    [[1, 2], [0], [3]]
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        # Lengths ascend, so this item would be the longest one of the batch.
        if batches and lengths[index] * (len(batches[-1]) + 1) <= max_batch_length:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
