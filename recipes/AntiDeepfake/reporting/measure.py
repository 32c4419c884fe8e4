"""The figures of every test set and system, for the tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas

from recipes.AntiDeepfake.contamination import notes_of_corpora
from recipes.AntiDeepfake.metrics import act_dcf, cllr, eer, looks_flipped, min_cllr
from recipes.AntiDeepfake.reporting.detectors import DetectorFacts
from recipes.AntiDeepfake.reporting.inputs import ScoreSet
from recipes.AntiDeepfake.tables import by_recording, metrics_table
from recipes.AntiDeepfake.usage import UsageError

__all__ = ["ALL", "Measured", "decision_thresholds", "measure"]

ALL = "all"  # the slice that is everything
_FLIPPED = "flipped? The EER is above chance: check that a higher score means real"


@dataclass(frozen=True)
class Measured:
    """A test set with the scores of one system, measured.

    Arguments
    ---------
    scores : ScoreSet
        The trials.
    detector : DetectorFacts
        What is known of the system.
    threshold : float
        Where decisions are taken, on the score.
    table : list of dict
        Rows of `tables.metrics_table`, those of whole corpora with `cllr`, `min_cllr`
        and `act_dcf`, and with `unit`: `trials`, or `recordings` where the scores of
        the pieces of a recording were joined.
    remark : str
        What could not be measured, and why.
    """

    scores: ScoreSet
    detector: DetectorFacts
    threshold: float
    table: list[dict]
    remark: str = ""

    def rows(self, unit: str = "trials", slices: bool = False) -> list[dict]:
        """Rows of whole corpora, or those of slices."""
        return [
            row
            for row in self.table
            if row["unit"] == unit and (row["slice"] != ALL) == slices
        ]

    @property
    def total(self) -> dict:
        """The row of all trials."""
        return self.rows()[-1]


def decision_thresholds(
    sets: Sequence[ScoreSet],
    detectors: Mapping[str, DetectorFacts],
    threshold_set: str | None = None,
) -> dict[str, float]:
    """Where each system decides.

    Arguments
    ---------
    sets : list of ScoreSet
        All of them.
    detectors : dict
        By system.
    threshold_set : str, optional
        The test set whose EER threshold counts; without it, that of equal probability.

    Returns
    -------
    dict of float
        By system.

    Raises
    ------
    UsageError
        If a system has no scores of this test set, or the set has one class only.
    """
    thresholds = {one.system: detectors[one.system].threshold for one in sets}
    if threshold_set is None:
        return thresholds
    known = {one.system: one for one in sets if one.test_set == threshold_set}
    for system in thresholds:
        if system not in known or not known[system].has_both:
            raise UsageError(
                f"--threshold-set {threshold_set}: system {system!r} has no scores of "
                "real and fake trials of such a test set. Give its score file, or "
                "another set."
            )
        thresholds[system] = eer(known[system].scores, known[system].labels)[1]
    return thresholds


def measure(scores: ScoreSet, detector: DetectorFacts, threshold: float) -> Measured:
    """Measure one test set with the scores of one system.

    Arguments
    ---------
    scores : ScoreSet
        The trials.
    detector : DetectorFacts
        What is known of the system.
    threshold : float
        Where decisions are taken.

    Returns
    -------
    Measured
    """
    parts = scores.trials[["Corpus", "Proportion"]].itertuples(index=False, name=None)
    notes = notes_of_corpora(parts, detector.trained_on)
    units, remark = {"trials": scores.trials}, ""
    try:
        recordings = by_recording(scores.trials)
    except ValueError as error:  # as in corpora of recordings that are partly fake
        remark = f"no figures by recording: {error}"
    else:
        units |= {} if recordings.empty else {"recordings": recordings}
    table = []
    for unit, trials in units.items():
        for row in metrics_table(trials, threshold, notes=notes):
            if row["slice"] == ALL:
                row |= _whole(trials, row["corpus"], detector)
                row["note"] = "; ".join(filter(None, [row["note"], row.pop("flag")]))
            table.append({"unit": unit, **row})
    return Measured(scores, detector, threshold, table, remark)


def _whole(trials: pandas.DataFrame, corpus: str, detector: DetectorFacts) -> dict:
    """What is told of whole corpora only."""
    if (trials["Corpus"] == corpus).any():  # else the row is that of all corpora
        trials = trials[trials["Corpus"] == corpus]
    labels = (trials["Label"] == "real").to_numpy(int)
    if labels.min() == labels.max():
        return dict.fromkeys(("min_cllr", "cllr", "act_dcf"), np.nan) | {"flag": ""}
    scores = trials["Score"].to_numpy()
    llrs = detector.llr(scores)
    return {
        "min_cllr": min_cllr(scores, labels),
        "cllr": cllr(llrs, labels),
        "act_dcf": act_dcf(llrs, labels),
        "flag": _FLIPPED if looks_flipped(scores, labels) else "",
    }
