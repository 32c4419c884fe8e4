"""The detector folder: what training leaves behind and everything else loads.

    hyperparams.yaml   the object graph and the canary
    model.safetensors  all weights, keys `encoder.*`, `pooling.*`, `classifier.*`
    README.md          the model card

A lobe can be declared from its object because every lobe keeps its constructor's
arguments as attributes of the same name (the convention of scikit-learn). One that
is to be declared otherwise, as the encoder, whose source may not be at hand later,
has a method `declaration()` that gives the arguments.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from speechbrain.utils.parameter_transfer import Pretrainer

from lobes.masking import normalise_wav

__all__ = [
    "CARD",
    "HYPERPARAMS",
    "WEIGHTS",
    "DetectorPretrainer",
    "canary_wav",
    "check_canary",
    "export_detector",
    "load_weights",
]

HYPERPARAMS = "hyperparams.yaml"
WEIGHTS = "model.safetensors"
CARD = "README.md"
CANARY_SAMPLES = 16000
# Float rounding between machines, far below what a wrong tensor does.
CANARY_TOLERANCE = 1e-3

_TEMPLATE = """# A deepfake speech detector. Load it with
#   DeepfakeDetector.from_hparams(source=<this folder>)
encoder: {encoder}
pooling: {pooling}
classifier: {classifier}
detector: !new:lobes.detector.Detector
  encoder: !ref <encoder>
  pooling: !ref <pooling>
  classifier: !ref <classifier>
modules:
  detector: !ref <detector>
pretrainer: !new:recipes.AntiDeepfake.export.DetectorPretrainer
  loadables:
    detector: !ref <detector>
# Logits of the waveform that recipes.AntiDeepfake.export.canary_wav makes.
canary: {canary}
"""


class DetectorPretrainer(Pretrainer):
    """SpeechBrain's `Pretrainer` for one safetensors file, loaded strictly.

    Arguments
    ---------
    loadables : dict
        `{"detector": module}`.
    """

    def __init__(self, loadables: Mapping[str, torch.nn.Module]):
        hooks = dict.fromkeys(loadables, load_weights)
        super().__init__(loadables=loadables, custom_hooks=hooks)

    def collect_files(self, default_source=None, **kwargs):
        """Find the weights beside the hyper-parameters."""
        self.add_paths(dict.fromkeys(self.loadables, f"{default_source}/{WEIGHTS}"))
        return super().collect_files(default_source, **kwargs)


def load_weights(module: torch.nn.Module, path: str | Path) -> None:
    """Load a safetensors file into a module, every tensor or none.

    Arguments
    ---------
    module : torch.nn.Module
        Takes the weights.
    path : str or Path
        The file, or a detector folder.

    Raises
    ------
    ValueError
        If the file cannot be read, or if a tensor is missing, unexpected or of
        another shape; names the tensors.
    """
    path = Path(path)
    path = path / WEIGHTS if path.is_dir() else path
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{path}: no weights ({error}). Give a detector folder as train.py "
            "writes it."
        ) from None
    wanted = module.state_dict()
    complaints = [f"missing {name}" for name in wanted if name not in found]
    complaints += [f"unexpected {name}" for name in found if name not in wanted]
    complaints += [
        f"{name} is {list(found[name].shape)}, wanted {list(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    if complaints:
        shown = "; ".join(complaints[:10]) + ("; ..." if len(complaints) > 10 else "")
        raise ValueError(
            f"{path}: {len(complaints)} tensors do not fit the model: {shown}. "
            "Nothing was loaded: use the same architecture (SSL model, number of "
            "layers, pooling, classifier) that the weights were trained with."
        )
    module.load_state_dict(found)


def canary_wav() -> torch.Tensor:
    """One second made by a formula: a rising tone with a beating amplitude.

    Returns
    -------
    torch.Tensor
        `[1, time]`, 16 kHz.
    """
    t = torch.arange(CANARY_SAMPLES, dtype=torch.float64) / 16000
    tone = torch.sin(2 * math.pi * (200 + 1500 * t) * t)
    return (tone * (1 + torch.cos(2 * math.pi * 5 * t)))[None].float()


def check_canary(
    logits: Callable[[torch.Tensor], torch.Tensor], expected: list[float]
) -> None:
    """Compare the logits of the canary with the stored ones.

    Arguments
    ---------
    logits : callable
        `wav [1, time] -> logits [1, 2]`.
    expected : list of float
        `[fake, real]`.

    Raises
    ------
    RuntimeError
        If they differ by more than rounding.
    """
    with torch.inference_mode():
        found = logits(canary_wav())[0].float().cpu()
    difference = (found - torch.tensor(expected)).abs().max().item()
    if not difference <= CANARY_TOLERANCE:
        raise RuntimeError(
            f"the detector does not prove itself: on the canary it gives "
            f"{found.tolist()}, but {expected} are stored with it. The weights or "
            "the software changed; do not trust its scores."
        )


def export_detector(
    folder: str | Path, detector: torch.nn.Module, card: Mapping[str, object]
) -> Path:
    """Write a detector folder; an older one is replaced when the new one is whole.

    Arguments
    ---------
    folder : str or Path
        Where to.
    detector : lobes.detector.Detector
        The trained detector.
    card : dict
        What the model card tells: line by line, name and value.

    Returns
    -------
    Path
        The folder.
    """
    folder = Path(folder)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    weights = {key: value.contiguous() for key, value in detector.state_dict().items()}
    save_file(weights, unfinished / WEIGHTS, metadata={"format": "pt"})
    (unfinished / HYPERPARAMS).write_text(_hyperparams(detector), encoding="utf-8")
    (unfinished / CARD).write_text(_card(card), encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(unfinished, folder)
    return folder


def _hyperparams(detector: torch.nn.Module) -> str:
    """The text of `hyperparams.yaml`."""
    device = next(detector.parameters()).device
    detector.eval()
    with torch.inference_mode():
        logits = detector(normalise_wav(canary_wav().to(device)))[0].float().cpu()
    return _TEMPLATE.format(
        encoder=_declaration(detector.encoder),
        pooling=_declaration(detector.pooling),
        classifier=_declaration(detector.classifier),
        canary=[round(value, 6) for value in logits.tolist()],
    )


def _declaration(module: torch.nn.Module) -> str:
    """How YAML declares this object: `!new:<class> {arguments}`."""
    kind = type(module)
    if hasattr(module, "declaration"):
        arguments = module.declaration()
    else:
        arguments = {name: _kept(module, name) for name in signature(kind).parameters}
    return f"!new:{kind.__module__}.{kind.__qualname__} {json.dumps(arguments)}"


def _kept(module: torch.nn.Module, argument: str) -> object:
    """The value that a constructor's argument had."""
    if not hasattr(module, argument):
        raise TypeError(
            f"{type(module).__qualname__} does not keep its argument {argument!r} as "
            "an attribute of that name, so the detector folder cannot declare it."
        )
    return getattr(module, argument)


def _card(card: Mapping[str, object]) -> str:
    """The text of the model card."""
    lines = "\n".join(f"- {name}: {value}" for name, value in card.items())
    return f"""# Deepfake speech detector

Tells genuine speech from synthesised, converted, vocoded or coded speech. A score
is `logit[real] - logit[fake]`: the higher, the more genuine.

{lines}

```python
from recipes.AntiDeepfake.interface import DeepfakeDetector

detector = DeepfakeDetector.from_hparams(source="<this folder>")
print(detector.score_file("speech.wav"))
```
"""
