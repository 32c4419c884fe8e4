#!/usr/bin/env python3
"""Score test sets with a detector and print the metrics.

    python evaluate.py hparams/eval_mini.yaml
    python evaluate.py hparams/eval_mini.yaml --detector FOLDER_OR_HUB_ID

Writes `scores.csv` (one row per trial), `metrics.csv` (one row per slice) and the
picture `scores.png` to the output folder. Audio that cannot be scored is listed with
its reason, and the exit code is 1 then.
"""

import sys

import speechbrain as sb
from speechbrain.utils.distributed import ddp_init_group, if_main_process

from data_prep.manifest import read_manifest
from recipes.AntiDeepfake.command import (
    command,
    load_detector,
    load_hparams,
    show_progress,
)
from recipes.AntiDeepfake.plots import plot_scores
from recipes.AntiDeepfake.report import (
    format_table,
    list_failures,
    metrics_table,
    write_table,
)
from recipes.AntiDeepfake.scoring import score_rows, write_scores


@command(usage=__doc__)
def main(arguments: list[str]) -> int:
    """Evaluate one detector on the manifests of a YAML."""
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    ddp_init_group(run_opts)
    hparams = load_hparams(hparams_file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    rows = read_manifest(hparams["test_csv"])
    detector = load_detector(hparams["detector"], run_opts)
    scored = score_rows(
        detector.logits,
        rows,
        hparams["data_folder"],
        max_batch_length=hparams["max_batch_length"],
        num_workers=hparams["num_workers"],
        progressbar=show_progress(run_opts),
        normalise=False,
    )
    if not if_main_process():
        return 0  # the main process has the trials of all, and writes and reports
    folder = hparams["output_folder"]
    write_scores(f"{folder}/scores.csv", rows, scored)
    table = metrics_table(rows, scored)
    write_table(f"{folder}/metrics.csv", table)
    if table:
        plot_scores(f"{folder}/scores.png", rows, scored, table)
    print(format_table(table))
    print(f"\nscores.csv, metrics.csv, scores.png: {folder}")
    return list_failures(scored)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
