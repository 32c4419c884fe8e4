"""How well trivial facts of the audio separate real from fake (verb `audit`).

The error rates say how much of a detector's result on these data could come from a
leak, such as fakes that are shorter or louder, rather than from speech. About 50 %
is what a sound corpus gives; a detector has to be well below the best of them.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.features import audit_features
from data_prep.files import atomic_path
from data_prep.manifest import UNKNOWN, ManifestError, read_manifest
from data_prep.options import add_data_root, add_noprogressbar, add_workers
from data_prep.regression import AuditData, can_hold_out, combine, group_rows

# The one exception to the rule that data_prep does not import recipes: the EER must
# be the same everywhere, and metrics.py needs NumPy only.
from recipes.AntiDeepfake.metrics import bootstrap_eer, eer, slices

__all__ = [
    "COMBINED",
    "AuditData",
    "add_arguments",
    "audit",
    "audit_data",
    "audit_slices",
    "run",
]

COMBINED = "all combined"


def audit(
    test_rows: Sequence[Mapping[str, str]],
    train_rows: Sequence[Mapping[str, str]] | None = None,
    data_folder: str | Path | None = None,
    workers: int = 1,
    resamples: int = 1000,
) -> list[dict]:
    """Equal error rate of each trivial feature, and of all of them combined.

    Arguments
    ---------
    test_rows : list of dict
        Manifest rows on which the error rates are measured.
    train_rows : list of dict, optional
        Manifest rows from which is learned whether a higher or a lower value means
        real, and the logistic regression. Without them, single features take the
        better direction, and the regression is cross-validated.
    data_folder : str or Path, optional
        What `$ROOT` stands for.
    workers : int
        Number of processes that read audio.
    resamples : int
        Bootstrap resamples for the 95 % intervals.

    Returns
    -------
    list of dict
        One for each of `features.FEATURES` and a last one, `COMBINED`: `feature`,
        `eer`, `low` and `high` (interval) in [0, 1], `real_when` (`higher`,
        `lower` or `-`), `fitted_on` (`train`, `itself`, `cross-validation`, or `-` if
        all genuine or all fake trials are of one recording, so that nothing can be
        learned: the error rate is then 0.5), `real` and `fake` (numbers of trials).

    Raises
    ------
    AudioError
        If audio cannot be used.
    ManifestError
        If a class is missing, or a path needs a data folder.
    """
    names, features = audit_features(test_rows, data_folder, workers)
    test = _data(test_rows, features)
    train = None
    if train_rows is not None:
        train = _data(train_rows, audit_features(train_rows, data_folder, workers)[1])
    return audit_data(names, test, train, resamples)


def audit_data(
    names: Sequence[str],
    test: AuditData,
    train: AuditData | None = None,
    resamples: int = 1000,
) -> list[dict]:
    """`audit` of features that were computed before.

    Arguments
    ---------
    names : list of str
        Names of the features.
    test : AuditData
        Where the error rates are measured.
    train : AuditData, optional
        Where directions and weights are learned.
    resamples : int
        Bootstrap resamples for the 95 % intervals.

    Returns
    -------
    list of dict
        As `audit`.

    Raises
    ------
    ManifestError
        If a class is missing.

    Example
    -------
    >>> labels = np.tile([1, 0], 50)
    >>> features = np.column_stack([2.0 - labels, np.arange(100) // 2])
    >>> table = audit_data(["x", "y"], AuditData(features, labels, np.arange(100)))
    >>> [(row["feature"], row["eer"], row["real_when"]) for row in table]
    [('x', 0.0, 'lower'), ('y', 0.5, 'higher'), ('all combined', 0.0, '-')]
    """
    fitted = test if train is None else train
    _require_both(test.labels)
    _require_both(fitted.labels)
    table = []
    for name, values, known in zip(
        names, test.features.T, fitted.features.T, strict=True
    ):
        sign = _direction(known, fitted.labels)
        row = _measure(name, sign * values, test.labels, resamples)
        row["real_when"] = "higher" if sign > 0 else "lower"
        row["fitted_on"] = "train" if train else "itself"
        table.append(row)
    row = _measure(COMBINED, combine(test, train), test.labels, resamples)
    fitted_on = "train" if train else "cross-validation"
    if train is None and not can_hold_out(test.labels, test.groups):
        fitted_on = UNKNOWN
    return [*table, row | {"real_when": UNKNOWN, "fitted_on": fitted_on}]


def audit_slices(
    test: AuditData, train: AuditData | None = None, resamples: int = 1000
) -> list[dict]:
    """What the combined features reach for each attack and each language.

    Arguments
    ---------
    test : AuditData
        With `attacks` and `languages`.
    train : AuditData, optional
        As for `audit_data`.
    resamples : int
        Bootstrap resamples for the 95 % intervals.

    Returns
    -------
    list of dict
        `slice` (`attack <name>`: its fakes against all genuine trials, or
        `language <code>`), `eer`, `low`, `high`, `real`, `fake`. The error rate is
        NaN where a class is missing.
    """
    scores = combine(test, train)
    table = []
    for kind, names in (("attack", test.attacks), ("language", test.languages)):
        found = slices(
            scores, test.labels, names, kind == "attack", resamples=resamples
        )
        for name, row in found.items():
            values = {"eer": row["eer"], "low": row["eer_low"], "high": row["eer_high"]}
            counts = {"real": row["real"], "fake": row["fake"]}
            table.append({"slice": f"{kind} {name}", **values, **counts})
    return table


def _data(rows: Sequence[Mapping[str, str]], features: NDArray) -> AuditData:
    """Trials of the rows whose audio could be used."""
    usable = ~np.isnan(features).any(axis=1)
    labels = np.array([row["Label"] == "real" for row in rows], np.int64)
    kept = [row for row, is_usable in zip(rows, usable, strict=True) if is_usable]
    attacks, languages = (
        np.array([row[column] for row in kept]) for column in ("Attack", "Language")
    )
    groups = group_rows(kept)
    return AuditData(features[usable], labels[usable], groups, attacks, languages)


def _require_both(labels: NDArray) -> None:
    """Raise ManifestError if a class is missing."""
    real, trials = int(labels.sum()), len(labels)
    if real in (0, trials):
        raise ManifestError(
            f"{real} real and {trials - real} fake rows: an audit needs both classes. "
            "Give the manifests of both together."
        )


def _measure(name: str, scores: NDArray, labels: NDArray, resamples: int) -> dict:
    """The error rate of some scores with its interval."""
    low, high = bootstrap_eer(scores, labels, resamples)
    real = int(labels.sum())
    return {
        "feature": name,
        "eer": eer(scores, labels)[0],
        "low": low,
        "high": high,
        "real": real,
        "fake": len(labels) - real,
    }


def _direction(values: NDArray, labels: NDArray) -> int:
    """1 if higher values mean real rather than fake, else -1."""
    return 1 if eer(values, labels)[0] <= eer(-values, labels)[0] else -1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep audit`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        __doc__.partition("\n\n")[2].strip()
        + "\n\nWithout --train, each feature takes its better direction, so that "
        "chance comes out\na little below 50 %, and the combination is "
        "cross-validated: a recording and its copies\nare held out together, other "
        "audio with that of its speaker."
    )
    parser.epilog = (
        "examples:\n"
        "  python -m data_prep audit valid.csv --data-root /data\n"
        "  python -m data_prep audit valid.csv test.csv --train train.csv "
        "--out audit.csv\n"
    )
    add = parser.add_argument
    add("manifests", nargs="+", metavar="MANIFEST", help="manifest to audit")
    add_data_root(parser)
    add(
        "--train",
        nargs="+",
        metavar="MANIFEST",
        help="learn directions and the combination from these",
    )
    add_workers(parser, "processes that read audio")
    add("--out", metavar="CSV", help="write the tables here, rates in [0, 1]")
    add_noprogressbar(parser)


def run(arguments: argparse.Namespace) -> int:
    """Audit manifests, print a table for each; 1 if audio could not be used."""
    failures: list[str] = []

    def load(paths: str | list[str]) -> tuple[tuple[str, ...], AuditData]:
        rows = read_manifest(paths)
        names, features = audit_features(
            rows,
            arguments.data_folder,
            arguments.workers,
            not arguments.noprogressbar,
            failures,
        )
        return names, _data(rows, features)

    train = load(arguments.train)[1] if arguments.train else None
    tables = []
    for path in arguments.manifests:
        names, test = load(path)
        try:
            table = audit_data(names, test, train)
        except ManifestError as error:
            raise ManifestError(f"{path}: {error}") from None
        print(_format(path, table), end="\n\n")
        of_slices = [{**table[-1], **row} for row in audit_slices(test, train)]
        tables += [
            {"manifest": path, "slice": "all", **row} for row in [*table, *of_slices]
        ]
    if arguments.out:
        _write(arguments.out, tables)
    for message in failures:
        print(f"left out: {message}", file=sys.stderr)
    return 1 if failures else 0


def _format(path: str, table: Sequence[Mapping]) -> str:
    """The table as text, the combination first, then the worst leaks."""
    *single, combined = table
    lines = [
        f"{path}: {combined['real']} real, {combined['fake']} fake",
        f"{'feature':20}  EER %    95 % interval  real when  fitted on",
    ]
    single.sort(key=lambda row: row["eer"])
    for row in (combined, *single):
        interval = f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
        lines.append(
            f"{row['feature']:20}  {100 * row['eer']:5.1f}  {interval:>15}  "
            f"{row['real_when']:9}  {row['fitted_on']}"
        )
    return "\n".join(lines)


def _write(path: str, table: Sequence[Mapping]) -> None:
    """Write the rows as CSV, atomically."""
    with (
        atomic_path(path) as temporary,
        open(
            temporary, "w", newline="", encoding="utf-8", errors="backslashreplace"
        ) as file,
    ):
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
