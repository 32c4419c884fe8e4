#!/usr/bin/env python3
"""Score test sets with a detector and print the metrics.

    python evaluate.py hparams/eval_mini.yaml
    python evaluate.py hparams/eval_mini.yaml --detector FOLDER_OR_HUB_ID

Test sets are manifests, `test_csv`. Their audio comes from files, or from shards that
`python -m data_prep shard` made of the same manifests:

    python -m data_prep shard lists/test_a.csv --data-root DATA --out shards/test_a
    python evaluate.py YAML --test_csv lists/test_a.csv --test_shards shards

`test_shards` is a folder, or its URL, with a folder of shards for each set, named like
its manifest; or where those of each set are: `{test_a: https://HOST/a/index.json}`.

For each test set, `scores.csv` (one row per trial) and `scores.png`, a picture, go to a
folder of its name in the output folder; of pieces of recordings also `recordings.csv`
(one row per recording). The tables of all sets are `metrics.csv` and
`recordings_metrics.csv`. Scoring that was stopped goes on where it was, also with
another number of processes. Audio that cannot be scored is listed with its reason, and
the exit code is 1 then.
"""

import sys
from pathlib import Path

import speechbrain as sb
from speechbrain.utils.distributed import ddp_init_group, if_main_process

from recipes.AntiDeepfake.command import (
    command,
    load_detector,
    load_hparams,
    show_progress,
)
from recipes.AntiDeepfake.evaluation import (
    contamination,
    named_sets,
    named_shards,
    report_set,
    score_set,
)
from recipes.AntiDeepfake.published import format_published, ssl_model_name
from recipes.AntiDeepfake.scoring import list_failures
from recipes.AntiDeepfake.tables import format_table, write_table


@command(usage=__doc__)
def main(arguments: list[str]) -> int:
    """Evaluate one detector on the test sets of a YAML."""
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    ddp_init_group(run_opts)
    hparams = load_hparams(hparams_file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    sets = named_sets(hparams["test_csv"])
    shards = named_shards(hparams.get("test_shards"), sets)
    detector = load_detector(hparams["detector"], run_opts)
    digest, model = detector.digest(), ssl_model_name(hparams["detector"])
    tables, recordings, code = [], [], 0
    for name, manifest in sets.items():
        folder = Path(hparams["output_folder"]) / name
        rows, scored = score_set(
            detector,
            manifest,
            hparams["data_folder"],
            folder,
            key=f"precision {run_opts.precision}",
            digest=digest,
            shards=shards.get(name),
            max_batch_length=hparams["max_batch_length"],
            num_workers=hparams["num_workers"],
            progressbar=show_progress(run_opts),
        )
        if not if_main_process():
            continue  # the main process has the trials of all, and writes and reports
        notes = contamination(detector, rows)
        found = report_set(rows, scored, folder, hparams["aggregate"], notes)
        print(f"{name}\n{format_table(found.table)}\n")
        if found.recordings:
            print(f"{name}, recordings\n{format_table(found.recordings)}\n")
        if published := format_published(name, model):
            print(f"{published}\n")
        tables += [{"set": name, **row} for row in found.table]
        recordings += [{"set": name, **row} for row in found.recordings]
        code = list_failures(scored) or code
    if if_main_process():
        write_table(f"{hparams['output_folder']}/metrics.csv", tables)
        if recordings:
            write_table(
                f"{hparams['output_folder']}/recordings_metrics.csv", recordings
            )
        print(f"scores, tables and pictures: {hparams['output_folder']}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
