#!/usr/bin/env python3
"""Score any audio with a detector.

    python score.py DETECTOR FILE_OR_FOLDER... [--out scores.csv]

DETECTOR is a folder that train.py or convert.py wrote, a hub id, or an ONNX file of
convert.py. A folder of audio is searched through. Prints
`ID,Score,LogitFake,LogitReal`, or writes it to --out; ID is the path as given, and the
higher the score, the more genuine the speech. Files of any sample rate and number of
channels are taken; 25 ms is the least. What cannot be scored is listed with its reason
on standard error, and the exit code is 1 then.

In folders, files are taken that are called like audio (`.wav`, `.m4a`, ...); how many
others there are is said. With --out, scores are kept in `<out>.scored/` until all are
there, so after a stop the same command goes on where it was.
"""

import argparse
import os
import sys
from pathlib import Path

from recipes.AntiDeepfake.command import (
    UsageError,
    command,
    load_detector,
    show_progress,
)
from recipes.AntiDeepfake.evaluation_inputs import require_detector, require_writable
from recipes.AntiDeepfake.score_log import ScoreLog
from recipes.AntiDeepfake.scoring import Scored, list_failures, write_scores


@command(usage=__doc__, experiment=False)
def main(arguments: list[str]) -> int:
    """Score the files that are named on the command line."""
    parser = argparse.ArgumentParser("score.py")
    parser.add_argument("detector")
    parser.add_argument("audio", nargs="+")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device")
    parser.add_argument("--precision", choices=["fp32", "fp16", "bf16"])
    parser.add_argument("--max_batch_length", type=float, default=100.0)
    parser.add_argument("--num_workers", type=int, default=0)
    parser.add_argument("--noprogressbar", action="store_true")
    options = parser.parse_args(arguments)

    require_detector(options.detector)
    if options.out:
        if options.out.is_dir():
            raise UsageError(
                f"--out {options.out}: cannot be written (it is a folder). Nothing was "
                "scored; give the name of a file."
            )
        require_writable(options.out.parent, f"--out {options.out}")
    asked = {"device": options.device, "precision": options.precision}
    run_opts = {key: value for key, value in asked.items() if value}
    detector = load_detector(options.detector, run_opts)
    log = None
    if options.out:
        # IDs are paths, and what they mean depends on where the command is run.
        place = f"precision {options.precision} files from {os.getcwd()!a}"
        log = ScoreLog(_kept(options.out), f"detector {detector.digest()} {place}")
    scored = detector.score_files(
        options.audio,
        max_batch_length=options.max_batch_length,
        num_workers=options.num_workers,
        progressbar=show_progress(options),
        log=log,
    )
    _write(options.out, scored)
    if log:
        log.remove()
    return list_failures(scored)


def _kept(out: Path) -> Path:
    """Where scores are until all are there."""
    return out.with_name(f"{out.name}.scored")


def _write(path: Path | None, scored: Scored) -> None:
    """Write the scores to a file or to standard output."""
    rows = [{"ID": name} for name in scored.logits]
    columns = ["ID", "Score", "LogitFake", "LogitReal"]
    try:
        write_scores(path or sys.stdout, rows, scored, columns)
        sys.stdout.flush()
    except OSError as error:
        remedy = f"Scores are kept in {path and _kept(path)}: the same command goes on."
        if path is None:
            # Python is not to try again at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            remedy = "Give --out FILE."
        if not isinstance(error, BrokenPipeError):  # `| head` has seen enough
            raise UsageError(
                f"{path or 'standard output'}: cannot be written ({error.strerror}). "
                f"{remedy}"
            ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
