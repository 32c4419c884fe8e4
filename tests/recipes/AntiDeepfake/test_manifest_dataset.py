"""Items of rows on disk are those of rows in memory, in every kind of worker."""

import pickle

import pytest
import soundfile
import torch
from helpers import manifest_row

from data_prep.manifest import ManifestError, read_manifest, write_manifest
from recipes.AntiDeepfake.dataio import (
    ManifestDataset,
    PassDataset,
    make_dataset,
    row_seconds,
    seconds,
)
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.manifests import manifest_rows, read_trials
from recipes.AntiDeepfake.sampling import training_loader
from recipes.AntiDeepfake.scoring import score_rows, write_scores


@pytest.fixture(scope="module")
def both(corpus):
    """The same dataset with rows on disk and in memory."""
    options = {"data_folder": corpus, "crop": (0.3, 0.6), "seed": 3}
    stored = make_dataset(read_trials(corpus / "train.csv"), **options)
    listed = make_dataset(read_manifest(corpus / "train.csv"), **options)
    assert type(stored) is ManifestDataset and type(listed) is PassDataset
    return stored, listed


def same(one, other):
    assert one.keys() == other.keys()
    return all(
        torch.equal(one[key], other[key]) if key == "wav" else one[key] == other[key]
        for key in one
    )


def test_items_are_the_same_in_every_pass(both):
    stored, listed = both
    assert len(stored) == len(listed) == 40
    assert all(same(stored[i], listed[i]) for i in range(0, 160, 3))
    assert not same(stored[0], stored[40])


def test_all_values_are_there(both, corpus):
    stored, listed = both
    row = read_manifest(corpus / "train.csv")[0]
    keys = ["id", *row, "seconds", "pass_number"]
    with stored.output_keys_as(keys), listed.output_keys_as(keys):
        assert stored[45] == listed[45]
        assert stored[45]["pass_number"] == 1
    assert seconds(stored).tolist() == seconds(listed).tolist()
    assert stored.rows.seconds[0] == row_seconds(row)


def test_a_missing_key_is_named(both):
    stored, _ = both
    with pytest.raises(KeyError, match="Emotion"):
        stored.set_output_keys(["Emotion"])
        stored[0]
    stored.set_output_keys(["id", "wav", "label"])


def test_pickled_it_is_small_and_the_same(both):
    stored, listed = both
    text = pickle.dumps(stored)
    assert len(text) < 5000 < len(pickle.dumps(listed))
    assert same(pickle.loads(text)[7], stored[7])


@pytest.mark.parametrize(
    "context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)]
)
def test_workers_read_the_same(both, context):
    def read(loader):
        return [(batch.id, batch.label.tolist(), batch.wav.data) for batch in loader]

    expected = read(training_loader(both[1], 8, 4.0, 0.6, seed=1))
    loader = training_loader(
        both[0], 8, 4.0, 0.6, seed=1, num_workers=2, multiprocessing_context=context
    )
    for (ids, labels, wavs), wanted in zip(read(loader), expected, strict=True):
        assert (ids, labels) == wanted[:2] and torch.equal(wavs, wanted[2])


def test_filters_sort_and_choose_alike(both):
    chosen = [
        dataset.filtered_sorted(
            key_min_value={"seconds": 0.8},
            key_test={"Label": "fake".__eq__, "id": lambda name: name != "train-001"},
            sort_key="seconds",
        )
        for dataset in both
    ]
    assert 3 < len(chosen[0]) < 20
    assert list(chosen[0].data_ids) == list(chosen[1].data_ids)
    assert same(chosen[0][2], chosen[1][2])
    subsets = [dataset.overfit_test(2, 5) for dataset in both]
    assert [item["id"] for item in subsets[0]] == [item["id"] for item in subsets[1]]


def test_trials_need_both_classes(corpus, tmp_path):
    rows = [
        row for row in read_manifest(corpus / "train.csv") if row["Label"] == "real"
    ]
    write_manifest(tmp_path / "real.csv", rows)
    with pytest.raises(ManifestError, match=r"real\.csv: 20 rows, but none is 'fake'"):
        read_trials(tmp_path / "real.csv")


class Counting(FileScorer):
    """Scores by length."""

    max_seconds = 1.0

    def digest(self):
        return "counting"

    def logits(self, wavs, wav_lens=None):
        samples = (wavs.shape[1] * wav_lens).round()
        return torch.stack([-samples, samples], dim=1)


def test_scores_and_score_files_are_the_same(corpus, tmp_path):
    stored = manifest_rows(corpus / "test.csv")
    listed = read_manifest(corpus / "test.csv")
    found = [Counting().score_rows(rows, corpus) for rows in (stored, listed)]
    assert found[0] == found[1] and found[0].failures and found[0].logits
    for name, rows in (("stored", stored), ("listed", listed)):
        write_scores(tmp_path / name, rows, found[0])
    assert (tmp_path / "stored").read_bytes() == (tmp_path / "listed").read_bytes()


def test_trials_that_are_known_are_not_scored_again(corpus, tmp_path):
    from recipes.AntiDeepfake.score_log import ScoreLog

    rows = manifest_rows(corpus / "test.csv")
    log = ScoreLog(tmp_path / "log", "key")
    log.append([rows[2]["ID"], rows[5]["ID"]], [(0.0, 1.0), (0.0, 2.0)])
    seen = []

    def predict(wavs, wav_lens):
        seen.extend(wav_lens)
        return torch.zeros(len(wavs), 2)

    scored = score_rows(predict, rows, corpus, log=log)
    assert len(seen) == 15 and len(scored.logits) == 17
    assert scored.score(rows[5]["ID"]) == 2.0


def test_a_trial_that_is_lost_is_noticed(corpus, monkeypatch):
    from recipes.AntiDeepfake import scoring

    rows = manifest_rows(corpus / "test.csv")
    monkeypatch.setattr(scoring, "_batches", lambda *_: [])
    with pytest.raises(RuntimeError, match="17 trials were to be scored, but 0 were"):
        score_rows(lambda *_: None, rows, corpus)


def test_bad_audio_is_named_from_stored_rows(tmp_path):
    soundfile.write(tmp_path / "a.wav", torch.zeros(100).numpy(), 16000)
    rows = [manifest_row("a", "real", 1.0, "$ROOT/a.wav")]
    write_manifest(tmp_path / "m.csv", rows)
    scored = score_rows(lambda *_: None, manifest_rows(tmp_path / "m.csv"), tmp_path)
    assert "100 samples" in scored.failures["a"]
