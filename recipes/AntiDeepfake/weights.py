"""The weights of a detector: one safetensors file, loaded whole or not at all.

With them comes a calibration, if there is one (`calibration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.utils import EntryNotFoundError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from speechbrain.utils.fetching import FetchConfig, FetchFrom, guess_source
from speechbrain.utils.logger import get_logger
from speechbrain.utils.parameter_transfer import Pretrainer

from recipes.AntiDeepfake.calibration import CALIBRATION

__all__ = [
    "WEIGHTS",
    "DetectorPretrainer",
    "WeightsError",
    "find_calibration",
    "load_weights",
]

WEIGHTS = "model.safetensors"
logger = get_logger(__name__)


class WeightsError(ValueError):
    """Weights that do not fit a detector; names the file and the tensors."""


class DetectorPretrainer(Pretrainer):
    """SpeechBrain's `Pretrainer` for one safetensors file, loaded strictly.

    Arguments
    ---------
    loadables : dict
        `{"detector": module}`.

    `calibration_file` is the calibration that came with the weights, or None.
    """

    def __init__(self, loadables: Mapping[str, torch.nn.Module]):
        hooks = dict.fromkeys(loadables, load_weights)
        super().__init__(loadables=loadables, custom_hooks=hooks)
        self.calibration_file: Path | None = None

    def collect_files(self, default_source=None, **kwargs):
        """Find the weights beside the hyper-parameters, and a calibration if any."""
        config = kwargs.get("fetch_config")
        self.calibration_file = find_calibration(default_source, config)
        self.add_paths(dict.fromkeys(self.loadables, f"{default_source}/{WEIGHTS}"))
        return super().collect_files(default_source, **kwargs)


def find_calibration(source, fetch_config: FetchConfig | None = None) -> Path | None:
    """Find or fetch the calibration that comes with a detector, if there is one.

    Arguments
    ---------
    source : str, Path or FetchSource
        A detector folder or a hub id. A web address of another kind is not asked.
    fetch_config : FetchConfig, optional
        As SpeechBrain fetches the other files.

    Returns
    -------
    Path or None
    """
    config = fetch_config or FetchConfig()
    kind, place = guess_source(source)
    if kind is FetchFrom.LOCAL:
        path = Path(place) / CALIBRATION
        return path if path.is_file() else None
    if kind is not FetchFrom.HUGGING_FACE:
        return None
    try:
        # Not SpeechBrain's `fetch`: with several processes, a file that is missing
        # for the first would leave the others waiting.
        path = hf_hub_download(
            repo_id=str(place),
            filename=CALIBRATION,
            token=config.token,
            revision=config.revision,
            local_files_only=not config.allow_network,
            cache_dir=config.huggingface_cache_dir,
        )
    except LocalEntryNotFoundError:
        logger.warning(
            "%s: the hub cannot be asked for %s, and the cache has none; scores are "
            "not calibrated.",
            place,
            CALIBRATION,
        )
        return None
    except EntryNotFoundError:
        return None
    return Path(path)


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
