"""Detectors for ONNX Runtime: export, eight-bit weights, and the interface.

The graph takes `wav` [1, time], float32, mono at 16 kHz, any length from 400 samples and
any level - the normalisation is inside, so that nobody can forget it - and gives
`logits` [1, 2], fake and real. One waveform at a time: no padding, no mask. Its
metadata hold the canary and the longest input, and `OnnxDetector` heeds both.

Export traces the detector at one length; what depends on the length stays symbolic
(`dynamo=False`: the newer exporter guards on lengths and refuses these models).

Needs the packages `onnx` and `onnxruntime` (requirements-extra.txt).
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from data_prep.files import atomic_path
from lobes.detector import Detector, scores
from lobes.masking import absolute_lengths
from lobes.whisper import HOP, N_FFT
from recipes.AntiDeepfake.canary import canary_logits, canary_wav, check_canary
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.interface import DeepfakeDetector

__all__ = ["ExportedOnnx", "OnnxDetector", "export_onnx", "quantize"]

OPSET = 17  # the first with STFT, which Whisper needs
# Seconds of the waveforms that an exported model is compared on.
COMPARED = (0.025, 0.3, 0.77, 1.0, 2.345, 4.03, 10.0)
# A protocol buffer holds at most 2 GB; the weights of larger models go beside it.
LARGEST_FILE = 1_800_000_000


@dataclass(frozen=True)
class ExportedOnnx:
    """An ONNX file that was written.

    Arguments
    ---------
    path : Path
        The file.
    difference : float
        Largest difference of its scores from those of the model it was made from, on
        formula-made waveforms from 25 ms to 10 s.
    spread : float
        Standard deviation of the latter scores over these waveforms.
    """

    path: Path
    difference: float
    spread: float

    @property
    def difference_text(self) -> str:
        """The difference, for people."""
        return (
            f"scores off by at most {self.difference:.2g} on {len(COMPARED)} made-up "
            f"waveforms (their scores have a standard deviation of {self.spread:.2g})"
        )


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
    ValueError
        If the file is not such a detector.
    RuntimeError
        If it does not reproduce its canary.
    """

    def __init__(self, path: str | Path, providers: list[str] | None = None):
        providers = providers or ["CPUExecutionProvider"]
        try:
            self.session = onnxruntime.InferenceSession(str(path), providers=providers)
            about = self.session.get_modelmeta().custom_metadata_map
            canary = json.loads(about["canary"])
            self.max_samples = json.loads(about["max_samples"])
        except (onnxruntime.OnnxRuntimeException, KeyError) as error:
            raise ValueError(
                f"{path}: no detector in ONNX ({type(error).__name__}: {error}). Make "
                "one: python convert.py SOURCE OUT --onnx"
            ) from None
        check_canary(self.logits, canary)

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
        if self.max_samples is not None and wav.shape[1] > self.max_samples:
            raise ValueError(
                f"{wav.shape[1]} samples, but this model takes at most "
                f"{self.max_samples} (30 s, the window of Whisper) as ONNX. Use "
                "score_long_file, or the detector folder."
            )
        found = self.session.run(None, {"wav": wav.float().cpu().numpy()})
        return torch.from_numpy(found[0])


def export_onnx(detector: DeepfakeDetector, path: str | Path) -> ExportedOnnx:
    """Write a detector as ONNX and compare the two.

    Arguments
    ---------
    detector : DeepfakeDetector
        On the CPU.
    path : str or Path
        The file to be.

    Returns
    -------
    ExportedOnnx
        Path and measured difference.
    """
    network = detector.mods.detector
    about = {
        "canary": canary_logits(detector.logits),
        "max_samples": network.encoder.family.window,
        "input": "wav [1, time], float32, mono, 16 kHz, any level",
        "output": "logits [1, 2]: fake, real; score = real - fake",
    }
    with atomic_path(path) as temporary:
        _trace(network, temporary)
        _finish(temporary, Path(path), about)
    return _compare(detector, Path(path))


def quantize(source: str | Path, path: str | Path) -> ExportedOnnx:
    """Write an exported detector with eight-bit matrices and measure the drift.

    Only matrix products are changed: the weights are stored, and the inputs
    rounded as they come, in eight bits. Convolutions stay as they are.

    Arguments
    ---------
    source : str or Path
        File of `export_onnx`.
    path : str or Path
        The file to be.

    Returns
    -------
    ExportedOnnx
        Path and measured difference.
    """
    exact = OnnxDetector(source)
    with atomic_path(path) as temporary:
        quantize_dynamic(
            str(source),
            str(temporary),
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            use_external_data_format=_size(source) > LARGEST_FILE,
        )
        session = onnxruntime.InferenceSession(str(temporary))
        canary = session.run(None, {"wav": canary_wav().numpy()})[0][0].tolist()
        _finish(temporary, Path(path), {"canary": canary})
    return _compare(exact, Path(path))


class _Normalised(torch.nn.Module):
    """The detector with the normalisation in front."""

    def __init__(self, detector: Detector):
        super().__init__()
        self.detector = detector

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        # As `normalise_wav`; a traced layer_norm would keep the length it saw.
        centred = wav - wav.mean(dim=1, keepdim=True)
        variance = centred.square().mean(dim=1, keepdim=True)
        return self.detector(centred / torch.sqrt(variance + 1e-5))


def _trace(network: Detector, path: Path) -> None:
    """Write the graph."""
    with warnings.catch_warnings(), _complex_stft():
        warnings.simplefilter("ignore")  # of the tracer: lengths are compared below
        torch.onnx.export(
            _Normalised(network).eval(),
            (canary_wav(),),
            str(path),
            dynamo=False,
            input_names=["wav"],
            output_names=["logits"],
            dynamic_axes={"wav": {1: "time"}},
            opset_version=OPSET,
        )


@contextlib.contextmanager
def _complex_stft() -> Iterator[None]:
    """Teach the exporter the STFT of Whisper, a complex tensor seen as two reals."""

    def stft(g, signal, n_fft, hop, win, window, *_):
        def constant(value):
            return g.op("Constant", value_t=torch.tensor(value))

        signal = g.op("Unsqueeze", signal, constant([2]))
        arguments = (signal, constant(HOP), window, constant(N_FFT))
        spectrum = g.op("STFT", *arguments, onesided_i=1)
        return g.op("Transpose", spectrum, perm_i=[0, 2, 1, 3])

    symbolics = {"aten::stft": stft, "aten::view_as_real": lambda g, spectrum: spectrum}
    for name, symbolic in symbolics.items():
        torch.onnx.register_custom_op_symbolic(name, symbolic, OPSET)
    try:
        yield
    finally:
        for name in symbolics:
            torch.onnx.unregister_custom_op_symbolic(name, OPSET)


def _finish(written: Path, path: Path, about: dict[str, object]) -> None:
    """Add metadata, and put the weights of a large model into one file beside it."""
    model = onnx.load(written)
    known = {entry.key: entry.value for entry in model.metadata_props}
    known |= {key: json.dumps(value) for key, value in about.items()}
    onnx.helper.set_model_props(model, known)
    large = model.ByteSize() > LARGEST_FILE
    location = f"{path.name}.data"
    if large:
        (path.parent / location).unlink(missing_ok=True)
    onnx.save_model(
        model, written, save_as_external_data=large, location=location if large else None
    )


def _size(path: str | Path) -> int:
    """Bytes of a model with the weights beside it."""
    beside = Path(f"{path}.data")
    extra = beside.stat().st_size if beside.exists() else 0
    return Path(path).stat().st_size + extra


def _compare(reference: FileScorer, path: Path) -> ExportedOnnx:
    """Score waveforms of many lengths by both."""
    exported = OnnxDetector(path)
    wavs = [canary_wav(round(16000 * seconds)) for seconds in COMPARED]
    with torch.inference_mode():
        wanted = scores(torch.cat([reference.logits(wav) for wav in wavs]))
        found = scores(torch.cat([exported.logits(wav) for wav in wavs]))
    difference = (found - wanted).abs().max().item()
    return ExportedOnnx(path, difference, wanted.std().item())
