"""What a run of training depends on, kept beside its checkpoints as `run.json`.

The same command again continues a run. With other settings it would continue as well,
and the detector would be that of neither command. So every start compares what the
result depends on with what the first one wrote:

- the values of the experiment, but for those that say where files are, how fast the run
  goes or how long it takes (`run_settings.FREE`);
- the run options that take part in the optimisation (`run_settings.RUN_OPTIONS`);
- the content of the manifests or shards and of the weights in `init_from`, wherever
  they are. Audio is not read for this.

A value may change if the run so far would have been the same with it, as with
`number_of_epochs`, by which a run is made longer. `total_steps` is none of these: the
learning rate depends on it from the first step on. Precision and number of processes
may change too, because a run may have to go on elsewhere; `run.json` lists them.

The file is written when training begins. Checkpoints from before there was one are
compared with the `hyperparams.yaml` in the output folder.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from speechbrain.utils.distributed import run_on_main
from speechbrain.utils.logger import get_logger
from speechbrain.utils.run_opts import RunOptions

from data_prep.files import atomic_path
from data_prep.manifest import ManifestError
from lobes.checkpoint_file import CheckpointError
from recipes.AntiDeepfake.checkpoints import AtomicCheckpointer
from recipes.AntiDeepfake.experiment import read_experiment
from recipes.AntiDeepfake.run_settings import (
    RUN_OPTIONS,
    run_files,
    run_option,
    run_settings,
)
from recipes.AntiDeepfake.sampling import process_rank
from recipes.AntiDeepfake.usage import UsageError

__all__ = [
    "RUN_FILE",
    "RunRecord",
    "begin_run",
    "changes",
    "debug_overrides",
]

logger = get_logger(__name__)

RUN_FILE = "run.json"
_VERSION = 1


@dataclass(frozen=True)
class RunRecord:
    """What a run depends on, to be written when it is known to be possible."""

    file: Path
    content: Mapping[str, Any]
    #: In what this start is not like the last one, if there was one.
    message: str | None = None

    def write(self) -> None:
        """Write the file, and say in what the run goes on otherwise."""
        if self.message:
            logger.warning(self.message)
        with atomic_path(self.file) as temporary:
            text = json.dumps(self.content, indent=1) + "\n"
            temporary.write_text(text, encoding="utf-8")


def debug_overrides(hparams_file: str, run_opts: RunOptions, overrides: str) -> str:
    """The values given on the command line; a trial gets a folder of its own.

    With `--debug`, SpeechBrain keeps checkpoints in a temporary folder. What else a
    run writes would replace what a real one has left in the same output folder, so it
    goes to `debug` inside it; with `--debug_persistently` all stays where it was.

    Arguments
    ---------
    hparams_file : str
        The experiment.
    run_opts : RunOptions
        From the command line.
    overrides : str
        YAML text of the values given there.

    Returns
    -------
    str
        YAML text.
    """
    if not _is_trial(run_opts):
        return overrides
    folder = read_experiment(hparams_file, overrides)["output_folder"]
    values = (YAML().load(overrides) if overrides else None) or {}
    values["output_folder"] = str(Path(folder) / "debug")
    stream = StringIO()
    YAML().dump(values, stream)
    return stream.getvalue()


def _is_trial(run_opts: RunOptions) -> bool:
    return run_opts.debug and not run_opts.debug_persistently


def begin_run(experiment: Mapping[str, Any], run_opts: RunOptions) -> RunRecord | None:
    """Make sure that checkpoints are of this run.

    Nothing has to be built for that. Of several processes all stop, if they have to.

    Arguments
    ---------
    experiment : dict
        The values of the experiment, as of `experiment.read_experiment`; its
        `checkpointer` says where checkpoints are.
    run_opts : RunOptions
        From the command line.

    Returns
    -------
    RunRecord
        To be written when training begins; None for a trial with `--debug`, of which
        no checkpoint remains.

    Raises
    ------
    UsageError
        If there are checkpoints of a run that differs; names each difference. If the
        output folder cannot be written.
    ManifestError or CheckpointError
        If the data or the weights to start from cannot be read.
    """
    outcome = run_on_main(_outcome_of_begin, args=[experiment, run_opts])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[str]]:
    """What differs between two records, for people.

    Arguments
    ---------
    old, new : dict
        Records with `settings` (values by name) and `files` (lists of `name` and
        `digest` by key).

    Returns
    -------
    dict
        Key -> old and new value. What follows from another key is left out.

    Example
    -------
    >>> old = {"settings": {"lr": 0.1, "opt_class.lr": 0.1, "seed": 1}, "files": {}}
    >>> new = {"settings": {"lr": 0.2, "opt_class.lr": 0.2, "seed": 1}, "files": {}}
    >>> changes(old, new)
    {'lr': ['0.1', '0.2']}
    """
    found = {}
    for key in old["files"] | new["files"]:
        files = [record["files"].get(key, []) for record in (old, new)]
        digests = [[file["digest"] for file in some] for some in files]
        if digests[0] != digests[1]:
            found[key] = [_shown_files(some) for some in files]
    for key in old["settings"] | new["settings"]:
        values = [record["settings"].get(key) for record in (old, new)]
        if values[0] != values[1]:
            found[key] = [json.dumps(value) for value in values]
    plain = [pair for key, pair in found.items() if "." not in key]
    return {
        key: pair for key, pair in found.items() if "." not in key or pair not in plain
    }


def _outcome_of_begin(*arguments) -> RunRecord | Exception | None:
    """Do what `begin_run` does in one process, and give the error for all to raise."""
    try:
        return _begin(*arguments)
    except (UsageError, ManifestError, CheckpointError) as error:
        return error


def _begin(experiment: Mapping[str, Any], run_opts: RunOptions) -> RunRecord | None:
    """Compare with the record, if there are checkpoints, and make the new one."""
    output_folder = Path(experiment["output_folder"])
    _require_writable("output_folder", output_folder)
    if _is_trial(run_opts):
        return None
    folder = Path(experiment["checkpointer"]["checkpoints_dir"])
    _require_writable("save_folder", folder)
    file, message = folder / RUN_FILE, None
    new = {
        "version": _VERSION,
        "settings": run_settings(experiment, run_opts),
        "files": run_files(experiment),
        "starts": [_start(experiment, run_opts)],
    }
    checkpoints = AtomicCheckpointer(folder).list_checkpoints()
    if checkpoints and file.is_file():
        old = _read(file)
        trained = max(checkpoint.meta.get("epoch", 0) for checkpoint in checkpoints)
        _require_same(file, changes(old, new))
        _require_length(file, experiment.get("number_of_epochs"), trained)
        new["starts"], message = _continued(file, old["starts"], new["starts"][0])
    elif checkpoints:
        message = _compare_with_experiment(output_folder / "hyperparams.yaml", new)
    return RunRecord(file, new, message)


def _require_writable(key: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror}); give another --{key}."
        ) from None


def _compare_with_experiment(file: Path, new: Mapping[str, Any]) -> str:
    """Compare with the last experiment as it was saved; what to say if that is well.

    Run options of the command line are not in it, nor is the content of data.
    """
    unknown = (
        f"{file.parent}: has checkpoints, but no {RUN_FILE} that says what they depend "
        "on. "
    )
    try:
        old = run_settings(read_experiment(file), RunOptions())
    except (OSError, ValueError, YAMLError):
        return unknown + (
            "They are taken to be of this experiment, and from now on it is written "
            "down."
        )
    old |= {name: new["settings"].get(name) for name in RUN_OPTIONS}
    _require_same(file, changes({"settings": old, "files": new["files"]}, new))
    return unknown + (
        f"The values are those of {file}; data and models that they name are taken to "
        "be the same. From now on it is written down."
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["version"] == _VERSION:
            return record
    except (ValueError, KeyError, TypeError):
        pass
    raise UsageError(
        f"{file}: not as this version of train.py writes it, so it cannot tell whether "
        "the checkpoints beside it are of this run. Give another --output_folder; or, "
        "if you know that they are, delete the file."
    )


def _require_same(file: Path, differences: Mapping[str, list[str]]) -> None:
    if not differences:
        return
    lines = [f"  {key}: {old} -> {new}" for key, (old, new) in differences.items()]
    if "total_steps" in differences:
        lines.append(
            "total_steps sets the learning rate from the first step on. For a longer "
            "run keep it, and give --number_of_epochs."
        )
    start = f"{file.parent}: has checkpoints of a run with other settings (old -> new):"
    raise UsageError(
        "\n".join([start, *lines])
        + "\nTo continue that run, give the old values. For a run with the new ones, "
        "give another --output_folder. To continue that run with the new values all "
        f"the same, delete {file}."
    )


def _require_length(file: Path, wanted: int | None, trained: int) -> None:
    if wanted is not None and wanted < trained:
        raise UsageError(
            f"{file.parent}: {trained} nominal epochs are trained, but "
            f"number_of_epochs is {wanted}. Give at least {trained}, or another "
            "--output_folder."
        )


def _continued(
    file: Path, starts: list[dict], start: dict
) -> tuple[list[dict], str | None]:
    """The starts of a run with this one, and in what it is not like the last."""
    if starts[-1] == start:
        return starts, None
    differences = [
        f"{key}: {starts[-1].get(key)} -> {value}"
        for key, value in start.items()
        if starts[-1].get(key) != value
    ]
    message = f"{file.parent}: the run goes on with {', '.join(differences)}."
    return [*starts, start], message


def _start(experiment: Mapping[str, Any], run_opts: RunOptions) -> dict[str, Any]:
    return {
        "precision": run_option("precision", experiment, run_opts),
        "processes": process_rank()[1],
        "number_of_epochs": experiment.get("number_of_epochs"),
    }


def _shown_files(files: list[dict[str, str]]) -> str:
    texts = [
        file["name"]
        if file["digest"] == file["name"]
        else f"{file['name']} (digest {file['digest'][:12]})"
        for file in files
    ]
    return ", ".join(texts) or "none"
