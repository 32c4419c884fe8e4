"""What the commands of the recipe share: loading YAML and failing clearly."""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from huggingface_hub.utils import HFValidationError
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from speechbrain.utils.run_opts import RunOptions

from data_prep.audio_info import AudioError
from data_prep.manifest import ManifestError
from lobes.checkpoint_file import CheckpointError
from recipes.AntiDeepfake.calibration import CalibrationError
from recipes.AntiDeepfake.embeddings import EmbeddingsError
from recipes.AntiDeepfake.experiment import open_experiment, read_experiment
from recipes.AntiDeepfake.export import HYPERPARAMS
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.nonfinite import NonFiniteError
from recipes.AntiDeepfake.score_file import ScoreFileError
from recipes.AntiDeepfake.usage import UsageError
from recipes.AntiDeepfake.usage import command as usage_command
from recipes.AntiDeepfake.weights import WeightsError

__all__ = [
    "UsageError",
    "command",
    "import_extra",
    "load_detector",
    "load_hparams",
    "show_progress",
]


# Manifests, audio, weights and score files that cannot be used.
_FAILURES = (
    *(ManifestError, AudioError, CheckpointError, WeightsError, NonFiniteError),
    *(ScoreFileError, EmbeddingsError, CalibrationError),
)


def command(usage: str) -> Callable:
    """Turn `main(arguments) -> exit code` into a command; see `usage.command`.

    Arguments
    ---------
    usage : str
        What `--help` prints.

    Returns
    -------
    callable
        The decorator.
    """
    return usage_command(usage, _FAILURES)


def load_hparams(hparams_file: str, overrides: str) -> dict:
    """Read an experiment file.

    Arguments
    ---------
    hparams_file : str
        The HyperPyYAML file; it may be another one with changes, see `experiment`.
    overrides : str
        YAML text of the values given on the command line.

    Returns
    -------
    dict
        The hyper-parameters.

    Raises
    ------
    UsageError
        If there is no such file or key, if the SSL model cannot be found, or if a
        value is missing that only the user knows.
    ManifestError
        If data files are missing. Nothing was built or downloaded then.
    """
    try:
        _require_data_files(hparams_file, overrides)
        return load_hyperpyyaml(open_experiment(hparams_file), overrides)
    except OSError as error:
        # The YAML itself, or a file or hub id that it names, such as ssl_source.
        raise UsageError(f"{hparams_file}: {error}") from None
    except (ValueError, KeyError) as error:
        message = str(error.args[0] if error.args else error)
        if "!PLACEHOLDER" in message:
            raise UsageError(
                f"{hparams_file}: {message} Give it as `--key value` or write it in "
                "the YAML, where a comment says what it is."
                + _preparation(hparams_file)
            ) from None
        if "override" in message.lower():
            raise UsageError(f"{hparams_file}: {message}") from None
        raise
    except DuplicateKeyError as error:
        raise UsageError(f"a value is given twice: {error.problem}") from None


def _require_data_files(hparams_file: str, overrides: str) -> None:
    """Look for the manifests of training before anything takes long."""
    hparams = read_experiment(hparams_file, overrides)
    for key in ("train_csv", "valid_csv"):
        if key == "train_csv" and hparams.get("train_shards"):
            continue
        files = hparams.get(key) or []
        for file in [files] if isinstance(files, str) else files:
            if file.endswith(".csv") and not Path(file).is_file():
                raise ManifestError(
                    f"{file}: no such file; it is `{key}` of {hparams_file}. Make it "
                    "(`python -m data_prep --help`), or give another one as "
                    f"--{key}.{_preparation(hparams_file)}"
                )


def _preparation(hparams_file: str) -> str:
    """How an experiment says that its data are prepared, to end a message with."""
    text = YAML().load(open_experiment(hparams_file)).get("preparation")
    return (
        f"\nTo prepare the data, from the beginning:\n{text.rstrip()}" if text else ""
    )


def load_detector(source: str | Path, run_opts) -> FileScorer:
    """Load the detector that a command was given.

    Arguments
    ---------
    source : str or Path
        A detector folder, a hub id, or an ONNX file.
    run_opts : RunOptions or dict
        Where and how it is to run; an ONNX file runs on the CPU.

    Returns
    -------
    FileScorer
        A `DeepfakeDetector`, or an `OnnxDetector`.

    Raises
    ------
    UsageError
        If there is no detector.
    """
    if Path(source).suffix == ".onnx":
        module = import_extra("recipes.AntiDeepfake.onnx_detector")
        return module.OnnxDetector(source)
    if Path(source).is_dir() and not (Path(source) / HYPERPARAMS).exists():
        raise UsageError(
            f"{source}: a folder without {HYPERPARAMS}. Give a detector folder, as "
            "train.py and convert.py write it."
        )
    try:
        return DeepfakeDetector.from_hparams(source, run_opts=run_opts)
    except (OSError, HFValidationError) as error:
        raise UsageError(
            f"{source}: neither a detector folder nor a hub id that can be reached "
            f"({str(error).strip().splitlines()[0]}). A checkpoint or a hub id of "
            "AntiDeepfake becomes a detector folder by convert.py."
        ) from None


def import_extra(module: str) -> ModuleType:
    """Import a module of the recipe that needs a package of requirements-extra.txt.

    Arguments
    ---------
    module : str
        Its name.

    Returns
    -------
    module

    Raises
    ------
    UsageError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the package {error.name} is not installed. This needs it: "
            "pip install -r requirements-extra.txt"
        ) from None


def show_progress(options: RunOptions | Namespace) -> bool:
    """Whether progress bars are wanted: on a terminal, unless `noprogressbar`."""
    return sys.stderr.isatty() and not options.noprogressbar
