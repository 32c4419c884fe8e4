"""Detection metrics: error rates, costs, intervals and comparison of systems.

One convention holds in the whole package: labels are 1 for real and 0 for fake, a
higher score means more genuine, and a trial is accepted as real when its score is
*above* the threshold (a score equal to the threshold is rejected). Rates are in
[0, 1], not per cent.

Trials with the same score are accepted or rejected together, so no result depends
on the order of the trials. Scores of plus or minus infinity can be ranked and are
taken as they are; only tables about a detector (`summary`, `slices`) refuse them.
NaN is always an error.

The package needs NumPy only, so that score files can be evaluated anywhere.
"""

from recipes.AntiDeepfake.metrics.comparison import (
    Comparison,
    cluster_bootstrap,
    compare,
    holm,
)
from recipes.AntiDeepfake.metrics.costs import Costs, act_dcf, min_dcf
from recipes.AntiDeepfake.metrics.intervals import (
    bootstrap_eer,
    delta_eer_interval,
    looks_flipped,
)
from recipes.AntiDeepfake.metrics.llr import cllr, min_cllr
from recipes.AntiDeepfake.metrics.operating_points import (
    fnr_at_fpr,
    fpr_at_fnr,
    spoof_rejection_rate,
    threshold_metrics,
)
from recipes.AntiDeepfake.metrics.rates import auc, eer, error_rates
from recipes.AntiDeepfake.metrics.tables import slices, summary

__all__ = [
    "Comparison",
    "Costs",
    "act_dcf",
    "auc",
    "bootstrap_eer",
    "cllr",
    "cluster_bootstrap",
    "compare",
    "delta_eer_interval",
    "eer",
    "error_rates",
    "fnr_at_fpr",
    "fpr_at_fnr",
    "holm",
    "looks_flipped",
    "min_cllr",
    "min_dcf",
    "slices",
    "spoof_rejection_rate",
    "summary",
    "threshold_metrics",
]
