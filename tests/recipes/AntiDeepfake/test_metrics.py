"""Metrics against hand calculations, brute force and SpeechBrain."""

import math

import numpy as np
import pytest

from recipes.AntiDeepfake.metrics import (
    auc,
    bootstrap_eer,
    eer,
    intervals,
    slices,
    summary,
    threshold_metrics,
)


def brute_force_eer(scores, labels):
    """The definition, word for word, in exact arithmetic."""
    from fractions import Fraction

    real = [score for score, label in zip(scores, labels, strict=True) if label]
    fake = [score for score, label in zip(scores, labels, strict=True) if not label]
    best = None
    for threshold in sorted(set(scores)):
        frr = Fraction(sum(score <= threshold for score in real), len(real))
        far = Fraction(sum(score > threshold for score in fake), len(fake))
        if best is None or abs(frr - far) < best[0]:
            best = abs(frr - far), float((frr + far) / 2), threshold
    return best[1:]


def trials(rng, levels=None, size=None):
    """A random small trial list; `levels` distinct scores, so that many tie."""
    size = size or int(rng.integers(2, 40))
    labels = rng.permutation(np.arange(size) < rng.integers(1, size)).astype(int)
    scores = rng.normal(size=size) + labels * rng.uniform(-1, 3)
    if levels:
        scores = np.round(scores * levels / 4)
    return scores, labels


@pytest.mark.parametrize("levels", [None, 1, 3, 20])
def test_eer_equals_brute_force(levels):
    rng = np.random.default_rng(1)
    for _ in range(300):
        scores, labels = trials(rng, levels)
        assert eer(scores, labels) == brute_force_eer(scores.tolist(), labels.tolist())


@pytest.mark.parametrize("levels", [None, 3])
def test_eer_equals_speechbrain(levels):
    torch = pytest.importorskip("torch")
    speechbrain_eer = pytest.importorskip("speechbrain.utils.metric_stats").EER
    rng = np.random.default_rng(2)
    for _ in range(30):
        # Powers of two, whose rates SpeechBrain's float32 represents exactly.
        labels = np.repeat([1, 0], [2 ** rng.integers(1, 6), 2 ** rng.integers(1, 6)])
        scores = rng.normal(size=len(labels)) + labels
        scores = (np.round(scores * 2) if levels else scores).astype(np.float32)
        expected = speechbrain_eer(
            torch.from_numpy(scores[labels == 1]), torch.from_numpy(scores[labels == 0])
        )
        assert eer(scores, labels) == pytest.approx(expected, abs=1e-6)


def test_eer_by_hand():
    # At threshold 2: 1 of 4 real rejected, 1 of 4 fakes (the 3) accepted.
    assert eer([2, 4, 5, 6, 0, 1, 2, 3], [1, 1, 1, 1, 0, 0, 0, 0]) == (0.25, 2.0)
    # Never equal: (FRR, FAR) is (0, 1/2) at 1 and (1/3, 0) at 2, which is nearer.
    assert eer([2, 3, 4, 1, 2], [1, 1, 1, 0, 0])[0] == pytest.approx(1 / 6)


def test_eer_of_extremes():
    assert eer([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1]) == (0.0, 2.0)
    assert eer([1.0, 2.0, 3.0, 4.0], [1, 1, 0, 0])[0] == 1.0
    assert eer([0.0, -0.0], [1, 0])[0] == 0.5


@pytest.mark.parametrize("order", ["real first", "fake first", "mixed"])
def test_order_of_tied_trials_does_not_matter(order):
    labels = {
        "real first": np.repeat([1, 0], [30, 70]),
        "fake first": np.repeat([0, 1], [70, 30]),
        "mixed": np.random.default_rng(0).permutation(np.repeat([1, 0], [30, 70])),
    }[order]
    assert eer(np.full(100, 0.7), labels)[0] == 0.5
    assert auc(np.full(100, 0.7), labels) == 0.5


def test_eer_threshold_gives_the_rates_of_the_eer():
    rng = np.random.default_rng(3)
    for dtype in (np.float32, np.float64):
        scores, labels = trials(rng, size=200)
        scores = scores.astype(dtype)
        value, threshold = eer(scores, labels)
        rates = threshold_metrics(scores, labels, threshold)
        assert (rates["fpr"] + rates["fnr"]) / 2 == pytest.approx(value)


def test_invariances():
    scores, labels = trials(np.random.default_rng(4), size=101)
    value = eer(scores, labels)[0]
    assert eer(np.exp(scores), labels)[0] == value
    assert auc(-scores, 1 - labels) == pytest.approx(auc(scores, labels))
    kept = scores.copy()
    eer(scores, labels)
    assert np.array_equal(scores, kept), "the caller's array must not be sorted"


@pytest.mark.parametrize("kind", [list, tuple, np.float16, np.int64, bool])
def test_kinds_of_input(kind):
    scores, labels = np.array([3, 2, 1, 0]), np.array([1, 1, 0, 0])
    if kind in (list, tuple):
        scores, labels = kind(scores.tolist()), kind(labels.tolist())
    elif kind is bool:
        labels = labels.astype(bool)
    else:
        scores = scores.astype(kind)
    assert eer(scores, labels) == (0.0, 1.0)


@pytest.mark.parametrize("levels", [None, 1, 4])
def test_auc_equals_all_pairs(levels):
    rng = np.random.default_rng(5)
    for _ in range(100):
        scores, labels = trials(rng, levels)
        difference = scores[labels == 1][:, None] - scores[labels == 0]
        expected = np.mean((difference > 0) + 0.5 * (difference == 0))
        assert auc(scores, labels) == pytest.approx(expected)


def test_threshold_metrics_by_hand():
    # Real: 3 accepted, 1 rejected. Fake: 2 accepted (one is a tie, rejected).
    scores = [1, 1, 1, 0, 1, 1, 0, -1, -1, -1]
    labels = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert threshold_metrics(scores, labels, 0) == pytest.approx(
        {
            "accuracy": 0.7,
            "precision": 3 / 5,
            "recall": 3 / 4,
            "f1": 2 * 0.6 * 0.75 / (0.6 + 0.75),
            "fpr": 2 / 6,
            "fnr": 1 / 4,
            "balanced_accuracy": (3 / 4 + 4 / 6) / 2,
        }
    )


def test_threshold_metrics_without_denominator_are_nan():
    nothing_accepted = threshold_metrics([0.0, 0.0], [1, 0], 5.0)
    assert math.isnan(nothing_accepted["precision"])
    assert nothing_accepted["f1"] == 0
    only_fake = threshold_metrics([1.0, -1.0, -1.0], [0, 0, 0], 0.0)
    assert only_fake["fpr"] == pytest.approx(1 / 3)
    assert math.isnan(only_fake["recall"]) and math.isnan(only_fake["fnr"])
    assert math.isnan(only_fake["balanced_accuracy"])


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [1, 1], "2 real and 0 fake"),
        ([1.0, 2.0], [0, 0], "0 real and 2 fake"),
        ([0.0, math.nan, math.inf], [1, 0, 0], "1 of 3 scores are NaN.* index 1"),
        ([1.0, 2.0, 3.0], [1, 0], r"\(3,\) and labels has \(2,\)"),
        ([[1.0], [2.0]], [[1], [0]], "one-dimensional"),
        ([1.0, 2.0], [1, 2], r"1 of 2 labels .* index 1 \(2\)"),
        ([1.0, 2.0], ["real", "fake"], "2 of 2 labels"),
        ([], [], "no trials"),
    ],
)
@pytest.mark.parametrize("metric", [eer, auc, bootstrap_eer])
def test_unusable_input_is_explained(metric, scores, labels, message):
    with pytest.raises(ValueError, match=message):
        metric(scores, labels)


def naive_bootstrap(scores, labels, resamples, rng):
    real, fake = scores[labels == 1], scores[labels == 0]
    ordered = np.repeat([1, 0], [len(real), len(fake)])
    draws = (
        np.concatenate([rng.choice(real, len(real)), rng.choice(fake, len(fake))])
        for _ in range(resamples)
    )
    return np.array([eer(draw, ordered)[0] for draw in draws])


@pytest.mark.parametrize(
    ("size", "levels"), [(7, None), (30, None), (60, 2), (200, 6), (500, None)]
)
def test_bootstrap_has_the_distribution_of_the_naive_one(size, levels):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(6)
    labels = (np.arange(size) < size / 3).astype(int)
    scores = rng.normal(size=size) + 1.5 * labels
    if levels:
        scores = np.round(scores * levels) / levels
    expected = naive_bootstrap(scores, labels, 2000, rng)
    real, fake = scores[labels == 1], scores[labels == 0]
    found = intervals.resampled_eers(real, fake, 20000, rng)
    error = expected.std() / np.sqrt(len(expected))
    assert found.mean() == pytest.approx(expected.mean(), abs=4 * error)
    assert found.std() == pytest.approx(expected.std(), rel=0.07)
    assert stats.ks_2samp(found, expected).pvalue > 1e-3
    # The same lattice of values, not only a similar shape.
    assert set(np.round(expected, 9)) <= set(np.round(found, 9)) or size > 100


def test_bootstrap_interval():
    rng = np.random.default_rng(7)
    labels = np.repeat([1, 0], 400)
    scores = rng.normal(size=800) + 2 * labels
    low, high = bootstrap_eer(scores, labels)
    assert low < eer(scores, labels)[0] < high
    assert (low, high) == bootstrap_eer(scores, labels), "the seed decides"
    assert (low, high) != bootstrap_eer(scores, labels, seed=1)
    narrow = bootstrap_eer(scores, labels, confidence=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert bootstrap_eer([0.0, 1.0], [0, 1]) == (0.0, 0.0)
    assert bootstrap_eer([1.0, 1.0, 1.0], [0, 1, 1]) == (0.5, 0.5)


@pytest.mark.parametrize("bad", [{"resamples": 0}, {"confidence": 95}])
def test_bootstrap_arguments_out_of_range(bad):
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_eer([0.0, 1.0], [0, 1], **bad)


def test_bootstrap_interval_covers_the_true_eer():
    rng = np.random.default_rng(8)
    labels = np.repeat([1, 0], 300)
    true = 0.5 * math.erfc(
        1 / math.sqrt(2)
    )  # normal scores 2 standard deviations apart
    intervals = np.array(
        [
            bootstrap_eer(rng.normal(size=600) + 2 * labels, labels, 300, 0.9)
            for _ in range(200)
        ]
    )
    covered = np.mean((intervals[:, 0] <= true) & (true <= intervals[:, 1]))
    assert 0.83 < covered < 0.97


def test_summary_agrees_with_the_single_metrics():
    scores, labels = trials(np.random.default_rng(9), size=60)
    row = summary(scores, labels, threshold=0.3)
    assert (row["eer"], row["eer_threshold"]) == eer(scores, labels)
    assert row["auc"] == auc(scores, labels)
    assert (row["real"], row["fake"]) == (labels.sum(), (labels == 0).sum())
    assert row["threshold"] == 0.3
    assert threshold_metrics(scores, labels, 0.3).items() <= row.items()


def test_summary_with_an_interval():
    scores, labels = trials(np.random.default_rng(9), size=60)
    row = summary(scores, labels, resamples=200)
    assert (row["eer_low"], row["eer_high"]) == bootstrap_eer(scores, labels, 200)
    assert "eer_low" not in summary(scores, labels)
    assert math.isnan(summary([1.0], [0], resamples=200)["eer_low"])


def test_summary_of_one_class_keeps_what_it_can():
    row = summary([1.0, -1.0], [0, 0])
    assert (row["real"], row["fake"], row["fpr"]) == (0, 2, 0.5)
    assert math.isnan(row["eer"]) and math.isnan(row["auc"])


def test_slices_of_corpora_hold_both_classes():
    scores = np.array([2.0, 1.0, 5.0, 6.0, 0.0])
    labels = np.array([1, 0, 1, 0, 0])
    groups = np.array(["b", "b", "a", "a", "only fake"])
    rows = slices(scores, labels, groups)
    assert list(rows) == ["a", "b", "only fake"]
    assert (rows["a"]["eer"], rows["b"]["eer"]) == (1.0, 0.0)
    assert rows["only fake"]["fake"] == 1 and math.isnan(rows["only fake"]["eer"])


def test_slices_of_attacks_are_against_all_real_trials():
    rng = np.random.default_rng(10)
    scores, labels = trials(rng, size=90)
    attacks = np.where(labels == 1, "-", rng.choice(["A01", "A02"], size=90))
    rows = slices(scores, labels, attacks, against_all_real=True)
    assert list(rows) == ["A01", "A02"]
    for name, row in rows.items():
        chosen = (labels == 1) | (attacks == name)
        assert row == summary(scores[chosen], labels[chosen])


def test_slices_without_real_trials_are_reported():
    rows = slices([1.0, 2.0], [0, 0], ["x", "y"], against_all_real=True)
    assert [row["fake"] for row in rows.values()] == [1, 1]
    assert all(math.isnan(row["eer"]) for row in rows.values())


def test_slices_without_fakes_have_no_attacks():
    assert slices([1.0], [1], ["-"], against_all_real=True) == {}


def test_slices_need_a_group_for_each_trial():
    with pytest.raises(ValueError, match="one group name for each trial"):
        slices([1.0, 2.0], [1, 0], ["a"])
