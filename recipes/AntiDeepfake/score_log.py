"""Scores on disk as they come, so that scoring that was stopped goes on.

Every process appends lines to a file of its own. A first line says what the scores are
of; files of another detector or other audio are not used. The last line of a file may
be torn, when its process was killed in the middle of it, and is then not used either.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.AntiDeepfake.rows import column_texts

__all__ = ["ScoreLog", "trials_digest", "weights_digest"]

_AT_ONCE = 4096  # lines that are read together


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
        """Logits (fake, real) by ID, of all processes and runs that had this key."""
        return {
            item_id: (fake, real)
            for ids, logits in self.blocks()
            for item_id, (fake, real) in zip(ids, logits.tolist(), strict=True)
        }

    def blocks(self) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """The same, some thousand at a time: IDs and logits `[trials, 2]`."""
        for path in sorted(self.folder.glob("*.csv")):
            with open(path, newline="", encoding="utf-8") as file:
                whole = (line for line in file if line.endswith("\n"))
                if next(whole, None) != f"{self.key}\n":
                    continue
                lines = csv.reader(whole)
                while block := list(islice(lines, _AT_ONCE)):
                    ids, *logits = zip(*block, strict=True)
                    # Nine digits hold a float32, and only as one is it read exactly.
                    yield list(ids), np.array(logits, np.float32).T

    def append(self, ids: Sequence[str], logits: Iterable[tuple[float, float]]) -> None:
        """Add scores to the file of this process; they survive it from then on."""
        if self._file is None:
            self._file = self._new_file()
        rows = (
            (i, f"{a:.9g}", f"{b:.9g}") for i, (a, b) in zip(ids, logits, strict=True)
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
