"""The output folder of a corpus: all of its manifests, or none of them.

Everything is written to a folder inside first and moved at the end. `summary.json` is
taken away before the first manifest is replaced and comes last, so that a folder with
a summary is complete.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from data_prep.corpora.base import LayoutError
from data_prep.engine.rows import Group
from data_prep.manifest import COLUMNS

__all__ = ["SUMMARY", "OutputFolder", "write_manifests"]

SUMMARY = "summary.json"
_OLD_SUMMARY = ".summary.old.json"
_UNFINISHED = ".unfinished"
_LINES = 8192  # lines that are written at once


class OutputFolder:
    """Where the manifests of a corpus go.

    Arguments
    ---------
    path : str or Path
        `<out>/<corpus>`; made if it is missing.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.unfinished = self.path / _UNFINISHED
        shutil.rmtree(self.unfinished, ignore_errors=True)
        self.unfinished.mkdir(parents=True)

    def commit(self, summary: Mapping, manifests: Iterable[str]) -> None:
        """Move the manifests to their places and write the summary.

        Manifests of an earlier run that are no longer made are removed, if that run's
        summary lists them.

        Arguments
        ---------
        summary : dict
            Content of `summary.json`.
        manifests : iterable of str
            Names of files in `unfinished`.
        """
        names = list(manifests)
        stale = self._listed_before() - set(names)
        text = json.dumps(summary, indent=2) + "\n"
        (self.unfinished / SUMMARY).write_text(text, encoding="utf-8")
        if (self.path / SUMMARY).exists():
            os.replace(self.path / SUMMARY, self.path / _OLD_SUMMARY)
        for name in names:
            os.replace(self.unfinished / name, self.path / name)
        for name in stale:
            (self.path / name).unlink(missing_ok=True)
        os.replace(self.unfinished / SUMMARY, self.path / SUMMARY)
        (self.path / _OLD_SUMMARY).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove what is unfinished."""
        shutil.rmtree(self.unfinished, ignore_errors=True)

    def _listed_before(self) -> set[str]:
        """Manifests that the last summaries list."""
        names: set[str] = set()
        for name in (SUMMARY, _OLD_SUMMARY):
            try:
                old = json.loads((self.path / name).read_text(encoding="utf-8"))
                names |= {os.path.basename(entry["file"]) for entry in old["manifests"]}
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return names


class _Manifest:
    """A manifest that is being written."""

    def __init__(self, path: Path, with_pieces: bool):
        self.path = path
        self.with_pieces = with_pieces
        self.rows = 0
        self._hash = hashlib.sha256()
        columns = [*COLUMNS, *(("Start", "Stop") if with_pieces else ())]
        self._lines = [",".join((*columns, "Corpus", "Recording"))]

    def add(self, row: str, piece: str, more: str) -> None:
        self.rows += 1
        if self.with_pieces:
            row = f"{row},{piece or '-,-'}"
        self._lines.append(f"{row},{more}")
        if len(self._lines) >= _LINES:
            self.flush()

    def flush(self) -> None:
        # Opened each time: there may be more manifests than files can be open.
        content = "".join(f"{line}\n" for line in self._lines).encode()
        with open(self.path, "ab") as file:
            file.write(content)
        self._hash.update(content)
        self._lines = []

    def finish(self) -> str:
        """Write what is left; give the SHA-256 of the file."""
        self.flush()
        return self._hash.hexdigest()


def write_manifests(
    folder: Path,
    lines: Iterable[str],
    groups: Mapping[Group, str],
    with_pieces: set[int],
) -> list[tuple[str, int, str]]:
    """Write lines that are sorted by ID to the manifests of their groups.

    Arguments
    ---------
    folder : Path
        Where to.
    lines : iterable of str
        `Record.text` of each row, sorted.
    groups : dict
        From each group, in the order of their numbers, to the name of its manifest.
    with_pieces : set of int
        Numbers of the groups that have rows which are pieces of files.

    Returns
    -------
    list of tuple
        Name, number of rows and SHA-256 of each manifest, in the order of the groups.

    Raises
    ------
    LayoutError
        If two rows have the same ID.
    """
    manifests = [
        _Manifest(folder / name, number in with_pieces)
        for number, name in enumerate(groups.values())
    ]
    last, last_row = "", ""
    for line in lines:
        name, number, row, piece, more = line.split("\0")
        if name == last:
            raise _duplicate(name, last_row, row)
        manifests[int(number)].add(row, piece, more)
        last, last_row = name, row
    finished = []
    for manifest in manifests:
        digest = manifest.finish()
        finished.append((manifest.path.name, manifest.rows, digest))
    return finished


def _duplicate(name: str, *rows: str) -> LayoutError:
    place = COLUMNS.index("Path")
    paths = [fields[place] for fields in csv.reader(rows)]
    return LayoutError(
        f"the ID {name!r} belongs to two rows: {paths[0]} and {paths[1]}. Nothing was "
        "written. Remove the file that does not belong to the corpus, or the copy."
    )
