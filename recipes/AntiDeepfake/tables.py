"""Tables of metrics: all trials of a test set, and the trials of each slice of it.

A slice is stated with its counts and an interval, or says that it has too few trials.
Corpora are never pooled silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas
from numpy.typing import NDArray

from data_prep.files import atomic_path
from data_prep.manifest import UNKNOWN
from data_prep.text import align
from recipes.AntiDeepfake.aggregates import AGGREGATES
from recipes.AntiDeepfake.metrics import bootstrap_eer, cluster_bootstrap, summary

__all__ = [
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
#: The note of a slice without trials of the other class.
ONE_CLASS = "one class only"
#: A column with more values than this is no slicing but a list of cases.
MOST_SLICES = 200
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
    "min_dcf": "minDCF",
    "accuracy": "acc",
    "precision": "prec",
    "recall": "recall",
    "f1": "F1",
    "fpr": "FPR",
    "fnr": "FNR",
    "note": "note",
}
_LEFT = ("corpus", "slice", "note")
# What says nothing of a class alone: without fakes, precision is 1 for any detector.
_OF_BOTH_CLASSES = ("precision", "f1")


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
        and `note`. A slice with one class only has its counts and what can be said of
        that class; the rest is NaN. The note of all trials of a corpus names the kinds
        of slices that have too many values to have rows.
    """
    trials = _with_columns(trials)
    corpora = list(dict.fromkeys(trials["Corpus"]))
    table = []
    for corpus in corpora:
        mine = trials[trials["Corpus"] == corpus]
        note = (notes or {}).get(corpus, "")
        crowded: list[str] = []
        rows = []
        for name, chosen in _slices(mine, kinds, crowded):
            row = {"corpus": corpus, "slice": name, **_measure(chosen, threshold)}
            rows.append(row | {"note": _joined(row["note"], note)})
        rows[0]["note"] = _joined(rows[0]["note"], *crowded)
        table += rows
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
        A key of `aggregates.AGGREGATES`.

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


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _slices(
    trials: pandas.DataFrame, kinds: Sequence[str], crowded: list[str]
) -> Iterator[tuple[str, pandas.DataFrame]]:
    """Name and trials of each slice of one corpus, first all of them.

    What is to be said of kinds with too many values is added to `crowded`.
    """
    yield "all", trials
    fake = trials["Label"] == "fake"
    for kind in kinds:
        values = trials[SLICES[kind]]
        if kind == "duration":
            values = pandas.cut(_seconds(values), _DURATIONS, labels=_range_names())
            found = [name for name in _range_names() if (values == name).any()]
        elif kind == "attack":
            found = sorted(set(values[fake]) - {UNKNOWN})
        else:
            found = sorted(values.unique())
        if len(found) > MOST_SLICES:
            crowded.append(
                f"no rows by {kind} ({len(found)} values, at most {MOST_SLICES})"
            )
        elif kind == "attack":  # its fakes against all genuine trials
            for name in found:
                yield f"attack {name}", trials[~fake | (values == name)]
        elif len(found) > 1:
            for name in found:
                yield f"{kind} {name}", trials[values == name]


def _seconds(durations: pandas.Series) -> pandas.Series:
    """Durations as numbers; NaN where they are unknown."""
    return pandas.to_numeric(durations.where(durations != UNKNOWN))


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
        return row | dict.fromkeys(_OF_BOTH_CLASSES, np.nan) | {"note": ONE_CLASS}
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


def format_table(table: Sequence[Mapping], path: str | Path = "the file") -> str:
    """The table as aligned text; rates in per cent, minDCF as it is.

    Slices of one class only are left out, and are counted in a last line.

    Arguments
    ---------
    table : list of dict
        As of `metrics_table`.
    path : str or Path
        Where all of it is, for that line.

    Returns
    -------
    str

    Example
    -------
    >>> print(format_table([{"corpus": "a", "slice": "all", "real": 10, "eer": 0.1}]))
    corpus  slice  real  EER %
    a       all      10   10.0
    """
    if not table:
        return "no trial was scored"
    shown = [row for row in table if not _is_slice_of_one_class(row)]
    names = [name for name in _PRINTED if name in table[0]]
    if not any(row.get("note") for row in shown):
        names = [name for name in names if name != "note"]
    lines = [[_PRINTED[name] for name in names]]
    lines += [[_cell(name, row[name]) for name in names] for row in shown]
    right = [place for place, name in enumerate(names) if name not in _LEFT]
    text = align(lines, right)
    if left_out := len(table) - len(shown):
        text += f"\nslices with {ONE_CLASS}: {left_out}, not here but in {path}"
    return text


def _is_slice_of_one_class(row: Mapping) -> bool:
    """Whether a row is one of many that say little; all trials are always shown."""
    return row["slice"] != "all" and not min(row.get("real", 1), row.get("fake", 1))


def _cell(name: str, value) -> str:
    if not isinstance(value, float):
        return str(value)
    if np.isnan(value):
        return "n/a"
    return f"{value:.3f}" if name == "min_dcf" else f"{100 * value:.1f}"


def write_table(path: str | Path, table: Sequence[Mapping]) -> None:
    """Write the table as CSV, atomically; rates in [0, 1]."""
    columns = list(table[0]) if table else ["corpus", "slice"]
    with atomic_path(path) as temporary:
        pandas.DataFrame(table, columns=columns).to_csv(
            temporary, index=False, na_rep="nan", lineterminator="\n"
        )
