"""Sorting more lines than fit in memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

__all__ = ["LineSorter"]

LIMIT = 400_000  # lines kept in memory, of about 300 bytes each


class LineSorter:
    """Takes lines in any order and gives them sorted by code point.

    Arguments
    ---------
    folder : Path
        Existing folder for temporary files.

    Example
    -------
    >>> import tempfile
    >>> sorter = LineSorter(Path(tempfile.mkdtemp()))
    >>> sorter.add("b")
    >>> sorter.add("a")
    >>> list(sorter.sorted())
    ['a', 'b']
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lines: list[str] = []
        self._files: list[Path] = []

    def add(self, line: str) -> None:
        """Take a line, which has no line end in it."""
        self._lines.append(line)
        if len(self._lines) >= LIMIT:
            self._spill()

    def sorted(self) -> Iterator[str]:
        """Yield all lines in order."""
        self._lines.sort()
        if not self._files:
            return iter(self._lines)
        return heapq.merge(*map(_lines_of, self._files), self._lines)

    def _spill(self) -> None:
        self._lines.sort()
        path = self.folder / f"sorted-{len(self._files)}.txt"
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in self._lines)
        self._files.append(path)
        self._lines = []


def _lines_of(path: Path) -> Iterator[str]:
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line[:-1]
