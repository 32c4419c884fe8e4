"""From a published checkpoint to a detector folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.files import atomic_path
from lobes import pretrained
from lobes.checkpoint_file import CheckpointError
from lobes.classifiers import LinearClassifier
from lobes.detector import Detector
from lobes.fairseq_import import ImportedCheckpoint, read_checkpoint
from lobes.models import MODELS, ModelInfo, find_model
from lobes.pooling import MeanPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake.calibration import CALIBRATION, write_calibration
from recipes.AntiDeepfake.card import CARD, calibrated_card, released_card
from recipes.AntiDeepfake.command import UsageError
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.folder_swap import recover_folder
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.sources import find_source, load_checkpoint
from recipes.AntiDeepfake.training_data import COPY_OF

__all__ = ["convert", "known_model"]


def convert(source: str, out: str | Path, ssl: str | None = None) -> str:
    """Make a detector folder.

    Arguments
    ---------
    source : str
        A hub id, a detector folder, a folder with one checkpoint, or a checkpoint of
        AntiDeepfake.
    out : str or Path
        Where the detector folder is to be.
    ssl : str, optional
        The SSL model inside: a name known to `lobes.models`, or a JSON file with its
        architecture. Not for detector folders, which know it.

    Returns
    -------
    str
        What was found in the source, for people.

    Raises
    ------
    CheckpointError
        If there is no detector in the source, its weights do not fit, or its
        architecture is not known.
    UsageError
        If `ssl` is neither a name nor an architecture.
    """
    recover_folder(out)  # which may be the source as well
    path = find_source(source)
    if path.is_dir():
        return _convert_folder(source, path, out)
    checkpoint = read_checkpoint(path)
    if checkpoint.head is None:
        raise CheckpointError(
            f"{source}: a pre-trained model, not a detector: it has no head. Train one "
            f"from it: train.py ... --init_from {path}"
        )
    model = known_model(ssl or source)
    detector = _build(_architecture(source, checkpoint, ssl, model), checkpoint)
    export_detector(out, detector, released_card(source, model))
    return str(checkpoint)


def _convert_folder(source: str, folder: Path, out: str | Path) -> str:
    """Write a detector folder anew, with the code and the card of today."""
    run_opts = {"device": "cpu"}
    detector = DeepfakeDetector.from_hparams(str(folder), run_opts=run_opts)
    export_detector(out, detector.mods.detector, {COPY_OF: folder})
    if detector.calibration is not None:
        written = DeepfakeDetector.from_hparams(str(out), run_opts=run_opts)
        # The same weights, whose canary may be rounded otherwise on this machine.
        calibration = replace(detector.calibration, canary=written.hparams.canary)
        write_calibration(Path(out) / CALIBRATION, calibration)
        card = Path(out) / CARD
        text = calibrated_card(card.read_text("utf-8"), calibration)
        with atomic_path(card) as temporary:
            temporary.write_text(text, "utf-8")
    return f"{source}: a detector folder, canary {detector.hparams.canary}"


def known_model(name: str) -> ModelInfo | None:
    """Find the SSL model that a name speaks of.

    Arguments
    ---------
    name : str
        A name or hub id as for `lobes.models.find_model`, or the path of a file or
        folder that is named like one (`mms_300m.ckpt`).

    Returns
    -------
    ModelInfo or None
        None if it is not known.

    Example
    -------
    >>> known_model("downloads/mms-300m-anti-deepfake").name
    'MMS-300M'
    """
    stem = Path(name).stem if Path(name).is_file() else Path(name).name
    plain = stem.replace("_", "-")
    for candidate in (name, plain, f"nii-yamagishilab/{plain}"):
        try:
            return find_model(candidate)
        except ValueError:
            continue
    return None


def _architecture(
    source: str,
    checkpoint: ImportedCheckpoint,
    ssl: str | None,
    model: ModelInfo | None,
) -> dict[str, Any]:
    """The configuration of the encoder, from whatever knows it."""
    if ssl is not None and Path(ssl).is_file():
        return _read_config(ssl)
    if model is not None:
        return model.config()
    if ssl is not None:
        raise UsageError(f"--ssl {ssl}: neither a JSON file nor one of {_names()}.")
    if checkpoint.config is not None:
        return checkpoint.config
    raise CheckpointError(
        f"{source}: its architecture is {checkpoint.config_source} For a known model "
        f"by name, --ssl with one of {_names()}; for another one, --ssl FILE.json with "
        "the `config.json` that transformers has for it."
    )


def _read_config(path: str) -> dict[str, Any]:
    """Read and check an architecture."""
    try:
        config = json.loads(Path(path).read_text("utf-8"))
        pretrained.make_config(config)
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"--ssl {path}: no architecture of an encoder ({error}). Give a JSON file "
            "like the `config.json` of a model of transformers."
        ) from None
    return config


def _names() -> str:
    return ", ".join(MODELS)


def _build(config: dict[str, Any], checkpoint: ImportedCheckpoint) -> Detector:
    """The detector of the original: mean over frames, one linear layer."""
    encoder = SSLEncoder(
        config=config, feature_grad_mult=checkpoint.feature_grad_mult or 1.0
    )
    pooling = MeanPooling(encoder.output_size)
    detector = Detector(encoder, pooling, LinearClassifier(pooling.output_size))
    load_checkpoint(detector, checkpoint)
    return detector
