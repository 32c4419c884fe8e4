"""What the commands of the recipe share: loading YAML and failing clearly."""

from __future__ import annotations

import functools
import importlib
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from huggingface_hub.utils import HFValidationError
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml.constructor import DuplicateKeyError
from speechbrain.utils.run_opts import RunOptions

from data_prep.audio_info import AudioError
from data_prep.manifest import ManifestError
from lobes.checkpoint_file import CheckpointError
from recipes.AntiDeepfake.export import HYPERPARAMS
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.weights import WeightsError

__all__ = [
    "UsageError",
    "command",
    "import_extra",
    "load_detector",
    "load_hparams",
    "show_progress",
]


class UsageError(ValueError):
    """The command was given something that it cannot work with."""


def command(usage: str) -> Callable:
    """Turn `main(arguments) -> exit code` into a command with the common manners.

    `--help` prints the usage and exits with 0. Without arguments the usage goes to
    standard error and the exit code is 2, as for a `UsageError`. Manifests, audio
    and weights that cannot be used give their message, without a traceback, and
    exit code 1. Everything else is a defect and keeps its traceback.

    Arguments
    ---------
    usage : str
        What `--help` prints.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(main: Callable[[list[str]], int | None]) -> Callable:
        @functools.wraps(main)
        def run(arguments: list[str]) -> int:
            if not arguments or {"-h", "--help"} & set(arguments):
                asked = bool(arguments)
                print(usage.strip(), file=sys.stdout if asked else sys.stderr)
                return 0 if asked else 2
            try:
                return main(arguments) or 0
            except UsageError as error:
                print(f"error: {error}", file=sys.stderr)
                return 2
            except (ManifestError, AudioError, CheckpointError, WeightsError) as error:
                print(f"error: {_without_worker(error)}", file=sys.stderr)
                return 1

        return run

    return decorate


def _without_worker(error: Exception) -> str:
    """The message of an error; what a worker adds to it (a traceback) left out."""
    message = str(error)
    if not message.startswith("Caught "):
        return message
    return message.strip().splitlines()[-1].partition(": ")[2]


def load_hparams(hparams_file: str, overrides: str) -> dict:
    """Read an experiment file.

    Arguments
    ---------
    hparams_file : str
        The HyperPyYAML file.
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
    """
    try:
        with open(hparams_file, encoding="utf-8") as stream:
            return load_hyperpyyaml(stream, overrides)
    except OSError as error:
        # The YAML itself, or a file or hub id that it names, such as ssl_source.
        raise UsageError(f"{hparams_file}: {error}") from None
    except (ValueError, KeyError) as error:
        message = str(error.args[0] if error.args else error)
        if "!PLACEHOLDER" in message:
            raise UsageError(
                f"{hparams_file}: {message} Give it as `--key value` or write it in "
                "the YAML, where a comment says what it is."
            ) from None
        if "override" in message:
            raise UsageError(f"{hparams_file}: {message}") from None
        raise
    except DuplicateKeyError as error:
        raise UsageError(f"a value is given twice: {error.problem}") from None


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
