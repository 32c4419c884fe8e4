"""What the commands of the recipe share: loading YAML and failing clearly."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import logging
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
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
from recipes.AntiDeepfake.placeholders import missing_values
from recipes.AntiDeepfake.run_options import check_run_options
from recipes.AntiDeepfake.score_file import ScoreFileError
from recipes.AntiDeepfake.training_options import check_numbers
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


# Options that commands without an experiment have under the names of SpeechBrain.
_OPTIONS = {
    **dict.fromkeys(("device", "precision", "distributed_backend"), str),
    "max_batch_length": float,
    "num_workers": int,
}
_EXPERIMENTS = (".yaml", ".yml")

# SpeechBrain's module of loggers says so when it is imported; it is about pictures, of
# which there are none here.
logging.getLogger("speechbrain.utils.train_logger").addFilter(
    lambda record: "torchvision is not available" not in record.getMessage()
)


def command(usage: str, experiment: bool = True) -> Callable:
    """Turn `main(arguments) -> exit code` into a command; see `usage.command`.

    The device, the precision and numbers that make no sense are found out before
    `main` begins, and also what is wrong with an experiment file.

    Arguments
    ---------
    usage : str
        What `--help` prints.
    experiment : bool
        Whether it takes an experiment file.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(main: Callable[[list[str]], int | None]) -> Callable:
        @functools.wraps(main)
        def checked(arguments: list[str]) -> int | None:
            try:
                _check(arguments, experiment)
            except (UsageError, *_FAILURES) as error:
                _let_first_process_speak(2 if isinstance(error, UsageError) else 1)
                raise
            try:
                return main(arguments)
            except KeyboardInterrupt as stop:
                if str(stop) or not experiment:
                    raise
                raise KeyboardInterrupt(
                    "the same command goes on from what is in its output folder"
                ) from None

        return usage_command(usage, _FAILURES)(checked)

    return decorate


def _check(arguments: list[str], experiment: bool) -> None:
    """Raise if something is wrong with the command line that can be found at once."""
    if experiment and any(name.endswith(_EXPERIMENTS) for name in arguments):
        hparams_file, run_opts, overrides = RunOptions.from_command_line_args(arguments)
        given = {name: run_opts[name] for name in run_opts.overridden_args}
        with _explained(hparams_file, overrides):
            values = _read_values(hparams_file, overrides) | given
            check_run_options(values, training="opt_class" in values)
            _check_values(hparams_file, values)
        return
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, exit_on_error=False
    )
    for name, kind in _OPTIONS.items():
        parser.add_argument(f"--{name}", type=kind)
    # What cannot be parsed the command itself explains.
    with contextlib.suppress(argparse.ArgumentError):
        options = vars(parser.parse_known_args(arguments)[0])
        check_numbers(options)
        check_run_options(options)


def _let_first_process_speak(code: int) -> None:
    """Exit, if others say on this machine what is wrong with the command of all.

    torchrun ends all processes as soon as one has ended, so this one waits for that.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(code))
        time.sleep(60)
        sys.exit(code)


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
        If there is no such file or key, if the SSL model cannot be found, if numbers
        make no sense, or if a value is missing that only the user knows.
    ManifestError
        If data files are missing. Nothing was built or downloaded then.
    """
    with _explained(hparams_file, overrides):
        _check_values(hparams_file, _read_values(hparams_file, overrides))
        return load_hyperpyyaml(open_experiment(hparams_file), overrides)


@contextlib.contextmanager
def _explained(hparams_file: str, overrides: str) -> Iterator[None]:
    """Turn what reading an experiment raises into something for its user."""
    try:
        yield
    except UsageError:
        raise
    except OSError as error:
        # The YAML itself, or a file or hub id that it names, such as ssl_source.
        raise UsageError(f"{hparams_file}: {error}") from None
    except (ValueError, KeyError) as error:
        message = str(error.args[0] if error.args else error)
        if "!PLACEHOLDER" in message:
            # Of nested values only the message tells.
            told = missing_values(hparams_file, overrides) or message
            raise UsageError(told + _preparation(hparams_file)) from None
        if "override" in message.lower():
            raise UsageError(f"{hparams_file}: {message}") from None
        raise
    except DuplicateKeyError as error:
        raise UsageError(f"a value is given twice: {error.problem}") from None


def _read_values(hparams_file: str, overrides: str) -> dict:
    """The values of an experiment, also those that follow from others."""
    try:
        return read_experiment(hparams_file, overrides)
    except ZeroDivisionError:
        raise UsageError(
            f"{hparams_file}: a value is divided by 0; give --valid_interval 1 or more."
        ) from None


def _check_values(hparams_file: str, values: Mapping[str, object]) -> None:
    """Raise if numbers make no sense, or if manifests of training are missing."""
    check_numbers(values)
    for key in ("train_csv", "valid_csv"):
        if key == "train_csv" and values.get("train_shards"):
            continue
        files = values.get(key) or []
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
