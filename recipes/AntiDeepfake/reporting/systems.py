"""Which of several systems is better, judged on the same trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from recipes.AntiDeepfake.metrics import compare, holm
from recipes.AntiDeepfake.reporting.inputs import ScoreSet
from recipes.AntiDeepfake.tables import (
    ONE_RECORDING,
    RESAMPLES,
    has_one_recording,
    shares_recordings,
)

__all__ = ["NOT_COMPARED", "compare_systems"]

#: A note begins with it if two systems have not scored the same trials.
NOT_COMPARED = "not compared"


def compare_systems(sets: Sequence[ScoreSet]) -> list[dict]:
    """Compare the EER of every two systems on every test set that both have scored.

    Arguments
    ---------
    sets : list of ScoreSet
        Of any systems and test sets.

    Returns
    -------
    list of dict
        `test_set`, `system_a`, `system_b`, `trials`, `eer_a`, `eer_b`, `difference`
        (a - b), `low` and `high` (its 95 % interval), `p_value`, `p_holm` (corrected
        for all comparisons here), `resampled` (trials or recordings) and `note`, which
        says why two systems could not be compared; the figures are NaN then.
    """
    rows = [_compare(*pair) for pair in _pairs(sets)]
    done = [row for row in rows if not np.isnan(row["p_value"])]
    for row, p_value in zip(done, holm([row["p_value"] for row in done]), strict=True):
        row["p_holm"] = float(p_value)
    return rows


def _pairs(sets: Sequence[ScoreSet]) -> Iterator[tuple[ScoreSet, ScoreSet]]:
    """Every two systems of each test set."""
    for name in dict.fromkeys(one.test_set for one in sets):
        yield from combinations([one for one in sets if one.test_set == name], 2)


def _compare(first: ScoreSet, second: ScoreSet) -> dict:
    row = {
        "test_set": first.test_set,
        "system_a": first.system,
        "system_b": second.system,
        "trials": len(first.trials),
    }
    figures = ("eer_a", "eer_b", "difference", "low", "high", "p_value", "p_holm")
    row |= dict.fromkeys(figures, np.nan) | {"resampled": "", "note": ""}
    note = _mismatch(first, second)
    if note or not first.has_both:
        return row | {"note": note or "one class only"}
    other = second.trials.set_index("ID")["Score"].loc[first.trials["ID"]].to_numpy()
    recordings = first.trials["Recording"].to_numpy()
    shared = shares_recordings(recordings)
    if shared and has_one_recording(recordings, first.labels):
        return row | {"note": ONE_RECORDING}
    clusters = recordings if shared else None
    found = compare(first.scores, other, first.labels, clusters, resamples=RESAMPLES)
    return row | {
        "eer_a": found.value_a,
        "eer_b": found.value_b,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "resampled": "recordings" if shared else "trials",
    }


def _mismatch(first: ScoreSet, second: ScoreSet) -> str:
    """Why two systems have not scored the same trials; empty if they have."""
    ours, theirs = set(first.trials["ID"]), set(second.trials["ID"])
    if ours == theirs:
        return ""
    only = sorted(ours ^ theirs)
    return (
        f"{NOT_COMPARED}: {len(ours - theirs)} trials are scored by {first.system} "
        f"only, {len(theirs - ours)} by {second.system} only, the first is "
        f"{only[0]!r}; score the same trials"
    )
