"""What scores are worth, found in the trials themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

__all__ = ["calibration_curve"]


def calibration_curve(scores: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
    """What scores are worth: log-likelihood ratios by isotonic regression.

    Both classes weigh the same. Trials with one score stay together.

    Arguments
    ---------
    scores : numpy.ndarray
        [trials]
    labels : numpy.ndarray
        [trials]; 1 is real, 0 is fake; both occur.

    Returns
    -------
    edges : numpy.ndarray
        [blocks, 2], lowest and highest score of each block.
    llrs : numpy.ndarray
        [blocks], ascending; infinite where a block is of one class.

    Example
    -------
    >>> edges, llrs = calibration_curve(np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1]))
    >>> edges.tolist(), llrs.tolist()
    ([[1.0, 2.0], [3.0, 3.0]], [-inf, inf])
    """
    values, place = np.unique(scores, return_inverse=True)
    real = np.bincount(place, labels) / labels.sum()
    fake = np.bincount(place, 1 - labels) / (1 - labels).sum()
    blocks = isotonic_regression(real / (real + fake), weights=real + fake).blocks
    first, last = blocks[:-1], blocks[1:] - 1
    with np.errstate(divide="ignore"):
        llrs = np.log(np.add.reduceat(real, first)) - np.log(
            np.add.reduceat(fake, first)
        )
    return np.stack([values[first], values[last]], axis=1), llrs
