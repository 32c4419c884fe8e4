"""Detection costs and the cost of likelihood ratios, against plain implementations."""

import math

import numpy as np
import pytest
from plain_metrics import KINDS, all_rates, rates_at, trials

from recipes.AntiDeepfake.metrics import (
    Costs,
    act_dcf,
    cllr,
    llr,
    min_cllr,
    min_dcf,
    summary,
)


def calibrated_trials(rng, size=40_000, distance=2.0):
    """Normal scores that are their own log-likelihood ratios."""
    labels = np.repeat([1, 0], size // 2)
    means = np.where(labels == 1, 1, -1) * distance**2 / 2
    return rng.normal(means, distance), labels


def random_costs(rng):
    return Costs(*rng.uniform([0.01, 0.1, 0.1], [0.99, 10, 10]))


def plain_dcf(costs, frr, far):
    """Equations of the ASVspoof 5 evaluation plan."""
    prior = costs.spoof_prior
    cost = costs.miss * (1 - prior) * frr + costs.false_alarm * prior * far
    return cost / min(costs.miss * (1 - prior), costs.false_alarm * prior)


@pytest.mark.parametrize("kind", KINDS)
def test_min_dcf_is_the_minimum_over_all_thresholds(kind):
    rng = np.random.default_rng(1)
    for _ in range(300):
        scores, labels = trials(rng, kind)
        costs = random_costs(rng)
        value, threshold = min_dcf(scores, labels, costs)
        points = all_rates(scores, labels)
        expected = min(plain_dcf(costs, float(a), float(b)) for a, b, _ in points)
        assert value == pytest.approx(expected, abs=1e-12)
        # The threshold is one of those that reach it (-inf: "accept everything", or
        # that a score of -inf is rejected).
        reached = [
            plain_dcf(costs, float(a), float(b)) for a, b, t in points if t == threshold
        ]
        assert min(reached) == pytest.approx(value, abs=1e-12)


def test_of_equal_costs_the_lowest_threshold_counts():
    # Cutting at 1 costs a real trial, cutting at -1 a fake: the same.
    equal = Costs(0.5, 1.0, 1.0)
    assert min_dcf([0.0, 2.0, -1.0, 1.0], [1, 1, 0, 0], equal) == (0.5, -1.0)
    # A detector that knows nothing is not used.
    assert min_dcf([0.0, 0.0], [1, 0], equal) == (1.0, -math.inf)
    assert min_dcf([0.0, 0.0], [1, 0], Costs(0.9)) == (1.0, 0.0)


def test_min_dcf_by_hand():
    # ASVspoof 5: 0.95 FRR + 0.5 FAR, over 0.5. At 2: 1 of 4 real and no fake is wrong.
    value, threshold = min_dcf([1, 3, 4, 5, 0, 2], [1, 1, 1, 1, 0, 0])
    assert (value, threshold) == (pytest.approx(0.95 / 4 / 0.5), 2.0)


def test_act_dcf_cuts_at_the_bayes_threshold():
    rng = np.random.default_rng(2)
    for _ in range(200):
        scores, labels = trials(rng, "ties")
        costs = random_costs(rng)
        prior = costs.spoof_prior
        threshold = -math.log(costs.miss * (1 - prior) / (costs.false_alarm * prior))
        assert costs.bayes_threshold == pytest.approx(threshold)
        frr, far = map(float, rates_at(scores, labels, threshold))
        expected = plain_dcf(costs, frr, far)
        assert act_dcf(scores, labels, costs) == pytest.approx(expected)
        assert act_dcf(scores, labels, costs) >= min_dcf(scores, labels, costs)[0]


def test_calibrated_scores_reach_the_minimum():
    scores, labels = calibrated_trials(np.random.default_rng(3))
    assert act_dcf(scores, labels) == pytest.approx(
        min_dcf(scores, labels)[0], abs=0.01
    )
    assert min_dcf(scores, labels)[1] == pytest.approx(Costs().bayes_threshold, abs=0.3)
    assert cllr(scores, labels) == pytest.approx(min_cllr(scores, labels), abs=0.003)
    # A shift spoils the calibration and leaves the discrimination.
    assert act_dcf(scores + 3, labels) > min_dcf(scores, labels)[0] + 0.2
    assert cllr(scores + 3, labels) > min_cllr(scores, labels) + 0.2
    assert min_cllr(scores + 3, labels) == min_cllr(scores, labels)


@pytest.mark.parametrize(
    "wrong",
    [(0.0,), (1.0,), (0.5, 0.0), (0.5, 1.0, -1.0), (0.5, math.inf), (math.nan,)],
    ids=["prior 0", "prior 1", "free miss", "negative", "infinite", "NaN"],
)
def test_impossible_costs_are_refused(wrong):
    with pytest.raises(ValueError, match="prior between 0 and 1"):
        Costs(*wrong)


def test_costs_are_those_of_asvspoof_5():
    assert Costs() == Costs(spoof_prior=0.05, miss=1.0, false_alarm=10.0)
    assert Costs().bayes_threshold == pytest.approx(-math.log(0.95 / 0.5))
    assert (Costs().dcf(0, 1), Costs().dcf(1, 0)) == (1.0, pytest.approx(1.9))


def test_summary_has_the_min_dcf():
    scores, labels = trials(np.random.default_rng(4), size=60)
    assert summary(scores, labels)["min_dcf"] == min_dcf(scores, labels)[0]
    assert math.isnan(summary([1.0], [0])["min_dcf"])


def test_cllr_equals_its_definition():
    rng = np.random.default_rng(5)
    for dtype in (np.float64, np.float32):
        scores, labels = trials(rng, size=50)
        scores = scores.astype(dtype)
        real, fake = scores[labels == 1].tolist(), scores[labels == 0].tolist()
        expected = sum(math.log2(1 + math.exp(-s)) for s in real) / len(real) / 2
        expected += sum(math.log2(1 + math.exp(s)) for s in fake) / len(fake) / 2
        assert cllr(scores, labels) == pytest.approx(expected, rel=1e-12)


def test_cllr_of_large_and_infinite_ratios():
    # log2(1 + exp(1000)) is 1000 / log(2) to the last digit, and exp(1000) overflows.
    assert cllr([-1000.0, 0.0], [1, 0]) == pytest.approx((1000 / math.log(2) + 1) / 2)
    assert cllr([1000.0, -1000.0], [1, 0]) == 0.0
    assert cllr([math.inf, -math.inf], [1, 0]) == 0.0
    assert cllr([math.inf, 0.0, 0.0], [1, 1, 0]) == 0.75
    assert cllr([-math.inf, -math.inf], [1, 0]) == math.inf


def isotonic_cllr(scores, labels):
    """Cllr of the ratios that scikit-learn's isotonic regression gives."""
    isotonic = pytest.importorskip("sklearn.isotonic").IsotonicRegression
    ranks = np.unique(scores, return_inverse=True)[1]
    share = isotonic(y_min=0, y_max=1).fit_transform(ranks.astype(float), labels)
    prior = labels.mean()
    with np.errstate(divide="ignore"):
        llrs = np.log(share) - np.log1p(-share) - math.log(prior / (1 - prior))
        real = np.log2(1 + np.exp(-llrs[labels == 1])).mean()
        fake = np.log2(1 + np.exp(llrs[labels == 0])).mean()
    return (real + fake) / 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [None, 2000], ids=["small", "2000 trials"])
def test_min_cllr_equals_isotonic_regression(kind, size):
    rng = np.random.default_rng(6)
    for _ in range(3 if size else 200):
        scores, labels = trials(rng, kind, size)
        expected = isotonic_cllr(scores, labels)
        assert min_cllr(scores, labels) == pytest.approx(expected, abs=1e-9)


def test_min_cllr_by_hand():
    assert min_cllr([2.0, 3.0, 0.0, 1.0], [1, 1, 0, 0]) == 0.0
    assert min_cllr([0.0, 1.0, 2.0, 3.0], [1, 1, 0, 0]) == 1.0, "wrong sign: one block"
    assert min_cllr([5.0, 5.0, 5.0], [1, 0, 0]) == pytest.approx(1.0)
    # A block of one real and one fake in the middle: half the trials cost 1 bit.
    assert min_cllr([0.0, 2.0, 1.0, 3.0], [0, 0, 1, 1]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("last_step", "vertices"), [(0, 2), (10**12, 402)], ids=["flat end", "convex"]
)
def test_hull_when_a_pass_removes_next_to_nothing(last_step, vertices):
    # Slopes that grow step by step; a flat end leaves all of them above one line.
    x = np.cumsum([0, *range(400, 0, -1), 10**9])
    y = np.cumsum([0, *range(1, 401), last_step])
    found_x, found_y = llr._lower_hull(x, y)
    assert len(found_x) == vertices
    assert (found_x[-1], found_y[-1]) == (x[-1], y[-1])


@pytest.mark.parametrize("metric", [min_dcf, act_dcf, cllr, min_cllr])
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [1, 1], "2 real and 0 fake"),
        ([0.0, math.nan], [1, 0], "1 of 2 scores are NaN"),
        ([1.0, 2.0], [1], r"\(2,\) and labels has \(1,\)"),
        ([1.0, 2.0], [1, -1], r"1 of 2 labels .* index 1 \(-1\)"),
        ([], [], "no trials"),
    ],
    ids=["one class", "NaN", "lengths", "unknown label", "empty"],
)
def test_unusable_input_is_explained_for_costs(metric, scores, labels, message):
    with pytest.raises(ValueError, match=message):
        metric(scores, labels)
