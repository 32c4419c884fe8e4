"""A detector run by ONNX Runtime (`pip install onnxruntime`)."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime
import torch

from data_prep.files import file_digest
from lobes.masking import absolute_lengths
from recipes.AntiDeepfake.canary import check_canary
from recipes.AntiDeepfake.dataio import SAMPLE_RATE
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.weights import WeightsError

__all__ = ["OnnxDetector", "open_session", "run"]

_ADVICE = "Make a detector: python convert.py SOURCE OUT --onnx"


class OnnxDetector(FileScorer):
    """A detector run by ONNX Runtime, with the methods of `DeepfakeDetector`.

    Arguments
    ---------
    path : str or Path
        File that `export_onnx` or `quantize` wrote.
    providers : list of str, optional
        Execution providers of ONNX Runtime; by default the CPU.

    Raises
    ------
    WeightsError
        If the file is not such a detector.
    RuntimeError
        If it does not reproduce its canary.
    """

    def __init__(self, path: str | Path, providers: list[str] | None = None):
        self.path = Path(path)
        self.session = open_session(path, providers)
        about = self.session.get_modelmeta().custom_metadata_map
        if "canary" not in about:
            raise WeightsError(f"{path}: an ONNX model, but no detector. {_ADVICE}")
        self.max_seconds = json.loads(about["max_seconds"])
        canary, tolerance = json.loads(about["canary"]), json.loads(about["tolerance"])
        check_canary(self.logits, canary, tolerance)

    def digest(self) -> str:
        """Digest of the file."""
        return file_digest(self.path)[:16]

    def logits(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits `[batch, 2]`, row by row; see `FileScorer.logits`."""
        sizes = [wavs.shape[1]] * len(wavs)
        if wav_lens is not None:
            sizes = absolute_lengths(wavs, wav_lens).tolist()
        rows = [wav[None, :size] for wav, size in zip(wavs, sizes, strict=True)]
        return torch.cat([self._run(row) for row in rows])

    def _run(self, wav: torch.Tensor) -> torch.Tensor:
        seconds = wav.shape[1] / SAMPLE_RATE
        if self.max_seconds is not None and seconds > self.max_seconds:
            raise ValueError(self.too_long(seconds))
        return run(self.session, wav)


def open_session(
    path: str | Path, providers: list[str] | None = None
) -> onnxruntime.InferenceSession:
    """Open an ONNX file.

    Arguments
    ---------
    path : str or Path
        The file.
    providers : list of str, optional
        Execution providers; by default the CPU.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    WeightsError
        If it cannot be opened.
    """
    try:
        return onnxruntime.InferenceSession(
            str(path), providers=providers or ["CPUExecutionProvider"]
        )
    except Exception as error:  # those of ONNX Runtime have no other base
        raise WeightsError(f"{path}: not opened ({error}). {_ADVICE}") from None


def run(session: onnxruntime.InferenceSession, wav: torch.Tensor) -> torch.Tensor:
    """Logits `[1, 2]` of one waveform `[1, time]`."""
    found = session.run(None, {"wav": wav.float().cpu().numpy()})
    return torch.from_numpy(found[0])
