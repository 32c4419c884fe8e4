"""Paired comparison of two systems: errors of both kinds, and Holm's correction."""

import dataclasses
import math

import numpy as np
import pytest

from recipes.AntiDeepfake.metrics import (
    Comparison,
    auc,
    cluster_bootstrap,
    compare,
    eer,
    holm,
    min_dcf,
)


def two_systems(rng, size, noise=(1.0, 1.0), clusters=None):
    """Scores of two systems that find the same trials hard, labels and clusters.

    With `clusters`, each system does well on some clusters and badly on others.
    """
    labels = np.repeat([1, 0], size // 2)
    hard = rng.normal(size=size)
    codes = np.arange(size) * (clusters or size) // size
    systems = []
    for spread in noise:
        own = rng.normal(size=size) * spread
        if clusters is not None:
            own += rng.normal(size=clusters)[codes]
        systems.append(hard + own + 3 * labels)
    return *systems, labels, codes


def rejections(rng, times, use_clusters=True, **options):
    """Share of comparisons with p <= 0.05."""
    count = 0
    for _ in range(times):
        a, b, labels, codes = two_systems(rng, **options)
        codes = codes if use_clusters else None
        count += compare(a, b, labels, codes, resamples=200).p_value <= 0.05
    return count / times


def test_comparison_has_the_values_of_both():
    a, b, labels, codes = two_systems(np.random.default_rng(1), 400, (0.5, 1.5))
    found = compare(a, b, labels)
    assert (found.value_a, found.value_b) == (eer(a, labels)[0], eer(b, labels)[0])
    assert found.difference == found.value_a - found.value_b
    assert found.low < found.difference < found.high < 0
    assert found.p_value < 0.01
    assert found == compare(a, b, labels, codes), "a cluster for each trial"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.p_value = 0.0


def test_comparison_has_no_side():
    a, b, labels, _ = two_systems(np.random.default_rng(2), 300)
    one, other = compare(a, b, labels), compare(b, a, labels)
    assert one.difference == -other.difference
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p_value == other.p_value


def test_equal_order_is_no_difference():
    a, _, labels, _ = two_systems(np.random.default_rng(3), 100)
    found = compare(a, np.exp(a), labels)
    assert found == Comparison(*[eer(a, labels)[0]] * 2, 0.0, 0.0, 0.0, 1.0)


def test_p_value_is_where_zero_leaves_the_interval():
    rng = np.random.default_rng(4)
    for _ in range(10):
        a, b, labels, _ = two_systems(rng, 400, (0.8, 1.2))
        found = compare(a, b, labels)
        for slack, inside in ((-0.02, True), (0.02, False)):
            confidence = 1 - found.p_value - slack
            if not 0 < confidence < 1:
                continue
            around = compare(a, b, labels, confidence=confidence)
            # A wider interval holds 0, a narrower one does not.
            assert (around.low <= 0 <= around.high) == inside


def test_pairing_sees_what_single_intervals_do_not():
    rng = np.random.default_rng(5)
    a, b, labels, codes = two_systems(rng, 2000, (0.1, 0.4))
    found = compare(a, b, labels)
    of_a = cluster_bootstrap(a, labels, codes)
    of_b = cluster_bootstrap(b, labels, codes)
    assert of_a[1] > of_b[0], "the intervals overlap"
    assert found.high < 0 and found.p_value < 0.05


def test_equal_systems_are_seldom_called_different():
    rate = rejections(np.random.default_rng(6), 300, size=600)
    assert 0.01 < rate < 0.08


def test_different_systems_are_called_different():
    rate = rejections(np.random.default_rng(7), 50, size=600, noise=(0.6, 1.4))
    assert rate > 0.8


def test_clusters_keep_the_error_rate_when_trials_are_alike():
    options = {"size": 1000, "clusters": 40}
    right = rejections(np.random.default_rng(8), 200, **options)
    wrong = rejections(np.random.default_rng(8), 200, use_clusters=False, **options)
    assert right < 0.09
    assert wrong > 0.15, "the reason for clusters"


@pytest.mark.parametrize("statistic", [auc, min_dcf])
def test_other_statistics(statistic):
    a, b, labels, _ = two_systems(np.random.default_rng(9), 400, (0.4, 2.0))
    found = compare(a, b, labels, statistic=statistic, resamples=200)
    value = statistic(a, labels)
    assert found.value_a == (value if statistic is auc else value[0])
    assert found.low < found.difference < found.high
    assert found.p_value < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores_b": [1.0, 2.0]}, r"scores has shape \(2,\) and labels has \(4,\)"),
        ({"scores_b": [1.0, 2.0, math.nan, 0.0]}, "1 of 4 scores are NaN.* index 2"),
        ({"labels": [0, 0, 0, 0]}, "0 real and 4 fake"),
        ({"clusters": [0, 0, 1, 2]}, "all 2 real trials are in one cluster"),
        ({"statistic": "der"}, "statistic is 'der'"),
        ({"resamples": 0}, "at least 1 resample"),
    ],
    ids=["lengths", "NaN", "one class", "one cluster", "statistic", "resamples"],
)
def test_unusable_input_is_explained_for_comparisons(change, message):
    given = {
        "scores_a": [1.0, 2.0, 0.0, 1.5],
        "scores_b": [2.0, 1.0, 0.5, 1.5],
        "labels": [1, 1, 0, 0],
    }
    with pytest.raises(ValueError, match=message):
        compare(**(given | change))


def test_holm_by_hand():
    # The lowest counts four times, then three, two, one; none falls below the last.
    found = holm([0.03, 0.005, 0.04, 0.01])
    assert found == pytest.approx([0.06, 0.02, 0.06, 0.03])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0]
    assert holm([0.02]).tolist() == [0.02]
    assert holm([]).tolist() == []


def test_holm_decides_as_the_stepwise_procedure():
    rng = np.random.default_rng(10)
    for _ in range(200):
        p_values = rng.random(rng.integers(1, 8)) ** 3
        rejected = set()
        for step, index in enumerate(np.argsort(p_values)):
            if p_values[index] > 0.05 / (len(p_values) - step):
                break
            rejected.add(int(index))
        assert set(np.flatnonzero(holm(p_values) <= 0.05)) == rejected


@pytest.mark.parametrize("wrong", [[0.1, math.nan], [-0.1], [1.2], [[0.1]], 0.5])
def test_holm_refuses_what_is_no_list_of_probabilities(wrong):
    with pytest.raises(ValueError, match=r"numbers in \[0, 1\]"):
        holm(wrong)
