"""What code that takes manifest rows may ask of them, in memory or on disk.

Most take a list of dictionaries. Rows on disk (`StoredRows`) can be used as such a list
too; where a million of them would be held in memory, the functions here help.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["SECONDS", "StoredRows", "column_texts", "select_rows"]

#: Column of rows on disk: how much audio a row stands for, a number.
SECONDS = "#seconds"


class StoredRows(Sequence):
    """Rows that stay on disk; as a sequence, dictionaries of text."""

    @abstractmethod
    def place(self, index: int) -> tuple[Mapping[str, Sequence], int]:
        """Where a row is: `columns, place` such that `columns[name][place]` is a value.

        This is the fast way to some of the values of a row.
        """

    @abstractmethod
    def texts(self, column: str) -> Iterator[str]:
        """All values of a column, in order; KeyError if a row does not have it."""

    @abstractmethod
    def codes(self, column: str) -> tuple[NDArray[np.int64], list[str]]:
        """A column as numbers.

        Arguments
        ---------
        column : str
            Its name.

        Returns
        -------
        codes : numpy.ndarray
            [rows], an index of the values for each row.
        values : list of str
            The different values.
        """

    @abstractmethod
    def select(self, positions: ArrayLike) -> StoredRows:
        """Some of the rows, by their positions among these."""

    @abstractmethod
    def find(self, item_id: str) -> int:
        """Position of the row with an ID; raises KeyError if there is none."""

    @property
    @abstractmethod
    def id_hashes(self) -> NDArray[np.uint64]:
        """Hashes of the IDs, [rows]; different IDs may have the same, but rarely do."""

    @property
    @abstractmethod
    def seconds(self) -> NDArray[np.float64]:
        """How much audio each row stands for, [rows]."""

    def value(self, index: int, column: str) -> str:
        """One value; raises KeyError if the row has no such column."""
        columns, place = self.place(index)
        return columns[column][place]


def column_texts(
    rows: StoredRows | Iterable[Mapping[str, str]], column: str
) -> Iterator[str]:
    """All values of a column, of rows on disk or in a list."""
    if isinstance(rows, StoredRows):
        return rows.texts(column)
    return (row[column] for row in rows)


def select_rows(
    rows: StoredRows | Sequence[Mapping[str, str]], positions: Sequence[int]
) -> StoredRows | list[Mapping[str, str]]:
    """Some rows by their positions, on disk or in a list as the others are."""
    if isinstance(rows, StoredRows):
        return rows.select(positions)
    return [rows[position] for position in positions]
