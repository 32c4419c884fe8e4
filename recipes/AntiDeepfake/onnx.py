"""Detectors as ONNX: export, and eight-bit weights.

The graph takes `wav` [1, time], float32, mono at 16 kHz, any length from 400 samples
and any level - the normalisation is inside, so that nobody can forget it - and gives
`logits` [1, 2], fake and real. One waveform at a time: no padding, no mask. Its
metadata hold the canary and the longest input, and `OnnxDetector` heeds both.

Export traces the detector at one length; what depends on the length stays symbolic
(`dynamo=False`: the newer exporter guards on lengths and refuses these models).

Needs the packages `onnx` and `onnxruntime` (requirements-extra.txt).
"""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from data_prep.files import atomic_path
from lobes.detector import Detector, scores
from lobes.whisper import HOP, N_FFT
from recipes.AntiDeepfake.canary import CANARY_TOLERANCE, canary_logits, canary_wav
from recipes.AntiDeepfake.dataio import SAMPLE_RATE
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.onnx_detector import OnnxDetector, open_session, run

__all__ = ["ExportedOnnx", "export_onnx", "quantize"]

OPSET = 17
# Seconds of the waveforms that an exported model is compared on.
COMPARED = (0.025, 0.3, 0.77, 1.0, 2.345, 4.03, 10.0)
# For the canary of eight-bit models: processors differ in how they add up products.
COARSE_TOLERANCE = 0.1
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
    # Whisper's last two frames before 30 s are counted differently, and beyond 30 s
    # it works window by window: neither is in the trace.
    window = network.encoder.family.window
    about = {
        "canary": canary_logits(detector.logits),
        "tolerance": CANARY_TOLERANCE,
        "max_seconds": None if window is None else (window - 2 * HOP) / SAMPLE_RATE,
        "input": "wav [1, time], float32, mono, 16 kHz, any level",
        "output": "logits [1, 2]: fake, real; score = real - fake",
    }
    path = Path(path)
    with _scratch(path) as traced:
        _trace(network, traced)
        _finish(traced, path, about)
    return _compare(detector, path)


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
    path = Path(path)
    with _scratch(path) as coarse:
        with _quiet():
            quantize_dynamic(
                str(source),
                str(coarse),
                op_types_to_quantize=["MatMul", "Gemm"],
                weight_type=QuantType.QInt8,
                per_channel=True,
                use_external_data_format=Path(f"{source}.data").exists(),
            )
        session = open_session(coarse)
        canary = canary_logits(lambda wav: run(session, wav))
        _finish(coarse, path, {"canary": canary, "tolerance": COARSE_TOLERANCE})
    return _compare(OnnxDetector(source), path)


@contextlib.contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A file in a folder of its own beside the one to be.

    The weights of large models are spread over files around the graph at first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        yield Path(folder) / "model.onnx"


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
    with warnings.catch_warnings(), _stft_as_convolution():
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
def _stft_as_convolution() -> Iterator[None]:
    """Teach the exporter the STFT of Whisper, a complex tensor seen as two reals.

    As a convolution with the windowed Fourier basis, because the exporter has no
    complex numbers, and ONNX Runtime's own STFT is a hundred times less exact.
    """
    time = torch.arange(N_FFT, dtype=torch.float64)
    turns = torch.outer(torch.arange(N_FFT // 2 + 1, dtype=torch.float64), time)
    angles = 2 * torch.pi * (turns % N_FFT) / N_FFT
    window = torch.hann_window(N_FFT, dtype=torch.float64)
    basis = torch.cat([angles.cos(), -angles.sin()]) * window

    def stft(g, signal, *_):
        def constant(value):
            return g.op("Constant", value_t=value)

        signal = g.op("Unsqueeze", signal, constant(torch.tensor([1])))
        kernel = constant(basis.float().unsqueeze(1))
        parts = g.op("Conv", signal, kernel, strides_i=[HOP])
        shape = constant(torch.tensor([0, 2, N_FFT // 2 + 1, -1]))
        return g.op("Transpose", g.op("Reshape", parts, shape), perm_i=[0, 2, 3, 1])

    symbolics = {"aten::stft": stft, "aten::view_as_real": lambda g, spectrum: spectrum}
    for name, symbolic in symbolics.items():
        torch.onnx.register_custom_op_symbolic(name, symbolic, OPSET)
    try:
        yield
    finally:
        for name in symbolics:
            torch.onnx.unregister_custom_op_symbolic(name, OPSET)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep advice on preprocessing, which changes nothing here, off the screen."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _finish(written: Path, path: Path, about: dict[str, object]) -> None:
    """Write the file to be, with metadata; large weights go to one file beside it."""
    model = onnx.load(written)
    known = {entry.key: entry.value for entry in model.metadata_props}
    known |= {key: json.dumps(value) for key, value in about.items()}
    onnx.helper.set_model_props(model, known)
    beside = path.with_name(f"{path.name}.data")
    beside.unlink(missing_ok=True)
    large = sum(len(t.raw_data) for t in model.graph.initializer) > LARGEST_FILE
    arguments = {"save_as_external_data": True, "location": beside.name}
    with atomic_path(path) as temporary:
        onnx.save_model(model, temporary, **(arguments if large else {}))


def _compare(reference: FileScorer, path: Path) -> ExportedOnnx:
    """Score waveforms of many lengths by both."""
    exported = OnnxDetector(path)
    generator = torch.Generator().manual_seed(0)
    wavs = [canary_wav(round(16000 * seconds)) for seconds in COMPARED]
    wavs = [wav + torch.randn(wav.shape, generator=generator) for wav in wavs]
    with torch.inference_mode():
        wanted = scores(torch.cat([reference.logits(wav) for wav in wavs]))
        found = scores(torch.cat([exported.logits(wav) for wav in wavs]))
    difference = (found - wanted).abs().max().item()
    return ExportedOnnx(path, difference, wanted.std().item())
