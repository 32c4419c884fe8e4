"""Scores on disk as they come, so that scoring that was stopped goes on.

Every process appends lines to a file of its own. A first line says what the scores are
of; files of another detector, list or data folder are not used. A line also has the
size and the time of change that the audio file had just before it was read
(`FileStamps`), and is used only while the file still has both. So a file that was put
in the place of another is scored again, unless it was given the time of the other one
and is as long: contents are not compared. The last line of a file may be torn, when its
process was killed in the middle of it, and is then not used either.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from data_prep.manifest import resolve_path
from recipes.AntiDeepfake.rows import StoredRows, column_texts

__all__ = ["FileStamps", "ScoreLog", "trials_digest", "weights_digest"]

_AT_ONCE = 4096  # lines that are read together
_FIELDS = 4  # ID, logits of fake and real, stamp


class ScoreLog:
    """The scores of one test set that are there already.

    Arguments
    ---------
    folder : str or Path
        For the files of the processes; made when the first line is written.
    key : str
        Says what the scores are of, see `trials_digest` and `weights_digest`.

    Example
    -------
    >>> import tempfile
    >>> log = ScoreLog(os.path.join(tempfile.mkdtemp(), "log"), "detector, trials")
    >>> log.append(["a"], [(-1.5, 2.0)])
    >>> ScoreLog(log.folder, "detector, trials").read()
    {'a': (-1.5, 2.0)}
    >>> ScoreLog(log.folder, "another detector, trials").read()
    {}
    """

    def __init__(self, folder: str | Path, key: str):
        self.folder = Path(folder)
        self.key = key
        self._file: io.TextIOWrapper | None = None

    def read(self) -> dict[str, tuple[float, float]]:
        """Logits (fake, real) by ID, of all processes and runs that had this key.

        Whether the files are still the same is not looked at.
        """
        return {
            item_id: (fake, real)
            for ids, logits, _ in self.blocks()
            for item_id, (fake, real) in zip(ids, logits.tolist(), strict=True)
        }

    def blocks(self) -> Iterator[tuple[list[str], NDArray[np.float32], list[str]]]:
        """The same, some thousand at a time: IDs, logits `[trials, 2]`, stamps."""
        for path in sorted(self.folder.glob("*.csv")):
            # What cannot be decoded is torn, like a line without an end.
            with open(path, newline="", encoding="utf-8", errors="replace") as file:
                whole = (line for line in file if line.endswith("\n"))
                if next(whole, None) != f"{self.key}\n":
                    continue
                lines = (line for line in csv.reader(whole) if len(line) == _FIELDS)
                while block := list(islice(lines, _AT_ONCE)):
                    ids, *logits, stamps = zip(*block, strict=True)
                    # Nine digits hold a float32, and only as one is it read exactly.
                    yield list(ids), np.array(logits, np.float32).T, list(stamps)

    def append(
        self,
        ids: Sequence[str],
        logits: Iterable[tuple[float, float]],
        stamps: Iterable[str] | None = None,
    ) -> None:
        """Add scores to the file of this process; they survive it from then on.

        Arguments
        ---------
        ids : list of str
            The trials.
        logits : iterable of (float, float)
            Theirs, fake and real.
        stamps : iterable of str, optional
            Of their files, see `FileStamps`; not of audio in shards, which have a
            digest.
        """
        if self._file is None:
            self._file = self._new_file()
        stamps = repeat("", len(ids)) if stamps is None else stamps
        rows = (
            (item_id, f"{fake:.9g}", f"{real:.9g}", stamp)
            for item_id, (fake, real), stamp in zip(ids, logits, stamps, strict=True)
        )
        csv.writer(self._file, lineterminator="\n").writerows(rows)
        self._file.flush()

    def remove(self) -> None:
        """Delete the files of all processes: the scores are elsewhere now."""
        if self._file is not None:
            self._file.close()
            self._file = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _new_file(self) -> io.TextIOWrapper:
        """A file that no other process and no earlier run has."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            path = self.folder / f"{os.getpid()}-{number}.csv"
            try:
                file = open(path, "x", newline="", encoding="utf-8")
            except FileExistsError:
                number += 1
                continue
            file.write(f"{self.key}\n")
            return file


@dataclass(frozen=True)
class FileStamps:
    """What a file system tells of the audio files of rows: size and time of change.

    Arguments
    ---------
    rows : StoredRows or list of dict
        Manifest rows.
    data_folder : str or Path, optional
        What `$ROOT` in their paths stands for.

    Example
    -------
    >>> FileStamps([{"Path": "/nowhere/a.wav"}])(0)
    'no file'
    """

    rows: StoredRows | Sequence[Mapping[str, str]]
    data_folder: str | Path | None = None

    def __call__(self, position: int) -> str:
        """The stamp of the file of a row; costs a look into its folder, no reading."""
        if isinstance(self.rows, StoredRows):
            path = self.rows.value(position, "Path")
        else:
            path = self.rows[position]["Path"]
        try:
            found = os.stat(resolve_path(path, self.data_folder))
        except OSError:
            return "no file"
        return f"{found.st_size} {found.st_mtime_ns}"


def trials_digest(rows: Sequence[Mapping[str, str]]) -> str:
    """Digest of the audio that rows name: IDs, paths and pieces."""
    digest = hashlib.sha256()
    columns = [column_texts(rows, name) for name in ("ID", "Path", "Start", "Stop")]
    for names in zip(*columns, strict=True):
        digest.update("\0".join(names).encode() + b"\n")
    return digest.hexdigest()[:16]


def weights_digest(module: torch.nn.Module) -> str:
    """Digest of names, types and values of all weights, wherever they are."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
