"""Manifest rows that stay on disk, in order, as dictionaries of text.

`ArrowRows` stands for the list of `data_prep.manifest.read_manifest`: the same rows
with the same values. They lie in files that are mapped into memory
(`recipes.AntiDeepfake.arrow_cache`), whose pages all processes of a machine share; a
process keeps next to nothing of its own. Pickled it is the names of the files.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import pandas
import pyarrow
from numpy.typing import ArrayLike, NDArray

from data_prep.manifest import ManifestError
from recipes.AntiDeepfake.arrow_cache import (
    ID_HASH,
    ArrowFile,
    arrow_files,
    require_unique,
)
from recipes.AntiDeepfake.rows import SECONDS, StoredRows

__all__ = ["ArrowRows", "open_manifest"]

# Dictionaries up to this size are kept as Python texts, which are the fastest.
_FEW_VALUES = 256
_AT_ONCE = 4096  # rows that are made into dictionaries together


def open_manifest(manifests: str | Path | Sequence[str | Path]) -> ArrowRows:
    """Open manifests; in time and memory that hardly depend on their size.

    The first time, each is checked and converted, see `arrow_cache`.

    Arguments
    ---------
    manifests : str, Path or list of them
        Manifests; their rows follow one another in the given order.

    Returns
    -------
    ArrowRows
        Their rows.

    Raises
    ------
    ManifestError
        As `data_prep.manifest.read_manifest`.

    Example
    -------
    >>> import tempfile
    >>> from data_prep.manifest import COLUMNS
    >>> path = Path(tempfile.mkdtemp()) / "m.csv"
    >>> row = "a,real,1.5,16000,$ROOT/a.flac,-,-,-,1,FLAC,16,EN"
    >>> _ = path.write_text(f"{','.join(COLUMNS)}\\n{row}\\n")
    >>> rows = open_manifest(path)
    >>> len(rows), rows[0]["Duration"], rows.seconds
    (1, '1.5', array([1.5]))
    """
    files = arrow_files(manifests)
    rows = ArrowRows(files)
    if not len(rows):
        names = ", ".join(str(file.manifest) for file in files)
        raise ManifestError(
            f"no rows in {names}: prepare the corpus again "
            "(`python -m data_prep --help`) or name other manifests."
        )
    if len(files) > 1:
        hashes = [ArrowRows([file]).id_hashes for file in files]
        require_unique([file.manifest for file in files], hashes)
    return rows


class ArrowRows(StoredRows):
    """Rows of manifests.

    Arguments
    ---------
    files : list of ArrowFile
        Where they are.
    positions : array of int, optional
        Which of them, in this order; all by default.

    Raises
    ------
    ManifestError
        If a file is not of the manifest that it was.
    """

    def __init__(self, files: Sequence[ArrowFile], positions: ArrayLike | None = None):
        self.files = list(files)
        self.positions = None if positions is None else np.asarray(positions, np.int64)
        self._parts = [part for file in self.files for part in _parts_of(file)]
        self._starts = np.cumsum([0, *(part.rows for part in self._parts)]).tolist()
        self._length = self._starts[-1] if positions is None else len(self.positions)

    def __reduce__(self):
        return ArrowRows, (self.files, self.positions)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index):
        """One row as a dictionary, or some of them as `ArrowRows`."""
        if isinstance(index, slice):
            return self.select(np.arange(*index.indices(len(self))))
        columns, place = self.place(index)
        return {name: columns[name][place] for name in columns.names}

    def __iter__(self) -> Iterator[dict[str, str]]:
        for part, places in self._runs():
            columns = [part.texts(name, places) for name in part.names]
            for values in zip(*columns, strict=True):
                yield dict(zip(part.names, values, strict=True))

    def texts(self, column: str) -> Iterator[str]:
        """All values of a column, in order; KeyError if a row does not have it."""
        return chain.from_iterable(
            part.texts(column, places) for part, places in self._runs()
        )

    def select(self, positions: ArrayLike) -> ArrowRows:
        """Some of the rows, by their positions among these."""
        positions = np.asarray(positions, np.int64)
        if self.positions is not None:
            positions = self.positions[positions]
        return ArrowRows(self.files, positions)

    def codes(self, column: str) -> tuple[NDArray[np.int64], list[str]]:
        """A column as numbers and the texts that these stand for."""
        codes, values = [], []
        for part in self._parts:
            own, texts = part.codes(column)
            codes.append(own + len(values))
            values += texts
        # Parts may have the same values.
        merged, distinct = pandas.factorize(np.array(values, dtype=object))
        return self._chosen(merged[np.concatenate(codes)]), distinct.tolist()

    @property
    def seconds(self) -> NDArray[np.float64]:
        """How much audio each row stands for, [rows]."""
        return self._numbers(SECONDS)

    @property
    def id_hashes(self) -> NDArray[np.uint64]:
        """Hashes of the IDs, [rows]; different IDs may have the same, but rarely do."""
        return self._numbers(ID_HASH)

    def find(self, item_id: str) -> int:
        """Position of the row with an ID; raises KeyError if there is none."""
        order, hashes = self._by_hash
        wanted = pandas.util.hash_array(np.array([item_id], dtype=object))[0]
        first = np.searchsorted(hashes, wanted)
        last = np.searchsorted(hashes, wanted, "right")
        for position in order[first:last].tolist():
            if self.value(position, "ID") == item_id:
                return position
        raise KeyError(item_id)

    @cached_property
    def _by_hash(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        hashes = self.id_hashes
        order = np.argsort(hashes)
        return order, hashes[order]

    def place(self, index: int) -> tuple[_Columns, int]:
        """Where a row is: `columns, place`; see `StoredRows.place`."""
        if index < 0:
            index += self._length
        if not 0 <= index < self._length:
            raise IndexError(f"no row {index}, there are {self._length}")
        if self.positions is not None:
            index = int(self.positions[index])
        number = bisect_right(self._starts, index) - 1
        return self._parts[number].columns, index - self._starts[number]

    def _runs(self) -> Iterator[tuple[_Part, slice | NDArray]]:
        """Places of all rows, some thousand of one part at a time."""
        if self.positions is None:
            for part in self._parts:
                for first in range(0, part.rows, _AT_ONCE):
                    yield part, slice(first, min(first + _AT_ONCE, part.rows))
            return
        for first in range(0, len(self), _AT_ONCE):
            positions = self.positions[first : first + _AT_ONCE]
            numbers = np.searchsorted(self._starts, positions, "right") - 1
            breaks = np.flatnonzero(np.diff(numbers)) + 1
            for run in np.split(np.arange(len(positions)), breaks):
                number = int(numbers[run[0]])
                yield self._parts[number], positions[run] - self._starts[number]

    def _numbers(self, column: str) -> NDArray:
        parts = [part.batch[column].to_numpy() for part in self._parts]
        return self._chosen(np.concatenate(parts) if parts else np.empty(0))

    def _chosen(self, values: NDArray) -> NDArray:
        return values if self.positions is None else values[self.positions]


class _Part:
    """A record batch."""

    def __init__(self, batch: pyarrow.RecordBatch):
        self.batch = batch
        self.rows = len(batch)
        self.names = [n for n in batch.schema.names if n not in (SECONDS, ID_HASH)]
        self.columns = _Columns(batch, self.names)

    def texts(self, name: str, places: slice | NDArray) -> list[str]:
        if name not in self.names:
            raise KeyError(name)
        array = self.batch[name]
        if isinstance(places, slice):
            array = array[places]
        else:
            array = array.take(pyarrow.array(places))
        # By way of NumPy, which is several times as fast as `to_pylist`.
        if pyarrow.types.is_dictionary(array.type):
            words = array.dictionary.to_numpy(zero_copy_only=False)
            return words[array.indices.to_numpy()].tolist()
        return array.to_numpy(zero_copy_only=False).tolist()

    def codes(self, name: str) -> tuple[NDArray, list[str]]:
        array = self.batch[name]
        if not pyarrow.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        return array.indices.to_numpy().astype(np.int64), array.dictionary.to_pylist()


class _Columns(dict):
    """The columns of a record batch by name, `column[place]` being one value."""

    def __init__(self, batch: pyarrow.RecordBatch, names: list[str]):
        self.batch = batch
        self.names = names

    def __missing__(self, name: str):
        array = self.batch[name]  # KeyError if there is no such column
        if pyarrow.types.is_dictionary(array.type):
            column = _Words(array)
        elif pyarrow.types.is_string(array.type):
            column = _Texts(array)
        else:
            column = _view(array.buffers()[1]).cast("d")
        self[name] = column
        return column


class _Texts:
    """A column of texts: one buffer of bytes, and where each text begins."""

    def __init__(self, array: pyarrow.StringArray):
        _, offsets, self.bytes = map(_view, array.buffers())
        self.offsets = offsets.cast("i")

    def __getitem__(self, place: int) -> str:
        return str(self.bytes[self.offsets[place] : self.offsets[place + 1]], "utf-8")


class _Words:
    """A column of numbers of texts."""

    def __init__(self, array: pyarrow.DictionaryArray):
        self.indices = _view(array.indices.buffers()[1]).cast("h")
        few = len(array.dictionary) <= _FEW_VALUES
        self.words = array.dictionary.to_pylist() if few else _Texts(array.dictionary)

    def __getitem__(self, place: int) -> str:
        return self.words[self.indices[place]]


def _view(buffer: pyarrow.Buffer | None) -> memoryview:
    return memoryview(b"" if buffer is None else buffer)


def _parts_of(file: ArrowFile) -> list[_Part]:
    """The record batches of a file."""
    reader = pyarrow.ipc.open_file(pyarrow.memory_map(str(file.path)))
    if reader.schema.metadata[b"sha256"].decode() != file.digest:
        raise ManifestError(
            f"{file.manifest}: has changed since it was opened. Start again."
        )
    return [_Part(reader.get_batch(i)) for i in range(reader.num_record_batches)]
