"""Reads what ``torch.save`` wrote, zip or legacy format, tensor by tensor.

``torch.load`` either runs the pickle inside or refuses classes it does not know, and
takes every tensor into memory, optimiser states included. Here the pickle is read as
plain data (``lobes.inert_pickle``) and a tensor is fetched when it is asked for.

The formats: a zip holds ``<name>/data.pkl`` and a file ``<name>/data/<key>`` for each
storage; a legacy file is five pickles (magic number, version, byte order, content,
storage keys), then for each storage its length (int64) and values.
"""

from __future__ import annotations

import abc
import contextlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from lobes.inert_pickle import Call, Name, read_pickle

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file; tensors are views of such."""

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that is still in the file.

    Arguments
    ---------
    storage : Storage
        Where its values are.
    offset : int
        First value.
    shape : tuple of int
        Size of every axis.
    stride : tuple of int
        Step of every axis, in values.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def as_stored_tensor(value: Any) -> StoredTensor | None:
    """Recognise a tensor in the content of a file.

    Arguments
    ---------
    value : object
        Any part of :attr:`TorchFile.content`.

    Returns
    -------
    StoredTensor or None
        None if it is something else.

    Raises
    ------
    ValueError
        If it calls itself a tensor, but is none.
    """
    if not isinstance(value, Call):
        return None
    if value.name == "torch._utils._rebuild_parameter":
        return as_stored_tensor(value.args[0]) if value.args else None
    if value.name != "torch._utils._rebuild_tensor_v2":
        return None
    try:
        storage, offset, shape, stride = value.args[:4]
        valid = all(type(number) is int for number in (offset, *shape, *stride))
    except (TypeError, ValueError):
        valid = False
    if not valid or not isinstance(storage, Storage):
        raise ValueError("a tensor whose description makes no sense")
    return StoredTensor(storage, offset, tuple(shape), tuple(stride))


class TorchFile(abc.ABC):
    """An open file of ``torch.save``; made by :func:`open_torch_file`.

    Arguments
    ---------
    content : object
        What was saved, as :func:`lobes.inert_pickle.read_pickle` gives it.
    """

    content: Any
    # The last storage read: tensors of a flat model share one, and come in a row.
    _last: tuple[Storage, bytearray] | None = None

    @abc.abstractmethod
    def read(self, storage: Storage) -> bytearray:
        """Read the bytes of a storage."""

    def load(self, tensor: StoredTensor) -> torch.Tensor:
        """Fetch a tensor.

        Arguments
        ---------
        tensor : StoredTensor
            From :func:`as_stored_tensor`.

        Returns
        -------
        torch.Tensor
            In the type that it is stored in.

        Raises
        ------
        ValueError
            If its values are not in the file.
        """
        if self._last is None or self._last[0] != tensor.storage:
            self._last = tensor.storage, self.read(tensor.storage)
        raw = self._last[1]
        if len(raw) != tensor.storage.nbytes:
            raise ValueError(
                f"storage {tensor.storage.key} has {len(raw)} bytes instead of "
                f"{tensor.storage.nbytes}"
            )
        try:
            values = torch.frombuffer(raw, dtype=tensor.storage.dtype)
            return values.as_strided(tensor.shape, tensor.stride, tensor.offset)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"storage {tensor.storage.key}: {error}") from error


@contextlib.contextmanager
def open_torch_file(path: str | Path) -> Iterator[TorchFile]:
    """Open a file that ``torch.save`` wrote; nothing in it is run.

    Arguments
    ---------
    path : str or Path
        The file.

    Yields
    ------
    TorchFile
        Usable inside the ``with`` block.

    Raises
    ------
    lobes.inert_pickle.UnsafePickleError
        If the file asks for something that no checkpoint needs.
    ValueError
        If the file is damaged or of another kind.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "some.pt"
    >>> torch.save({"weight": torch.ones(2, 3)}, path)
    >>> with open_torch_file(path) as file:
    ...     stored = as_stored_tensor(file.content["weight"])
    ...     stored.shape, file.load(stored).sum()
    ((2, 3), tensor(6.))
    """
    with open(path, "rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        if not is_zip:
            yield _LegacyFile(file)
            return
        try:
            archive = zipfile.ZipFile(file)
        except zipfile.BadZipFile as error:
            raise ValueError(
                f"truncated: a zip without the directory at its end ({error})"
            ) from error
        with archive:
            yield _ZipFile(archive)


class _ZipFile(TorchFile):
    """The format since torch 1.6."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive = archive
        pickles = [n for n in archive.namelist() if n.split("/")[1:] == ["data.pkl"]]
        if len(pickles) != 1:
            raise ValueError("a zip, but not one that torch.save wrote")
        self.folder = pickles[0].split("/")[0]
        if f"{self.folder}/constants.pkl" in archive.namelist():
            raise ValueError("a TorchScript program, not a file of weights")
        if f"{self.folder}/byteorder" in archive.namelist():
            _check_byte_order(self._read("byteorder") == b"little")
        self.content = read_pickle(io.BytesIO(self._read("data.pkl")), _storage)

    def read(self, storage: Storage) -> bytearray:
        return bytearray(self._read(f"data/{storage.key}"))

    def _read(self, name: str) -> bytes:
        try:
            info = self.archive.getinfo(f"{self.folder}/{name}")
            if info.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"'{name}' is compressed, which torch.save never does")
            return self.archive.read(info)  # compares the checksum
        except (KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"damaged: {error}") from error


class _LegacyFile(TorchFile):
    """The format before torch 1.6."""

    def __init__(self, file: BinaryIO):
        self.file = file
        if read_pickle(file) != _LEGACY_MAGIC:
            raise ValueError("a pickle, but not one that torch.save wrote")
        read_pickle(file)  # version
        machine = read_pickle(file)
        _check_byte_order(isinstance(machine, dict) and machine.get("little_endian"))
        storages: dict[str, Storage] = {}

        def resolve(pid: Any) -> Storage:
            storage = _storage(pid)
            return storages.setdefault(storage.key, storage)

        self.content = read_pickle(file, resolve)
        self.starts = self._find(storages, read_pickle(file))

    def read(self, storage: Storage) -> bytearray:
        self.file.seek(self.starts[storage.key])
        return bytearray(self.file.read(storage.nbytes))

    def _find(self, storages: dict[str, Storage], keys: list[str]) -> dict[str, int]:
        """Say where the values of every storage begin."""
        size = os.fstat(self.file.fileno()).st_size
        starts = {}
        position = self.file.tell()
        for key in keys:
            if key not in storages:
                raise ValueError(f"damaged: no tensor uses the storage {key!r}")
            starts[key] = position + 8  # after the length, an int64
            position = starts[key] + storages[key].nbytes
            if position > size:
                raise ValueError(
                    f"truncated: {size} bytes, of which the first {len(starts)} of "
                    f"{len(keys)} storages need {position}"
                )
            self.file.seek(position)
        return starts


def _storage(pid: Any) -> Storage:
    """Understand torch's reference to a storage."""
    kind, dtype, key, _, numel, *view = pid
    if kind != "storage" or any(view) or type(numel) is not int or numel < 0:
        raise ValueError(f"an unknown kind of storage, {str(pid)[:80]}")
    if not isinstance(dtype, Name) or dtype.path not in _DTYPES:
        raise ValueError(f"a storage of an unknown type, {str(dtype)[:80]}")
    return Storage(str(key), _DTYPES[dtype.path], numel)


def _check_byte_order(little_endian: bool) -> None:
    if not little_endian:
        raise ValueError("written on a big-endian machine, which is not supported")
