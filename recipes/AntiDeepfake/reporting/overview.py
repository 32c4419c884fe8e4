"""The first section of a report: what was evaluated, and the figures that count."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence

from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.reporting.cells import (
    NONE,
    Cell,
    Table,
    number,
    per_cent,
    rate_interval,
)
from recipes.AntiDeepfake.reporting.measure import Measured

__all__ = ["files_table", "headline_table", "sizes", "software", "warnings_of"]

_PACKAGES = ("numpy", "scipy", "pandas", "matplotlib", "scikit-learn")


def headline_table(measured: Sequence[Measured], unit: str = "trials") -> Table:
    """One row for each test set (and corpus, if it has several) and system.

    Arguments
    ---------
    measured : list of Measured
        All of them.
    unit : str
        `trials` or `recordings`.

    Returns
    -------
    Table
    """
    headings = ["test set", "system", "real", "fake", "EER % [95 %]", "resampled"]
    headings += ["AUC", "min DCF", "act DCF", "min Cllr", "Cllr", "FPR %", "FNR %"]
    published = any(_published(one) for one in measured)
    headings += ["published EER %"] if published else []
    rows = []
    for one in measured:
        for row in one.rows(unit):
            cells = [
                Cell(_set_name(one, row, unit)),
                Cell(one.scores.system),
                Cell(str(row["real"]), row["real"]),
                Cell(str(row["fake"]), row["fake"]),
                rate_interval(row["eer"], row["eer_low"], row["eer_high"]),
                Cell(row["interval"] or NONE),
                *(
                    number(row[key], 3)
                    for key in ("auc", "min_dcf", "act_dcf", "min_cllr", "cllr")
                ),
                per_cent(row["fpr"]),
                per_cent(row["fnr"]),
            ]
            rows.append(cells + ([Cell(_published(one) or NONE)] if published else []))
    caption = (
        "EER: equal error rate, with its 95 % bootstrap interval; the next column says "
        "what was resampled. AUC: 1 is perfect, 0.5 is chance. DCF: detection cost of "
        "ASVspoof 5 (5 % fakes, a miss costs 1, an accepted fake 10); min: at the best "
        "threshold for these trials; act: at the threshold that the scores themselves "
        "ask for. Cllr: cost of the scores as log-likelihood ratios in bits, 1 is "
        "worth nothing; min: if they were calibrated at best. "
        f"{_calibrated(measured)} "
        "FPR: fakes accepted, FNR: genuine speech rejected, when what is above the "
        f"decision threshold ({_thresholds(measured)}) is taken for real."
    )
    return Table(headings, rows, caption, 2, notes=int(published))


def _set_name(one: Measured, row: dict, unit: str) -> str:
    """Test set, and corpus if there are several."""
    if len(one.rows(unit)) == 1:
        return one.scores.test_set
    corpus = "(no corpus)" if row["corpus"] == UNKNOWN else row["corpus"]
    return f"{one.scores.test_set}: {corpus}"


def _calibrated(measured: Sequence[Measured]) -> str:
    systems = {one.scores.system: one.detector.calibration for one in measured}
    without = [name for name, found in systems.items() if found is None]
    if not without:
        return "The scores were calibrated."
    names = "" if len(without) == len(systems) else f" of {', '.join(without)}"
    return (
        f"The scores{names} were not calibrated, so act DCF and Cllr judge them as if "
        "they were log-likelihood ratios, which they need not be."
    )


def _thresholds(measured: Sequence[Measured]) -> str:
    found = {one.scores.system: f"{one.threshold:.4g}" for one in measured}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return ", ".join(f"{system}: {value}" for system, value in found.items())


def _published(one: Measured) -> str:
    """Published error rates of the detector on the test set, for a cell."""
    if one.detector.ssl_model is None:
        return ""
    # Only here: it loads PyTorch, without which all else works.
    from recipes.AntiDeepfake.published import published_rates

    found = published_rates(one.scores.test_set, one.detector.ssl_model)
    return "; ".join(f"{100 * rate.eer:.2f} ({rate.stage})" for rate in found)


def warnings_of(measured: Sequence[Measured]) -> list[str]:
    """What has to be known before a figure is believed."""
    found = []
    for one in measured:
        if one.remark:
            found.append(f"{one.scores.test_set}: {one.remark}")
        for unit in ("trials", "recordings"):
            for row in one.rows(unit):
                if row["note"]:
                    name = _set_name(one, row, unit)
                    joined = ", recordings" if unit == "recordings" else ""
                    found.append(f"{name}, {one.scores.system}{joined}: {row['note']}")
    return list(dict.fromkeys(found))


def files_table(measured: Sequence[Measured]) -> Table:
    """The score files, by which a report can be made again."""
    rows = [
        [
            Cell(one.scores.test_set),
            Cell(one.scores.system),
            Cell(str(one.scores.path), code=True),
            Cell(one.scores.sha256, code=True),
            Cell(str(len(one.scores.trials)), len(one.scores.trials)),
        ]
        for one in measured
    ]
    headings = ["test set", "system", "file", "SHA-256", "trials"]
    return Table(headings, rows, "", text_columns=4)


def sizes(measured: Sequence[Measured]) -> str:
    """How much was evaluated, in words.

    A test set that several systems have scored counts once, at its largest.
    """
    trials: dict[str, int] = {}
    for one in measured:
        name = one.scores.test_set
        trials[name] = max(trials.get(name, 0), len(one.scores.trials))
    systems = len({one.scores.system for one in measured})
    return (
        f"{systems} system{'s'[: systems > 1]} on {len(trials)} test "
        f"set{'s'[: len(trials) > 1]} with {sum(trials.values()):,} trials"
    )


def software() -> str:
    """Versions of what computed the figures."""
    found = [f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
