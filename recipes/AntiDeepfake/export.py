"""The detector folder: what training leaves behind and everything else loads.

    hyperparams.yaml     the object graph and the canary
    model.safetensors    all weights, keys `encoder.*`, `pooling.*`, `classifier.*`
    custom_interface.py  the interface and its code, see `bundle`
    README.md            the model card
    calibration.json     what the scores mean; only once `calibrate` has written it

Files beside these four (a calibration, ONNX models, notes) belong to the weights. With
the same weights they stay; with new ones the whole older folder is set aside.

A lobe can be declared from its object because every lobe keeps its constructor's
arguments as attributes of the same name (the convention of scikit-learn). One that
is to be declared otherwise, as the encoder, whose source may not be at hand later,
has a method `declaration()` that gives the arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from inspect import signature
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from speechbrain.utils.logger import get_logger

from lobes.masking import normalise_wav
from recipes.AntiDeepfake.bundle import Bundle, make_bundle
from recipes.AntiDeepfake.canary import CANARY_TOLERANCE, canary_logits
from recipes.AntiDeepfake.card import CARD, model_card, with_sections
from recipes.AntiDeepfake.folder_swap import (
    add_links,
    recover_folder,
    replaced_folder,
    set_aside,
)
from recipes.AntiDeepfake.training_data import training_lineage
from recipes.AntiDeepfake.weights import WEIGHTS, DetectorPretrainer

__all__ = ["HYPERPARAMS", "INTERFACE_FILE", "export_detector"]

logger = get_logger(__name__)

HYPERPARAMS = "hyperparams.yaml"
INTERFACE_FILE = "custom_interface.py"
# What is written here; anything else in the folder is not.
_OWN = frozenset((HYPERPARAMS, INTERFACE_FILE, CARD, WEIGHTS))
_CANARY = re.compile(r"^canary: (.*)$", re.MULTILINE)

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

    If the older one has the same weights, all that it has besides is kept, and nothing
    is written if nothing is new. If it has others, and files that were not written
    here, it gets the name `<name>.old`, and a warning says so.

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
    folder = Path(folder).resolve()
    recover_folder(folder)
    weights = {key: value.contiguous() for key, value in detector.state_dict().items()}
    texts = _texts(detector, card)
    same = _is_same(folder, weights, texts[HYPERPARAMS])
    if same:
        texts = _merged(folder, texts)
        if all(_read(folder / name) == text for name, text in texts.items()):
            return folder
    with replaced_folder(folder) as new:
        save_file(weights, new / WEIGHTS, metadata={"format": "pt"})
        for name, text in texts.items():
            (new / name).write_text(text, encoding="utf-8")
        if same:
            add_links(folder, new, but=_OWN)
        else:
            _keep_others(folder)
    return folder


def _texts(detector: torch.nn.Module, card: Mapping[str, object]) -> dict[str, str]:
    """The content of the files but for the weights."""
    parts = [detector.encoder, detector.pooling, detector.classifier, detector]
    kinds = [*map(type, parts), DetectorPretrainer]
    bundle = make_bundle(kind.__module__ for kind in kinds)
    lineage = training_lineage(card)
    return {
        HYPERPARAMS: _hyperparams(detector, bundle, lineage),
        INTERFACE_FILE: bundle.interface_file(),
        CARD: model_card(card, lineage.get("training_data")),
    }


def _is_same(
    folder: Path, weights: Mapping[str, torch.Tensor], hyperparams: str
) -> bool:
    """Whether a folder has these weights, and code that makes the same of them."""
    canaries = [_canary(text) for text in (hyperparams, _read(folder / HYPERPARAMS))]
    if len(canaries[0]) != len(canaries[1]):
        return False
    if any(abs(a - b) > CANARY_TOLERANCE for a, b in zip(*canaries, strict=True)):
        return False
    try:
        with safe_open(folder / WEIGHTS, "pt") as file:
            return {*file.keys()} == {*weights} and all(
                _is_equal(file.get_tensor(name), weights[name]) for name in weights
            )
    except (OSError, SafetensorError):
        return False


def _is_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other.cpu())


def _merged(folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """New texts for the same weights, with what a folder has beyond them.

    That is the canary, as a calibration names its very digits, which may be rounded
    otherwise on this machine; and sections of the card that others have written.
    """
    canary = _CANARY.search(_read(folder / HYPERPARAMS))[0]
    return {
        **texts,
        HYPERPARAMS: _CANARY.sub(lambda _: canary, texts[HYPERPARAMS]),
        CARD: with_sections(texts[CARD], _read(folder / CARD)),
    }


def _canary(hyperparams: str) -> list[float]:
    """The logits in hyper-parameters; none if there are none that can be read."""
    found = _CANARY.search(hyperparams)
    try:
        return [float(value) for value in json.loads(found[1])] if found else []
    except (ValueError, TypeError):
        return []


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _keep_others(folder: Path) -> None:
    """Set a folder aside if it has files that were not written here."""
    others = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    others = sorted(set(others) - _OWN)
    if others:
        logger.warning(
            f"{folder}: the weights are new, and {', '.join(others)} may belong to the "
            f"old ones. The folder as it was is now {set_aside(folder)}: make for the "
            "new detector what you need of it, and delete it."
        )


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
