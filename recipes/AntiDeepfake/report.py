"""Tables of metrics from scores: all trials, and by corpus, attack and language."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas

from data_prep.files import atomic_path
from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.dataio import LABELS
from recipes.AntiDeepfake.metrics import slices
from recipes.AntiDeepfake.scoring import Scored

__all__ = ["format_table", "list_failures", "metrics_table", "write_table"]

RESAMPLES = 1000
# Column of the table: its heading when it is printed.
PRINTED = {
    "corpus": "corpus",
    "slice": "slice",
    "real": "real",
    "fake": "fake",
    "eer": "EER %",
    "eer_low": "95 %",
    "eer_high": "interval",
    "auc": "AUC",
    "accuracy": "acc",
    "precision": "prec",
    "recall": "recall",
    "f1": "F1",
    "fpr": "FPR",
    "fnr": "FNR",
}


def metrics_table(
    rows: Sequence[Mapping[str, str]], scored: Scored, threshold: float = 0.0
) -> list[dict]:
    """Metrics of every slice of the trials.

    Corpora are never pooled silently: each has its own rows, for all its trials,
    for each attack (that attack's fakes against all genuine trials of the corpus)
    and for each language. A last row pools several corpora.

    Arguments
    ---------
    rows : list of dict
        Manifest rows of the trials; those without a score are left out.
    scored : Scored
        Their scores.
    threshold : float
        Where accuracy, precision, recall, F1, FPR and FNR are taken.

    Returns
    -------
    list of dict
        `corpus`, `slice`, and the keys of `metrics.summary` with an interval. A
        slice with one class only has its counts and an EER of NaN.
    """
    rows = [row for row in rows if row["ID"] in scored.logits]
    corpora = dict.fromkeys(row["Corpus"] for row in rows)
    table = []
    for corpus in corpora:
        mine = [row for row in rows if row["Corpus"] == corpus]
        table += [{"corpus": corpus, **row} for row in _corpus(mine, scored, threshold)]
    if len(corpora) > 1:
        pooled = _slices(rows, scored, threshold, "", "all")
        table += [{"corpus": "all pooled", **row} for row in pooled]
    return table


def _corpus(rows, scored, threshold) -> list[dict]:
    """The slices of one corpus."""
    table = _slices(rows, scored, threshold, "", "all")
    if any(row["Attack"] != UNKNOWN for row in rows):
        table += _slices(rows, scored, threshold, "attack ", "Attack", True)
    if len({row["Language"] for row in rows}) > 1:
        table += _slices(rows, scored, threshold, "language ", "Language")
    return table


def _slices(rows, scored, threshold, prefix, column, against_all_real=False):
    """The slices of trials by one column (`all`: one slice)."""
    found = slices(
        [scored.score(row["ID"]) for row in rows],
        [LABELS[row["Label"]] for row in rows],
        [row.get(column, column) for row in rows],
        against_all_real,
        threshold,
        RESAMPLES,
    )
    return [{"slice": prefix + name, **summary} for name, summary in found.items()]


def format_table(table: Sequence[Mapping]) -> str:
    """The table as aligned text; rates in per cent.

    Example
    -------
    >>> print(format_table([{"corpus": "a", "slice": "all", "real": 10, "eer": 0.1}]))
    corpus  slice  real  EER %
    a       all      10   10.0
    """
    if not table:
        return "no trial was scored"
    names = [name for name in PRINTED if name in table[0]]
    lines = [[PRINTED[name] for name in names]]
    lines += [[_cell(row[name]) for name in names] for row in table]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    texts = []
    for line in lines:
        cells = [
            cell.rjust(width) if name not in ("corpus", "slice") else cell.ljust(width)
            for name, cell, width in zip(names, line, widths, strict=True)
        ]
        texts.append("  ".join(cells).rstrip())
    return "\n".join(texts)


def _cell(value) -> str:
    if not isinstance(value, float):
        return str(value)
    return "n/a" if np.isnan(value) else f"{100 * value:.1f}"


def write_table(path: str | Path, table: Sequence[Mapping]) -> None:
    """Write the table as CSV, atomically; rates in [0, 1]."""
    columns = list(table[0]) if table else ["corpus", "slice"]
    with atomic_path(path) as temporary:
        pandas.DataFrame(table, columns=columns).to_csv(
            temporary, index=False, na_rep="nan", lineterminator="\n"
        )


def list_failures(scored: Scored) -> int:
    """Say on standard error what could not be scored; give the exit code."""
    for reason in scored.failures.values():
        print(f"not scored: {reason}", file=sys.stderr)
    if scored.failures:
        total = len(scored.failures) + len(scored.logits)
        print(f"{len(scored.failures)} of {total} not scored", file=sys.stderr)
    return 1 if scored.failures else 0
