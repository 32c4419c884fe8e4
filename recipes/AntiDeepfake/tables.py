"""Tables of metrics: all trials of a test set, and the trials of each slice of it.

A slice is stated with its counts and an interval, or says that it has too few trials.
Corpora are never pooled silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas
from numpy.typing import NDArray

from data_prep.files import atomic_path
from data_prep.manifest import UNKNOWN
from data_prep.text import align
from recipes.AntiDeepfake.metrics import bootstrap_eer, cluster_bootstrap, summary

__all__ = [
    "AGGREGATES",
    "FEW_TRIALS",
    "ONE_RECORDING",
    "RESAMPLES",
    "SLICES",
    "by_recording",
    "format_table",
    "has_one_recording",
    "metrics_table",
    "shares_recordings",
    "write_table",
]

RESAMPLES = 1000
#: With fewer trials of a class than this, a slice is marked.
FEW_TRIALS = 50
#: A note begins with it where recordings cannot be resampled.
ONE_RECORDING = "one recording only of a class"
#: A column with more values than this is no slicing but a list of cases.
MOST_SLICES = 200
#: How the scores of the pieces of a recording become one.
AGGREGATES: Mapping[str, Callable[[NDArray], float]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
}
#: What slices are called, and the column that they are told by.
SLICES = {
    "attack": "Attack",
    "language": "Language",
    "codec": "AudioEncoding",
    "speaker": "Speaker",
    "duration": "Duration",
}
_DURATIONS = (0, 2, 4, 10, 30, 60, np.inf)  # seconds
# Column of the table: its heading when it is printed.
_PRINTED = {
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
    "note": "note",
}
_LEFT = ("corpus", "slice", "note")


def metrics_table(
    trials: pandas.DataFrame,
    threshold: float = 0.0,
    kinds: Sequence[str] = tuple(SLICES),
    notes: Mapping[str, str] | None = None,
) -> list[dict]:
    """Metrics of every slice of a set of trials.

    Each corpus has its own rows: for all its trials; for each attack (that attack's
    fakes against all genuine trials of the corpus); and for each language, encoding,
    speaker and range of durations. A last row pools several corpora.

    Intervals come from resampling recordings where trials share them (column
    `Recording`), else from resampling trials; the column `interval` says which.

    Arguments
    ---------
    trials : pandas.DataFrame
        `Label` (`real` or `fake`), `Score`, and columns of the manifest as text.
    threshold : float
        Where accuracy, precision, recall, F1, FPR and FNR are taken.
    kinds : list of str
        Slices to be made, keys of `SLICES`.
    notes : dict, optional
        What is to be noted of a corpus, such as that a detector was trained on it.

    Returns
    -------
    list of dict
        `corpus`, `slice`, the keys of `metrics.summary` with an interval, `interval`
        and `note`. A slice with one class only has its counts and an EER of NaN.
    """
    trials = _with_columns(trials)
    corpora = list(dict.fromkeys(trials["Corpus"]))
    table = []
    for corpus in corpora:
        mine = trials[trials["Corpus"] == corpus]
        note = (notes or {}).get(corpus, "")
        for name, chosen in _slices(mine, kinds):
            row = {"corpus": corpus, "slice": name, **_measure(chosen, threshold)}
            table.append(row | {"note": "; ".join(filter(None, [row["note"], note]))})
    if len(corpora) > 1:
        pooled = {"corpus": "all pooled", "slice": "all"}
        table.append(pooled | _measure(trials, threshold))
    return table


def by_recording(trials: pandas.DataFrame, aggregate: str = "mean") -> pandas.DataFrame:
    """One trial for each recording, from the scores of its pieces.

    Arguments
    ---------
    trials : pandas.DataFrame
        As for `metrics_table`; only those with a `Start`, which are pieces, are used.
    aggregate : str
        A key of `AGGREGATES`.

    Returns
    -------
    pandas.DataFrame
        The first piece of each recording with the aggregated `Score`, the recording
        as `ID`, and the seconds of all pieces as `Duration`; empty if there are no
        pieces.

    Raises
    ------
    ValueError
        If a recording has pieces of both classes.
    """
    trials = _with_columns(trials)
    pieces = trials[(trials["Start"] != UNKNOWN) & (trials["Recording"] != UNKNOWN)]
    key = ["Corpus", "Recording"]
    labels = pieces.groupby(key)["Label"].nunique()
    if (labels > 1).any():
        corpus, recording = labels.idxmax()
        raise ValueError(
            f"recording {recording!r} of {corpus} has real and fake pieces: a score "
            "for the recording means nothing then."
        )
    groups = pieces.groupby(key, sort=False)
    joined = groups.first().reset_index()
    joined["ID"] = joined["Recording"]
    joined["Score"] = groups["Score"].agg(AGGREGATES[aggregate]).to_numpy()
    seconds = pieces.assign(Duration=_seconds(pieces["Duration"]))
    total = seconds.groupby(key, sort=False)["Duration"].sum(min_count=1)
    joined["Duration"] = [
        UNKNOWN if np.isnan(value) else f"{value:.2f}" for value in total
    ]
    return joined[trials.columns]


def _with_columns(trials: pandas.DataFrame) -> pandas.DataFrame:
    """The trials with every column that slices are told by."""
    wanted = ("Corpus", "Recording", "Start", *SLICES.values())
    missing = [name for name in wanted if name not in trials]
    return trials.assign(**dict.fromkeys(missing, UNKNOWN))


def _slices(
    trials: pandas.DataFrame, kinds: Sequence[str]
) -> Iterator[tuple[str, pandas.DataFrame]]:
    """Name and trials of each slice of one corpus, first all of them."""
    yield "all", trials
    for kind in kinds:
        if kind == "attack":
            yield from _attacks(trials)
            continue
        values = trials[SLICES[kind]]
        if kind == "duration":
            values = pandas.cut(_seconds(values), _DURATIONS, labels=_range_names())
        names = sorted(values.unique()) if kind != "duration" else _range_names()
        found = [name for name in names if (values == name).any()]
        if 1 < len(found) <= MOST_SLICES:
            for name in found:
                yield f"{kind} {name}", trials[values == name]


def _seconds(durations: pandas.Series) -> pandas.Series:
    """Durations as numbers; NaN where they are unknown."""
    return pandas.to_numeric(durations.where(durations != UNKNOWN))


def _attacks(trials: pandas.DataFrame) -> Iterator[tuple[str, pandas.DataFrame]]:
    """The fakes of each attack with all genuine trials."""
    real = trials["Label"] == "real"
    known = sorted(set(trials["Attack"][~real]) - {UNKNOWN})
    if len(known) <= MOST_SLICES:
        for name in known:
            yield f"attack {name}", trials[real | (trials["Attack"] == name)]


def _range_names() -> list[str]:
    """Names of the ranges of durations, shortest first."""
    bounds = zip(_DURATIONS[:-1], _DURATIONS[1:], strict=True)
    return [
        f"{low}-{high} s" if np.isfinite(high) else f"{low}- s" for low, high in bounds
    ]


def _measure(trials: pandas.DataFrame, threshold: float) -> dict:
    """What a row of the table says of some trials."""
    scores = trials["Score"].to_numpy()
    labels = (trials["Label"] == "real").to_numpy(np.int64)
    clusters = trials["Recording"].to_numpy()
    row = summary(scores, labels, threshold)
    row |= {"eer_low": np.nan, "eer_high": np.nan, "interval": "", "note": ""}
    fewest = min(row["real"], row["fake"])
    if not fewest:
        return row | {"note": "one class only"}
    shared = shares_recordings(clusters)
    if shared and has_one_recording(clusters, labels):
        return row | {"note": f"{ONE_RECORDING}: no interval"}
    row["interval"] = "recordings" if shared else "trials"
    if shared:
        low, high = cluster_bootstrap(scores, labels, clusters, resamples=RESAMPLES)
    else:
        low, high = bootstrap_eer(scores, labels, RESAMPLES)
    row |= {"eer_low": low, "eer_high": high}
    if fewest < FEW_TRIALS:
        row["note"] = f"few trials (below {FEW_TRIALS} of a class)"
    return row


def shares_recordings(recordings: NDArray) -> bool:
    """Whether every trial has a recording, and some have the same one."""
    return not (recordings == UNKNOWN).any() and len(set(recordings)) < len(recordings)


def has_one_recording(recordings: NDArray, labels: NDArray) -> bool:
    """Whether a class (1 real, 0 fake) is all in one recording: none can be drawn."""
    return any(len(set(recordings[labels == label])) < 2 for label in (0, 1))


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
    names = [name for name in _PRINTED if name in table[0]]
    if not any(row.get("note") for row in table):
        names = [name for name in names if name != "note"]
    lines = [[_PRINTED[name] for name in names]]
    lines += [[_cell(row[name]) for name in names] for row in table]
    right = [place for place, name in enumerate(names) if name not in _LEFT]
    return align(lines, right)


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
