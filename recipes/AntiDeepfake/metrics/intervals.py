"""Intervals of the EER for independent trials, and the question of a wrong sign."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recipes.AntiDeepfake.metrics.checks import (
    check_resampling,
    require_both,
    sorted_classes,
    split,
)
from recipes.AntiDeepfake.metrics.rates import (
    eer_sorted,
    error_counts,
    first_threshold,
    mean_rate,
)

__all__ = [
    "bootstrap_eer",
    "delta_eer_interval",
    "looks_flipped",
    "percentile_interval",
    "resampled_eers",
]


def bootstrap_eer(
    scores: ArrayLike,
    labels: ArrayLike,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the EER, stratified by class.

    Trials are taken as independent. Where several come from one recording or
    speaker, the true interval is wider: see `cluster_bootstrap`.

    An EER of exactly 0 gives the interval (0, 0): the bootstrap cannot see errors
    that the sample does not hold. `delta_eer_interval` has an upper end there.

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
    check_resampling(resamples, confidence)
    real, fake = split(scores, labels)
    require_both(real, fake)
    sample = resampled_eers(real, fake, resamples, np.random.default_rng(seed))
    return percentile_interval(sample, confidence)


def delta_eer_interval(
    scores: ArrayLike, labels: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the EER by the delta method: no resampling, independent trials.

    A shift d of the FRR and e of the FAR by chance moves the crossing of the two
    curves by w d + (1 - w) e, where w = f / (f + r) follows from the densities r of
    the real and f of the fake scores at the threshold. So the variance is that of a
    binomial share, EER (1 - EER) / n, with the effective number of trials

        1 / n = w^2 / (real trials) + (1 - w)^2 / (fake trials),

    and the interval is that of E. B. Wilson for such a share
    (https://doi.org/10.1080/01621459.1927.10502953). Unlike EER +- z standard
    errors it stays within [0, 1] and does not collapse when no error was seen.

    Only the ratio of the densities is needed, and so no scale of the scores: it is
    the ratio of the shares of the classes between the two thresholds at which
    FRR - FAR is z standard errors below and above 0, the range in which the
    crossing lies as far as these trials can tell.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    confidence : float
        Probability that the interval is to have, between 0 and 1.

    Returns
    -------
    low : float
        Lower end of the interval, in [0, 1].
    high : float
        Upper end of the interval, in [0, 1].

    Raises
    ------
    ValueError
        As `eer`, or if `confidence` is out of range.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([1, 0], 500)
    >>> low, high = delta_eer_interval(rng.normal(size=1000) + 2 * labels, labels)
    >>> low < 0.16 < high
    True
    >>> low, high = delta_eer_interval([2.0] * 100 + [1.0] * 100, [1] * 100 + [0] * 100)
    >>> low, round(high, 3)
    (0.0, 0.019)
    """
    check_resampling(1, confidence)
    real, fake = sorted_classes(scores, labels)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    value, _ = eer_sorted(real, fake)
    weight = _weight_of_real(real, fake, value, z)
    trials = 1 / (weight**2 / len(real) + (1 - weight) ** 2 / len(fake))
    shrink = 1 / (1 + z**2 / trials)
    centre = (value + z**2 / (2 * trials)) * shrink
    spread = value * (1 - value) / trials + (z / (2 * trials)) ** 2
    half = z * math.sqrt(spread) * shrink
    # Rounding alone could leave an end just beside 0 or 1, or the EER outside.
    return max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half))


def looks_flipped(scores: ArrayLike, labels: ArrayLike) -> bool:
    """Whether the scores seem to have the wrong sign: "flipped?".

    True when the EER is above 0.5 by more than half of the 95 % interval that a
    detector at chance level has with as many trials (the variance of
    `delta_eer_interval` with an EER and a w of 0.5). Of detectors at chance level
    2.5 % are above. A detector can also be wrong for good reasons, so ask; do not
    turn the sign silently.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is to be more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.

    Returns
    -------
    bool
        False also where there are too few trials to tell.

    Raises
    ------
    ValueError
        As `eer`.

    Example
    -------
    >>> looks_flipped([-2.0] * 20 + [1.0] * 20, [1] * 20 + [0] * 20)
    True
    >>> looks_flipped([-2.0, 1.0], [1, 0])
    False
    """
    real, fake = sorted_classes(scores, labels)
    at_chance = 0.25 * math.sqrt(1 / len(real) + 1 / len(fake))
    return eer_sorted(real, fake)[0] - 0.5 > NormalDist().inv_cdf(0.975) * at_chance


def percentile_interval(sample: NDArray, confidence: float) -> tuple[float, float]:
    """The middle `confidence` of a bootstrap sample."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(sample, [tail, 1 - tail])
    return float(low), float(high)


def resampled_eers(
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
    *below, _ = error_counts(np.sort(real), np.sort(fake))
    below = np.stack(below)  # trials of each class at or below each point
    steps = below.shape[1] - 1

    def errors(point: NDArray) -> tuple[NDArray, NDArray]:
        """Rejected real and accepted fake draws."""
        return point[1], len(fake) - point[2]

    def gap(point: NDArray) -> NDArray:
        """FRR - FAR times the number of pairs."""
        rejected, accepted = errors(point)
        return rejected * len(fake) - accepted * len(real)

    # Each resample searches a range of its own. A point is a threshold's index and
    # the draws of each class at or below it, [3, resamples].
    low = np.zeros((3, resamples), np.int64)  # FRR < FAR
    high = low + [[steps], [len(real)], [len(fake)]]  # FRR >= FAR
    # Ranges that are down to one step have middle = low, and nothing changes.
    for _ in range(steps.bit_length()):
        index = (low[0] + high[0]) // 2
        part = below[:, index] - below[:, low[0]]
        whole = below[:, high[0]] - below[:, low[0]]
        drawn = rng.binomial(high[1:] - low[1:], part / np.maximum(whole, 1))
        middle = np.vstack([index, low[1:] + drawn])
        crossed = gap(middle) >= 0
        low, high = np.where(crossed, low, middle), np.where(crossed, middle, high)
    nearest = np.where(abs(gap(low)) <= abs(gap(high)), low, high)
    return mean_rate(*errors(nearest), len(real), len(fake))


def _weight_of_real(real: NDArray, fake: NDArray, value: float, z: float) -> float:
    """The w of `delta_eer_interval`, for sorted scores whose EER is `value`."""
    variance_of_one = 1 / len(real) + 1 / len(fake)
    # As if two of four more trials were errors: the range must not be empty when no
    # trial, or every trial, is one.
    smoothed = (value / variance_of_one + 2) / (1 / variance_of_one + 4)
    pairs = len(real) * len(fake)
    level = z * math.sqrt(smoothed * (1 - smoothed) * variance_of_one) * pairs
    low = first_threshold(real, fake, -int(min(level, pairs)))
    high = first_threshold(real, fake, int(min(level, pairs)))
    inside_real, inside_fake = (
        (ordered.searchsorted(high, "right") - ordered.searchsorted(low, "left"))
        / len(ordered)
        for ordered in (real, fake)
    )
    return float(inside_fake / (inside_real + inside_fake))
