"""Opens a file of weights, whatever its format, without running anything in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from lobes.inert_pickle import UnsafePickleError
from lobes.torch_file import StoredTensor, TorchFile, as_stored_tensor, open_torch_file


class CheckpointError(ValueError):
    """A checkpoint cannot be taken in whole; says why and what to do."""


@dataclass(frozen=True)
class FileTensor:
    """A tensor that is still in its file.

    Arguments
    ---------
    shape : tuple of int
        Size of every axis.
    load : callable
        Fetches it, in the type that it is stored in, while the file is open.
    """

    shape: tuple[int, ...]
    load: Callable[[], torch.Tensor]

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        return torch.Size(self.shape).numel()


@dataclass(frozen=True)
class CheckpointFile:
    """An open checkpoint.

    Arguments
    ---------
    tensors : mapping
        The weights by name; for a training checkpoint of fairseq those of the model.
    extra : mapping
        What else it says, as ``lobes.inert_pickle`` gives it; e.g. ``cfg``.
    """

    tensors: Mapping[str, FileTensor]
    extra: Mapping[str, Any]


@contextlib.contextmanager
def open_checkpoint(path: str | Path) -> Iterator[CheckpointFile]:
    """Open a file that ``torch.save`` or safetensors wrote.

    Arguments
    ---------
    path : str or Path
        The file. Its name does not matter: the format is told by the first bytes.

    Yields
    ------
    CheckpointFile
        Usable inside the ``with`` block.

    Raises
    ------
    CheckpointError
        If it is no such file, is damaged, or asks for code to be run.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "some.ckpt"
    >>> torch.save({"weight": torch.ones(2, 3)}, path)
    >>> with open_checkpoint(path) as file:
    ...     file.tensors["weight"].shape
    (2, 3)
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError("no such file; give a checkpoint file.")
    with open(path, "rb") as file:
        start = file.read(64)
    # Safetensors before pickle: its first bytes are a length, which may be anything.
    if start[8:9] == b"{":
        with _as_checkpoint_error(), safe_open(path, framework="pt") as file:
            yield CheckpointFile(_from_safetensors(file), {})
    elif start.startswith((b"PK\x03\x04", b"\x80")):
        with _as_checkpoint_error(), open_torch_file(path) as file:
            yield _from_torch(file)
    else:
        raise CheckpointError(
            f"no checkpoint at all: it begins with {start[:24]!r}. Expected what "
            "torch.save or safetensors writes; a download may have brought a web page "
            "or a Git LFS pointer instead of the file."
        )


@contextlib.contextmanager
def _as_checkpoint_error() -> Iterator[None]:
    """Explain what goes wrong when a file is opened, or a tensor fetched."""
    try:
        yield
    except CheckpointError:
        raise
    except UnsafePickleError as error:
        raise CheckpointError(
            f"unsafe pickle: {error}. Nothing was run. Do not trust this file; a "
            "safetensors file of the weights is the safe form."
        ) from error
    except (ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"damaged or truncated: {error}. Get the file again and compare its size "
            "and checksum."
        ) from error


def _from_torch(file: TorchFile) -> CheckpointFile:
    content = file.content
    if not isinstance(content, dict) or not content:
        raise CheckpointError("holds no weights: expected a dict of tensors.")
    extra = {}
    if isinstance(content.get("model"), dict):  # the way fairseq saves
        extra = {key: value for key, value in content.items() if key != "model"}
        content = content["model"]
    stored = {name: as_stored_tensor(value) for name, value in content.items()}
    others = [str(name) for name, tensor in stored.items() if tensor is None]
    if others:
        raise CheckpointError(
            f"holds what is no tensor: {', '.join(others[:5])}. Expected the weights "
            "themselves, or a training checkpoint with them under 'model'."
        )

    def tensor(stored: StoredTensor) -> FileTensor:
        return FileTensor(stored.shape, lambda: file.load(stored))

    return CheckpointFile({str(k): tensor(v) for k, v in stored.items()}, extra)


def _from_safetensors(file: Any) -> dict[str, FileTensor]:
    def tensor(name: str) -> FileTensor:
        shape = tuple(file.get_slice(name).get_shape())
        return FileTensor(shape, lambda: file.get_tensor(name))

    return {name: tensor(name) for name in file.keys()}
