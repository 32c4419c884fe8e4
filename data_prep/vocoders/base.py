"""What a vocoder is: one small class with a name, a rate and a call."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["TorchVocoder", "Vocoder", "VocoderError", "find_weights", "weights_key"]

# What of a folder or hub repository belongs to a model.
_MODEL_FILES = ("*.yaml", "*.json", "*.ckpt", "*.bin", "*.safetensors")


class VocoderError(RuntimeError):
    """A vocoder that cannot be used; says why, and what to do."""


class Vocoder(ABC):
    """Analyses a waveform and makes it again.

    Arguments
    ---------
    weights : Path, optional
        Folder with the model, for those that have one; see `find_weights`.
    device : str
        `cpu`, or `cuda:0` and so on for those that run there.
    """

    name: ClassVar[str]
    """Name on the command line, in file paths and in the column `Attack`."""
    summary: ClassVar[str]
    """What it is, in a few words."""
    sample_rate: ClassVar[int | None] = None
    """Rate in Hz that it works at; None if it takes any."""
    hub_id: ClassVar[str | None] = None
    """Where its weights are published; None if it has none."""
    install: ClassVar[str] = "-r requirements.txt"
    """What `pip install` needs for it."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """What determines the copy besides source, weights and seed."""

    # Nothing to set up in most; a model is loaded here.
    def __init__(self, weights: Path | None = None, device: str = "cpu"):
        self.device = device

    @abstractmethod
    def __call__(self, wav: NDArray, sample_rate: int, seed: int = 0) -> NDArray:
        """Make a copy of a waveform.

        Arguments
        ---------
        wav : numpy.ndarray
            float32, [time].
        sample_rate : int
            Its rate in Hz, which is `self.sample_rate` unless that is None.
        seed : int
            Of the random choices, if there are any.

        Returns
        -------
        numpy.ndarray
            The copy at the same rate, [time], aligned with `wav`. What lies beyond
            the length of `wav` is cut off by the caller.
        """


class TorchVocoder(Vocoder):
    """A vocoder of tensors.

    torch is imported here and in the subclasses, inside of functions: nothing else in
    `data_prep` needs it, and it takes seconds to import.
    """

    def __call__(self, wav: NDArray, sample_rate: int, seed: int = 0) -> NDArray:
        """Make a copy, see `Vocoder`."""
        import torch

        with torch.no_grad(), _reproducible(self.device, seed):
            tensor = torch.from_numpy(wav).to(self.device)
            return self.synthesise(tensor, sample_rate).cpu().numpy()

    @abstractmethod
    def synthesise(self, wav: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Make a copy, [time], of a waveform, [time]; see `Vocoder.__call__`."""


@contextmanager
def _reproducible(device: str, seed: int) -> Iterator[None]:
    """Seed torch, leave its own random state alone, and compute on one thread.

    Sums in another order, on more threads, differ in the last bits.
    """
    import torch

    threads = torch.get_num_threads()
    gpus = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(gpus):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def find_weights(source: str | Path) -> Path:
    """The folder of a model: the one that is given, or a download from the hub.

    Arguments
    ---------
    source : str or Path
        A folder, or the id of a repository on the Hugging Face hub.

    Returns
    -------
    Path
        A folder on this machine.

    Raises
    ------
    VocoderError
        If there is no such folder, and nothing on the hub that can be reached.
    """
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import HFValidationError

    try:
        return Path(snapshot_download(str(source), allow_patterns=list(_MODEL_FILES)))
    except (OSError, HFValidationError) as error:
        why = str(error).strip().splitlines()[0]
        raise VocoderError(
            f"{source}: no such folder, not downloaded before, and not to be had from "
            f"the hub ({why}). Where there is a network, `hf download {source} "
            "--local-dir FOLDER`; then copy FOLDER here and give --weights FOLDER."
        ) from None


def weights_key(folder: Path) -> str:
    """A short text that changes with the content of a model folder."""
    digest = hashlib.sha256()
    for path in sorted({path for end in _MODEL_FILES for path in folder.glob(end)}):
        digest.update(f"{path.name} {path.stat().st_size} ".encode())
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]
