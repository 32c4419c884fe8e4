#!/usr/bin/env python3
"""Score any audio with a detector.

    python score.py DETECTOR FILE_OR_FOLDER... [--out scores.csv]

DETECTOR is a folder that train.py or convert.py wrote, a hub id, or an ONNX file of
convert.py. A folder of audio is searched through. Prints
`ID,Score,LogitFake,LogitReal`, or writes it to --out; ID is the path as given, and the
higher the score, the more genuine the speech. Files of any sample rate and number of
channels are taken; 25 ms is the least. What cannot be scored is listed with its reason
on standard error, and the exit code is 1 then.
"""

import argparse
import sys

from recipes.AntiDeepfake.command import command, load_detector, show_progress
from recipes.AntiDeepfake.scoring import list_failures, write_scores


@command(usage=__doc__)
def main(arguments: list[str]) -> int:
    """Score the files that are named on the command line."""
    parser = argparse.ArgumentParser("score.py")
    parser.add_argument("detector")
    parser.add_argument("audio", nargs="+")
    parser.add_argument("--out")
    parser.add_argument("--device")
    parser.add_argument("--precision", choices=["fp32", "fp16", "bf16"])
    parser.add_argument("--max_batch_length", type=float, default=100.0)
    parser.add_argument("--num_workers", type=int, default=0)
    parser.add_argument("--noprogressbar", action="store_true")
    options = parser.parse_args(arguments)

    asked = {"device": options.device, "precision": options.precision}
    run_opts = {key: value for key, value in asked.items() if value}
    detector = load_detector(options.detector, run_opts)
    scored = detector.score_files(
        options.audio,
        max_batch_length=options.max_batch_length,
        num_workers=options.num_workers,
        progressbar=show_progress(options),
    )
    rows = [{"ID": path} for path in scored.logits]
    columns = ["ID", "Score", "LogitFake", "LogitReal"]
    write_scores(options.out or sys.stdout, rows, scored, columns)
    return list_failures(scored)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
