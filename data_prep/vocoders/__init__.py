"""Vocoders for copy synthesis.

To add one, write a class like `data_prep.vocoders.world.World` or, with torch,
`data_prep.vocoders.codecs.Mimi`, and name it in `VOCODERS`. Everything else, such as
resampling, level, files, manifests, processes and resuming, is the same for all.
"""

from __future__ import annotations

from pathlib import Path

from data_prep.vocoders.base import Vocoder, VocoderError, find_weights
from data_prep.vocoders.codecs import Encodec, Mimi
from data_prep.vocoders.diffwave import DiffWave
from data_prep.vocoders.griffin_lim import GriffinLim, MelGriffinLim
from data_prep.vocoders.hifigan import HifiGan, HifiGan22k
from data_prep.vocoders.vocos import VocosMel
from data_prep.vocoders.world import World

__all__ = ["VOCODERS", "Vocoder", "VocoderError", "load_vocoder", "model_folder"]

VOCODERS: dict[str, type[Vocoder]] = {
    vocoder.name: vocoder
    for vocoder in (
        World,
        GriffinLim,
        MelGriffinLim,
        HifiGan,
        HifiGan22k,
        DiffWave,
        VocosMel,
        Encodec,
        Mimi,
    )
}


def model_folder(name: str, weights: str | Path | None = None) -> Path | None:
    """The folder with the model of a vocoder; downloads it if necessary.

    Arguments
    ---------
    name : str
        A key of `VOCODERS`.
    weights : str or Path, optional
        Folder or hub id; by default where the model is published.

    Returns
    -------
    Path or None
        None for a vocoder without a model.

    Raises
    ------
    VocoderError
        If there is no such vocoder or model.
    """
    if name not in VOCODERS:
        raise VocoderError(f"no vocoder {name!r}: choose from {', '.join(VOCODERS)}.")
    hub_id = VOCODERS[name].hub_id
    if hub_id:
        return find_weights(weights or hub_id)
    if weights:
        raise VocoderError(f"{name} has no weights: leave {weights} out.")
    return None


def load_vocoder(
    name: str, weights: str | Path | None = None, device: str = "cpu"
) -> Vocoder:
    """Set up a vocoder.

    Arguments
    ---------
    name : str
        A key of `VOCODERS`.
    weights : str or Path, optional
        Folder with its model, or a hub id; by default where it is published.
    device : str
        `cpu`, `cuda:0` and so on.

    Returns
    -------
    Vocoder
        Ready to be called.

    Raises
    ------
    VocoderError
        If there is no such vocoder, a package is missing, or the weights are or
        cannot be loaded.

    Example
    -------
    >>> import numpy as np
    >>> vocoder = load_vocoder("griffin_lim")
    >>> vocoder(np.zeros(8000, np.float32), 16000).shape
    (8000,)
    """
    folder = model_folder(name, weights)
    kind = VOCODERS[name]
    try:
        return kind(folder, device)
    except ModuleNotFoundError as error:
        raise VocoderError(
            f"{name}: the package {error.name} is missing: pip install {kind.install}"
        ) from None
    # Loaders of three libraries raise whatever they please for a wrong folder.
    except Exception as error:
        why = str(error).strip().partition("\n")[0]
        raise VocoderError(
            f"{folder}: cannot be loaded for {name} ({type(error).__name__}: {why}). "
            f"Give a folder with the files of {kind.hub_id}."
        ) from error
