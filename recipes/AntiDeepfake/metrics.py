"""Detection metrics: equal error rate, ROC area, metrics at a threshold, intervals.

One convention holds in the whole module: labels are 1 for real and 0 for fake, a
higher score means more genuine, and a trial is accepted as real when its score is
*above* the threshold (a score equal to the threshold is rejected). Rates are in
[0, 1], not per cent.

The module needs NumPy only, so that score files can be evaluated anywhere.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["auc", "bootstrap_eer", "eer", "slices", "summary", "threshold_metrics"]


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
        Score of each trial, [trials]; higher is more genuine.
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
        If the lengths differ, a score is NaN or infinite, a label is neither 0
        nor 1, or one of the classes is missing.

    Example
    -------
    >>> eer([0.9, 0.8, 0.3, 0.4, 0.2, 0.1], [1, 1, 1, 0, 0, 0])
    (0.3333333333333333, 0.3)
    >>> eer([7.0, 7.0, 7.0], [1, 0, 0])
    (0.5, 7.0)
    """
    real, fake = _split(scores, labels)
    _require_both(real, fake)
    real.sort()
    fake.sort()
    return _eer_sorted(real, fake)


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
    real, fake = _split(scores, labels)
    _require_both(real, fake)
    real.sort()
    fake.sort()
    return _auc_sorted(real, fake)


def threshold_metrics(
    scores: ArrayLike, labels: ArrayLike, threshold: float
) -> dict[str, float]:
    """Metrics of the decision "real when the score is above the threshold".

    Real is the positive class, as in the AntiDeepfake paper
    (https://arxiv.org/abs/2506.21090): a false positive is a fake that was
    accepted, a false negative is genuine speech that was rejected.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake. One class is enough.
    threshold : float
        In the unit of the scores. 0 for a difference of logits, 0.5 for the
        softmax probability of real.

    Returns
    -------
    dict
        `accuracy`, `precision`, `recall`, `f1`, `fpr`, `fnr` and
        `balanced_accuracy`, each in [0, 1]; NaN where the denominator is 0, for
        example the precision when nothing is accepted.

    Raises
    ------
    ValueError
        As `eer`, but a missing class is allowed.

    Example
    -------
    >>> metrics = threshold_metrics([2.0, 1.0, -1.0, 0.5], [1, 1, 1, 0], 0.0)
    >>> metrics["accuracy"], metrics["fpr"], round(metrics["recall"], 3)
    (0.5, 1.0, 0.667)
    """
    real, fake = _split(scores, labels)
    return _metrics_at(real, fake, threshold)


def bootstrap_eer(
    scores: ArrayLike,
    labels: ArrayLike,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the EER, stratified by class.

    Trials are taken as independent. Where several come from one recording or
    speaker, the true interval is wider.

    An EER of exactly 0 gives the interval (0, 0): the bootstrap cannot see errors
    that the sample does not hold.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    resamples : int
        Number of bootstrap samples.
    confidence : float
        Probability that the interval is to have, between 0 and 1.
    seed : int
        Seed of the random generator; the same seed gives the same interval.

    Returns
    -------
    low : float
        Lower end of the interval, in [0, 1].
    high : float
        Upper end of the interval, in [0, 1].

    Raises
    ------
    ValueError
        As `eer`, or if `resamples` or `confidence` is out of range.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([1, 0], 500)
    >>> low, high = bootstrap_eer(rng.normal(size=1000) + 2 * labels, labels)
    >>> low < 0.16 < high
    True
    """
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"resamples is {resamples} and confidence is {confidence}: give at least "
            "1 resample and a confidence between 0 and 1, such as 0.95."
        )
    real, fake = _split(scores, labels)
    _require_both(real, fake)
    sample = _resampled_eers(real, fake, resamples, np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = np.quantile(sample, [tail, 1 - tail])
    return float(low), float(high)


def summary(
    scores: ArrayLike, labels: ArrayLike, threshold: float = 0.0, resamples: int = 0
) -> dict[str, float]:
    """Everything that one row of a results table needs.

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
        and `eer_high` (95 %, as `bootstrap_eer`), `eer_threshold`, `auc`,
        `threshold` (the given one) and the keys of `threshold_metrics`. When a
        class is missing, what needs both classes is NaN.

    Raises
    ------
    ValueError
        As `eer`, but a missing class is allowed.

    Example
    -------
    >>> row = summary([2.0, 1.0, -1.0, -2.0], [1, 1, 0, 0])
    >>> row["real"], row["fake"], row["eer"], row["auc"], row["accuracy"]
    (2, 2, 0.0, 1.0, 1.0)
    """
    real, fake = _split(scores, labels)
    row = {"real": len(real), "fake": len(fake)}
    interval = ("eer_low", "eer_high") if resamples else ()
    row |= dict.fromkeys(("eer", *interval, "eer_threshold", "auc"), float("nan"))
    if len(real) and len(fake):
        if resamples:
            row["eer_low"], row["eer_high"] = bootstrap_eer(scores, labels, resamples)
        real.sort()
        fake.sort()
        row["eer"], row["eer_threshold"] = _eer_sorted(real, fake)
        row["auc"] = _auc_sorted(real, fake)
    return row | {"threshold": threshold} | _metrics_at(real, fake, threshold)


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
    scores, labels = _checked(scores, labels)
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


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray, NDArray]:
    """Scores (floating point) and labels as arrays that can be evaluated."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.dtype.kind != "f":
        scores = scores.astype(np.float64)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(
            f"scores has shape {scores.shape} and labels has {labels.shape}: both "
            "must be one-dimensional, with one label for each score."
        )
    if not len(scores):
        raise ValueError("there are no trials: scores is empty.")
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(scores)} scores are NaN or infinite, the first at "
            f"index {bad[0]} ({scores[bad[0]]}): find out why the detector gave "
            "them; they cannot be ranked."
        )
    bad = np.flatnonzero((labels != 0) & (labels != 1))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(labels)} labels are neither 0 (fake) nor 1 (real), "
            f"the first at index {bad[0]} ({labels[bad[0]]}): convert them."
        )
    return scores, labels


def _split(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray, NDArray]:
    """Scores of the real and of the fake trials, as new arrays."""
    scores, labels = _checked(scores, labels)
    # By index: in random order, four times as fast as by a boolean mask.
    return scores[np.flatnonzero(labels == 1)], scores[np.flatnonzero(labels == 0)]


def _require_both(real: NDArray, fake: NDArray) -> None:
    """Raise ValueError if a class is missing."""
    if not len(real) or not len(fake):
        raise ValueError(
            f"{len(real)} real and {len(fake)} fake trials: both classes are needed. "
            "Give the labels of both (1 is real, 0 is fake), or use `summary`, which "
            "reports what one class allows."
        )


def _eer_sorted(real: NDArray, fake: NDArray) -> tuple[float, float]:
    """`eer` of sorted scores."""

    def error_counts(threshold: np.floating) -> tuple[int, int]:
        """Rejected real trials and accepted fake trials."""
        rejected = int(real.searchsorted(threshold, "right"))
        return rejected, len(fake) - int(fake.searchsorted(threshold, "right"))

    def gap(threshold: np.floating) -> int:
        """FRR - FAR times the number of pairs, an integer to be free of rounding."""
        rejected, accepted = error_counts(threshold)
        return rejected * len(fake) - accepted * len(real)

    # The lowest threshold at which FRR >= FAR. Both searches find one, since the
    # highest real score has FRR = 1 and the highest fake score has FAR = 0.
    after = min(
        ordered[bisect_left(ordered, True, key=lambda score: gap(score) >= 0)]
        for ordered in (real, fake)
    )
    # The next lower threshold, where FRR < FAR; it may be nearer.
    before = [
        ordered[index - 1]
        for ordered in (real, fake)
        if (index := ordered.searchsorted(after, "left"))
    ]
    candidates = [max(before), after] if before else [after]
    nearest = min(candidates, key=lambda threshold: abs(gap(threshold)))
    rejected, accepted = error_counts(nearest)
    return _mean_rate(rejected, accepted, len(real), len(fake)), float(nearest)


def _mean_rate(
    rejected: int | NDArray, accepted: int | NDArray, real: int, fake: int
) -> float | NDArray:
    """(FRR + FAR) / 2 of error counts, rounded only once."""
    return (rejected * fake + accepted * real) / (2 * real * fake)


def _auc_sorted(real: NDArray, fake: NDArray) -> float:
    """`auc` of sorted scores."""
    below = fake.searchsorted(real, "left").sum()
    not_above = fake.searchsorted(real, "right").sum()
    return int(below + not_above) / (2 * len(real) * len(fake))


def _metrics_at(real: NDArray, fake: NDArray, threshold: float) -> dict[str, float]:
    """`threshold_metrics` of checked scores in any order."""
    true_positives = int(np.count_nonzero(real > threshold))
    false_positives = int(np.count_nonzero(fake > threshold))
    false_negatives = len(real) - true_positives
    true_negatives = len(fake) - false_positives
    recall = _ratio(true_positives, len(real))
    fpr = _ratio(false_positives, len(fake))
    return {
        "accuracy": _ratio(true_positives + true_negatives, len(real) + len(fake)),
        "precision": _ratio(true_positives, true_positives + false_positives),
        "recall": recall,
        "f1": _ratio(
            2 * true_positives, 2 * true_positives + false_positives + false_negatives
        ),
        "fpr": fpr,
        "fnr": _ratio(false_negatives, len(real)),
        "balanced_accuracy": (recall + 1 - fpr) / 2,
    }


def _ratio(part: int, whole: int) -> float:
    """`part / whole`, NaN when there is nothing to divide by."""
    return part / whole if whole else float("nan")


def _resampled_eers(
    real: NDArray, fake: NDArray, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """EER of stratified bootstrap samples, [resamples], without drawing trials.

    A resample draws as many real trials as there are, with replacement, so the
    numbers of draws that fall between consecutive thresholds are multinomial. A
    multinomial can be drawn piece by piece: given that n draws fall between two
    thresholds, the number of them at or below a threshold in the middle is
    binomial(n, share of the real trials of the range that lie there), and it is
    independent of all that is outside the range. The same holds for the fakes.

    The bisection for the crossing of FRR and FAR asks for the counts at about
    log2(trials) thresholds only. Drawing just these counts when they are asked for
    gives the EER the same distribution as drawing every trial (this is no
    approximation), at a cost of log2(trials) instead of trials for each resample.
    """
    thresholds = np.unique(np.concatenate([real, fake]))
    # Trials of each class at or below a threshold; index 0 lies below all scores.
    below = np.zeros((2, len(thresholds) + 1), np.int64)
    below[0, 1:] = np.sort(real).searchsorted(thresholds, "right")
    below[1, 1:] = np.sort(fake).searchsorted(thresholds, "right")

    def errors(point: NDArray) -> tuple[NDArray, NDArray]:
        """Rejected real and accepted fake draws."""
        return point[1], len(fake) - point[2]

    def gap(point: NDArray) -> NDArray:
        """FRR - FAR times the number of pairs, as in `_eer_sorted`."""
        rejected, accepted = errors(point)
        return rejected * len(fake) - accepted * len(real)

    # Each resample searches a range of its own. A point is a threshold's index and
    # the draws of each class at or below it, [3, resamples].
    low = np.zeros((3, resamples), np.int64)  # FRR < FAR
    high = low + [[len(thresholds)], [len(real)], [len(fake)]]  # FRR >= FAR
    # Ranges that are down to one step have middle = low, and nothing changes.
    for _ in range(len(thresholds).bit_length()):
        index = (low[0] + high[0]) // 2
        part = below[:, index] - below[:, low[0]]
        whole = below[:, high[0]] - below[:, low[0]]
        drawn = rng.binomial(high[1:] - low[1:], part / np.maximum(whole, 1))
        middle = np.vstack([index, low[1:] + drawn])
        crossed = gap(middle) >= 0
        low, high = np.where(crossed, low, middle), np.where(crossed, middle, high)
    nearest = np.where(abs(gap(low)) <= abs(gap(high)), low, high)
    return _mean_rate(*errors(nearest), len(real), len(fake))
