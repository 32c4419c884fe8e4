"""Pictures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas

from data_prep.files import atomic_path

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of the backend)

__all__ = ["plot_scores"]

COLOURS = {"real": "#2a7f62", "fake": "#c1443c"}


def plot_scores(
    path: str | Path, trials: pandas.DataFrame, table: Sequence[Mapping]
) -> None:
    """Draw, for each corpus, its scores by class and its error rates by slice.

    Arguments
    ---------
    path : str or Path
        The picture, written atomically.
    trials : pandas.DataFrame
        `Corpus`, `Label` and `Score` of each.
    table : list of dict
        What `tables.metrics_table` gave for them.
    """
    corpora = list(dict.fromkeys(trials["Corpus"]))
    tables = [[row for row in table if row["corpus"] == corpus] for corpus in corpora]
    heights = [max(3.6, 1.2 + 0.2 * len(rows)) for rows in tables]
    figure, axes = pyplot.subplots(
        len(corpora),
        2,
        figsize=(11, sum(heights)),
        height_ratios=heights,
        squeeze=False,
    )
    for (left, right), corpus, rows in zip(axes, corpora, tables, strict=True):
        _histogram(left, trials[trials["Corpus"] == corpus])
        left.set_title(f"{corpus}: scores")
        _error_bars(right, rows)
        right.set_title(f"{corpus}: EER with 95 % interval")
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)


def _histogram(axes, trials) -> None:
    """Scores of the two classes, and the threshold of equal probability."""
    bins = np.histogram_bin_edges(trials["Score"], 40)
    for label in COLOURS:
        values = trials["Score"][trials["Label"] == label]
        name = f"{label} {len(values)}"
        axes.hist(values, bins, alpha=0.6, color=COLOURS[label], label=name)
    axes.axvline(0.0, color="black", linewidth=1, linestyle=":")
    axes.set_xlabel("score = logit[real] - logit[fake]")
    axes.set_ylabel("trials")
    axes.legend()


def _error_bars(axes, table) -> None:
    """EER of every slice that has one."""
    table = [row for row in table if not np.isnan(row["eer"])]
    rates = 100 * np.array([row["eer"] for row in table])
    low = 100 * np.array([row["eer_low"] for row in table])
    high = 100 * np.array([row["eer_high"] for row in table])
    places = np.arange(len(table))
    # The interval need not hold the estimate itself, but a bar cannot be negative.
    errors = np.maximum([rates - low, high - rates], 0.0)
    axes.errorbar(rates, places, xerr=errors, fmt="o", capsize=3, color="#34495e")
    names = [f"{row['slice']}  ({row['real']}/{row['fake']})" for row in table]
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(50.0, color="black", linewidth=1, linestyle=":")
    axes.set_xlim(0, max(52.0, high.max(initial=0.0) + 2))
    axes.set_xlabel("EER %")
