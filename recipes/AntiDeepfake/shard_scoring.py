"""Scoring a manifest by its audio in shards gives the score file that files give.

The manifest says what the trials are, and in which order; the shards deliver their
audio, and must be those that `python -m data_prep shard` made of this manifest. The
index tells, before anything is scored, whether there are as many; and a sample that the
manifest does not have, or with other audio, is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from speechbrain.dataio.batch import PaddedBatch
from tqdm import tqdm

from recipes.AntiDeepfake.arrow_rows import ArrowRows
from recipes.AntiDeepfake.logit_table import RowFinder
from recipes.AntiDeepfake.sampling import process_rank
from recipes.AntiDeepfake.score_log import ScoreLog
from recipes.AntiDeepfake.scoring import collate
from recipes.AntiDeepfake.scoring_run import Scored, ScoringRun
from recipes.AntiDeepfake.shard_plan import in_order_plan
from recipes.AntiDeepfake.shard_reader import (
    Sample,
    ShardReader,
    Shards,
    read_failures,
)
from recipes.AntiDeepfake.shard_source import ShardError
from recipes.AntiDeepfake.shards import (
    ShardDataset,
    make_shard_dataset,
    worker_number,
)

__all__ = ["require_same_number", "score_shards", "shard_scoring_loader"]

_AUDIO = ("Path", "Start", "Stop")


def score_shards(
    predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    rows: ArrowRows,
    shards: Shards,
    max_batch_length: float = 100.0,
    num_workers: int = 0,
    progressbar: bool = False,
    normalise: bool = True,
    log: ScoreLog | None = None,
    refused: Mapping[str, str] | None = None,
) -> Scored:
    """Score every row of a manifest; `scoring.score_rows` for shards.

    Arguments
    ---------
    predict, max_batch_length, progressbar, normalise, log, refused
        As for `scoring.score_rows`.
    rows : ArrowRows
        The manifest that the shards were made of.
    shards : Shards
        As of `shard_reader.open_shards`.
    num_workers : int
        Processes that read shards. All of all processes together share the shards,
        so more than there are shards find nothing to do.

    Returns
    -------
    Scored
        As of `scoring.score_rows`. What could not be stored in the shards is among the
        failures.

    Raises
    ------
    ShardError
        If the shards cannot be read or are not those of the manifest.
    RuntimeError
        If a row is not scored or was scored twice, which cannot be.
    """
    require_same_number(rows, shards)
    run = ScoringRun(rows, log, _not_stored(rows, shards) | dict(refused or {}))
    dataset = make_shard_dataset(
        shards, labelled=False, normalise=normalise, reporting=True
    )
    loader = shard_scoring_loader(
        dataset,
        max_batch_length,
        collate_fn=_collate,
        wanted=_Wanted(rows, run.table.find, run.wanted),
        num_workers=num_workers,
    )
    left = run.wanted.any()
    return run.score(predict, _batches(loader, shards, progressbar) if left else [])


def _batches(
    loader: torch.utils.data.DataLoader, shards: Shards, progressbar: bool
) -> Iterator[tuple[PaddedBatch | None, dict[str, str]]]:
    """This process's batches; the bar counts its samples, also those that are known."""
    rank, world = process_rank()
    total = sum(shards.counts[rank::world])
    show = progressbar and rank == 0
    with tqdm(None, "scoring", total, disable=not show, unit="sample") as bar:
        for samples, batch, failures in loader:
            yield batch, failures
            bar.update(samples)


def _collate(items: Sequence[Mapping]) -> tuple[int, PaddedBatch | None, dict]:
    """Number of samples, then as `scoring.collate` of those that are wanted."""
    return len(items), *collate([item for item in items if item.keys() != {"id"}])


class _ScoringStream(torch.utils.data.IterableDataset):
    """This process's or worker's share of all samples, each once, in batches."""

    def __init__(
        self,
        dataset: ShardDataset,
        max_batch_length: float,
        collate: Callable[[list[dict]], object],
        wanted: Callable[[list[Sample]], Sequence[bool]] | None,
    ):
        self.dataset = dataset
        self.max_batch_length = max_batch_length
        self.collate = collate
        self.wanted = wanted
        # Asked here, because a worker that is started afresh does not know.
        self.rank, self.world = process_rank()

    def __iter__(self) -> Iterator[object]:
        worker, workers = worker_number()
        shards = self.dataset.shards
        plan = in_order_plan(
            shards.split(shards.seconds),
            self.max_batch_length,
            worker * self.world + self.rank,
            self.world * workers,
        )
        read = ShardReader(shards, shard_at=int)
        for refs in plan:
            yield self.collate(self._items([read(ref) for ref in refs]))

    def _items(self, samples: list[Sample]) -> list[dict]:
        if self.wanted is None:
            return [self.dataset.item(sample, 0) for sample in samples]
        return [
            self.dataset.item(sample, 0) if wanted else {"id": sample.row["ID"]}
            for sample, wanted in zip(samples, self.wanted(samples), strict=True)
        ]


def shard_scoring_loader(
    dataset: ShardDataset,
    max_batch_length: float,
    collate_fn: Callable[[list[dict]], object] = PaddedBatch,
    wanted: Callable[[list[Sample]], Sequence[bool]] | None = None,
    **loader_kwargs,
) -> torch.utils.data.DataLoader:
    """Make a loader that gives every sample once, over all processes together.

    Processes and workers take whole shards in turn, and a shard with more or fewer
    samples than the index says is an error, so nothing is left out or taken twice.

    Arguments
    ---------
    dataset : ShardDataset
        What is to be scored.
    max_batch_length : float
        Most seconds in a batch, padding included (a longer item is alone).
    collate_fn : callable
        Makes a batch of items.
    wanted : callable, optional
        Says of some samples which are wanted, such as those without a score; all by
        default. An item that is not has nothing but `id`, so give a `collate_fn` too.
    **loader_kwargs
        Further arguments of `torch.utils.data.DataLoader` (`num_workers`, ...).

    Returns
    -------
    torch.utils.data.DataLoader
        With this process's share of the batches; it does not know how many.
    """
    stream = _ScoringStream(dataset, max_batch_length, collate_fn, wanted)
    return torch.utils.data.DataLoader(stream, batch_size=None, **loader_kwargs)


class _Wanted:
    """Which samples are to be scored; all must be of the manifest.

    Arguments
    ---------
    rows : ArrowRows
        The manifest.
    find : RowFinder
        Finds its rows.
    wanted : numpy.ndarray
        [rows], which are to be scored.
    """

    def __init__(self, rows: ArrowRows, find: RowFinder, wanted: NDArray[np.bool_]):
        self.rows = rows
        self.find = find
        self.wanted = wanted

    def __call__(self, samples: Sequence[Sample]) -> list[bool]:
        positions = self.find([sample.row["ID"] for sample in samples])
        for sample, position in zip(samples, positions.tolist(), strict=True):
            self._require_same_audio(sample, position)
        return self.wanted[positions].tolist()

    def _require_same_audio(self, sample: Sample, position: int) -> None:
        name = sample.row["ID"]
        if position < 0:
            raise ShardError(
                f"{sample.place}: ID {name!r} is not in {_names(self.rows)}. {_WAY_OUT}"
            )
        stored = [sample.row.get(key) for key in _AUDIO]
        listed = [self.rows.value(position, key) for key in _AUDIO]
        if stored != listed:
            raise ShardError(
                f"{sample.place}: ID {name!r} is {', '.join(map(str, stored))} "
                f"({', '.join(_AUDIO)}), but {', '.join(listed)} in "
                f"{_names(self.rows)}. {_WAY_OUT}"
            )


_WAY_OUT = (
    "Give the manifest that the shards were made of, or make shards of this one "
    "(`python -m data_prep shard --help`)."
)


def require_same_number(rows: ArrowRows, shards: Shards) -> None:
    """Raise ShardError if the index has more or fewer samples than the manifest."""
    stored = sum(shards.counts)
    if stored + shards.failures != len(rows):
        raise ShardError(
            f"{shards.source}: {stored} samples and {shards.failures} that could not "
            f"be stored, but {len(rows)} rows in {_names(rows)}. {_WAY_OUT}"
        )


def _not_stored(rows: ArrowRows, shards: Shards) -> dict[str, str]:
    """Reasons, by ID, of the rows that could not be stored in the shards."""
    found = read_failures(shards)
    positions = RowFinder(rows)(list(found))
    for name, position in zip(found, positions.tolist(), strict=True):
        if position < 0:
            raise ShardError(
                f"{shards.source}: ID {name!r}, which could not be stored, is not in "
                f"{_names(rows)}. {_WAY_OUT}"
            )
    return {
        name: f"ID {name}: not in the shards: {reason}"
        for name, reason in found.items()
    }


def _names(rows: ArrowRows) -> str:
    return ", ".join(str(file.manifest) for file in rows.files)
