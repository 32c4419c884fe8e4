"""Groups come up as often as the formula says, and repeats are new crops."""

from itertools import islice

import numpy as np
import pytest

from data_prep.manifest import read_manifest, write_manifest
from recipes.AntiDeepfake import sampling
from recipes.AntiDeepfake.balance import Balance, group_probabilities, group_rows
from recipes.AntiDeepfake.dataio import make_dataset
from recipes.AntiDeepfake.manifests import manifest_rows
from recipes.AntiDeepfake.sampling import EndlessBatchSampler, training_loader

COUNTS = np.array([8000, 1900, 100])
GROUPS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], COUNTS))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_groups_come_up_as_often_as_they_should(alpha):
    balance = Balance(GROUPS, alpha)
    items = np.concatenate([balance.draw(1, number) for number in range(20)])
    shares = np.bincount(GROUPS[items % len(GROUPS)]) / len(items)
    expected = COUNTS**alpha / (COUNTS**alpha).sum()
    assert group_probabilities(COUNTS, alpha) == pytest.approx(expected)
    assert np.abs(shares - expected).max() < 5 * np.sqrt(0.25 / len(items))


def test_rows_of_a_group_are_equally_likely():
    items = np.concatenate([Balance(GROUPS, 0.0).draw(1, n) for n in range(30)])
    counts = np.bincount(items % len(GROUPS), minlength=len(GROUPS))[GROUPS == 2]
    # 100 000 draws of 100 rows.
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_repeats_are_other_passes():
    balance = Balance(GROUPS, 0.0)
    count = len(GROUPS)
    for number in (0, 7):
        passes, items = np.divmod(balance.draw(1, number), count)
        assert len(set(zip(passes.tolist(), items.tolist(), strict=True))) == count
        assert (passes // count == number).all()
        rare = items[GROUPS[items] == 2][0]
        repeats = passes[items == rare] - number * count
        assert repeats.tolist() == list(range(len(repeats))) and len(repeats) > 5


def test_draws_follow_from_seed_and_pass():
    draws = {Balance(GROUPS, 0.5).draw(s, p).tobytes() for s in (0, 1) for p in (0, 1)}
    assert len(draws) == 4
    again = Balance(GROUPS, 0.5).draw(1, 1)
    assert again.tobytes() in draws


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_other_alphas_are_refused(alpha):
    with pytest.raises(ValueError, match="balance: alpha is"):
        Balance(GROUPS, alpha)


@pytest.fixture(scope="module")
def stored(corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("balance") / "train.csv"
    rows = read_manifest(corpus / "train.csv")
    for i, row in enumerate(rows):
        row["Corpus"] = "large" if i < 32 else "small"
    write_manifest(path, rows)
    return make_dataset(manifest_rows(path), corpus)


def test_groups_are_combinations_of_values(stored):
    groups, names = group_rows(stored.rows, ["Corpus", "Label"])
    assert sorted(names) == [
        ("large", "fake"),
        ("large", "real"),
        ("small", "fake"),
        ("small", "real"),
    ]
    for row, group in zip(stored.rows, groups, strict=True):
        assert names[group] == (row["Corpus"], row["Label"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [([], "columns is empty"), (["Emotion"], "no column 'Emotion'.*Language")],
    ids=["none", "unknown"],
)
def test_columns_must_exist(stored, columns, message):
    with pytest.raises(ValueError, match=message):
        group_rows(stored.rows, columns)


def test_loader_balances(stored):
    balance = {"columns": ["Corpus"], "alpha": 0.0}
    loader = training_loader(stored, 200, 6.0, 1.6, balance=balance)
    sampler = loader.loader.batch_sampler
    items = [i % 40 for batch in islice(sampler, 600) for i in batch]
    share = np.mean([i >= 32 for i in items])
    assert abs(share - 0.5) < 0.05
    for batch in islice(sampler, 50):
        longest = max(stored.rows.seconds[i % 40] for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= 6.0


def test_loader_needs_stored_rows(stored, corpus):
    listed = make_dataset(read_manifest(corpus / "train.csv"), corpus)
    with pytest.raises(ValueError, match="read_trials"):
        training_loader(listed, 5, 6.0, 1.6, balance={"columns": ["x"], "alpha": 1.0})


@pytest.mark.parametrize("first_batch", [0, 60, 1000])
def test_balanced_stream_is_shared_and_resumed(monkeypatch, first_batch):
    lengths = np.random.default_rng(2).uniform(0.5, 13, 300)
    balance = Balance(np.arange(300) % 7 // 6, 0.5)
    whole = list(islice(EndlessBatchSampler(lengths, 40.0, balance=balance), 1100))
    shares = []
    for rank in range(3):
        monkeypatch.setattr(sampling, "process_rank", lambda rank=rank: (rank, 3))
        sampler = EndlessBatchSampler(lengths, 40.0, balance=balance)
        sampler.first_batch = first_batch
        shares.append(list(islice(sampler, 30)))
    joined = [batch for group in zip(*shares, strict=True) for batch in group]
    assert joined == whole[first_batch : first_batch + 90]
