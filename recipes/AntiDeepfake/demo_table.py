"""The table of the demo, read from what its stages wrote."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from statistics import mean, stdev

from data_prep.text import align

__all__ = ["demo_table"]

ZEROSHOT = "mini_zeroshot"
TARGET = "mini_target"
COMBINED = "all combined"


def demo_table(results: Path, seeds: Sequence[int], finetuned: Sequence[str]) -> str:
    """Put the error rates of all stages side by side.

    Arguments
    ---------
    results : Path
        Where the demo wrote.
    seeds : list of int
        Runs to show; of several, mean and standard deviation are shown.
    finetuned : list of str
        Names of the fine-tuning runs.

    Returns
    -------
    str
        Text of the table.
    """
    parts = [
        _zeroshot(results, seeds, ZEROSHOT, "Zero-shot: unseen attacks and speakers"),
        _zeroshot(results, seeds, TARGET, "Zero-shot: target domain, before tuning"),
        _finetuned(results, seeds, finetuned),
        _by_seed(results, seeds, finetuned),
        f"Scores, metrics and plots: {results}/eval, {results}/finetune/*/*/eval\n"
        f"Training logs: {results}/**/train_log.txt; curves: tensorboard --logdir "
        f"{results}",
    ]
    return "\n\n".join(parts)


def _zeroshot(results: Path, seeds: Sequence[int], corpus: str, title: str) -> str:
    """EER of every slice after post-training, beside the trivial predictors."""
    runs = [_metrics(results / f"eval/seed{seed}", corpus) for seed in seeds]
    trivial = _audit(results / "audit/audit.csv", corpus)
    lines = [["slice", "real", "fake", "post-trained", "trivial features"]]
    shown = {n: row for n, row in runs[0].items() if n == "all" or row["eer"] != "nan"}
    for name, row in shown.items():
        found = _over_seeds([run[name] for run in runs])
        beside = _interval(trivial[name], "low", "high") if name in trivial else ""
        lines.append([name, row["real"], row["fake"], found, beside])
    left_out = len(runs[0]) - len(shown)
    note = f"\nslices with one class only: {left_out}, not here but in metrics.csv"
    return f"{title}, EER %\n{align(lines)}" + (note if left_out else "")


def _finetuned(results: Path, seeds: Sequence[int], names: Sequence[str]) -> str:
    """EER on the target domain after fine-tuning on a few of its clips."""
    lines = [["fine-tuned from", "target test"]]
    for name in names:
        folders = [_finetuning_folder(results, name, seed) for seed in seeds]
        rows = [_metrics(one, TARGET)["all"] for one in folders]
        lines.append([name, _over_seeds(rows)])
    return f"Fine-tuned on a few clips of the target domain, EER %\n{align(lines)}"


def _by_seed(results: Path, seeds: Sequence[int], names: Sequence[str]) -> str:
    """What each seed gave, so that the spread can be seen."""
    lines = [["seed", "zero-shot", "target, before", *names]]
    for seed in seeds:
        cells = [
            _interval(_metrics(results / f"eval/seed{seed}", corpus)["all"])
            for corpus in (ZEROSHOT, TARGET)
        ]
        folders = [_finetuning_folder(results, name, seed) for name in names]
        cells += [_interval(_metrics(one, TARGET)["all"]) for one in folders]
        lines.append([str(seed), *cells])
    return f"All test trials by seed (after fine-tuning: target), EER %\n{align(lines)}"


def _finetuning_folder(results: Path, name: str, seed: int) -> Path:
    """Where the evaluation of a fine-tuning run is."""
    return results / "finetune" / name.replace(", ", "-") / f"seed{seed}" / "eval"


def _metrics(folder: Path, corpus: str) -> dict[str, dict[str, str]]:
    """Rows of a `metrics.csv` for one corpus, by slice."""
    with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["corpus"] == corpus]
    return {row["slice"]: row for row in rows}


def _audit(path: Path, corpus: str) -> dict[str, dict[str, str]]:
    """Rows of the audit of one corpus for the combined features, by slice."""
    manifest = corpus.removeprefix("mini_") + "_test.csv"
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        row["slice"]: row
        for row in rows
        if Path(row["manifest"]).name == manifest and row["feature"] == COMBINED
    }


def _over_seeds(rows: Sequence[dict[str, str]]) -> str:
    """One run: EER and its interval; several: mean and standard deviation."""
    if len(rows) == 1 or rows[0]["eer"] == "nan":
        return _interval(rows[0])
    rates = [100 * float(row["eer"]) for row in rows]
    return f"{mean(rates):.1f} +- {stdev(rates):.1f}"


def _interval(row: dict[str, str], low="eer_low", high="eer_high") -> str:
    if row["eer"] == "nan":
        return "one class only"
    rate, low, high = (100 * float(row[key]) for key in ("eer", low, high))
    # Nothing can be drawn again where a class is all in one recording.
    return f"{rate:.1f} [n/a]" if isnan(low) else f"{rate:.1f} [{low:.1f}, {high:.1f}]"
