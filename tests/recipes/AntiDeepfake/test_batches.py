"""Batches are those of SpeechBrain, pad little, and hold every item once."""

import numpy as np
import pytest
from speechbrain.dataio.sampler import DynamicBatchSampler

from recipes.AntiDeepfake.batches import (
    Batches,
    Buckets,
    batches_by_length,
    fitted_boundaries,
    lognormal_boundaries,
)


def speech(count, seed=0):
    """Lengths of speech, 0.5 to 13 s."""
    lengths = np.random.default_rng(seed).lognormal(1.4, 0.6, count)
    return np.clip(lengths, 0.5, 13.0)


def of_speechbrain(lengths, epoch=0, **options):
    lengths = lengths.tolist()
    sampler = DynamicBatchSampler(lengths, lengths_list=lengths, seed=7, **options)
    sampler.set_epoch(epoch)
    return sampler._batches


CASES = {
    "usual": ({"num_buckets": 20, "max_batch_length": 100.0}, 5000),
    "few buckets": ({"num_buckets": 2, "max_batch_length": 30.0}, 999),
    "one bucket": ({"num_buckets": 1, "max_batch_length": 30.0}, 100),
    "many buckets": ({"num_buckets": 300, "max_batch_length": 100.0}, 5000),
    "most items": (
        {"num_buckets": 20, "max_batch_length": 100.0, "max_batch_ex": 8},
        5000,
    ),
    "some too long": ({"num_buckets": 20, "max_batch_length": 9.0}, 1000),
    "one item": ({"num_buckets": 5, "max_batch_length": 9.0}, 1),
    "large": ({"num_buckets": 20, "max_batch_length": 100.0}, 100_000),
}


@pytest.mark.parametrize("case", CASES)
def test_batches_are_those_of_speechbrain(case):
    options, count = CASES[case]
    lengths = speech(count)
    boundaries = lognormal_boundaries(
        options["max_batch_length"], options["num_buckets"]
    )
    buckets = Buckets(
        lengths, boundaries, options["max_batch_length"], options.get("max_batch_ex")
    )
    for epoch in (0, 3):
        expected = of_speechbrain(lengths, epoch, **options)
        assert list(buckets.deal_all(7 + epoch)) == expected
        assert buckets.count() == len(expected)


def test_given_boundaries_are_those_of_speechbrain():
    lengths, boundaries = speech(3000), [1.0, 2.0, 4.0, 5.5, 13.0]
    expected = of_speechbrain(
        lengths, max_batch_length=50.0, bucket_boundaries=boundaries
    )
    assert list(Buckets(lengths, boundaries, 50.0).deal_all(7)) == expected


def test_pass_is_in_the_indices():
    buckets = Buckets(speech(50), [3.0, 13.0], 20.0)
    first = list(buckets.deal_all(7))
    assert list(buckets.deal_all(7, pass_number=3)) == [
        [150 + index for index in batch] for batch in first
    ]


@pytest.mark.parametrize(
    "mean, sigma", [(1.2, 0.5), (1.4, 0.6), (1.6, 0.8), (1.8, 0.5)]
)
def test_fitted_boundaries_leave_little_padding(mean, sigma):
    lengths = np.random.default_rng(1).lognormal(mean, sigma, 50_000)
    lengths = np.clip(lengths, 0.5, 13.0)
    fitted = Buckets(lengths, fitted_boundaries(lengths, 20), 100.0).deal_all(0)
    usual = Buckets(lengths, lognormal_boundaries(100.0, 20), 100.0).deal_all(0)
    assert fitted.padding(lengths) < 0.05 < usual.padding(lengths)
    assert len(fitted) < len(usual)


@pytest.mark.parametrize(
    "lengths",
    [[2.0] * 7, [1.0, 13.0], [5.0], np.arange(1.0, 30.0)],
    ids=["equal", "two", "one", "even"],
)
def test_fitted_boundaries_hold_all_lengths(lengths):
    boundaries = fitted_boundaries(lengths, 6)
    assert boundaries[-1] == max(lengths)
    assert (np.diff(boundaries) > 0).all()
    batches = Buckets(lengths, boundaries, 40.0).deal_all(0)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * max(lengths[i] for i in batch) <= 40.0


def plain_batches_by_length(lengths, longest):
    batches = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batches and lengths[index] * (len(batches[-1]) + 1) <= longest:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


@pytest.mark.parametrize("longest", [0.1, 5.0, 13.0, 40.0, 1e9])
def test_batches_by_length_one_item_at_a_time(longest):
    lengths = speech(500).round(1)
    found = batches_by_length(lengths, longest)
    assert list(found) == plain_batches_by_length(lengths.tolist(), longest)


def test_no_items_no_batches():
    assert list(batches_by_length([], 5.0)) == []


def test_shares_of_batches():
    batches = batches_by_length([1.0, 2.0, 3.0, 4.0, 5.0], 5.0)
    assert list(batches) == [[0, 1], [2], [3], [4]]
    assert list(batches[1::2]) == [[2], [4]]
    assert len(batches[1::2]) == 2


def test_padding_of_batches_in_any_order():
    batches = Batches(np.array([0, 1, 2, 3]), np.array([2, 0]), np.array([4, 1]))
    # Items 2 and 3 together, item 0 alone, item 1 in no batch.
    assert batches.padding([1.0, 99.0, 2.0, 4.0]) == pytest.approx(1 - 7 / 9)
