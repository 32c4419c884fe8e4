"""Intervals of the EER: the delta method, clusters, and the question of the sign."""

import math
import tracemalloc

import numpy as np
import pytest
from plain_metrics import KINDS, plain_resamples, trials

from recipes.AntiDeepfake.metrics import (
    auc,
    bootstrap_eer,
    cluster_bootstrap,
    delta_eer_interval,
    eer,
    intervals,
    looks_flipped,
    min_dcf,
    resampling,
)


def normal_trials(rng, real, fake, distance=2.0, spread=1.0):
    """Normal scores; those of the fakes have another standard deviation."""
    scores = np.concatenate(
        [rng.normal(distance, 1, real), rng.normal(0, spread, fake)]
    )
    return scores, np.repeat([1, 0], [real, fake])


def clustered_trials(rng, clusters, size, spread=1.0):
    """Clusters of one class each; what is common to a cluster varies by `spread`."""
    codes = np.repeat(np.arange(clusters), size)
    labels = codes % 2
    common = rng.normal(0, spread, clusters)[codes]
    return rng.normal(size=len(codes)) + common + 2 * labels, labels, codes


def normal_eer(distance, spread):
    return 0.5 * math.erfc(distance / (1 + spread) / math.sqrt(2))


@pytest.mark.parametrize(
    ("real", "fake", "distance", "spread"),
    [(300, 300, 2, 1), (100, 2000, 3, 2), (2000, 100, 3, 2), (200, 200, 4.5, 1)],
    ids=["balanced", "few real", "few fake", "few errors"],
)
def test_delta_interval_covers_the_true_eer(real, fake, distance, spread):
    rng = np.random.default_rng(1)
    true = normal_eer(distance, spread)
    found = np.array(
        [
            delta_eer_interval(*normal_trials(rng, real, fake, distance, spread), 0.9)
            for _ in range(400)
        ]
    )
    covered = np.mean((found[:, 0] <= true) & (true <= found[:, 1]))
    assert 0.86 < covered < 0.96


def test_delta_interval_agrees_with_the_bootstrap():
    scores, labels = normal_trials(np.random.default_rng(2), 5000, 15000, 2.5, 1.5)
    expected = bootstrap_eer(scores, labels, 4000)
    assert delta_eer_interval(scores, labels) == pytest.approx(expected, abs=4e-4)


def test_delta_interval_depends_on_the_order_of_the_scores_only():
    scores, labels = normal_trials(np.random.default_rng(3), 200, 300)
    expected = delta_eer_interval(scores, labels)
    assert delta_eer_interval(np.exp(scores), labels) == expected
    scores[scores > 3] = math.inf
    scores[scores < -1] = -math.inf
    assert delta_eer_interval(scores, labels) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_delta_interval_holds_the_eer_of_any_trials(kind):
    rng = np.random.default_rng(4)
    for _ in range(300):
        scores, labels = trials(rng, kind)
        low, high = delta_eer_interval(scores, labels)
        assert 0 <= low <= eer(scores, labels)[0] <= high <= 1
        wide = delta_eer_interval(scores, labels, 0.99)
        assert wide[0] <= low and high <= wide[1]


def test_delta_interval_is_open_where_no_error_was_seen():
    perfect = np.repeat([1.0, 0.0], 100), np.repeat([1, 0], 100)
    assert bootstrap_eer(*perfect) == (0.0, 0.0)
    low, high = delta_eer_interval(*perfect)
    assert low == 0 and 0.01 < high < 0.03
    flipped = delta_eer_interval(-perfect[0], perfect[1])
    assert flipped == pytest.approx((1 - high, 1))


def test_flipped_scores_are_recognised():
    rng = np.random.default_rng(5)
    scores, labels = normal_trials(rng, 100, 300)
    assert looks_flipped(-scores, labels)
    assert not looks_flipped(scores, labels)
    assert not looks_flipped(np.zeros(400), labels), "constant scores have no sign"
    assert looks_flipped([-math.inf] * 9 + [math.inf] * 9, [1] * 9 + [0] * 9)
    assert not looks_flipped([0.0, 1.0], [1, 0]), "two trials tell nothing"


def test_chance_level_seldom_looks_flipped():
    rng = np.random.default_rng(6)
    labels = np.repeat([1, 0], [60, 140])
    found = [looks_flipped(rng.normal(size=200), labels) for _ in range(2000)]
    assert 0.01 < np.mean(found) < 0.04


@pytest.mark.parametrize("block", [2**22, 64], ids=["usual blocks", "small blocks"])
@pytest.mark.parametrize("kind", KINDS)
def test_eer_of_draws_is_that_of_the_copied_trials(kind, block, monkeypatch):
    monkeypatch.setattr(resampling, "BLOCK", block)
    rng = np.random.default_rng(7)
    for size in [*range(2, 30), 300]:
        scores, labels = trials(rng, kind, size)
        codes = np.unique(rng.integers(size, size=size), return_inverse=True)[1]
        counts = rng.integers(0, 3, (20, codes.max() + 1))
        both = [len(set(labels[count[codes] > 0])) == 2 for count in counts]
        counts = counts[both]
        if not len(counts):
            continue
        found = resampling.of_draws("eer", scores, labels, codes)(counts.astype(float))
        repeats = [np.repeat(np.arange(size), count[codes]) for count in counts]
        expected = [eer(scores[index], labels[index])[0] for index in repeats]
        assert found.tolist() == expected


def test_clusters_of_each_kind_are_drawn_among_themselves():
    codes = np.array([0, 0, 1, 1, 2, 3, 3, 4, 5])
    labels = np.array([1, 1, 0, 0, 0, 1, 0, 1, 0])
    (counts,) = resampling.draw_counts(codes, labels, 500, seed=0)
    for kind in ([0, 4], [1, 2, 5], [3]):
        assert (counts[:, kind].sum(axis=1) == len(kind)).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(6), abs=0.15)


@pytest.mark.parametrize("levels", [None, 2], ids=["distinct", "ties"])
def test_single_trials_as_clusters_are_the_usual_bootstrap(levels):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(8)
    scores, labels = normal_trials(rng, 40, 80, 1.5)
    if levels:
        scores = np.round(scores * levels) / levels
    codes = np.arange(len(labels))
    drawn = resampling.of_draws("eer", scores, labels, codes)
    (counts,) = resampling.draw_counts(codes, labels, 5000, seed=0)
    real, fake = scores[labels == 1], scores[labels == 0]
    expected = intervals.resampled_eers(real, fake, 5000, rng)
    assert stats.ks_2samp(drawn(counts), expected).pvalue > 1e-3


def test_cluster_bootstrap_has_the_distribution_of_the_plain_one():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(9)
    scores, labels, codes = clustered_trials(rng, 30, 6)
    labels[codes < 10] = np.arange(60) % 2  # clusters with both classes
    plain = plain_resamples(
        scores, labels, codes, 1000, rng, lambda *data: eer(*data)[0]
    )
    drawn = resampling.of_draws("eer", scores, labels, codes)
    (counts,) = resampling.draw_counts(codes, labels, 5000, seed=0)
    assert stats.ks_2samp(drawn(counts), plain).pvalue > 1e-3


def test_correlated_clusters_widen_the_interval():
    rng = np.random.default_rng(10)
    scores, labels, codes = clustered_trials(rng, 100, 40)
    low, high = cluster_bootstrap(scores, labels, codes)
    naive = bootstrap_eer(scores, labels)
    assert low < eer(scores, labels)[0] < high
    assert high - low > 2 * (naive[1] - naive[0])
    scores, labels, codes = clustered_trials(rng, 100, 40, spread=0)
    low, high = cluster_bootstrap(scores, labels, codes)
    naive = bootstrap_eer(scores, labels)
    assert 0.7 < (high - low) / (naive[1] - naive[0]) < 1.3


def test_cluster_interval_covers_the_true_eer():
    rng = np.random.default_rng(11)
    true = normal_eer(math.sqrt(2), 1)  # variance 1 of the trials, 1 of the clusters
    covered = {"clusters": 0, "trials": 0}
    for _ in range(150):
        scores, labels, codes = clustered_trials(rng, 80, 10)
        low, high = cluster_bootstrap(scores, labels, codes, "eer", 200, 0.9)
        covered["clusters"] += low <= true <= high
        low, high = bootstrap_eer(scores, labels, 200, 0.9)
        covered["trials"] += low <= true <= high
    assert 0.83 < covered["clusters"] / 150 < 0.96
    assert covered["trials"] / 150 < 0.8, "the reason for clusters"


def test_statistics_as_functions():
    rng = np.random.default_rng(12)
    scores, labels, codes = clustered_trials(rng, 25, 8)
    names = np.char.add("speaker ", codes.astype(str))
    fast = cluster_bootstrap(scores, labels, codes, resamples=200)
    for statistic in (eer, lambda *data: eer(*data), lambda *data: eer(*data)[0]):
        assert cluster_bootstrap(scores, labels, codes, statistic, 200) == fast
    low, high = cluster_bootstrap(scores, labels, names, resamples=200)
    assert low < eer(scores, labels)[0] < high
    low, high = cluster_bootstrap(scores, labels, codes, auc, 200)
    assert low < auc(scores, labels) < high
    low, high = cluster_bootstrap(scores, labels, codes, min_dcf, 200)
    assert low <= min_dcf(scores, labels)[0] <= high


def test_the_seed_decides():
    scores, labels, codes = clustered_trials(np.random.default_rng(13), 25, 8)
    one = cluster_bootstrap(scores, labels, codes)
    assert one == cluster_bootstrap(scores, labels, codes)
    assert one != cluster_bootstrap(scores, labels, codes, seed=1)
    narrow = cluster_bootstrap(scores, labels, codes, confidence=0.5)
    assert one[0] < narrow[0] < narrow[1] < one[1]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(resampling, "BLOCK", 2**15)  # 256 kB in each array
    rng = np.random.default_rng(14)
    scores, labels = normal_trials(rng, 1000, 4000)
    codes = np.arange(5000) // 5
    tracemalloc.start()
    cluster_bootstrap(scores, labels, codes, resamples=3000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The counts of all resamples alone would be 24 MB, those of the trials 120 MB.
    assert peak < 6e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clusters": [0, 1, 2]}, r"clusters has shape \(3,\) .* \(4,\)"),
        ({"clusters": ["a", "b", "-", "-"]}, "all 2 fake .* one cluster, '-'"),
        ({"clusters": [0, 0, 1, 2]}, "all 2 real .* one cluster, '0'"),
        ({"statistic": "t-eer"}, 'statistic is .t-eer.: give "eer"'),
        ({"statistic": lambda s, t: math.nan}, "NaN for 1000 of 1000 resamples"),
        ({"resamples": 0}, "at least 1 resample"),
        ({"confidence": 95}, "confidence between 0 and 1"),
        ({"scores": [0.0, math.nan, 1.0, 2.0]}, "1 of 4 scores are NaN"),
        ({"labels": [1, 1, 1, 1]}, "4 real and 0 fake"),
        ({"labels": [1, 1, 0, 2]}, "1 of 4 labels"),
    ],
    ids="lengths,fakes in one,real in one,unknown,NaN statistic,resamples,confidence,"
    "NaN score,one class,unknown label".split(","),
)
def test_unusable_input_is_explained_for_clusters(change, message):
    given = {
        "scores": [1.0, 2.0, 0.0, 1.5],
        "labels": [1, 1, 0, 0],
        "clusters": [0, 1, 2, 3],
    }
    with pytest.raises(ValueError, match=message):
        cluster_bootstrap(**(given | change))


@pytest.mark.parametrize("metric", [delta_eer_interval, looks_flipped])
def test_unusable_input_is_explained_for_intervals(metric):
    with pytest.raises(ValueError, match="2 real and 0 fake"):
        metric([1.0, 2.0], [1, 1])
    with pytest.raises(ValueError, match="confidence"):
        delta_eer_interval([1.0, 0.0], [1, 0], confidence=1.0)
