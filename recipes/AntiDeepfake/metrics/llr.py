"""Cost of log-likelihood ratios, which is what calibrated scores are judged by."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recipes.AntiDeepfake.metrics.checks import require_both, sorted_classes, split
from recipes.AntiDeepfake.metrics.rates import error_counts

__all__ = ["cllr", "min_cllr"]

# Passes over whole arrays go on as long as each removes this share of the points.
WORTHWHILE = 0.1


def cllr(scores: ArrayLike, labels: ArrayLike) -> float:
    """Cost of log-likelihood ratios (Cllr), in bits.

    The mean over both classes of log2(1 + exp(-s)) for real and log2(1 + exp(s)) for
    fake trials: N. Brümmer and J. du Preez, "Application-independent evaluation of
    speaker detection", Computer Speech & Language 20 (2006), 230-275
    (https://doi.org/10.1016/j.csl.2005.08.001). It asks whether the *values* are
    right: 0 is perfect, 1 is what a score of 0 for every trial costs, and a
    miscalibrated detector can be above 1.

    An infinite score costs its limit: nothing where it is right, and infinitely
    much where it is wrong.

    Arguments
    ---------
    scores : array_like
        Log-likelihood ratio of real against fake of each trial, [trials]; natural
        logarithm.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.

    Returns
    -------
    float
        In bits, not negative.

    Raises
    ------
    ValueError
        As `eer`.

    Example
    -------
    >>> cllr([0.0, 0.0], [1, 0])
    1.0
    >>> round(cllr([4.0, 3.0, -1.0, -5.0], [1, 1, 0, 0]), 4)
    0.1395
    """
    real, fake = split(scores, labels)
    require_both(real, fake)
    costs = (
        np.logaddexp(0.0, -real.astype(np.float64)).mean(),
        np.logaddexp(0.0, fake.astype(np.float64)).mean(),
    )
    return float(sum(costs) / (2 * math.log(2)))


def min_cllr(scores: ArrayLike, labels: ArrayLike) -> float:
    """`cllr` after the best possible monotone calibration of these very trials.

    The calibration is that of the pool-adjacent-violators algorithm (the paper of
    `cllr`, section on the PAV algorithm). What remains is the loss of
    discrimination; `cllr` minus `min_cllr` is the loss of calibration. Trials with
    the same score stay together. Blocks of one class only get an infinite ratio
    and cost nothing, its limit.

    The blocks of the algorithm are the edges of the lower convex hull of the
    numbers of real against fake trials below each threshold.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine. Only the order counts.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.

    Returns
    -------
    float
        In bits, in [0, 1].

    Raises
    ------
    ValueError
        As `eer`.

    Example
    -------
    >>> min_cllr([4.0, 3.0, -1.0, -5.0], [1, 1, 0, 0])
    0.0
    >>> round(min_cllr([4.0, 1.0, 2.0, -5.0], [1, 1, 0, 0]), 4)
    0.5
    """
    real, fake = sorted_classes(scores, labels)
    rejected_real, rejected_fake, _ = error_counts(real, fake)
    rejected_fake, rejected_real = _lower_hull(rejected_fake, rejected_real)
    # Shares of the real and of the fake trials in each block; the optimal
    # likelihood ratio of a block is their quotient.
    share_real = np.diff(rejected_real) / len(real)
    share_fake = np.diff(rejected_fake) / len(fake)
    cost = _block_cost(share_real, share_fake) + _block_cost(share_fake, share_real)
    return float(cost / 2)


def _block_cost(right: NDArray, wrong: NDArray) -> float:
    """Mean of log2(1 + wrong / right) over the trials of one class, in bits."""
    filled = right > 0
    right, wrong = right[filled], wrong[filled]
    return right @ np.log1p(wrong / right) / math.log(2)


def _lower_hull(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """Vertices of the lower convex hull of integer points that rise with x and y.

    A point that is not below the line through its neighbours is no vertex of the
    hull, whatever else is removed. So all such points can go in one pass over the
    arrays. When passes no longer remove much, a single scan with a stack finishes
    the few points that are left.
    """
    removed = len(x)
    while removed > WORTHWHILE * len(x):
        dx, dy = np.diff(x), np.diff(y)
        below = np.ones(len(x), bool)
        below[1:-1] = dx[:-1] * dy[1:] > dx[1:] * dy[:-1]
        removed = len(x) - np.count_nonzero(below)
        x, y = x[below], y[below]
    hull: list[tuple[int, int]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        while len(hull) > 1 and not _turns_left(*hull[-2:], point):
            hull.pop()
        hull.append(point)
    vertices = np.array(hull)
    return vertices[:, 0], vertices[:, 1]


def _turns_left(
    first: tuple[int, int], second: tuple[int, int], third: tuple[int, int]
) -> bool:
    """Whether the path through three points turns left, strictly, at the second."""
    (x1, y1), (x2, y2), (x3, y3) = first, second, third
    return (x2 - x1) * (y3 - y2) > (x3 - x2) * (y2 - y1)
