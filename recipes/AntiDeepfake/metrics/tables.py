"""Rows of a results table: everything about one set of trials, or about its slices."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from recipes.AntiDeepfake.metrics.checks import checked, require_finite, split
from recipes.AntiDeepfake.metrics.costs import ASVSPOOF5, min_dcf_sorted
from recipes.AntiDeepfake.metrics.intervals import bootstrap_eer
from recipes.AntiDeepfake.metrics.operating_points import metrics_at
from recipes.AntiDeepfake.metrics.rates import auc_sorted, eer_sorted

__all__ = ["slices", "summary"]


def summary(
    scores: ArrayLike, labels: ArrayLike, threshold: float = 0.0, resamples: int = 0
) -> dict[str, float]:
    """Everything that one row of a results table needs.

    `cllr` and `act_dcf` are not among it: they are for log-likelihood ratios, and
    the scores of a detector are none before they are calibrated.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    threshold : float
        Where `threshold_metrics` are taken, in the unit of the scores.
    resamples : int
        Bootstrap samples for the interval of the EER; 0 leaves it out.

    Returns
    -------
    dict
        `real` and `fake` (numbers of trials), `eer`, with `resamples` also `eer_low`
        and `eer_high` (95 %, as `bootstrap_eer`), `eer_threshold`, `auc`, `min_dcf`
        (costs of ASVspoof 5 track 1), `threshold` (the given one) and the keys of
        `threshold_metrics`. When a class is missing, what needs both classes is NaN.

    Raises
    ------
    ValueError
        As `eer`, but a missing class is allowed. Infinite scores are refused: the
        row stands for a detector, and a sound one does not give them.

    Example
    -------
    >>> row = summary([2.0, 1.0, -1.0, -2.0], [1, 1, 0, 0])
    >>> row["real"], row["fake"], row["eer"], row["auc"], row["accuracy"]
    (2, 2, 0.0, 1.0, 1.0)
    """
    require_finite(scores)
    real, fake = split(scores, labels)
    row = {"real": len(real), "fake": len(fake)}
    interval = ("eer_low", "eer_high") if resamples else ()
    keys = ("eer", *interval, "eer_threshold", "auc", "min_dcf")
    row |= dict.fromkeys(keys, float("nan"))
    if len(real) and len(fake):
        if resamples:
            row["eer_low"], row["eer_high"] = bootstrap_eer(scores, labels, resamples)
        real.sort()
        fake.sort()
        row["eer"], row["eer_threshold"] = eer_sorted(real, fake)
        row["auc"] = auc_sorted(real, fake)
        row["min_dcf"], _ = min_dcf_sorted(real, fake, ASVSPOOF5)
    return row | {"threshold": threshold} | metrics_at(real, fake, threshold)


def slices(
    scores: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    against_all_real: bool = False,
    threshold: float = 0.0,
    resamples: int = 0,
) -> dict[str, dict[str, float]]:
    """`summary` of every group of trials.

    There are two kinds of groups. A corpus or a language holds both classes, and
    its slice is the trials of the group. An attack holds fakes only; its slice is
    the fakes of the group and *all* the genuine trials (`against_all_real`), so
    call it with the trials of one corpus at a time.

    A group in which a class is missing stays in the result, with its counts and
    with an EER of NaN.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    groups : array_like
        Name of the group of each trial, [trials]. With `against_all_real` the
        names of the genuine trials are ignored.
    against_all_real : bool
        Whether each group of fakes is set against all genuine trials.
    threshold : float
        Where `threshold_metrics` are taken, in the unit of the scores.
    resamples : int
        As for `summary`.

    Returns
    -------
    dict
        From the name of the group to its `summary`, sorted by name.

    Raises
    ------
    ValueError
        As `summary`, or if there is not one group name for each trial.

    Example
    -------
    >>> rows = slices([2.0, 1.0, 0.0, 3.0], [1, 1, 0, 0], ["-", "-", "A1", "A2"], True)
    >>> {attack: row["eer"] for attack, row in rows.items()}
    {'A1': 0.0, 'A2': 1.0}
    """
    require_finite(scores)
    scores, labels = checked(scores, labels)
    groups = np.asarray(groups)
    if groups.shape != scores.shape:
        raise ValueError(
            f"groups has shape {groups.shape} and scores has {scores.shape}: give "
            "one group name for each trial."
        )
    common, members = np.empty(0, np.intp), np.arange(len(labels))
    if against_all_real:
        common, members = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    names, inverse = np.unique(groups[members], return_inverse=True)
    # One sort puts the members of each group next to one another.
    members = members[np.argsort(inverse, kind="stable")]
    sizes = np.bincount(inverse, minlength=len(names))
    stops = sizes.cumsum()
    rows = {}
    for name, start, stop in zip(names, stops - sizes, stops, strict=True):
        index = np.concatenate([common, members[start:stop]])
        rows[str(name)] = summary(scores[index], labels[index], threshold, resamples)
    return rows
