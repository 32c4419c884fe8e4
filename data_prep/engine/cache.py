"""Facts of files that were read before, kept in the output folder.

Records of fixed size in NumPy files: one with all of an earlier run, in the order of
its keys, mapped into memory; and numbered ones that a run adds to while it works, so
that little is lost when it is interrupted. A file is known by its path, size and time
of the last change: what has changed is read again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.files import atomic_path
from data_prep.headers import Facts

__all__ = ["HeaderCache", "Known", "path_keys"]

_NAME = 16  # longest name of an encoding
_RECORD = np.dtype(
    [
        ("key", "<u8"),
        ("size", "<i8"),
        ("changed", "<i8"),
        ("frames", "<i8"),
        ("rate", "<u4"),
        ("channels", "<u2"),
        ("bits", "<u2"),
        ("encoding", f"S{_NAME}"),
    ]
)
_ALL = "headers-1.npy"  # the number changes with the meaning of a record
_PART = "part-{:06d}.npy"
# A part is written when it has so many records, or after so many seconds.
_PART_RECORDS = 1 << 16
_PART_SECONDS = 10.0


class Known(NamedTuple):
    """What the cache has about some paths.

    Arguments
    ---------
    stamps : list, optional
        (size, time of change) or None for each path; None if nothing is known.
    facts : list
        Facts or None for each path.
    """

    stamps: list[tuple[int, int] | None] | None
    facts: list[Facts | None]


class HeaderCache:
    """Facts by path.

    Arguments
    ---------
    folder : str or Path
        Where the records are kept; made when there is something to write.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._fresh: list[NDArray] = []
        self._written = time.monotonic()
        self._records = self._load()
        # Contiguous, because the keys are searched for each chunk.
        self._keys = np.ascontiguousarray(self._records["key"])

    def find(self, keys: NDArray[np.uint64]) -> Known:
        """What was known before this run, by `path_keys`."""
        if not len(self._keys):
            return Known(None, [None] * len(keys))
        places = np.searchsorted(self._keys, keys)
        places[places == len(self._keys)] = 0
        hits = self._keys[places] == keys
        stamps: list[tuple[int, int] | None] = []
        facts: list[Facts | None] = []
        records = self._records[places].tolist()
        for hit, record in zip(hits.tolist(), records, strict=True):
            _, size, changed, frames, rate, channels, bits, encoding = record
            stamps.append((size, changed) if hit else None)
            facts.append((frames, rate, channels, encoding.decode(), bits))
        return Known(stamps, facts)

    def add(self, keys: NDArray[np.uint64], found: Sequence[tuple]) -> None:
        """Keep (size, time of change, *facts) of files that were read."""
        if len(found):
            self._fresh.append(_records_of(keys, found))
        waited = time.monotonic() - self._written
        if sum(map(len, self._fresh)) >= _PART_RECORDS or waited > _PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was added."""
        if self._fresh:
            name = _PART.format(len(self._parts()))
            _save(self.folder / name, np.concatenate(self._fresh))
        self._fresh = []
        self._written = time.monotonic()

    def finish(self) -> None:
        """Unite all that is known in one file."""
        self.flush()
        parts = self._parts()
        if parts:
            _save(self.folder / _ALL, self._unite(parts))
            for part in parts:
                part.unlink()

    def _load(self) -> NDArray:
        parts = self._parts()
        return self._unite(parts) if parts else _read(self.folder / _ALL)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.npy"))

    def _unite(self, parts: Sequence[Path]) -> NDArray:
        """All records in the order of their keys; of several the newest."""
        # Newest first, because np.unique gives the first of equal keys.
        files = [*parts[::-1], self.folder / _ALL]
        records = np.concatenate([_read(path) for path in files])
        return records[np.unique(records["key"], return_index=True)[1]]


def path_keys(paths: Sequence[str]) -> NDArray[np.uint64]:
    """A number for each path, the same in every run.

    Example
    -------
    >>> path_keys(["a.wav", "b.wav"]).tolist() == path_keys(["a.wav", "b.wav"]).tolist()
    True
    """
    digests = (
        hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        for path in paths
    )
    return np.frombuffer(b"".join(digests), "<u8")


def _records_of(keys: NDArray[np.uint64], found: Sequence[tuple]) -> NDArray:
    records = np.empty(len(found), _RECORD)
    records["key"] = keys
    names = ("size", "changed", "frames", "rate", "channels", "encoding", "bits")
    for name, column in zip(names, zip(*found, strict=True), strict=True):
        records[name] = column
    # Names that do not fit would come back cut; such files are read every time.
    return records[[len(values[5]) <= _NAME for values in found]]


def _read(path: Path) -> NDArray:
    """Records of a file; none if it is missing or damaged."""
    try:
        records = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return np.empty(0, _RECORD)
    return records if records.dtype == _RECORD else np.empty(0, _RECORD)


def _save(path: Path, records: NDArray) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, records)
