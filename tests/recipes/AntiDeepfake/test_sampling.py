from itertools import islice

import numpy as np
import pytest
import torch
from speechbrain.dataio.sampler import DynamicBatchSampler

from recipes.AntiDeepfake import sampling
from recipes.AntiDeepfake.batches import batches_by_length
from recipes.AntiDeepfake.dataio import PassDataset
from recipes.AntiDeepfake.sampling import (
    EndlessBatchSampler,
    scoring_loader,
    training_loader,
)

LENGTHS = np.random.default_rng(0).uniform(0.5, 13, 97).tolist()


def test_every_item_once_in_every_pass():
    batches = list(islice(EndlessBatchSampler(LENGTHS, 40.0), 100))
    indices = [i for batch in batches for i in batch]
    passes = max(indices) // len(LENGTHS)
    assert passes >= 2
    whole = [i for i in indices if i < passes * len(LENGTHS)]
    assert sorted(whole) == list(range(passes * len(LENGTHS)))


def test_batches_are_new_in_every_pass():
    indices = list(islice(EndlessBatchSampler(LENGTHS, 40.0), 100))
    first = {frozenset(b) for b in indices if max(b) < len(LENGTHS)}
    second = {
        frozenset(i - len(LENGTHS) for i in b)
        for b in indices
        if len(LENGTHS) <= min(b) and max(b) < 2 * len(LENGTHS)
    }
    assert len(first & second) < len(first) / 2


def test_batches_respect_the_length_limit():
    for batch in islice(EndlessBatchSampler(LENGTHS, 40.0), 50):
        assert len(batch) * max(LENGTHS[i % len(LENGTHS)] for i in batch) <= 41.0


@pytest.mark.parametrize("start", [1, 17, 60])
def test_starting_later_gives_the_same_stream(start):
    expected = list(islice(EndlessBatchSampler(LENGTHS, 40.0, seed=3), 80))[start:]
    sampler = EndlessBatchSampler(LENGTHS, 40.0, seed=3)
    sampler.first_batch = start
    assert list(islice(sampler, 80 - start)) == expected


@pytest.mark.parametrize("first_batch", [0, 11])
def test_processes_share_one_stream(monkeypatch, first_batch):
    expected = list(islice(EndlessBatchSampler(LENGTHS, 40.0), 90))
    expected = expected[first_batch : first_batch + 60]
    shares = []
    for rank in range(3):
        monkeypatch.setattr(sampling, "process_rank", lambda rank=rank: (rank, 3))
        sampler = EndlessBatchSampler(LENGTHS, 40.0)
        sampler.first_batch = first_batch
        shares.append(list(islice(sampler, len(expected) // 3)))
    joined = [batch for group in zip(*shares, strict=True) for batch in group]
    assert joined == expected


def test_stream_with_the_classes_of_speechbrain():
    options = {"num_buckets": 5, "seed": 3}
    stream = EndlessBatchSampler(LENGTHS, 40.0, buckets="lognormal", **options)
    expected = []
    for number in range(3):
        sampler = DynamicBatchSampler(
            LENGTHS, 40.0, lengths_list=LENGTHS, epoch=number, **options
        )
        offset = number * len(LENGTHS)
        expected += [[offset + i for i in batch] for batch in sampler._batches]
    assert list(islice(stream, len(expected))) == expected


def test_other_buckets_are_refused():
    with pytest.raises(ValueError, match="buckets is 'even'.*fitted.*lognormal"):
        EndlessBatchSampler(LENGTHS, 40.0, buckets="even")


def numbers(count=20):
    rows = {str(i): {"x": float(i), "seconds": 1.0 + i % 3} for i in range(count)}
    dataset = PassDataset(rows)
    dataset.set_output_keys(["id", "x", "pass_number"])
    return dataset


def read(loader, epochs):
    """IDs and passes of all batches of some nominal epochs."""
    seen = []
    for _ in range(epochs):
        for batch in loader:
            passes = torch.as_tensor(batch.pass_number).tolist()
            seen.append(list(zip(batch.id, passes, strict=True)))
    return seen


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_resumes_at_the_exact_batch(tmp_path, workers):
    def make():
        return training_loader(numbers(), 4, 6.0, 3.0, seed=1, num_workers=workers)

    expected = read(make(), 5)
    loader = make()
    begun = read(loader, 2)
    begun += [next_ids(loader) for _ in range(3)]
    loader.save(tmp_path / "loader")
    resumed = make()
    resumed.load(tmp_path / "loader", end_of_epoch=False)
    assert begun + read(resumed, 3) == expected


def test_a_run_goes_on_with_other_processes(tmp_path, monkeypatch):
    def share(rank, world, steps, start=None):
        """What a process gets in some steps from a checkpoint on."""
        monkeypatch.setattr(sampling, "process_rank", lambda: (rank, world))
        loader = training_loader(numbers(), 12, 6.0, 3.0, seed=1)
        if start is not None:
            loader.load(tmp_path / start, end_of_epoch=False)
        seen = [next_ids(loader) for _ in range(steps)]
        loader.save(tmp_path / f"{world} of {steps}")
        return seen

    expected = read(training_loader(numbers(), 12, 6.0, 3.0, seed=1), 1)
    two = [share(rank, 2, 3) for rank in range(2)]
    three = [share(rank, 3, 1, "2 of 3") for rank in range(3)]
    alone = share(0, 1, 3, "3 of 1")
    parts = [*zip(*two, strict=True), *zip(*three, strict=True), alone]
    assert [batch for part in parts for batch in part] == expected


@pytest.mark.parametrize("world", [1, 2])
def test_checkpoints_with_the_counts_alone_resume_exactly(tmp_path, monkeypatch, world):
    monkeypatch.setattr(sampling, "process_rank", lambda: (0, world))
    loader = training_loader(numbers(), 4, 6.0, 3.0, seed=1)
    for _ in range(3):
        next_ids(loader)
    file = tmp_path / "loader"
    loader.save(file)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:3]))
    resumed = training_loader(numbers(), 4, 6.0, 3.0, seed=1)
    resumed.load(file, end_of_epoch=False)
    assert resumed.stream.first_batch == 3 * world
    assert next_ids(resumed) == next_ids(loader)


def next_ids(loader):
    iter(loader)
    batch = next(loader)
    passes = torch.as_tensor(batch.pass_number).tolist()
    return list(zip(batch.id, passes, strict=True))


def test_scoring_batches_hold_every_item_once():
    batches = batches_by_length(LENGTHS, 40.0)
    assert sorted(i for batch in batches for i in batch) == list(range(len(LENGTHS)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * LENGTHS[batch[-1]] <= 40.0


def test_an_item_above_the_limit_is_alone():
    assert batches_by_length([100.0, 1.0, 99.0], 10.0) == [[1], [2], [0]]


def test_processes_score_disjoint_parts(monkeypatch):
    seen = []
    for rank in range(3):
        monkeypatch.setattr(sampling, "process_rank", lambda rank=rank: (rank, 3))
        loader = scoring_loader(numbers(7), [1.0] * 7, 2.0)
        seen += [item for batch in loader for item in batch.id]
    assert sorted(seen) == [str(i) for i in range(7)]
