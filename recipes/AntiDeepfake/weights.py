"""The weights of a detector: one safetensors file, loaded whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from speechbrain.utils.parameter_transfer import Pretrainer

__all__ = ["WEIGHTS", "DetectorPretrainer", "WeightsError", "load_weights"]

WEIGHTS = "model.safetensors"


class WeightsError(ValueError):
    """Weights that do not fit a detector; names the file and the tensors."""


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
    WeightsError
        If the file cannot be read, or if a tensor is missing, unexpected or of
        another shape; names the tensors.
    """
    path = Path(path)
    path = path / WEIGHTS if path.is_dir() else path
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path}: no weights ({error}). Give a detector folder as train.py and "
            "convert.py write it."
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
        raise WeightsError(
            f"{path}: {len(complaints)} tensors do not fit the model: {shown}. "
            "Nothing was loaded: use the same architecture (SSL model, number of "
            "layers, pooling, classifier) that the weights were trained with."
        )
    module.load_state_dict(found)
