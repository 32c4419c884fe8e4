"""Metrics of a decision: at a given threshold, or at a given error rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recipes.AntiDeepfake.metrics.checks import checked, sorted_classes, split

__all__ = [
    "fnr_at_fpr",
    "fpr_at_fnr",
    "metrics_at",
    "spoof_rejection_rate",
    "threshold_metrics",
]


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
    real, fake = split(scores, labels)
    return metrics_at(real, fake, threshold)


def fpr_at_fnr(scores: ArrayLike, labels: ArrayLike, fnr: float) -> tuple[float, float]:
    """The lowest rate of accepted fakes while genuine speech is rarely rejected.

    Of all thresholds at which at most the share `fnr` of the genuine trials is
    rejected, the one with the lowest FPR counts, and of several such the lowest.
    Nothing is interpolated: the bound holds on these trials.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    fnr : float
        Highest false negative rate allowed, in [0, 1].

    Returns
    -------
    fpr : float
        Share of the fakes that are accepted.
    threshold : float
        The score at or below which a trial is rejected; minus infinity when
        everything has to be accepted.

    Raises
    ------
    ValueError
        As `eer`, or if `fnr` is not in [0, 1].

    Example
    -------
    >>> fpr_at_fnr([4.0, 3.0, 2.0, 0.0, 3.5, 1.0], [1, 1, 1, 1, 0, 0], 0.25)
    (0.5, 1.0)
    """
    real, fake = sorted_classes(scores, labels)
    allowed = _most_errors(fnr, len(real), "fnr")
    # The first real trial that must be accepted bounds the threshold from above.
    rejected = len(fake)
    if allowed < len(real):
        rejected = int(fake.searchsorted(real[allowed], "left"))
    threshold = float(fake[rejected - 1]) if rejected else -math.inf
    return (len(fake) - rejected) / len(fake), threshold


def fnr_at_fpr(scores: ArrayLike, labels: ArrayLike, fpr: float) -> tuple[float, float]:
    """The lowest rate of rejected genuine trials while fakes are rarely accepted.

    The lowest threshold at which at most the share `fpr` of the fakes is accepted.
    Nothing is interpolated: the bound holds on these trials.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    fpr : float
        Highest false positive rate allowed, in [0, 1].

    Returns
    -------
    fnr : float
        Share of the genuine trials that are rejected.
    threshold : float
        The score at or below which a trial is rejected; minus infinity when
        everything may be accepted.

    Raises
    ------
    ValueError
        As `eer`, or if `fpr` is not in [0, 1].

    Example
    -------
    >>> fnr_at_fpr([4.0, 3.0, 2.0, 0.0, 3.5, 1.0], [1, 1, 1, 1, 0, 0], 0.4)
    (0.75, 3.5)
    """
    real, fake = sorted_classes(scores, labels)
    allowed = _most_errors(fpr, len(fake), "fpr")
    if allowed == len(fake):
        return 0.0, -math.inf
    threshold = fake[len(fake) - 1 - allowed]
    return int(real.searchsorted(threshold, "right")) / len(real), float(threshold)


def spoof_rejection_rate(
    scores: ArrayLike, labels: ArrayLike | None, threshold: float
) -> float:
    """Share of the fakes that are rejected at a threshold from elsewhere.

    It is for corpora without genuine speech, which have no EER: the threshold is
    that of another corpus, for example where the detector has its EER there. The
    Speech Anti-Spoofing Arena ranks by 1 - SRR
    (https://huggingface.co/SpeechAntiSpoofingBenchmarks).

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like or None
        Label of each trial, [trials]; 1 is real (such trials are not counted),
        0 is fake. None: all are fakes.
    threshold : float
        The score at or below which a trial is rejected.

    Returns
    -------
    float
        In [0, 1]; 1 - FPR.

    Raises
    ------
    ValueError
        As `eer`, or if there is no fake or the threshold is NaN.

    Example
    -------
    >>> spoof_rejection_rate([-3.0, -1.0, 0.5, -2.0], None, threshold=0.0)
    0.75
    """
    if labels is None:
        labels = np.zeros(np.shape(scores), np.int8)
    scores, labels = checked(scores, labels)
    fake = scores[np.flatnonzero(labels == 0)]
    if not len(fake):
        raise ValueError(
            f"{len(scores)} real and 0 fake trials: the spoof rejection rate needs "
            "fakes. Give their labels as 0, or None if all trials are fakes."
        )
    if math.isnan(threshold):
        raise ValueError(
            "the threshold is NaN: give the one at which another corpus, with both "
            "classes, was evaluated."
        )
    return int(np.count_nonzero(fake <= threshold)) / len(fake)


def metrics_at(real: NDArray, fake: NDArray, threshold: float) -> dict[str, float]:
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


def _most_errors(rate: float, trials: int, name: str) -> int:
    """The largest number of errors whose share of the trials is at most `rate`."""
    if not 0 <= rate <= 1:
        raise ValueError(f"{name} is {rate}: give a rate in [0, 1], such as 0.01.")
    near = int(rate * trials)
    # The product is rounded: 0.07 * 100 is above 7, and others are below.
    return max(
        errors
        for errors in (near - 1, near, near + 1)
        if 0 <= errors <= trials and errors / trials <= rate
    )
