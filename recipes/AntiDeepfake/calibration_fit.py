"""Fitting a calibration to scores with labels, and measuring what it is worth.

The affine map from score to log-likelihood ratio minimises the logarithmic cost of the
posterior at a chosen prior, each class weighted by the prior and not by its number of
trials: N. Brümmer and J. du Preez, "Application-independent evaluation of speaker
detection", Computer Speech and Language 20 (2006), 230-275,
https://doi.org/10.1016/j.csl.2005.08.001.

Needs NumPy and SciPy only. Labels are 1 for real and 0 for fake.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from recipes.AntiDeepfake.calibration import CalibrationError, OperatingPoint
from recipes.AntiDeepfake.metrics import fnr_at_fpr, fpr_at_fnr

__all__ = ["cross_validated_llrs", "fit_affine", "operating_point"]

_TAIL = (0.025, 0.975)  # of a 95 % interval


def fit_affine(
    scores: ArrayLike, labels: ArrayLike, prior: float = 0.5, smooth: bool = False
) -> tuple[float, float]:
    """Fit `llr = scale * score + offset` by prior-weighted logistic regression.

    Minimises, with P the prior and z = scale * score + offset + log(P / (1 - P)),

        P / N_real * sum over real of log(1 + exp(-z))
        + (1 - P) / N_fake * sum over fake of log(1 + exp(z)).

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials].
    prior : float
        Probability of real, between 0 and 1. The best map depends little on it where
        a straight line is right.
    smooth : bool
        Whether the targets are those of J. Platt, "Probabilistic outputs for support
        vector machines" (1999): (N_real + 1) / (N_real + 2) and 1 / (N_fake + 2)
        instead of 1 and 0. Then classes that do not overlap have a finite map, which
        says what so many trials can say; with many trials it changes nothing.

    Returns
    -------
    scale : float
        Above 0.
    offset : float

    Raises
    ------
    CalibrationError
        If the classes do not overlap (then no finite map is the best, unless
        `smooth`), the scores are all equal, or higher scores are less genuine.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.repeat([1, 0], 50000)
    >>> llrs = rng.normal(4 * labels - 2, 2)  # mean +-s^2 / 2: these are LLRs
    >>> scale, offset = fit_affine((llrs + 3) / 0.5, labels)
    >>> round(scale, 1), round(offset, 1)
    (0.5, -3.0)
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    if not 0 < prior < 1:
        raise CalibrationError(f"the prior is {prior}: give a probability in (0, 1).")
    _require_overlap(scores, labels, smooth)
    # The regression is on standardised scores, and its result is scaled back.
    centre, spread = scores.mean(), scores.std()
    x = (scores - centre) / spread
    counts = np.array([np.sum(labels == 0), np.sum(labels == 1)])
    targets = np.array([0.0, 1.0])
    if smooth:
        targets = np.array([1, counts[1] + 1]) / (counts + 2)
    weights = (np.array([1 - prior, prior]) / counts)[labels]
    targets = targets[labels]
    log_odds = math.log(prior / (1 - prior))

    def cost(line):
        z = line[0] * x + line[1] + log_odds
        value = weights @ (np.logaddexp(0, z) - targets * z)
        slope = weights * (expit(z) - targets)
        return value, np.array([slope @ x, slope.sum()])

    def curvature(line):
        p = expit(line[0] * x + line[1] + log_odds)
        w = weights * p * (1 - p)
        return np.array([[w @ x**2, w @ x], [w @ x, w.sum()]])

    # The cost is convex, so this finds the one minimum.
    found = minimize(
        cost, [1.0, 0.0], jac=True, hess=curvature, method="trust-exact", tol=1e-10
    )
    scale = found.x[0] / spread
    if scale <= 0:
        raise CalibrationError(
            "higher scores are less genuine in these data: flipped? A score is "
            "logit[real] - logit[fake]; check its sign and the labels."
        )
    return float(scale), float(found.x[1] - scale * centre)


def _require_overlap(scores: NDArray, labels: NDArray, smooth: bool) -> None:
    real, fake = scores[labels == 1], scores[labels == 0]
    if not len(real) or not len(fake):
        raise CalibrationError(
            f"{len(real)} real and {len(fake)} fake trials: both classes are needed."
        )
    if scores.min() == scores.max():
        raise CalibrationError(
            f"all {len(scores)} scores are {scores[0]:g}: nothing can be calibrated."
        )
    if not smooth and (fake.max() <= real.min() or real.max() <= fake.min()):
        raise CalibrationError(
            f"the scores of {len(real)} real and {len(fake)} fake trials do not "
            "overlap, so no scale is large enough. Use harder or more development "
            "data, or smooth the targets (--smooth)."
        )


def cross_validated_llrs(
    scores: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike | None = None,
    folds: int = 2,
    seed: int = 0,
    **settings,
) -> NDArray[np.float64]:
    """Calibrate each part of the trials by what was fitted to the others.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials].
    labels : array_like
        Label of each trial, [trials].
    groups : array_like, optional
        Name of the group of each trial, [trials], such as its recording; no group is
        split. By default each trial is its own.
    folds : int
        Number of parts.
    seed : int
        Seed of the draw of the parts.
    **settings
        As for `fit_affine`.

    Returns
    -------
    numpy.ndarray
        Log-likelihood ratio of each trial, [trials].

    Raises
    ------
    CalibrationError
        As `fit_affine`, for any of the parts.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    groups = np.arange(len(scores)) if groups is None else np.asarray(groups)
    fold = _folds(labels, groups, folds, np.random.default_rng(seed))
    llrs = np.empty(len(scores))
    for number in range(folds):
        inside = fold == number
        try:
            scale, offset = fit_affine(scores[~inside], labels[~inside], **settings)
        except CalibrationError as error:
            raise CalibrationError(
                f"cross-validation, without part {number + 1} of {folds}: {error}"
            ) from None
        llrs[inside] = scale * scores[inside] + offset
    return llrs


def _folds(labels, groups, folds, rng) -> NDArray[np.int64]:
    """The fold of each trial; the groups of each class are dealt out evenly."""
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    order = rng.permutation(len(first))
    # Dealt out class by class: that of a group is the class of its first trial.
    order = order[np.argsort(labels[first][order], kind="stable")]
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % folds
    return fold[codes]


def operating_point(
    scores: ArrayLike,
    labels: ArrayLike,
    kind: str,
    rate: float,
    resamples: int = 1000,
    seed: int = 0,
) -> OperatingPoint:
    """The threshold that keeps one error rate at or below a value, with intervals.

    The intervals are of a percentile bootstrap, stratified by class, that takes trials
    as independent; where several come from a recording the true ones are wider. No
    trials need be drawn: of n draws with replacement the r-th lowest is the
    ceil(n * B)-th lowest trial, with B of the beta distribution (r, n - r + 1), and the
    number of draws of the other class beyond it is binomial.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials].
    kind : str
        `fpr`: few fakes are accepted; `fnr`: little genuine speech is rejected.
    rate : float
        Highest rate allowed, between 0 and 1.
    resamples : int
        Number of bootstrap samples.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    OperatingPoint

    Raises
    ------
    CalibrationError
        If the rate is not between 0 and 1, too low for so few trials to show, or so
        high that everything is accepted.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    real, fake = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    bounded = fake if kind == "fpr" else real
    allowed = math.floor(rate * len(bounded) + 1e-9)  # 0.29 * 100 is below 29
    if not 0 < rate < 1 or not allowed:
        raise CalibrationError(
            f"{kind}={rate:g} cannot be measured on {len(bounded)} "
            f"{'fake' if kind == 'fpr' else 'real'} trials. Give a rate in (0, 1), and "
            "at least 1 / rate trials."
        )
    rng = np.random.default_rng(seed)
    if kind == "fpr":
        fnr, threshold = fnr_at_fpr(scores, labels, rate)
        fpr = np.count_nonzero(fake > threshold) / len(fake)
        rank = len(fake) - allowed
        cuts = _drawn_order_statistic(fake, rank, resamples, rng)
        beyond = real.searchsorted(cuts, "right") / len(real)
        others = rng.binomial(len(real), beyond) / len(real)
    else:
        fpr, threshold = fpr_at_fnr(scores, labels, rate)
        if math.isinf(threshold):
            raise CalibrationError(
                f"{kind}={rate:g} is reached only by accepting everything: no fake "
                "scores lower than the genuine speech that must be accepted."
            )
        fnr = np.count_nonzero(real <= threshold) / len(real)
        # The lowest genuine trial that has to be accepted bounds the threshold.
        bounds = _drawn_order_statistic(real, allowed + 1, resamples, rng)
        below = fake.searchsorted(bounds, "left")
        cuts = np.where(below > 0, fake[below - 1], np.nextafter(bounds, -np.inf))
        others = rng.binomial(len(fake), 1 - below / len(fake)) / len(fake)
    return OperatingPoint(
        threshold, _interval(cuts), float(fpr), float(fnr), _interval(others)
    )


def _drawn_order_statistic(ordered, rank, resamples, rng) -> NDArray:
    """The `rank`-th lowest (from 1) of as many draws with replacement, [resamples]."""
    n = len(ordered)
    share = rng.beta(rank, n - rank + 1, resamples)
    return ordered[np.clip(np.ceil(n * share).astype(int) - 1, 0, n - 1)]


def _interval(sample: NDArray) -> tuple[float, float]:
    low, high = np.quantile(sample, _TAIL)
    return float(low), float(high)
