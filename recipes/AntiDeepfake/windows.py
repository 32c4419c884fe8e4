"""A recording along time: windows that slide over it, and their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipes.AntiDeepfake.dataio import MIN_SAMPLES, SAMPLE_RATE

__all__ = ["LongScore", "windows"]


@dataclass(frozen=True, eq=False)
class LongScore:
    """The scores along a recording.

    Arguments
    ---------
    score : float
        Of the recording as a whole, by `rule`.
    rule : str
        A key of `aggregates.AGGREGATES`.
    starts, stops : numpy.ndarray
        Where the windows are, in seconds.
    scores : numpy.ndarray
        One for each window.
    """

    score: float
    rule: str
    starts: NDArray[np.float64]
    stops: NDArray[np.float64]
    scores: NDArray[np.float32]


def windows(samples: int, window: float, hop: float) -> list[tuple[int, int]]:
    """Where the windows of a recording are.

    Arguments
    ---------
    samples : int
        Length of the recording.
    window, hop : float
        Length of a window, and from the start of one to the next, in seconds.

    Returns
    -------
    list of (int, int)
        First sample of each and the one after its last.

    Raises
    ------
    ValueError
        If a window would be too short, or windows would leave something out.

    Example
    -------
    >>> windows(36000, 1.0, 0.5)
    [(0, 16000), (8000, 24000), (16000, 32000), (24000, 36000)]
    """
    size, step = round(window * SAMPLE_RATE), round(hop * SAMPLE_RATE)
    if size < MIN_SAMPLES or not 0 < step <= size:
        raise ValueError(
            f"window is {window} s and hop {hop} s; a window is at least "
            f"{MIN_SAMPLES / SAMPLE_RATE} s long, and a hop more than 0 and no longer "
            "than the window, or parts of the recording would not be scored."
        )
    # A rest too short to be scored goes to the window before it.
    count = 1 + max(0, -(-(samples - size - MIN_SAMPLES + 1) // step))
    starts = [i * step for i in range(count)]
    return [(start, start + size) for start in starts[:-1]] + [(starts[-1], samples)]
