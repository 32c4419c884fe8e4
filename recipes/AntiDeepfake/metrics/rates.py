"""Error rates over all thresholds: the curve, the equal error rate, the ROC area."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recipes.AntiDeepfake.metrics.checks import sorted_classes

__all__ = [
    "auc",
    "auc_sorted",
    "eer",
    "eer_sorted",
    "error_counts",
    "error_rates",
    "first_threshold",
    "mean_rate",
]


def eer(scores: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """Equal error rate and the threshold at which it is reached.

    With a finite number of trials the false rejection rate (FRR, genuine trials
    rejected) and the false acceptance rate (FAR, fake trials accepted) seldom
    meet. The EER is therefore (FRR + FAR) / 2 at the threshold where they are
    nearest to each other; of two that are equally near, the lower threshold
    counts. `speechbrain.utils.metric_stats.EER` has the same definition.

    Only the values that occur as scores are thresholds, so trials with the same
    score are accepted or rejected together and their order does not matter: a
    detector that gives every trial the same score has an EER of 0.5.

    FRR - FAR only grows with the threshold. So it takes two sorts and a bisection
    to find the crossing, and no curve is computed.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine. Infinite scores are
        ranked like others.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.

    Returns
    -------
    eer : float
        Equal error rate in [0, 1].
    threshold : float
        The score at or below which a trial is rejected.

    Raises
    ------
    ValueError
        If the lengths differ, a score is NaN, a label is neither 0 nor 1, or one
        of the classes is missing.

    Example
    -------
    >>> eer([0.9, 0.8, 0.3, 0.4, 0.2, 0.1], [1, 1, 1, 0, 0, 0])
    (0.3333333333333333, 0.3)
    >>> eer([7.0, 7.0, 7.0], [1, 0, 0])
    (0.5, 7.0)
    """
    return eer_sorted(*sorted_classes(scores, labels))


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: how often a real trial outscores a fake one.

    This is the Mann-Whitney statistic over all pairs of a real and a fake trial,
    in which a pair with equal scores counts one half
    (https://en.wikipedia.org/wiki/Mann-Whitney_U_test#Area-under-curve_(AUC)
    _statistic_for_ROC_curves).

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.

    Returns
    -------
    float
        Area in [0, 1]; 0.5 is chance.

    Raises
    ------
    ValueError
        As `eer`.

    Example
    -------
    >>> auc([0.9, 0.8, 0.3, 0.4], [1, 1, 0, 0])
    1.0
    >>> auc([0.5, 0.5], [1, 0])
    0.5
    """
    return auc_sorted(*sorted_classes(scores, labels))


def error_rates(
    scores: ArrayLike, labels: ArrayLike, max_points: int | None = None
) -> tuple[NDArray, NDArray, NDArray]:
    """Both error rates at every threshold, for ROC and DET curves.

    There is one point for each value that occurs as a score, so tied trials move
    the curve in one step, and a first point at which everything is accepted.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    max_points : int, optional
        Keep no more points than this, at least 3. They are points of the curve,
        the first and the last among them, spread evenly over the logits of the
        two rates, and both ends of every larger step are kept. With some hundred
        points neither a DET curve nor the corner of a ROC curve changes visibly.

    Returns
    -------
    fpr : ndarray
        Share of the fakes that are accepted, [points]; falls from 1 to 0.
    fnr : ndarray
        Share of the genuine trials that are rejected, [points]; grows from 0 to 1.
    thresholds : ndarray
        [points], ascending: a trial is accepted when its score is above. The first
        is minus infinity and stands for "accept everything", also where a score
        is minus infinity itself.

    Raises
    ------
    ValueError
        As `eer`, or if `max_points` is below 3.

    Example
    -------
    >>> fpr, fnr, thresholds = error_rates([2.0, 1.0, 1.0, 0.0], [1, 1, 0, 0])
    >>> fpr.tolist(), fnr.tolist(), thresholds.tolist()
    ([1.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 1.0], [-inf, 0.0, 1.0, 2.0])
    """
    if max_points is not None and max_points < 3:
        raise ValueError(f"max_points is {max_points}: give at least 3, or None.")
    real, fake = sorted_classes(scores, labels)
    rejected_real, rejected_fake, thresholds = error_counts(real, fake)
    fpr = (len(fake) - rejected_fake) / len(fake)
    fnr = rejected_real / len(real)
    if max_points is not None and len(thresholds) > max_points:
        # Grows strictly along the curve, since each point changes a rate.
        place = _logit(fnr, len(real)) - _logit(fpr, len(fake))
        wanted = np.linspace(place[0], place[-1], (max_points + 1) // 2)
        after = place.searchsorted(wanted)
        kept = np.unique(np.append(after, after[1:] - 1))
        fpr, fnr, thresholds = fpr[kept], fnr[kept], thresholds[kept]
    return fpr, fnr, thresholds


def error_counts(real: NDArray, fake: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Trials of each class at or below each threshold, of sorted scores.

    Arguments
    ---------
    real : ndarray
        Scores of the genuine trials in ascending order, [real].
    fake : ndarray
        Scores of the fakes in ascending order, [fake].

    Returns
    -------
    rejected_real : ndarray
        [points]; starts with 0, for the threshold below all scores.
    rejected_fake : ndarray
        [points]
    thresholds : ndarray
        Minus infinity and the values that occur as scores, [points].
    """
    scores = np.concatenate([real, fake])
    # A stable sort finds the two sorted runs and merges them in linear time.
    order = scores.argsort(kind="stable")
    scores = scores[order]
    last_of_ties = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
    rejected_real = np.cumsum(order < len(real))[last_of_ties]
    rejected_fake = last_of_ties + 1 - rejected_real
    return (
        np.append(0, rejected_real),
        np.append(0, rejected_fake),
        np.append(scores.dtype.type(-np.inf), scores[last_of_ties]),
    )


def first_threshold(real: NDArray, fake: NDArray, level: int = 0) -> np.floating:
    """The lowest threshold at which (FRR - FAR) * pairs reaches a level.

    Arguments
    ---------
    real : ndarray
        Scores of the genuine trials in ascending order, [real].
    fake : ndarray
        Scores of the fakes in ascending order, [fake].
    level : int
        At most `len(real) * len(fake)`, the number of pairs.
    """

    def reached(threshold: np.floating) -> bool:
        return _gap(real, fake, threshold) >= level

    # The highest score of the two classes reaches every level, so one search finds
    # a threshold, and the other one may run off its end.
    found = [
        ordered[index]
        for ordered in (real, fake)
        if (index := bisect_left(ordered, True, key=reached)) < len(ordered)
    ]
    return min(found)


def eer_sorted(real: NDArray, fake: NDArray) -> tuple[float, float]:
    """`eer` of sorted scores."""
    after = first_threshold(real, fake)
    # The next lower threshold, where FRR < FAR; it may be nearer.
    before = [
        ordered[index - 1]
        for ordered in (real, fake)
        if (index := ordered.searchsorted(after, "left"))
    ]
    candidates = [max(before), after] if before else [after]
    nearest = min(candidates, key=lambda threshold: abs(_gap(real, fake, threshold)))
    rejected, accepted = _errors(real, fake, nearest)
    return mean_rate(rejected, accepted, len(real), len(fake)), float(nearest)


def auc_sorted(real: NDArray, fake: NDArray) -> float:
    """`auc` of sorted scores."""
    below = fake.searchsorted(real, "left").sum()
    not_above = fake.searchsorted(real, "right").sum()
    return int(below + not_above) / (2 * len(real) * len(fake))


def mean_rate(
    rejected: int | NDArray, accepted: int | NDArray, real: int, fake: int
) -> float | NDArray:
    """(FRR + FAR) / 2 of error counts, rounded only once."""
    return (rejected * fake + accepted * real) / (2 * real * fake)


def _errors(real: NDArray, fake: NDArray, threshold: np.floating) -> tuple[int, int]:
    """Rejected real and accepted fake trials."""
    rejected = int(real.searchsorted(threshold, "right"))
    return rejected, len(fake) - int(fake.searchsorted(threshold, "right"))


def _gap(real: NDArray, fake: NDArray, threshold: np.floating) -> int:
    """FRR - FAR times the number of pairs, an integer to be free of rounding."""
    rejected, accepted = _errors(real, fake, threshold)
    return rejected * len(fake) - accepted * len(real)


def _logit(rate: NDArray, trials: int) -> NDArray:
    """Log-odds of an error rate; half an error short of the ends."""
    rate = np.clip(rate, 0.5 / trials, 1 - 0.5 / trials)
    return np.log(rate / (1 - rate))
