"""Intervals for trials in clusters, and paired comparison of two systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recipes.AntiDeepfake.metrics.checks import (
    check_resampling,
    checked,
    require_both,
)
from recipes.AntiDeepfake.metrics.intervals import percentile_interval
from recipes.AntiDeepfake.metrics.resampling import (
    Statistic,
    cluster_codes,
    draw_counts,
    of_draws,
    value_of,
)

__all__ = ["Comparison", "cluster_bootstrap", "compare", "holm"]


def cluster_bootstrap(
    scores: ArrayLike,
    labels: ArrayLike,
    clusters: ArrayLike,
    statistic: Statistic = "eer",
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval for trials that come in clusters.

    Segments of one recording, or utterances of one speaker or one attack, are
    alike, and trials drawn one by one make the interval too narrow. Here whole
    clusters are drawn, with replacement, each with all its trials.

    Clusters with real trials only, with fakes only and with both are strata of
    their own: as many of each kind are drawn as there are. So every resample has
    both classes, and with one trial in each cluster this is the bootstrap of
    `bootstrap_eer`. The number of *trials* varies with the clusters drawn; rates
    are shares of the trials drawn.

    With few clusters (below some thirty of a kind) the interval is too narrow, as
    with every bootstrap of the percentile kind. A class that is all in one cluster
    is refused: with attacks as clusters, give the genuine trials clusters of their
    own, such as their speakers.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    clusters : array_like
        Name or number of the cluster of each trial, [trials].
    statistic : "eer" or callable
        A function of scores and labels that returns a number, or a tuple that
        starts with it, such as `min_dcf`. "eer" is fast; a function is called for
        each resample, on all its trials.
    resamples : int
        Number of bootstrap samples.
    confidence : float
        Probability that the interval is to have, between 0 and 1.
    seed : int
        Seed of the random generator; the same seed gives the same interval.

    Returns
    -------
    low : float
        Lower end of the interval.
    high : float
        Upper end of the interval.

    Raises
    ------
    ValueError
        As `bootstrap_eer`; if there is not one cluster for each trial; if a class
        is in one cluster; or if the statistic is unknown or gives NaN.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([1, 0], 500)
    >>> speakers = np.arange(1000) // 10
    >>> scores = rng.normal(size=1000) + rng.normal(size=100)[speakers] + 3 * labels
    >>> low, high = cluster_bootstrap(scores, labels, speakers)
    >>> low < 0.145 < high
    True
    """
    check_resampling(resamples, confidence)
    scores, labels = _checked_trials(scores, labels)
    value_of(statistic, scores, labels)  # an unusable statistic fails at once
    codes = cluster_codes(clusters, labels)
    drawn = of_draws(statistic, scores, labels, codes)
    counts = draw_counts(codes, labels, resamples, seed)
    return percentile_interval(np.concatenate([*map(drawn, counts)]), confidence)


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Arguments
    ---------
    value_a : float
        The statistic of the first system.
    value_b : float
        The statistic of the second system.
    difference : float
        `value_a - value_b`; below 0 the first system has the lower error rate.
    low : float
        Lower end of the interval of the difference.
    high : float
        Upper end of the interval of the difference.
    p_value : float
        Two-sided, for the hypothesis that the difference is 0.
    """

    value_a: float
    value_b: float
    difference: float
    low: float
    high: float
    p_value: float


def compare(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    labels: ArrayLike,
    clusters: ArrayLike | None = None,
    statistic: Statistic = "eer",
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Whether one of two systems is better, judged on the same trials.

    A paired bootstrap: each resample holds the same trials (or clusters, as in
    `cluster_bootstrap`) for both systems, so that trials which are hard for both do
    not blur the difference. Two intervals that overlap say less.

    The p-value tests that both systems have the same statistic *in the population*
    from which the trials, or clusters, were drawn. They need not give the same
    scores, nor scores on one scale, which is why labels of systems are not permuted.
    It is twice the share of resamples in which the difference is on the other side
    of 0, or 0, that is the level at which 0 leaves the percentile interval. With
    one added to both counts it is never 0: with 1000 resamples at least 0.002. With
    few trials it errs towards no difference. For many comparisons, see `holm`.

    Arguments
    ---------
    scores_a : array_like
        Score of each trial by the first system, [trials]; higher is more genuine.
    scores_b : array_like
        Score of the same trials by the second system, [trials].
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    clusters : array_like, optional
        Name or number of the cluster of each trial, [trials]; without it, trials
        are independent, and drawn within each class.
    statistic : "eer" or callable
        As for `cluster_bootstrap`.
    resamples : int
        Number of bootstrap samples.
    confidence : float
        Probability that the interval is to have, between 0 and 1.
    seed : int
        Seed of the random generator; the same seed gives the same result.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        As `cluster_bootstrap`.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([1, 0], 500)
    >>> trial = rng.normal(size=1000)
    >>> better, worse = trial + 3 * labels, trial + rng.normal(size=1000) + 3 * labels
    >>> found = compare(better, worse, labels)
    >>> found.difference < 0 and found.high < 0 and found.p_value < 0.01
    True
    >>> compare(better, 2 * better, labels).p_value
    1.0
    """
    check_resampling(resamples, confidence)
    systems = [_checked_trials(scores, labels) for scores in (scores_a, scores_b)]
    labels = systems[0][1]
    values = [value_of(statistic, scores, labels) for scores, _ in systems]
    codes = np.arange(len(labels))
    if clusters is not None:
        codes = cluster_codes(clusters, labels)
    drawn_a, drawn_b = (
        of_draws(statistic, scores, labels, codes) for scores, _ in systems
    )
    differences = np.concatenate(
        [
            drawn_a(counts) - drawn_b(counts)
            for counts in draw_counts(codes, labels, resamples, seed)
        ]
    )
    low, high = percentile_interval(differences, confidence)
    tail = min(np.sum(differences <= 0), np.sum(differences >= 0))
    p_value = min(1.0, float(2 * (tail + 1) / (resamples + 1)))
    return Comparison(*values, values[0] - values[1], low, high, p_value)


def holm(p_values: Sequence[float] | NDArray) -> NDArray[np.float64]:
    """P-values of several tests, adjusted by the method of Holm.

    An adjusted value at or below 0.05 can be called significant while the chance
    of any false claim among all tests is at most 0.05, however the tests depend on
    each other: S. Holm, "A simple sequentially rejective multiple test procedure",
    Scandinavian Journal of Statistics 6 (1979), 65-70.

    Arguments
    ---------
    p_values : sequence of float
        One for each test, [tests].

    Returns
    -------
    ndarray
        [tests], in the given order; none is below the given value, or above 1.

    Raises
    ------
    ValueError
        If a value is not in [0, 1].

    Example
    -------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, np.float64)
    bad = np.flatnonzero(~((given >= 0) & (given <= 1)))
    if given.ndim != 1 or len(bad):
        found = f"{given[bad[0]]} at index {bad[0]}" if given.ndim == 1 else given.shape
        raise ValueError(
            f"p_values has {found}: give a list of numbers in [0, 1], one for each "
            "test."
        )
    order = np.argsort(given, kind="stable")
    # The lowest counts for all tests, the next for one fewer, and so on.
    scaled = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _checked_trials(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray, NDArray]:
    """Scores and labels of trials of both classes."""
    scores, labels = checked(scores, labels)
    require_both(labels[labels == 1], labels[labels == 0])
    return scores, labels
