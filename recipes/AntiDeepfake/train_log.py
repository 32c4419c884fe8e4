"""One line in the log for every nominal epoch: not lost, and not twice.

A checkpoint at the end of a nominal epoch carries the line. It is saved first; if the
run is killed before the line is written, the next one writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain.utils.checkpoints import Checkpoint
from speechbrain.utils.distributed import main_process_only

if TYPE_CHECKING:
    from speechbrain.utils.train_logger import TrainLogger

__all__ = ["catch_up", "log_meta", "write_log"]

_LOG = "log"


def log_meta(record: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Metadata for the checkpoint of a nominal epoch, see `write_log`."""
    # As a text, because SpeechBrain's YAML would sort the names.
    return {_LOG: json.dumps(record)}


def write_log(
    loggers: list[TrainLogger | None], record: Mapping[str, Mapping[str, float]]
) -> None:
    """Log a nominal epoch.

    Arguments
    ---------
    loggers : list
        Loggers of SpeechBrain; None is passed over.
    record : dict
        `meta` with the number of the `epoch`, `train` and `valid`: names and values.
    """
    # Only when it is needed: it warns of a package for pictures, see `command`.
    from speechbrain.utils.train_logger import TensorboardLogger

    parts = {part: record[part] for part in ("train", "valid")}
    for logger in loggers:
        if isinstance(logger, TensorboardLogger):
            # It counts from 1 in every run; a curve is to go on where it was.
            done = record["meta"]["epoch"] - 1
            steps = {part: dict.fromkeys(parts[part], done) for part in parts}
            logger.global_step = {"meta": done, "test": {}, **steps}
        if logger is not None:
            logger.log_stats(record["meta"], parts["train"], parts["valid"])


def catch_up(loggers: list[TrainLogger | None], checkpoint: Checkpoint | None) -> None:
    """Log the nominal epoch that a checkpoint ends, if that was prevented.

    Arguments
    ---------
    loggers : list
        Loggers of SpeechBrain, those with a file (`save_file`) and others.
    checkpoint : Checkpoint or None
        From which a run resumes.
    """
    if checkpoint is None or _LOG not in checkpoint.meta:
        return
    record = json.loads(checkpoint.meta[_LOG])
    files = [one.save_file for one in loggers if hasattr(one, "save_file")]
    if files and not _is_last(files[0], record["meta"]["epoch"]):
        write_log(loggers, record)


@main_process_only
def _is_last(file: str | Path, epoch: int) -> bool:
    """Whether the last line is that of an epoch."""
    if not Path(file).exists():
        return False
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return bool(lines) and lines[-1].startswith(f"epoch: {epoch},")
