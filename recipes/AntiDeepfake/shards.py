"""Training on WebDataset shards, which `python -m data_prep shard` makes.

    data = make_shard_dataset(open_shards("/shards/train"), crop=(10, 13), seed=1)
    loader = shard_training_loader(data, 1000, max_batch_length=100, longest=13)

Items are those that `dataio.make_dataset` gives of the files: the same code reads,
crops, augments and normalises them, with the same random numbers for the same seed,
pass and ID. Their order is another one, because shards are read from begin to end.

Every pass over the data has every sample once, over all processes and data loading
workers together. There is no end of a pass at which processes would have to wait for
one another: the stream of batches is endless, and each process takes its nominal epochs
of it, so all take the same number of steps, whatever the shards hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

from data_prep.audio_info import AudioError
from data_prep.manifest import UNKNOWN
from data_prep.shards.layout import audio_file
from recipes.AntiDeepfake.batches import Buckets
from recipes.AntiDeepfake.dataio import LABELS, Augmentation, WaveformReader
from recipes.AntiDeepfake.sampling import (
    EndlessBatchSampler,
    ResumableLoopedLoader,
    process_rank,
)
from recipes.AntiDeepfake.shard_plan import LanePlan
from recipes.AntiDeepfake.shard_reader import (
    Sample,
    ShardError,
    ShardReader,
    Shards,
    open_shards,
)

__all__ = [
    "ResumableShardLoader",
    "ShardDataset",
    "ShardError",
    "make_shard_dataset",
    "open_shards",
    "shard_training_loader",
    "worker_number",
]


@dataclass(frozen=True)
class ShardDataset:
    """Shards, and how an item is made of a sample; see `make_shard_dataset`."""

    shards: Shards
    reader: WaveformReader
    labelled: bool = True
    reporting: bool = False

    def item(self, sample: Sample, pass_number: int) -> dict:
        """Make the item of a sample in a pass over the data.

        Returns
        -------
        dict
            `id`, `wav` and, if labelled, `label`. If reporting, audio that cannot be
            scored gives `id` and `failure`, the reason, instead of an error.
        """
        name = sample.row["ID"]
        with audio_file(sample.content, sample.suffix) as path:
            try:
                wav = self.reader(name, path, UNKNOWN, UNKNOWN, pass_number)
            except AudioError as error:
                reason = str(error).replace(path, sample.place)
                if not self.reporting:
                    raise AudioError(reason) from None
                return {"id": name, "failure": reason}
        item = {"id": name, "wav": wav}
        return item | {"label": LABELS[sample.row["Label"]]} if self.labelled else item


def make_shard_dataset(
    shards: Shards,
    crop: Sequence[float] | None = None,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    labelled: bool = True,
    normalise: bool = True,
    reporting: bool = False,
) -> ShardDataset:
    """Say how the samples of shards become items.

    Arguments
    ---------
    shards : Shards
        As of `open_shards`.
    crop, augmentation, seed, labelled, normalise
        As for `dataio.make_dataset`.
    reporting : bool
        Whether audio that cannot be scored gives the reason instead of an error.

    Returns
    -------
    ShardDataset
        For `shard_training_loader` and `shard_scoring.shard_scoring_loader`.
    """
    crop = None if crop is None else tuple(crop)
    reader = WaveformReader(None, crop, augmentation, seed, normalise)
    return ShardDataset(shards, reader, labelled, reporting)


class _TrainingStream(torch.utils.data.IterableDataset):
    """The batches of this process, or of one of its data loading workers, for ever."""

    def __init__(
        self,
        dataset: ShardDataset,
        buckets: Buckets,
        lanes: int,
        seed: int,
        shuffle_buffer: int,
    ):
        self.dataset = dataset
        self.classes = dataset.shards.split(buckets.classes)
        self.sizes = buckets.sizes.tolist()
        self.lanes = lanes
        self.seed = seed
        self.shuffle_buffer = shuffle_buffer
        # Asked here, because a worker that is started afresh does not know.
        self.rank, self.world = process_rank()
        #: Batches that all processes together have had already.
        self.first_batch = 0

    def __iter__(self) -> Iterator[PaddedBatch]:
        worker, workers = worker_number()
        step = self.world * workers
        # Workers give the batches of a process in turn.
        upcoming = self.first_batch + worker * self.world + self.rank
        lanes: dict[int, Iterator[PaddedBatch]] = {}
        while True:
            lane = upcoming % self.lanes
            if lane not in lanes:
                done = upcoming // self.lanes
                lanes[lane] = self._lane(lane, done)
            yield next(lanes[lane])
            upcoming += step

    def _lane(self, lane: int, done: int) -> Iterator[PaddedBatch]:
        """The batches of a lane after those that are done."""
        plan = LanePlan(
            self.classes, self.sizes, lane, self.lanes, self.seed, self.shuffle_buffer
        )
        plan.skip(done)
        read = ShardReader(
            self.dataset.shards,
            lambda turn: plan.place(turn)[1],
            plan.frontier,
            plan.pending(),
        )
        for refs in plan:
            yield PaddedBatch(
                [self.dataset.item(read(ref), plan.place(ref.turn)[0]) for ref in refs]
            )


@register_checkpoint_hooks
class ResumableShardLoader(ResumableLoopedLoader):
    """A nominal epoch over endless shards that resumes at the exact batch.

    Another number of workers, too, goes on with the same stream of batches, as long as
    the number of lanes is the same.

    Arguments
    ---------
    loader : torch.utils.data.DataLoader
        Gives the batches of this process; its dataset is the stream.
    epoch_length : int
        Batches of each process in a nominal epoch.
    name : str
        All that the order of the samples depends on.
    """

    def __init__(
        self, loader: torch.utils.data.DataLoader, epoch_length: int, name: str
    ):
        super().__init__(loader, epoch_length, loader.dataset)
        self.stream_name = name

    # The hooks are repeated here because SpeechBrain registers them by class.
    @mark_as_saver
    def save(self, path):
        """Save the counts, the position in the stream, and what the stream is."""
        super().save(path)
        with open(path, "a", encoding="utf-8") as file:
            print(self.stream_name, file=file)

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Restore the counts and the position.

        Raises
        ------
        ShardError
            If the checkpoint is of other shards or another number of lanes.
        """
        with open(path, encoding="utf-8") as file:
            # After the counts; older checkpoints have one count less.
            lines = file.read().splitlines()[3:]
        name = "".join(line for line in lines if not line.isdigit()) or "audio files"
        if name != self.stream_name:
            raise ShardError(
                f"{path}: the run was at a batch of {name}, but it is to go on with "
                f"{self.stream_name}. Give the same shards and settings (`lanes` "
                "for another number of processes or workers), or start anew in "
                "another output folder."
            )
        super().load(path, end_of_epoch)


def shard_training_loader(
    dataset: ShardDataset,
    valid_interval: int,
    max_batch_length: float,
    longest: float,
    num_buckets: int = 20,
    seed: int = 0,
    buckets: str = "fitted",
    balance: None = None,
    shuffle_buffer: int = 1000,
    lanes: int | None = None,
    num_workers: int = 0,
    **loader_kwargs,
) -> ResumableShardLoader:
    """Make the loader for `Brain.fit`; `sampling.training_loader` for shards.

    Arguments
    ---------
    dataset : ShardDataset
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
        See `sampling.EndlessBatchSampler`.
    balance : None
        Not possible with shards, where a pass has every sample once.
    shuffle_buffer : int
        Samples among which the next one is drawn, in each lane. They are in memory as
        they are stored: 18 kB for a second of speech in FLAC, so 180 MB for 1000 of
        10 s.
    lanes : int, optional
        Parts that the stream is made of: a multiple of processes x workers, by default
        just that. Give a larger one if the run is to go on elsewhere with up to so
        many. Each lane has an open shard and a buffer.
    num_workers : int
        Processes that read.
    **loader_kwargs
        Further arguments of `torch.utils.data.DataLoader` (`pin_memory`, ...).

    Returns
    -------
    ResumableShardLoader

    Raises
    ------
    ShardError
        If the number of lanes does not fit, or balance is wanted.
    """
    readers = process_rank()[1] * max(num_workers, 1)
    lanes = readers if lanes is None else lanes
    if lanes < 1 or lanes % readers:
        raise ShardError(
            f"lanes is {lanes}, but {process_rank()[1]} processes with "
            f"{max(num_workers, 1)} workers each are to share them: give a multiple of "
            f"{readers}."
        )
    if balance is not None:
        raise ShardError(
            f"balance is {balance}, but shards are read from begin to end, so every "
            "sample comes once in a pass. Train on files, or make shards of a list "
            "that is balanced (`python -m data_prep merge`)."
        )
    lengths = np.minimum(dataset.shards.seconds, longest)
    classes = EndlessBatchSampler(
        lengths, max_batch_length, num_buckets, buckets=buckets
    ).buckets
    stream = _TrainingStream(dataset, classes, lanes, seed, shuffle_buffer)
    name = (
        f"shards {dataset.shards.digest}, lanes {lanes}, seed {seed}, shuffle_buffer "
        f"{shuffle_buffer}, longest {longest:g} s, max_batch_length "
        f"{max_batch_length:g} s, {len(classes.sizes)} {buckets} buckets"
    )
    loader = torch.utils.data.DataLoader(
        stream, batch_size=None, num_workers=num_workers, **loader_kwargs
    )
    return ResumableShardLoader(loader, valid_interval, name)


def worker_number() -> tuple[int, int]:
    """Number of this data loading worker and of all of them (0, 1 without)."""
    info = torch.utils.data.get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)
