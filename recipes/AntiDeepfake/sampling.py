"""Which items go together in a batch, in training and in scoring.

In training, items pass by without end; `batches` groups them by length, and `balance`,
if so wanted, says how often each corpus or class comes up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from speechbrain.dataio.dataloader import LoopedLoader, make_dataloader
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

from recipes.AntiDeepfake.balance import Balance, group_rows
from recipes.AntiDeepfake.batches import (
    Batches,
    Buckets,
    batches_by_length,
    fitted_boundaries,
    lognormal_boundaries,
)
from recipes.AntiDeepfake.dataio import ManifestDataset, PassDataset, seconds

__all__ = [
    "BUCKETS",
    "EndlessBatchSampler",
    "ResumableLoopedLoader",
    "process_rank",
    "scoring_loader",
    "training_loader",
]


#: Where the boundaries between classes of length may come from.
BUCKETS = ("fitted", "lognormal")
# With fewer, the same items would meet in a batch in pass after pass.
_BATCHES_IN_BUCKET = 4


def process_rank() -> tuple[int, int]:
    """Rank of this process and the number of processes (0, 1 when alone)."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class EndlessBatchSampler(torch.utils.data.Sampler):
    """Passes over the data one after another, each with batches of its own.

    `batches.Buckets` makes the batches of each pass; indices are those of
    `PassDataset`, which carry the number of the pass. The stream of batches is one
    and the same for any number of processes: process r of n takes batches r, r + n,
    r + 2n, ... so that no item is left out or taken twice.

    Arguments
    ---------
    lengths : array of float
        Seconds of each item, as it will be after cropping.
    max_batch_length : float
        Most seconds in a batch, padding included (a longer item is alone).
    num_buckets : int
        Number of classes of similar length. Fitted classes are fewer for few data, so
        that each holds several batches.
    seed : int
        Seed of the shuffling.
    max_batch_items : int, optional
        Most items in a batch.
    buckets : str
        `fitted` to the lengths, so that little is padding; or `lognormal`, whatever
        the lengths are, as in SpeechBrain's `DynamicBatchSampler`.
    balance : Balance, optional
        Draws the items of a pass, with replacement; by default a pass has each once.

    Raises
    ------
    ValueError
        If `buckets` is something else.
    """

    def __init__(
        self,
        lengths: ArrayLike,
        max_batch_length: float,
        num_buckets: int = 20,
        seed: int = 0,
        max_batch_items: int | None = None,
        buckets: str = "fitted",
        balance: Balance | None = None,
    ):
        if buckets not in BUCKETS:
            raise ValueError(f"buckets is {buckets!r}; give one of {BUCKETS}.")
        if buckets == "fitted":
            most = int(np.sum(lengths) / max_batch_length / _BATCHES_IN_BUCKET)
            num_buckets = max(1, min(num_buckets, most))
            boundaries = fitted_boundaries(lengths, num_buckets)
        else:
            boundaries = lognormal_boundaries(max_batch_length, num_buckets)
        self.buckets = Buckets(lengths, boundaries, max_batch_length, max_batch_items)
        self.seed = seed
        self.balance = balance
        #: Batches that all processes together have had already.
        self.first_batch = 0

    def __iter__(self) -> Iterator[list[int]]:
        """Give this process's batches of those after `first_batch`, for ever."""
        rank, world = process_rank()
        upcoming = self.first_batch + rank
        pass_number = 0
        if self.balance is None:
            # All passes have equally many batches, so earlier ones need not be made.
            pass_number, upcoming = divmod(upcoming, self.buckets.count())
        while True:
            batches = self.batches(pass_number)
            while upcoming < len(batches):
                yield batches[upcoming]
                upcoming += world
            upcoming -= len(batches)
            pass_number += 1

    def batches(self, pass_number: int) -> Batches:
        """All batches of one pass, of indices of `PassDataset`.

        Arguments
        ---------
        pass_number : int
            The pass, from 0 on.

        Returns
        -------
        Batches
        """
        if self.balance is None:
            return self.buckets.deal_all(self.seed + pass_number, pass_number)
        indices = self.balance.draw(self.seed, pass_number)
        return self.buckets.deal(indices, self.seed + pass_number)


@register_checkpoint_hooks
class ResumableLoopedLoader(LoopedLoader):
    """A nominal epoch over an endless stream of batches that resumes at the exact one.

    SpeechBrain's `LoopedLoader` restores its counts, but starts the data again from the
    beginning; this one also moves the stream to where the run was. Another number of
    processes goes on with the same stream.

    Arguments
    ---------
    loader : torch.utils.data.DataLoader
        Gives the batches of this process.
    epoch_length : int
        Batches of each process in a nominal epoch.
    stream : object
        What the loader takes batches from, such as an `EndlessBatchSampler`: its
        `first_batch`, the batches that all processes have had, is set here.
    """

    def __init__(
        self,
        loader: torch.utils.data.DataLoader,
        epoch_length: int,
        stream: object,
    ):
        super().__init__(loader, epoch_length)
        self.stream = stream
        self._resumed_at = 0  # in `total_steps`

    # The hooks are repeated here because SpeechBrain registers them by class.
    @mark_as_saver
    def save(self, path):
        """Save the counts, and how many batches all processes have had."""
        super().save(path)
        steps = self.total_steps - self._resumed_at
        with open(path, "a", encoding="utf-8") as file:
            print(self.stream.first_batch + steps * process_rank()[1], file=file)

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Restore the counts and move the stream."""
        if self.iterator is not None:
            # Loaded after training, to get the best model: data stay where they are.
            return
        super().load(path, end_of_epoch)
        self._resumed_at = self.total_steps
        with open(path, encoding="utf-8") as file:
            first_batch = file.read().splitlines()[3:4]
        # Older checkpoints have the counts of the parent only, which are exact for as
        # many processes as there were.
        if first_batch and first_batch[0].isdigit():
            self.stream.first_batch = int(first_batch[0])
        else:
            self.stream.first_batch = self.total_steps * process_rank()[1]


def training_loader(
    dataset: PassDataset,
    valid_interval: int,
    max_batch_length: float,
    longest: float,
    num_buckets: int = 20,
    seed: int = 0,
    buckets: str = "fitted",
    balance: Mapping[str, object] | None = None,
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
    buckets : str
        See `EndlessBatchSampler`.
    balance : dict, optional
        `columns`, a list of names such as `[Corpus, Label]`, and `alpha`, from 0 to 1:
        how often the groups that they make are heard, see `balance`. Rows must be on
        disk then (`manifests.read_trials`).
    **loader_kwargs
        Further arguments of `torch.utils.data.DataLoader` (`num_workers`, ...).

    Returns
    -------
    ResumableLoopedLoader

    Raises
    ------
    ValueError
        If `buckets` or `balance` cannot be used.
    """
    sampler = EndlessBatchSampler(
        np.minimum(seconds(dataset), longest),
        max_batch_length,
        num_buckets,
        seed,
        buckets=buckets,
        balance=None if balance is None else _balance(dataset, **balance),
    )
    loader = make_dataloader(dataset, batch_sampler=sampler, **loader_kwargs)
    return ResumableLoopedLoader(loader, valid_interval, sampler)


def _balance(dataset: PassDataset, columns: Sequence[str], alpha: float) -> Balance:
    if not isinstance(dataset, ManifestDataset):
        raise ValueError("balance: needs rows of `manifests.read_trials`, not a list.")
    return Balance(group_rows(dataset.rows, columns)[0], alpha)


def scoring_loader(
    dataset: torch.utils.data.Dataset,
    lengths: ArrayLike,
    max_batch_length: float,
    **loader_kwargs,
) -> torch.utils.data.DataLoader:
    """Make a loader that gives every item once, over all processes together.

    Arguments
    ---------
    dataset : Dataset
        What is to be scored.
    lengths : array of float
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
