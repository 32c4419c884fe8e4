"""The detector folder: what training leaves behind and everything else loads.

    hyperparams.yaml     the object graph and the canary
    model.safetensors    all weights, keys `encoder.*`, `pooling.*`, `classifier.*`
    custom_interface.py  the interface and its code, see `bundle`
    README.md            the model card
    calibration.json     what the scores mean; only once `calibrate` has written it

A lobe can be declared from its object because every lobe keeps its constructor's
arguments as attributes of the same name (the convention of scikit-learn). One that
is to be declared otherwise, as the encoder, whose source may not be at hand later,
has a method `declaration()` that gives the arguments.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from inspect import signature
from pathlib import Path

import torch
from safetensors.torch import save_file

from lobes.masking import normalise_wav
from recipes.AntiDeepfake.bundle import Bundle, make_bundle
from recipes.AntiDeepfake.canary import canary_logits
from recipes.AntiDeepfake.card import CARD, model_card
from recipes.AntiDeepfake.training_data import training_lineage
from recipes.AntiDeepfake.weights import WEIGHTS, DetectorPretrainer

__all__ = ["HYPERPARAMS", "INTERFACE_FILE", "export_detector"]

HYPERPARAMS = "hyperparams.yaml"
INTERFACE_FILE = "custom_interface.py"

# JSON is YAML: `{encoder}` and the like are a class and its arguments.
_TEMPLATE = """# A deepfake speech detector; README.md tells how to load it. The classes
# are in custom_interface.py, and in the repository that it comes from.
encoder: !new:{encoder}
pooling: !new:{pooling}
classifier: !new:{classifier}
detector: !new:{detector}
  encoder: !ref <encoder>
  pooling: !ref <pooling>
  classifier: !ref <classifier>
modules:
  detector: !ref <detector>
pretrainer: !new:{pretrainer}
  loadables:
    detector: !ref <detector>
# Logits, fake and real, of the waveform that `canary_wav` makes.
canary: {canary}
# Corpora that it was trained on, by split; `data_prep.lineage.trained_on` reads it.
lineage: {lineage}
"""


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
        What the model card tells, see `card.model_card`.

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
    parts = [detector.encoder, detector.pooling, detector.classifier, detector]
    kinds = [*map(type, parts), DetectorPretrainer]
    bundle = make_bundle(kind.__module__ for kind in kinds)
    lineage = training_lineage(card)
    texts = {
        HYPERPARAMS: _hyperparams(detector, bundle, lineage),
        INTERFACE_FILE: bundle.interface_file(),
        CARD: model_card(card, lineage.get("training_data")),
    }
    for name, text in texts.items():
        (unfinished / name).write_text(text, encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(unfinished, folder)
    return folder


def _hyperparams(
    detector: torch.nn.Module, bundle: Bundle, lineage: Mapping[str, object]
) -> str:
    """The text of `hyperparams.yaml`."""
    device = next(detector.parameters()).device
    detector.eval()
    canary = canary_logits(lambda wav: detector(normalise_wav(wav.to(device))))
    return _TEMPLATE.format(
        encoder=_declaration(detector.encoder, bundle),
        pooling=_declaration(detector.pooling, bundle),
        classifier=_declaration(detector.classifier, bundle),
        detector=bundle.name(type(detector)),
        pretrainer=bundle.name(DetectorPretrainer),
        canary=[round(value, 6) for value in canary],
        lineage=json.dumps(lineage),
    )


def _declaration(module: torch.nn.Module, bundle: Bundle) -> str:
    """How YAML declares this object: `<class> {arguments}`."""
    kind = type(module)
    if hasattr(module, "declaration"):
        arguments = module.declaration()
    else:
        arguments = {name: _kept(module, name) for name in signature(kind).parameters}
    return f"{bundle.name(kind)} {json.dumps(arguments)}"


def _kept(module: torch.nn.Module, argument: str) -> object:
    """The value that a constructor's argument had."""
    if not hasattr(module, argument):
        raise TypeError(
            f"{type(module).__qualname__} does not keep its argument {argument!r} as "
            "an attribute of that name, so the detector folder cannot declare it."
        )
    return getattr(module, argument)
