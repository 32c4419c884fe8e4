"""Where shards are, and their samples as they are wanted."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.shards.index import parse_index
from data_prep.shards.layout import FAILURES, INDEX, SECONDS, sample_key
from recipes.AntiDeepfake.shard_plan import BEGIN, Ref
from recipes.AntiDeepfake.shard_source import (
    Patience,
    ShardError,
    raw_samples,
    read_source,
    webdataset,
)

__all__ = [
    "Sample",
    "ShardError",
    "ShardReader",
    "Shards",
    "open_shards",
    "read_failures",
]


class Sample(NamedTuple):
    """A sample as it is stored.

    Arguments
    ---------
    row : dict
        The manifest row.
    content : bytes
        An audio file.
    suffix : str
        Its file name extension.
    place : str
        Shard and key, for messages.
    """

    row: dict[str, str]
    content: bytes
    suffix: str
    place: str


@dataclass(frozen=True, eq=False)
class Shards:
    """Shards and what is known about them.

    Arguments
    ---------
    urls : list of str
        Paths, or what else WebDataset can open.
    counts : list of int
        Samples in each.
    seconds : numpy.ndarray
        Length of each sample, one shard after another; float32.
    digest : str
        Differs for shards with other samples.
    source : str
        Path or URL of the index.
    failures : int
        How many rows could not be stored in the shards.
    """

    urls: Sequence[str]
    counts: Sequence[int]
    seconds: NDArray[np.float32]
    digest: str
    source: str
    failures: int

    def split(self, values: NDArray) -> list[NDArray]:
        """Values of all samples by shard."""
        return np.split(values, np.cumsum(self.counts)[:-1])


def open_shards(source: str | Path, urls: str | Sequence[str] | None = None) -> Shards:
    """Find shards by their index.

    Arguments
    ---------
    source : str or Path
        Folder of the shards, path of their `index.json`, or a URL of it that
        WebDataset takes, such as `pipe:aws s3 cp s3://bucket/train/index.json -`.
    urls : str or list of str, optional
        Where the shards are, in the order of the index; braces are expanded:
        `https://host/train/shard-{000000..000122}.tar`. By default beside the index.

    Returns
    -------
    Shards

    Raises
    ------
    ManifestError
        If there is no index, or not as many shards as it has.

    """
    source = str(source)
    if INDEX not in source:
        source = str(Path(source) / INDEX)
    index = parse_index(read_source(source), source)
    entries = index["shards"]
    if urls is None:
        urls = [_beside(source, entry["file"]) for entry in entries]
    elif isinstance(urls, str):
        urls = webdataset().shardlists.expand_urls(urls)
    if len(urls) != len(entries) or not index["samples"]:
        raise ShardError(
            f"{source}: {len(entries)} shards with {index['samples']} samples, but "
            f"{len(urls)} URLs. Give one for each shard, in their order."
        )
    counts = [entry["samples"] for entry in entries]
    seconds = np.load(io.BytesIO(read_source(_beside(source, SECONDS))))
    if len(seconds) != sum(counts):
        raise ShardError(
            f"{_beside(source, SECONDS)}: {len(seconds)} samples, but {INDEX} has "
            f"{sum(counts)}. Copy both again, or make the shards again."
        )
    checksums = "".join(entry["sha256"] for entry in entries)
    digest = hashlib.sha256(checksums.encode()).hexdigest()[:16]
    return Shards(
        tuple(urls), tuple(counts), seconds, digest, source, index["failures"]
    )


def read_failures(shards: Shards) -> dict[str, str]:
    """Reasons, by ID, of the rows that could not be stored in shards.

    Raises
    ------
    ManifestError
        If the file that lists them is not the one of the index.
    """
    if not shards.failures:
        return {}
    source = _beside(shards.source, FAILURES)
    lines = io.StringIO(read_source(source).decode(), newline="")
    reasons = {row["ID"]: row["Reason"] for row in csv.DictReader(lines)}
    if len(reasons) != shards.failures:
        raise ShardError(
            f"{source}: {len(reasons)} rows, but {INDEX} has {shards.failures} "
            "failures. Copy both again, or make the shards again."
        )
    return reasons


class ShardReader:
    """Gives samples in any order, reading each shard once from its begin.

    What is read on the way to a sample is kept until it is asked for, so memory is
    bounded if samples are asked for in nearly the order of the shards.

    Arguments
    ---------
    shards : Shards
        The shards.
    shard_at : callable
        Number of the shard at a turn.
    frontier : Ref
        Up to here (of the turns before, too) only `pending` will be asked for.
    pending : set of Ref
        See `frontier`.
    """

    def __init__(
        self,
        shards: Shards,
        shard_at: Callable[[int], int],
        frontier: Ref = BEGIN,
        pending: Set[Ref] = frozenset(),
    ):
        self.shards = shards
        self.shard_at = shard_at
        self.frontier = frontier
        self.pending = set(pending)
        self._kept: dict[Ref, Sample] = {}
        self._streams: dict[int, Iterator[tuple[Ref, Sample]]] = {}

    def __call__(self, ref: Ref) -> Sample:
        """Give a sample; each can be had once.

        Raises
        ------
        ShardError
            If the shard cannot be read or has other samples.
        """
        while ref not in self._kept:
            self._read_next(ref.turn)
        return self._kept.pop(ref)

    def _read_next(self, turn: int) -> None:
        """Read one more sample of a shard; end with the last that is wanted."""
        if turn not in self._streams:
            self._streams[turn] = self._samples(turn)
        ref, sample = next(self._streams[turn])
        if ref > self.frontier:
            self._kept[ref] = sample
        elif ref in self.pending:
            self.pending.remove(ref)
            self._kept[ref] = sample
        if ref.number + 1 == self.shards.counts[self.shard_at(turn)]:
            # Beyond the last sample, errors of what delivers the shard are found.
            next(self._streams.pop(turn), None)
        elif turn < self.frontier.turn and not any(
            p.turn == turn for p in self.pending
        ):
            self._streams.pop(turn).close()

    def _samples(self, turn: int) -> Iterator[tuple[Ref, Sample]]:
        """All samples of a shard, which must be those of the index.

        If reading fails it begins again and leaves out what was given before.
        """
        shard = self.shard_at(turn)
        url, count = self.shards.urls[shard], self.shards.counts[shard]
        given, patience = 0, Patience(url)
        while True:
            try:
                for number, sample in enumerate(self._from_begin(shard)):
                    if number < given:
                        continue
                    given = number + 1
                    patience.renew()
                    yield Ref(turn, number), sample
                return
            except (OSError, ValueError, tarfile.TarError) as error:
                if isinstance(error, ShardError):
                    raise
                if not patience.wait(error):
                    raise ShardError(
                        f"{url}: ends too early or is damaged, after {given} of "
                        f"{count} samples: {patience.story(error)}. Check the "
                        "connection, or copy or make the shard again; `python -m "
                        "data_prep shard --verify` checks all."
                    ) from None

    def _from_begin(self, shard: int) -> Iterator[Sample]:
        """The samples of a shard, in one attempt."""
        url, count = self.shards.urls[shard], self.shards.counts[shard]
        number = -1
        with closing(raw_samples(url)) as samples:
            for number, raw in enumerate(samples):
                key = sample_key(shard, number)
                if number >= count or raw["__key__"] != key:
                    raise ShardError(
                        f"{url}: sample {raw['__key__']} where {key} of {count} was "
                        f"expected. Give the shards of this {INDEX}, in its order."
                    )
                yield _sample(raw, f"{url}, {key}")
        if number + 1 != count:
            raise tarfile.ReadError("nothing follows")


def _sample(raw: dict, place: str) -> Sample:
    suffixes = [name for name in raw if name != "json" and not name.startswith("__")]
    if len(suffixes) != 1 or "json" not in raw:
        # What a shard that was cut off ends with.
        raise tarfile.ReadError(
            f"{place} has {', '.join(sorted(raw))} where a json and an audio file "
            "were expected"
        )
    return Sample(json.loads(raw["json"]), raw[suffixes[0]], suffixes[0], place)


def _beside(source: str, name: str) -> str:
    """Where a file of the folder of an index is."""
    before, _, after = source.rpartition(INDEX)
    return f"{before}{name}{after}"
