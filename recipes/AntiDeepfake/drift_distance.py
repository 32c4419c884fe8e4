"""How far two sets of embeddings are apart, and whether that can be chance.

Energy distance (G. Székely and M. Rizzo, "Energy statistics: A class of statistics
based on distances", Journal of Statistical Planning and Inference 143 (2013),
1249-1272, https://doi.org/10.1016/j.jspi.2013.03.018): with X, X' from one set and
Y, Y' from the other,

    E = 2 mean|X - Y| - mean|X - X'| - mean|Y - Y'|,    H = E / (2 mean|X - Y|).

E is 0 if and only if the distributions are the same; H is E as a share, in [0, 1]. Each
dimension is divided by its standard deviation over both sets together, or the few large
dimensions that self-supervised models have would be all that counts.

Fréchet distance of the normal distributions with the same means m and covariances S
(M. Heusel et al., https://arxiv.org/abs/1706.08500; for audio K. Kilgour et al.,
https://arxiv.org/abs/1812.08466), of the embeddings as they are:

    F = |m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)).

It grows with the number of dimensions per utterance, so compare only values from as
many utterances.

Needs NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Drift", "energy_test", "frechet_distance", "measure_drift"]

#: Permutations computed at a time; bounds memory.
_BLOCK = 256


@dataclass(frozen=True)
class Drift:
    """What a comparison of two sets gave.

    Arguments
    ---------
    reference, incoming : int
        Utterances that were compared.
    energy : float
        The share H above.
    expected : float
        Mean of H over the permutations: what there is to see without drift.
    p_value : float
        Chance of an H as large if both sets are from one distribution.
    frechet : float
        Fréchet distance.
    """

    reference: int
    incoming: int
    energy: float
    expected: float
    p_value: float
    frechet: float


def measure_drift(
    reference: NDArray,
    incoming: NDArray,
    permutations: int = 999,
    most: int = 2000,
    seed: int = 0,
) -> Drift:
    """Compare two sets of embeddings.

    Of each set at most `most` utterances are drawn at random, since all distances
    among them are kept: 8 bytes for each pair, 128 MB for two sets of 2000. The test
    is valid for the sample; with more utterances it sees smaller drifts.

    Arguments
    ---------
    reference, incoming : numpy.ndarray
        [utterances, dim]; at least two utterances in each.
    permutations : int
        For the p-value, which is at least 1 / (permutations + 1).
    most : int
        Most utterances of a set.
    seed : int
        Of the draws and the permutations.

    Returns
    -------
    Drift

    Raises
    ------
    ValueError
        If the sets differ in dimension or are too small.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> same = measure_drift(rng.normal(size=(200, 8)), rng.normal(size=(150, 8)))
    >>> other = measure_drift(rng.normal(size=(200, 8)), rng.normal(1, 1, (150, 8)))
    >>> same.p_value > 0.05, other.p_value, other.energy > 10 * other.expected
    (True, 0.001, True)
    """
    sets = [np.asarray(values, np.float64) for values in (reference, incoming)]
    shapes = [values.shape for values in sets]
    if any(len(shape) != 2 or shape[0] < 2 for shape in shapes) or (
        shapes[0][1] != shapes[1][1]
    ):
        raise ValueError(
            f"reference has shape {shapes[0]} and incoming {shapes[1]}: give at least "
            "two utterances each, of the same detector ([utterances, dim])."
        )
    rng = np.random.default_rng(seed)
    sets = [
        values[np.sort(rng.choice(len(values), min(most, len(values)), replace=False))]
        for values in sets
    ]
    energy, expected, p_value = energy_test(*sets, permutations, rng)
    sizes = [len(values) for values in sets]
    return Drift(*sizes, energy, expected, p_value, frechet_distance(*sets))


def energy_test(
    reference: NDArray,
    incoming: NDArray,
    permutations: int,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Energy distance and permutation test.

    Which utterance is of which set is permuted, and the distances are computed once.
    Utterances are taken as independent: many from one recording make p too small.
    The p-value counts the sets as they are among the permutations (B. Phipson and
    G. Smyth, https://doi.org/10.2202/1544-6115.1585), so it is never 0.

    Arguments
    ---------
    reference, incoming : numpy.ndarray
        [utterances, dim].
    permutations : int
        Number of permutations.
    rng : numpy.random.Generator
        For the permutations.

    Returns
    -------
    energy : float
        The share H.
    expected : float
        Its mean over the permutations.
    p_value : float
    """
    both = np.concatenate([reference, incoming])
    spread = both.std(axis=0)
    distances = _distances((both - both.mean(axis=0)) / np.where(spread, spread, 1))
    inside = np.zeros((1, len(both)))
    inside[0, : len(reference)] = 1
    energy = _energy_shares(inside, distances)[0]
    drawn = []
    for start in range(0, permutations, _BLOCK):
        block = np.repeat(inside, min(_BLOCK, permutations - start), axis=0)
        drawn.append(_energy_shares(rng.permuted(block, axis=1), distances))
    drawn = np.concatenate(drawn)
    # The order of a sum differs between permutations, and so does its rounding.
    as_large = np.count_nonzero(drawn >= energy - 1e-12)
    p_value = (1 + as_large) / (1 + permutations)
    return float(energy), float(drawn.mean()), float(p_value)


def _distances(points: NDArray) -> NDArray:
    """Euclidean distances of all pairs, [points, points]."""
    squares = (points**2).sum(axis=1)
    squared = squares[:, None] + squares - 2 * points @ points.T
    np.fill_diagonal(squared, 0.0)
    return np.sqrt(np.maximum(squared, 0.0, out=squared), out=squared)


def _energy_shares(inside: NDArray, distances: NDArray) -> NDArray:
    """H for rows that say with 1 and 0 what is in the first set, [rows]."""
    first = inside.sum(axis=1)
    second = inside.shape[1] - first
    totals = distances.sum(axis=1)
    # Of a pair (i, j): both in the first set, or i in it and j anywhere.
    within_first = ((inside @ distances) * inside).sum(axis=1)
    between = inside @ totals - within_first
    within_second = totals.sum() - 2 * between - within_first
    mean = between / (first * second)
    energy = 2 * mean - within_first / first**2 - within_second / second**2
    return energy / np.where(mean > 0, 2 * mean, 1)


def frechet_distance(reference: NDArray, incoming: NDArray) -> float:
    """Fréchet distance between normal distributions fitted to two sets.

    With X1 and X2 the centred embeddings, the trace of (S1 S2)^(1/2) is the sum of the
    singular values of X1 X2^T / sqrt((n1 - 1) (n2 - 1)). The factors R of their QR
    decompositions have the same ones, and at most dim x dim values.

    Arguments
    ---------
    reference, incoming : numpy.ndarray
        [utterances, dim].

    Returns
    -------
    float

    Example
    -------
    >>> points = np.array([[0.0], [2.0]])
    >>> frechet_distance(points, points + 3)
    9.0
    """
    means, factors, traces = [], [], []
    for values in (reference, incoming):
        values = np.asarray(values, np.float64)
        means.append(values.mean(axis=0))
        centred = (values - means[-1]) / np.sqrt(len(values) - 1)
        factors.append(np.linalg.qr(centred, mode="r"))
        traces.append((centred**2).sum())
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    between = ((means[0] - means[1]) ** 2).sum()
    return float(max(0.0, between + sum(traces) - 2 * shared))
