"""Metrics in the plainest way there is, and trials for which to compute them."""

import math
from fractions import Fraction

import numpy as np

KINDS = ["distinct", "ties", "infinities", "constant"]


def trials(rng, kind="distinct", size=None):
    """A random small trial list with both classes."""
    size = size or int(rng.integers(2, 16))
    labels = rng.permutation(np.arange(size) < rng.integers(1, size)).astype(int)
    scores = rng.normal(size=size) + labels * rng.uniform(-1, 3)
    if kind == "ties":
        scores = np.round(scores * rng.uniform(0.5, 3))
    elif kind == "infinities":
        scores = np.round(scores * 2)
        scores[scores >= 3] = math.inf
        scores[scores <= -1] = -math.inf
    elif kind == "constant":
        scores[:] = rng.choice([-math.inf, 0.0, math.inf])
    return scores, labels


def rates_at(scores, labels, threshold):
    """FRR and FAR of "accept what is above the threshold", as fractions."""
    pairs = list(zip(scores, labels, strict=True))
    real = [score for score, label in pairs if label]
    fake = [score for score, label in pairs if not label]
    return (
        Fraction(sum(score <= threshold for score in real), len(real)),
        Fraction(sum(score > threshold for score in fake), len(fake)),
    )


def all_rates(scores, labels):
    """(FRR, FAR, threshold) of every decision, with "accept everything" first."""
    scores = np.asarray(scores).tolist()
    points = [(Fraction(0), Fraction(1), -math.inf)]
    return points + [(*rates_at(scores, labels, t), t) for t in sorted(set(scores))]


def plain_eer(scores, labels):
    """The definition of the EER, word for word."""
    _, *points = all_rates(scores, labels)
    frr, far, threshold = min(points, key=lambda point: abs(point[0] - point[1]))
    return float((frr + far) / 2), threshold


def plain_resamples(scores, labels, clusters, resamples, rng, statistic):
    """A statistic of resamples in which every cluster was drawn and copied.

    Clusters of one kind (real, fake, mixed) are drawn among themselves.
    """
    members = [np.flatnonzero(clusters == name) for name in np.unique(clusters)]
    kinds = {}
    for index in members:
        kinds.setdefault(frozenset(labels[index]), []).append(index)
    values = []
    for _ in range(resamples):
        drawn = [
            kind[i]
            for kind in kinds.values()
            for i in rng.integers(len(kind), size=len(kind))
        ]
        index = np.concatenate(drawn)
        values.append(statistic(scores[index], labels[index]))
    return np.array(values)
