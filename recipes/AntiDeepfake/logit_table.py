"""Logits of millions of trials by ID, in a fifth of the memory of a dictionary.

IDs stay where the rows are. `python -m benchmarks.scoring` measures time and memory.
"""

from __future__ import annotations

from array import array
from collections.abc import ItemsView, Iterator, Mapping, Sequence

import numpy as np
import pandas
from numpy.typing import ArrayLike, NDArray

from recipes.AntiDeepfake.rows import StoredRows, column_texts, select_rows

__all__ = ["LogitTable", "RowFinder"]


class RowFinder:
    """Finds rows by their IDs, many at once.

    Of rows on disk it keeps 16 bytes for each, of a list a dictionary of all IDs.

    Arguments
    ---------
    rows : StoredRows or list of dict
        Rows with different IDs.

    Example
    -------
    >>> RowFinder([{"ID": "a"}, {"ID": "b"}])(["b", "c"])
    array([ 1, -1])
    """

    def __init__(self, rows: StoredRows | Sequence[Mapping[str, str]]):
        self.rows = rows
        if isinstance(rows, StoredRows):
            hashes = rows.id_hashes
            self._order = np.argsort(hashes)
            self._hashes = hashes[self._order]
        else:
            ids = enumerate(column_texts(rows, "ID"))
            self._positions = {item_id: position for position, item_id in ids}

    def __call__(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Positions of the rows, -1 where there is no such row."""
        if not isinstance(self.rows, StoredRows):
            found = [self._positions.get(item_id, -1) for item_id in ids]
            return np.array(found, np.int64)
        hashes = pandas.util.hash_array(np.array(ids, dtype=object))
        places = np.searchsorted(self._hashes, hashes)
        places = np.minimum(places, len(self._hashes) - 1)
        known = self._hashes[places] == hashes
        positions = np.where(known, self._order[places], -1)
        for number in np.flatnonzero(known).tolist():
            if self.rows.value(int(positions[number]), "ID") != ids[number]:
                # Two IDs have one hash.
                positions[number] = self._one_by_one(ids[number])
        return positions

    def _one_by_one(self, item_id: str) -> int:
        try:
            return self.rows.find(item_id)
        except KeyError:
            return -1


class LogitTable(Mapping[str, tuple[float, float]]):
    """Logits (fake, real) of rows by ID, in the order in which they came.

    Arguments
    ---------
    rows : StoredRows or list of dict
        The rows that may get logits.

    Example
    -------
    >>> table = LogitTable([{"ID": "a"}, {"ID": "b"}])
    >>> table.add(["b"], [[-1.5, 2.0]])
    >>> table["b"], "a" in table, dict(table)
    ((-1.5, 2.0), False, {'b': (-1.5, 2.0)})
    """

    def __init__(self, rows: StoredRows | Sequence[Mapping[str, str]]):
        self.rows = rows
        self.find = RowFinder(rows)
        self._positions = array("q")  # of the rows, as they came
        self._logits = array("f")
        self._places = np.full(len(rows), -1, np.int64)  # of the rows in these

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no logits, [rows]."""
        return self._places < 0

    def add(self, ids: Sequence[str], logits: ArrayLike) -> None:
        """Add logits `[trials, 2]` by ID.

        Raises
        ------
        RuntimeError
            If one is not of these rows or has logits already, which cannot be.
        """
        positions = self.find(ids)
        if (positions < 0).any():
            unknown = ids[int(np.argmin(positions))]
            raise RuntimeError(f"{unknown} was scored, but it is not among the trials.")
        self.put(positions, logits)

    def put(self, positions: NDArray[np.int64], logits: ArrayLike) -> None:
        """Add logits `[trials, 2]` by the positions of their rows; see `add`."""
        logits = np.asarray(logits, np.float32)
        if logits.shape != (len(positions), 2):
            raise RuntimeError(f"logits {logits.shape} for {len(positions)} trials.")
        repeated = len(np.unique(positions)) < len(positions)
        if repeated or (self._places[positions] >= 0).any():
            raise RuntimeError(f"some of {len(positions)} trials were scored twice.")
        self._places[positions] = np.arange(len(positions)) + len(self)
        self._positions.frombytes(positions.astype(np.int64).tobytes())
        self._logits.frombytes(logits.tobytes())

    def entries(self, first: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions and logits `[trials, 2]`, as they came, from the `first`-th on."""
        positions = np.array(self._positions[first:])
        return positions, np.array(self._logits[2 * first :]).reshape(-1, 2)

    def get_many(self, ids: Sequence[str]) -> list[tuple[float, float] | None]:
        """Logits of many IDs, None where there are none; far faster than one by one."""
        positions = self.find(ids)
        places = np.where(positions < 0, -1, self._places[positions]).tolist()
        return [None if place < 0 else self._pair(place) for place in places]

    def __getitem__(self, item_id: str) -> tuple[float, float]:
        (found,) = self.get_many([item_id])
        if found is None:
            raise KeyError(item_id)
        return found

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[str]:
        return column_texts(select_rows(self.rows, self.entries()[0]), "ID")

    def items(self) -> ItemsView[str, tuple[float, float]]:
        """Pairs of ID and logits, in the order in which they came."""
        return _Items(self)

    def _pair(self, place: int) -> tuple[float, float]:
        return self._logits[2 * place], self._logits[2 * place + 1]


class _Items(ItemsView):
    """All pairs without looking for each ID."""

    def __iter__(self):
        logits = self._mapping.entries()[1].tolist()
        return zip(self._mapping, map(tuple, logits), strict=True)
