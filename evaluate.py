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
`recordings_metrics.csv`, written after each set. Scoring that was stopped goes on where
it was, also with another number of processes: scores in `scored/` are taken if
detector, list, precision and data folder are the same, and of each audio file size and
time of change. Audio that cannot be scored is listed with its reason, and the exit code
is 1 then.
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
from recipes.AntiDeepfake.evaluation import contamination, report_set, score_set
from recipes.AntiDeepfake.evaluation_inputs import (
    OpenedSet,
    open_sets,
    require_aggregate,
    require_detector,
    require_writable,
)
from recipes.AntiDeepfake.published import format_published, ssl_model_name
from recipes.AntiDeepfake.scoring import Scored, list_failures
from recipes.AntiDeepfake.tables import format_table, write_table


@command(usage=__doc__)
def main(arguments: list[str]) -> int:
    """Evaluate one detector on the test sets of a YAML."""
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    ddp_init_group(run_opts)
    hparams = load_hparams(hparams_file, overrides)
    sets = _checked_sets(hparams)
    detector = load_detector(hparams["detector"], run_opts)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    digest = detector.digest()
    tables = {"metrics.csv": [], "recordings_metrics.csv": []}
    code = 0
    for one in sets:
        scored = score_set(
            detector,
            one,
            hparams["data_folder"],
            Path(hparams["output_folder"]) / one.name,
            key=f"precision {run_opts.precision}",
            digest=digest,
            max_batch_length=hparams["max_batch_length"],
            num_workers=hparams["num_workers"],
            progressbar=show_progress(run_opts),
        )
        if if_main_process():  # it has the trials of all, and writes and reports
            notes = contamination(detector, one.rows)
            _report(one, scored, hparams, notes, tables)
            code = list_failures(scored) or code
    if if_main_process():
        print(f"scores, tables and pictures: {hparams['output_folder']}")
    return code


def _checked_sets(hparams: dict) -> list[OpenedSet]:
    """The test sets, if all that the YAML names can be used."""
    preparation = hparams.get("preparation", "")
    require_aggregate(hparams["aggregate"])
    require_detector(hparams["detector"], preparation)
    sets = open_sets(hparams["test_csv"], hparams.get("test_shards"), preparation)
    output = hparams["output_folder"]
    require_writable(output, f"--output_folder {output}")
    return sets


def _report(
    one: OpenedSet,
    scored: Scored,
    hparams: dict,
    notes: dict[str, str],
    tables: dict[str, list[dict]],
) -> None:
    """Print what a set gave, and write the tables of all sets up to this one."""
    output = Path(hparams["output_folder"])
    found = report_set(one.rows, scored, output / one.name, hparams["aggregate"], notes)
    parts = (
        (one.name, "metrics.csv", found.table),
        (f"{one.name}, recordings", "recordings_metrics.csv", found.recordings),
    )
    for title, file, table in parts:
        if table or file == "metrics.csv":
            print(f"{title}\n{format_table(table, output / file)}\n")
            tables[file] += [{"set": one.name, **row} for row in table]
            write_table(output / file, tables[file])
    if published := format_published(one.name, ssl_model_name(hparams["detector"])):
        print(f"{published}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
