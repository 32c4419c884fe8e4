"""What becomes of a threshold that was chosen on one test set on the others."""

from __future__ import annotations

from collections.abc import Sequence

from recipes.AntiDeepfake.metrics import eer, fnr_at_fpr, threshold_metrics
from recipes.AntiDeepfake.reporting.inputs import ScoreSet

__all__ = ["RULES", "transfer"]

#: How a threshold is chosen, and the function of scores and labels that does it.
RULES = {
    "EER": lambda scores, labels: eer(scores, labels)[1],
    "FPR 1 %": lambda scores, labels: fnr_at_fpr(scores, labels, 0.01)[1],
}


def transfer(sets: Sequence[ScoreSet]) -> list[dict]:
    """Take the thresholds of each test set to all test sets of the same system.

    Arguments
    ---------
    sets : list of ScoreSet
        Those with both classes give thresholds; all are judged by them.

    Returns
    -------
    list of dict
        `system`, `rule` (a key of `RULES`), `chosen_on` and `applied_to` (test sets),
        `threshold`, `real`, `fake`, and `fpr`, `fnr` and `balanced_accuracy` in [0, 1];
        NaN where a class is missing. The FPR is what the Speech Anti-Spoofing Arena
        calls 1 - SRR, for test sets without genuine speech.
    """
    rows = []
    for chosen_on in filter(lambda one: one.has_both, sets):
        for rule, threshold_of in RULES.items():
            threshold = threshold_of(chosen_on.scores, chosen_on.labels)
            for other in sets:
                if other.system != chosen_on.system:
                    continue
                found = threshold_metrics(other.scores, other.labels, threshold)
                names = ("fpr", "fnr", "balanced_accuracy")
                rows.append(
                    {
                        "system": other.system,
                        "rule": rule,
                        "chosen_on": chosen_on.test_set,
                        "applied_to": other.test_set,
                        "threshold": threshold,
                        "real": int(other.labels.sum()),
                        "fake": int((1 - other.labels).sum()),
                        **{name: found[name] for name in names},
                    }
                )
    return rows
