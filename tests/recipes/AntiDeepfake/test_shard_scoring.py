"""A test set is scored from shards as from files, or it is said why not."""

import shutil
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT

from data_prep.manifest import ManifestError, read_manifest, write_manifest
from data_prep.shard import shard
from recipes.AntiDeepfake import sampling, scoring_run, shard_scoring, shards
from recipes.AntiDeepfake.command import load_hparams
from recipes.AntiDeepfake.evaluation import report_set, score_set
from recipes.AntiDeepfake.evaluation_inputs import named_shards, open_sets
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.manifests import manifest_rows
from recipes.AntiDeepfake.shard_scoring import score_shards
from recipes.AntiDeepfake.shards import ShardError, open_shards

pytest.importorskip("webdataset")

SIZE = 150_000  # some shards of the 17 trials


class Loudness(FileScorer):
    """Scores by level and length, and notes what it was given."""

    def __init__(self, stop_after=None):
        self.stop_after, self.seen = stop_after, 0

    def digest(self):
        return "loudness"

    def logits(self, wavs, wav_lens=None):
        if self.stop_after is not None and self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(wavs)
        level = wavs.abs().sum(dim=1).log()
        return torch.stack([-level, level * 0.3], dim=1)


@pytest.fixture(scope="module")
def stored(corpus, tmp_path_factory):
    """A folder with the shards of `test.csv`, `test`."""
    folder = tmp_path_factory.mktemp("stored")
    index, _ = shard([corpus / "test.csv"], str(corpus), folder / "test", SIZE)
    assert len(index["shards"]) > 3
    return folder


def run(corpus, folder, detector=None, source=None, manifest="test.csv", **settings):
    settings = {"max_batch_length": 3.0} | settings
    path = corpus / manifest
    (opened,) = open_sets(path, {path.stem: source})
    detector = detector or Loudness()
    return opened.rows, score_set(detector, opened, corpus, folder, **settings)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_score_file_is_that_of_files(corpus, stored, tmp_path, workers):
    texts = []
    for source in (None, stored / "test"):
        folder = tmp_path / ("files" if source is None else "shards")
        # One by one, because batches differ in the last bits.
        settings = {"max_batch_length": 0.1, "num_workers": workers}
        rows, scored = run(corpus, folder, source=source, **settings)
        report_set(rows, scored, folder)
        texts.append((folder / "scores.csv").read_bytes())
    assert texts[0] == texts[1] and texts[0].count(b"\n") == 18


def test_batches_change_the_last_bits_only(corpus, stored, tmp_path):
    _, alone = run(corpus, tmp_path / "a", source=stored / "test", max_batch_length=0.1)
    _, batched = run(corpus, tmp_path / "b", source=stored / "test")
    assert alone.logits.keys() == batched.logits.keys()
    for name, logits in alone.logits.items():
        assert np.abs(np.subtract(logits, batched.logits[name])).max() < 1e-5


def test_a_stopped_run_goes_on_and_ends_the_same(corpus, stored, tmp_path):
    _, whole = run(corpus, tmp_path / "whole", source=stored / "test")
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "stopped", Loudness(stop_after=6), stored / "test")
    rest = Loudness()
    _, found = run(corpus, tmp_path / "stopped", rest, stored / "test")
    assert 0 < rest.seen <= 17 - 6
    assert found.logits.keys() == whole.logits.keys()
    for name, logits in whole.logits.items():
        assert found.logits[name] == pytest.approx(logits, abs=1e-5)


def test_a_finished_set_is_not_read_again(corpus, stored, tmp_path):
    _, first = run(corpus, tmp_path, source=stored / "test")
    shutil.copytree(stored / "test", tmp_path / "test")
    for tar in (tmp_path / "test").glob("*.tar"):
        tar.unlink()
    assert run(corpus, tmp_path, source=tmp_path / "test")[1] == first


def test_scores_of_files_and_of_other_shards_are_not_used(corpus, stored, tmp_path):
    run(corpus, tmp_path)
    shard([corpus / "test.csv"], str(corpus), tmp_path / "other", SIZE, seed=1)
    for source in (stored / "test", tmp_path / "other", None):
        detector = Loudness()
        run(corpus, tmp_path, detector, source)
        assert detector.seen == (0 if source is None else 17)


def test_a_damaged_sample_is_listed_and_the_rest_is_scored(corpus, tmp_path):
    shard([corpus / "test.csv"], str(corpus), tmp_path / "test", SIZE, "native")
    audio = (corpus / "audio/test-004.flac").read_bytes()
    for tar in (tmp_path / "test").glob("*.tar"):
        content = tar.read_bytes()
        place = content.find(audio)
        if place >= 0:
            place += len(audio) // 2
            tar.write_bytes(content[:place] + bytes(500) + content[place + 500 :])
    _, scored = run(corpus, tmp_path, source=tmp_path / "test")
    assert set(scored.failures) == {"test-004"} and len(scored.logits) == 16
    assert "ID test-004: " in scored.failures["test-004"]
    assert ".tar, 0" in scored.failures["test-004"]


def test_a_recording_that_is_too_long_is_listed_as_of_files(corpus, stored, tmp_path):
    found = []
    for source in (None, stored / "test"):
        detector = Loudness()
        detector.max_seconds = 1.0
        _, scored = run(corpus, tmp_path / str(bool(source)), detector, source)
        found.append(scored)
    assert found[0].failures == found[1].failures and found[0].failures
    assert found[0].logits.keys() == found[1].logits.keys()


@pytest.fixture
def incomplete(corpus, tmp_path):
    """A manifest with a file that is missing, and its shards, `broken`."""
    rows = read_manifest(corpus / "test.csv")
    rows[2]["Path"] = "$ROOT/audio/gone.flac"
    write_manifest(tmp_path / "broken.csv", rows)
    _, failures = shard([tmp_path / "broken.csv"], str(corpus), tmp_path / "broken")
    assert len(failures) == 1
    return tmp_path


def test_what_could_not_be_stored_is_listed(corpus, incomplete):
    _, scored = run(
        corpus,
        incomplete,
        source=incomplete / "broken",
        manifest=incomplete / "broken.csv",
    )
    assert set(scored.failures) == {"test-002"} and len(scored.logits) == 16
    assert "not in the shards: " in scored.failures["test-002"]
    assert "gone.flac" in scored.failures["test-002"]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda path: path.unlink(), "failures.csv: cannot be read"),
        (lambda path: path.write_text("ID,Reason\n"), "0 rows, but index.json has 1"),
        (lambda path: path.write_text("ID,Reason\nx,y\n"), "'x', which could not be"),
    ],
    ids=["missing", "cut off", "of others"],
)
def test_the_list_of_failures_must_be_there(corpus, incomplete, change, message):
    change(incomplete / "broken" / "failures.csv")
    with pytest.raises(ShardError, match=message):
        run(
            corpus,
            incomplete,
            source=incomplete / "broken",
            manifest=incomplete / "broken.csv",
        )


def fewer(rows):
    return rows[1:]


def more(rows):
    return [*rows, rows[0] | {"ID": "new"}]


def renamed(rows):
    return [*rows[:-1], rows[-1] | {"ID": "new"}]


def other_audio(rows):
    return [*rows[:-1], rows[-1] | {"Path": rows[0]["Path"]}]


@pytest.mark.parametrize(
    "change, message",
    [
        (fewer, r"17 samples and 0 that could not be stored, but 16 rows in .*m\.csv"),
        (more, "17 samples .* but 18 rows"),
        (renamed, r"tar, 00.*: ID 'test-016' is not in .*m\.csv\. Give the manifest"),
        (other_audio, r"'test-016' is \$ROOT/audio/test-016.*but .*test-000"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_shards_of_another_manifest_are_refused(
    corpus, stored, tmp_path, change, message
):
    write_manifest(tmp_path / "m.csv", change(read_manifest(corpus / "test.csv")))
    with pytest.raises(ShardError, match=message):
        run(corpus, tmp_path, source=stored / "test", manifest=tmp_path / "m.csv")


@pytest.mark.parametrize("world", [1, 3])
def test_the_bar_has_a_total_and_gets_there(
    corpus, stored, tmp_path, monkeypatch, world
):
    opened = open_shards(stored / "test")
    for module in (shards, sampling, shard_scoring):
        monkeypatch.setattr(module, "process_rank", lambda: (0, world))
    bars = []

    def bar(*arguments, **settings):
        bars.append(tqdm(*arguments, **settings))
        return bars[-1]

    tqdm = shard_scoring.tqdm
    monkeypatch.setattr(shard_scoring, "tqdm", bar)
    monkeypatch.setattr(scoring_run.ScoringRun, "_gather", lambda self, _: self)
    rows = manifest_rows(corpus / "test.csv")
    predict = Loudness().logits
    score_shards(predict, rows, opened, max_batch_length=3.0, progressbar=True)
    assert bars[0].total == bars[0].n == sum(opened.counts[::world])


def gather_from(parts):
    """`gather_object` of the main process, with the parts of the others given."""

    def gather(mine, found):
        found[:] = [mine, *parts]

    return gather


@pytest.mark.parametrize(
    "positions, failures, message",
    [
        ([2, 3], {}, None),
        ([2], {}, "4 trials were to be scored, but 3 were"),
        ([2], {"d": "why"}, None),
        ([2, 3], {"d": "why"}, "but 5 were"),
        ([2], {"c": "why"}, "but 4 were, and nothing is known of d"),
        ([1, 2, 3], {}, "scored twice"),
    ],
    ids=["all", "lost", "failed", "both", "lost and both", "twice"],
)
def test_every_trial_comes_once(monkeypatch, positions, failures, message):
    rows = [{"ID": name} for name in "abcd"]
    other = (np.array(positions), np.ones((len(positions), 2), np.float32), failures)
    monkeypatch.setattr(torch.distributed, "gather_object", gather_from([other]))
    monkeypatch.setattr(scoring_run, "process_rank", lambda: (0, 2))
    work = scoring_run.ScoringRun(rows)
    work.table.add(["a", "b"], np.zeros((2, 2)))
    if message is None:
        found = work._gather({})
        assert set(found.logits) | set(found.failures) == set("abcd")
        return
    with pytest.raises(RuntimeError, match=message):
        work._gather({})


def test_shards_by_name(tmp_path):
    found = named_shards(tmp_path, ["a", "b"])
    assert found == {name: f"{tmp_path}/{name}/index.json" for name in "ab"}
    assert named_shards({"a": "x", "b": None}, ["a", "b"]) == {"a": "x"}
    assert named_shards(None, ["a"]) == {}


@pytest.mark.parametrize(
    "value, expected",
    [("s", "s"), ("{target_test: x}", {"target_test": "x"}), ("null", None)],
    ids=["folder", "by name", "none"],
)
def test_shards_are_given_on_the_command_line(value, expected):
    yaml = str(ROOT / "hparams/eval_mini.yaml")
    assert load_hparams(yaml, f"test_shards: {value}")["test_shards"] == expected


def test_shards_of_no_set_are_refused(stored):
    with pytest.raises(ManifestError, match="'c', but the test sets are a, b"):
        named_shards({"c": "x"}, ["a", "b"])
    with pytest.raises(ManifestError, match=r"one set.*'\{test: .*test\}'"):
        named_shards(stored / "test", ["test"])


def test_a_set_without_shards_is_an_error(corpus, stored, tmp_path):
    source = named_shards(stored, ["none"])["none"]
    with pytest.raises(ShardError, match="none/index.json: cannot be read"):
        run(corpus, tmp_path, source=source)


def test_files_need_no_webdataset(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    assert len(run(corpus, tmp_path)[1].logits) == 17
