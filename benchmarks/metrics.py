"""How much faster the metrics and their intervals are than the plain ways.

Run from the root of the repository (two to three minutes, 1 GB of memory):

    OMP_NUM_THREADS=1 python -m benchmarks.metrics

`--sizes 10000 100000` takes other numbers of trials. It needs NumPy; rows against
scikit-learn are printed if that is installed.

The plain ways were written for this comparison:

- `curve`: sort all trials with their labels and compute both error rates at every
  unique score, as most toolkits do; `mergesort` is the same without a look at ties,
  as in the scripts of the ASVspoof challenges;
- `loop`: one pass over the trials for each unique score, as SpeechBrain's `EER`
  (which tries the points half-way, too);
- `scikit-learn`: its functions, one for each metric. For the EER it is `roc_curve`;
  for the summary its ROC area, accuracy, precision, recall, F1 and confusion
  matrix come on top; for the minimum Cllr it is isotonic regression;
- `python loop`: the cost at every point of `mergesort`, one after the other, as in
  the script of ASVspoof 5;
- `draw` and `copy`: draw every trial (or every cluster, and copy its trials) of
  every bootstrap resample and take its EER with `curve`.

What would take too long is timed for a part and scaled; the table marks it with *.

Times are CPU time, medians over rounds in which the alternatives take turns; a
ratio is the median over the rounds, with its lowest and highest value.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recipes.AntiDeepfake.metrics import (
    Costs,
    bootstrap_eer,
    cluster_bootstrap,
    compare,
    eer,
    min_cllr,
    min_dcf,
    summary,
)

try:
    from sklearn import isotonic
    from sklearn import metrics as sklearn_metrics
except ImportError:
    sklearn_metrics = None

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LARGE = 10_000_000  # from here on only the EER, in fewer rounds
ROUNDS, ROUNDS_OF_LARGE = 7, 3
LOOPED_THRESHOLDS = 20
RESAMPLES = 1000
TRIALS_IN_A_CLUSTER = 50

# Name, plain way, our way, and how many times the plain way is to be counted.
Row = tuple[str, Callable, Callable, float]


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


def mergesort_rates(scores: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
    """FRR and FAR after each trial, as if no scores were equal."""
    ordered = labels[np.argsort(scores, kind="mergesort")]
    rejected_real = np.cumsum(ordered)
    rejected_fake = np.arange(1, len(labels) + 1) - rejected_real
    frr = rejected_real / rejected_real[-1]
    return frr, 1 - rejected_fake / rejected_fake[-1]


def mergesort_eer(scores: NDArray, labels: NDArray) -> float:
    """EER from `mergesort_rates`."""
    frr, far = mergesort_rates(scores, labels)
    nearest = np.argmin(np.abs(frr - far))
    return (frr[nearest] + far[nearest]) / 2


def looped_min_dcf(scores: NDArray, labels: NDArray) -> float:
    """Minimum cost over the points of `mergesort_rates`, one after the other."""
    costs, lowest = Costs(), 1.0
    for frr, far in zip(*mergesort_rates(scores, labels), strict=True):
        lowest = min(lowest, costs.dcf(frr, far))
    return lowest


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


def copy_bootstrap(
    systems: list[NDArray], labels: NDArray, members: list[NDArray], resamples: int
) -> NDArray:
    """EER of each system in resamples for which every cluster was copied."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(resamples):
        drawn = rng.integers(len(members), size=len(members))
        index = np.concatenate([members[cluster] for cluster in drawn])
        found.append([curve_eer(scores[index], labels[index]) for scores in systems])
    return np.array(found)


def sklearn_eer(scores: NDArray, labels: NDArray) -> float:
    """EER from the ROC curve of scikit-learn."""
    fpr, tpr, _ = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    nearest = np.argmin(np.abs(1 - tpr - fpr))
    return (1 - tpr[nearest] + fpr[nearest]) / 2


def sklearn_summary(scores: NDArray, labels: NDArray) -> list:
    """EER, ROC area and metrics at a threshold of 0."""
    accepted = scores > 0
    return [
        sklearn_eer(scores, labels),
        sklearn_metrics.roc_auc_score(labels, scores),
        sklearn_metrics.accuracy_score(labels, accepted),
        sklearn_metrics.precision_score(labels, accepted),
        sklearn_metrics.recall_score(labels, accepted),
        sklearn_metrics.f1_score(labels, accepted),
        sklearn_metrics.confusion_matrix(labels, accepted),
    ]


def sklearn_min_cllr(scores: NDArray, labels: NDArray) -> float:
    """Cllr of the likelihood ratios that isotonic regression gives."""
    share = isotonic.IsotonicRegression().fit_transform(scores, labels)
    odds = labels.mean() / (1 - labels.mean())
    with np.errstate(divide="ignore"):
        ratio = share / (1 - share) / odds
        real, fake = (
            np.log2(1 + 1 / ratio[labels == 1]),
            np.log2(1 + ratio[labels == 0]),
        )
    return (real.mean() + fake.mean()) / 2


def sklearn_rows(scores: NDArray, labels: NDArray) -> Iterator[Row]:
    """The rows for which scikit-learn is needed."""
    found, expected = summary(scores, labels), sklearn_summary(scores, labels)
    assert np.allclose([found["eer"], found["auc"]], expected[:2], atol=1e-9)
    assert abs(min_cllr(scores, labels) - sklearn_min_cllr(scores, labels)) < 1e-6
    for name, plain, ours in (
        ("EER, scikit-learn", sklearn_eer, eer),
        ("summary, scikit-learn", sklearn_summary, summary),
        ("min Cllr, scikit-learn", sklearn_min_cllr, min_cllr),
    ):
        yield name, partial(plain, scores, labels), partial(ours, scores, labels), 1


def bootstrap_rows(
    scores: NDArray, labels: NDArray, rng: np.random.Generator
) -> Iterator[Row]:
    """The rows for 1000 resamples."""
    size = len(scores)
    clusters = rng.integers(size // TRIALS_IN_A_CLUSTER, size=size)
    members = np.split(np.argsort(clusters), np.bincount(clusters).cumsum()[:-1])
    other = scores + rng.normal(0, 0.5, size).astype(np.float32)
    few = max(1, 100_000 // size)
    draw = partial(draw_bootstrap, scores, labels, few)
    copy = partial(copy_bootstrap, [scores], labels, members, few)
    both = partial(copy_bootstrap, [scores, other], labels, members, few)
    scale = RESAMPLES / few
    yield "bootstrap, draw", draw, partial(bootstrap_eer, scores, labels), scale
    ours = partial(cluster_bootstrap, scores, labels, clusters)
    yield "cluster bootstrap, copy", copy, ours, scale
    ours = partial(compare, scores, other, labels, clusters)
    yield "comparison, copy", both, ours, scale


def rows(size: int, rng: np.random.Generator) -> Iterator[Row]:
    """What is compared for a number of trials."""
    scores, labels = make_trials(size, rng)
    assert abs(curve_eer(scores, labels) - eer(scores, labels)[0]) < 1e-12
    ours = partial(eer, scores, labels)
    yield "EER, curve", partial(curve_eer, scores, labels), ours, 1
    yield "EER, mergesort", partial(mergesort_eer, scores, labels), ours, 1
    if size >= LARGE:
        return
    thresholds = np.unique(scores)
    some = rng.choice(thresholds, LOOPED_THRESHOLDS)
    scale = len(thresholds) / LOOPED_THRESHOLDS
    yield "EER, loop", partial(loop_rates, scores, labels, some), ours, scale
    ours = partial(min_dcf, scores, labels)
    yield "min DCF, python loop", partial(looped_min_dcf, scores, labels), ours, 1
    if sklearn_metrics:
        yield from sklearn_rows(scores, labels)
    yield from bootstrap_rows(scores, labels, rng)


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU time of one call, repeated to fill 20 ms if it is shorter."""
    calls, start = 0, time.process_time()
    while not calls or time.process_time() - start < 0.02:
        function()
        calls += 1
    return (time.process_time() - start) / calls


def print_row(size: int, row: Row) -> None:
    """Time two functions in turns and print one line of the table."""
    name, plain, ours, scale = row
    rounds = ROUNDS_OF_LARGE if size >= LARGE else ROUNDS
    ours()
    times = np.array(
        [(scale * cpu_seconds(plain), cpu_seconds(ours)) for _ in range(rounds)]
    )
    slow, fast = 1e3 * np.median(times, axis=0)
    ratios = times[:, 0] / times[:, 1]
    span = f"[{ratios.min():,.0f}, {ratios.max():,.0f}]"
    star = "*" if scale != 1 else " "
    print(
        f"{name:23} {size:>10,} {slow:>13,.2f}{star} {fast:>9.2f} "
        f"{np.median(ratios):>9,.1f} {span:>20}",
        flush=True,
    )


def main() -> None:
    """Print the table of ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    sizes = parser.parse_args().sizes
    rng = np.random.default_rng(0)
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"NumPy {np.__version__}, {os.cpu_count()} processors, load {load}")
    print(f"{'metric, plain way':23} {'trials':>10} {'plain ms':>13}  ", end="")
    print(f"{'ours ms':>9} {'ratio':>9} {'lowest, highest':>20}")
    for size in sizes:
        for row in rows(size, rng):
            print_row(size, row)


if __name__ == "__main__":
    main()
