"""How much faster the EER and its bootstrap interval are than the plain way.

Run from the root of the repository (a few seconds, NumPy only):

    OMP_NUM_THREADS=1 python -m benchmarks.metrics

The plain ways were written for this comparison. `curve`: sort all trials with
their labels and compute both error rates at every unique score, as most toolkits
do. `loop`: one pass over the trials for each unique score, as SpeechBrain's
`EER` (which tries the points half-way, too); its time is taken for 20 thresholds
and scaled. `draw`: draw every trial of every bootstrap resample and take its EER
with `curve`; timed for a few resamples and scaled.

Times are CPU time, medians over rounds in which the alternatives take turns; a
ratio is the median over the rounds, with its lowest and highest value.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recipes.AntiDeepfake.metrics import bootstrap_eer, eer

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 7
LOOPED_THRESHOLDS = 20
RESAMPLES = 1000


def make_trials(size: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Scores (float32) and labels of a detector with an EER near 10 %."""
    labels = (rng.random(size) < 0.25).astype(np.int64)
    return (rng.normal(size=size) + 2.6 * labels).astype(np.float32), labels


def curve_eer(scores: NDArray, labels: NDArray) -> float:
    """EER from the error rates at every unique score."""
    order = np.argsort(scores, kind="stable")
    ordered, real_below = scores[order], np.cumsum(labels[order])
    last_of_ties = np.append(ordered[1:] != ordered[:-1], True)
    rejected_real = real_below[last_of_ties]
    rejected_fake = np.flatnonzero(last_of_ties) + 1 - rejected_real
    frr = rejected_real / real_below[-1]
    far = 1 - rejected_fake / (len(labels) - real_below[-1])
    nearest = np.argmin(np.abs(frr - far))
    return (frr[nearest] + far[nearest]) / 2


def loop_rates(scores: NDArray, labels: NDArray, thresholds: NDArray) -> list[tuple]:
    """Error rates at some thresholds, one pass over the trials for each."""
    real, fake = scores[labels == 1], scores[labels == 0]
    return [(np.mean(real <= cut), np.mean(fake > cut)) for cut in thresholds]


def draw_bootstrap(scores: NDArray, labels: NDArray, resamples: int) -> NDArray:
    """EER of resamples in which every trial was drawn."""
    rng = np.random.default_rng(0)
    real, fake = scores[labels == 1], scores[labels == 0]
    labels = np.repeat([1, 0], [len(real), len(fake)])
    draws = (
        np.concatenate([rng.choice(real, len(real)), rng.choice(fake, len(fake))])
        for _ in range(resamples)
    )
    return np.array([curve_eer(draw, labels) for draw in draws])


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU time of one call, repeated to fill 20 ms if it is shorter."""
    calls, start = 0, time.process_time()
    while not calls or time.process_time() - start < 0.02:
        function()
        calls += 1
    return (time.process_time() - start) / calls


def compare(
    name: str, size: int, plain: Callable, ours: Callable, scale: float
) -> None:
    """Time two functions in turns and print one line of the table."""
    ours()
    times = np.array(
        [(scale * cpu_seconds(plain), cpu_seconds(ours)) for _ in range(ROUNDS)]
    )
    slow, fast = 1e3 * np.median(times, axis=0)
    ratios = times[:, 0] / times[:, 1]
    span = f"[{ratios.min():,.0f}, {ratios.max():,.0f}]"
    print(
        f"{name:18} {size:>9,} {slow:>13,.2f} {fast:>9.2f} {np.median(ratios):>9,.1f}"
        f" {span:>20}"
    )


def main() -> None:
    """Print the table of ratios."""
    print(f"{'plain way':18} {'trials':>9} {'plain ms':>13} {'ours ms':>9} ", end="")
    print(f"{'ratio':>8} {'lowest, highest':>20}")
    rng = np.random.default_rng(0)
    for size in SIZES:
        scores, labels = make_trials(size, rng)
        assert abs(curve_eer(scores, labels) - eer(scores, labels)[0]) < 1e-12
        thresholds = np.unique(scores)
        some = rng.choice(thresholds, LOOPED_THRESHOLDS)
        drawn = max(1, 100_000 // size)
        ours = partial(eer, scores, labels)
        curve = partial(curve_eer, scores, labels)
        loop = partial(loop_rates, scores, labels, some)
        draw = partial(draw_bootstrap, scores, labels, drawn)
        interval = partial(bootstrap_eer, scores, labels, RESAMPLES)
        compare("EER, curve", size, curve, ours, 1)
        compare("EER, loop", size, loop, ours, len(thresholds) / LOOPED_THRESHOLDS)
        compare("bootstrap, draw", size, draw, interval, RESAMPLES / drawn)


if __name__ == "__main__":
    main()
