"""Error rates and operating points against brute force, scikit-learn and SciPy."""

import math

import numpy as np
import pytest
from plain_metrics import KINDS, all_rates, plain_eer, rates_at, trials

from recipes.AntiDeepfake.metrics import (
    auc,
    eer,
    error_rates,
    fnr_at_fpr,
    fpr_at_fnr,
    slices,
    spoof_rejection_rate,
    summary,
    threshold_metrics,
)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_eer_equals_the_definition_on_many_small_sets(kind, dtype):
    rng = np.random.default_rng(1)
    for _ in range(500):
        scores, labels = trials(rng, kind)
        scores = scores.astype(dtype)
        assert eer(scores, labels) == plain_eer(scores, labels)


@pytest.mark.parametrize("kind", KINDS)
def test_auc_equals_all_pairs(kind):
    rng = np.random.default_rng(2)
    for _ in range(200):
        scores, labels = trials(rng, kind)
        real, fake = scores[labels == 1][:, None], scores[labels == 0]
        expected = np.mean((real > fake) + 0.5 * (real == fake))
        assert auc(scores, labels) == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_curve_has_every_threshold_once(kind):
    rng = np.random.default_rng(3)
    for _ in range(200):
        scores, labels = trials(rng, kind)
        fpr, fnr, thresholds = error_rates(scores, labels)
        found = list(zip(fnr, fpr, thresholds, strict=True))
        expected = [(float(a), float(b), t) for a, b, t in all_rates(scores, labels)]
        assert found == expected


def test_extreme_infinities_are_where_they_belong():
    perfect = [math.inf, math.inf, -math.inf, -math.inf], [1, 1, 0, 0]
    assert eer(*perfect) == (0.0, -math.inf)
    assert auc(*perfect) == 1.0
    assert eer(*perfect)[0] == 0 == fpr_at_fnr(*perfect, 0.0)[0]
    # One fake at +inf cannot be told from the real ones there.
    assert auc([math.inf, math.inf], [1, 0]) == 0.5
    assert eer([math.inf, math.inf], [1, 0]) == (0.5, math.inf)


@pytest.mark.parametrize("kind", ["distinct", "ties"])
def test_curve_equals_that_of_scikit_learn(kind):
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(4)
    for _ in range(50):
        scores, labels = trials(rng, kind, size=300)
        # Without drop_intermediate=False the corner of the EER may be missing.
        curve = sklearn.roc_curve(labels, scores, drop_intermediate=False)
        # Its thresholds fall, and the last point is "accept everything".
        expected_fpr, expected_fnr = curve[0][::-1], 1 - curve[1][::-1]
        fpr, fnr, _ = error_rates(scores, labels)
        assert fpr == pytest.approx(expected_fpr)
        assert fnr == pytest.approx(expected_fnr)
        nearest = 1 + np.argmin(np.abs(expected_fnr - expected_fpr)[1:])
        expected = (expected_fnr + expected_fpr)[nearest] / 2
        assert eer(scores, labels)[0] == pytest.approx(expected)
        assert auc(scores, labels) == pytest.approx(
            sklearn.roc_auc_score(labels, scores)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_auc_equals_the_mann_whitney_statistic_of_scipy(kind):
    stats = pytest.importorskip("scipy.stats")
    scores, labels = trials(np.random.default_rng(5), kind, size=200)
    real, fake = scores[labels == 1], scores[labels == 0]
    expected = stats.mannwhitneyu(real, fake).statistic / (len(real) * len(fake))
    assert auc(scores, labels) == pytest.approx(expected)


def test_thinned_curve_keeps_its_shape():
    rng = np.random.default_rng(6)
    labels = np.repeat([1, 0], [5000, 45000])
    scores = rng.normal(size=len(labels)) + 3 * labels
    full = np.stack(error_rates(scores, labels))
    thin = np.stack(error_rates(scores, labels, max_points=300))
    assert 200 < thin.shape[1] <= 300
    assert set(map(tuple, thin.T)) <= set(map(tuple, full.T)), "points of the curve"
    assert (thin[:, 0] == full[:, 0]).all() and (thin[:, -1] == full[:, -1]).all()
    # Where points were left out, no odds of an error change by more than a third (odds
    # of 0: as of half an error). A larger step is one that the whole curve takes, too.
    skipped = np.diff(full[2].searchsorted(thin[2])) > 1
    for rate, number in ((thin[0], 45000), (thin[1], 5000)):
        rate = np.clip(rate, 0.5 / number, 1 - 0.5 / number)
        step = np.abs(np.diff(np.log(rate / (1 - rate))))
        assert step[skipped].max() < np.log(4 / 3) < step.max()
    assert np.stack(error_rates(scores, labels, max_points=10**6)).shape == full.shape
    assert error_rates(scores, labels, max_points=3)[0][[0, -1]].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [fpr_at_fnr, fnr_at_fpr])
def test_operating_points_are_the_best_that_keep_the_bound(metric, kind):
    rng = np.random.default_rng(7)
    for _ in range(200):
        scores, labels = trials(rng, kind)
        bound = rng.choice([0.0, 0.1, 0.25, 0.5, 1.0, rng.random()])
        points = all_rates(scores, labels)
        if metric is fnr_at_fpr:
            allowed = [(fnr, t) for fnr, fpr, t in points if fpr <= bound]
        else:
            allowed = [(fpr, t) for fnr, fpr, t in points if fnr <= bound]
        expected, threshold = min(allowed)
        assert metric(scores, labels, bound) == (float(expected), threshold)


def test_bounds_are_not_lost_to_rounding():
    labels = np.repeat([1, 0], 100)
    scores = np.concatenate([np.arange(100), np.arange(100)])
    for errors in range(101):
        bound = errors / 100
        threshold = fpr_at_fnr(scores, labels, bound)[1]
        assert float(rates_at(scores, labels, threshold)[0]) == bound
        threshold = fnr_at_fpr(scores, labels, bound)[1]
        assert float(rates_at(scores, labels, threshold)[1]) == bound


@pytest.mark.parametrize("bound", [-0.1, 1.1, math.nan, 5])
def test_bounds_out_of_range(bound):
    with pytest.raises(ValueError, match=r"fnr is .*in \[0, 1\]"):
        fpr_at_fnr([0.0, 1.0], [0, 1], bound)
    with pytest.raises(ValueError, match=r"fpr is .*in \[0, 1\]"):
        fnr_at_fpr([0.0, 1.0], [0, 1], bound)


def test_spoof_rejection_rate():
    scores, labels = trials(np.random.default_rng(8), "ties", size=100)
    for threshold in np.unique(scores):
        expected = 1 - threshold_metrics(scores, labels, threshold)["fpr"]
        assert spoof_rejection_rate(scores, labels, threshold) == pytest.approx(
            expected
        )
        fakes = scores[labels == 0]
        assert spoof_rejection_rate(fakes, None, threshold) == pytest.approx(expected)
    assert spoof_rejection_rate([1.0, math.inf, -math.inf], None, 1.0) == 2 / 3


@pytest.mark.parametrize(
    ("scores", "labels", "threshold", "message"),
    [
        ([1.0, 2.0], [1, 1], 0.0, "2 real and 0 fake"),
        ([1.0, math.nan], None, 0.0, "1 of 2 scores are NaN.* index 1"),
        ([], None, 0.0, "no trials"),
        ([1.0], None, math.nan, "threshold is NaN"),
        ([1.0], [0, 0], 0.0, "one label for each score"),
    ],
    ids=["real only", "NaN score", "empty", "NaN threshold", "lengths"],
)
def test_spoof_rejection_rate_explains_errors(scores, labels, threshold, message):
    with pytest.raises(ValueError, match=message):
        spoof_rejection_rate(scores, labels, threshold)


def test_tables_of_a_detector_refuse_infinite_scores():
    scores = [1.0, 2.0, -math.inf, math.inf]
    with pytest.raises(ValueError, match="2 of 4 scores .* index 2 .-inf"):
        summary(scores, [1, 1, 0, 0])
    with pytest.raises(ValueError, match="2 of 4 scores .* index 2 .-inf"):
        slices(scores, [1, 1, 0, 0], ["a", "a", "b", "b"])


@pytest.mark.parametrize("points", [2, 0])
def test_a_curve_needs_some_points(points):
    with pytest.raises(ValueError, match="max_points"):
        error_rates([0.0, 1.0], [0, 1], points)


@pytest.mark.parametrize(
    "metric",
    [error_rates, lambda *data: fpr_at_fnr(*data, 0.1), lambda *d: fnr_at_fpr(*d, 0.1)],
    ids=["error_rates", "fpr_at_fnr", "fnr_at_fpr"],
)
@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [1, 1], "2 real and 0 fake"),
        ([0.0, math.nan], [1, 0], "1 of 2 scores are NaN"),
        ([1.0, 2.0], [1, 2], r"1 of 2 labels .* index 1 \(2\)"),
        ([], [], "no trials"),
    ],
    ids=["one class", "NaN", "unknown label", "empty"],
)
def test_unusable_input_is_explained_for_curves(metric, scores, labels, message):
    with pytest.raises(ValueError, match=message):
        metric(scores, labels)
