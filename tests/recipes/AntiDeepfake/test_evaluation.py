"""A test set is scored once, whatever happens on the way."""

import csv
import os
import shutil
from types import SimpleNamespace

import pytest
import torch
from helpers import ROOT

from data_prep.manifest import ManifestError, read_manifest, write_manifest
from recipes.AntiDeepfake.evaluation import contamination, report_set, score_set
from recipes.AntiDeepfake.evaluation_inputs import (
    named_sets,
    open_sets,
    require_aggregate,
    require_detector,
)
from recipes.AntiDeepfake.experiment import read_experiment
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.placeholders import missing_values
from recipes.AntiDeepfake.usage import UsageError


class Loudness(FileScorer):
    """Scores by level and length, and notes what it was given."""

    def __init__(self, name="a", stop_after=None):
        self.name, self.stop_after, self.seen = name, stop_after, 0

    def digest(self):
        return self.name

    def logits(self, wavs, wav_lens=None):
        if self.stop_after is not None and self.seen >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(wavs)
        level = wavs.abs().sum(dim=1).log()
        return torch.stack([-level, level * 0.3], dim=1)


def run(detector, corpus, folder, manifest="test.csv", data_folder=None, **settings):
    """Rows and scores of a test set."""
    settings = {"max_batch_length": 3.0} | settings
    (opened,) = open_sets(corpus / manifest)
    data_folder = data_folder or corpus
    return opened.rows, score_set(detector, opened, data_folder, folder, **settings)


def test_a_stopped_run_goes_on_and_ends_the_same(corpus, tmp_path):
    rows, whole = run(Loudness(), corpus, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Loudness(stop_after=6), corpus, tmp_path / "stopped")
    rest = Loudness()
    _, found = run(rest, corpus, tmp_path / "stopped")
    assert 0 < rest.seen <= len(rows) - 6
    assert found == whole
    report_set(rows, whole, tmp_path / "whole")
    report_set(rows, found, tmp_path / "stopped")
    texts = [
        (tmp_path / name / "scores.csv").read_text() for name in ("whole", "stopped")
    ]
    assert texts[0] == texts[1]


def test_a_finished_set_is_not_scored_again(corpus, tmp_path):
    _, first = run(Loudness(), corpus, tmp_path)
    again = Loudness()
    assert run(again, corpus, tmp_path)[1] == first
    assert again.seen == 0


@pytest.mark.parametrize(
    "other",
    [{"detector": Loudness("b")}, {"key": "precision bf16"}],
    ids=["another detector", "another precision"],
)
def test_scores_of_something_else_are_not_used(corpus, tmp_path, other):
    run(Loudness(), corpus, tmp_path)
    detector = other.pop("detector", Loudness())
    rows, _ = run(detector, corpus, tmp_path, **other)
    assert detector.seen == len(rows)


@pytest.fixture
def copies(corpus, tmp_path):
    """Two copies of the test audio that keep its times: `one`, `two`."""
    for name in ("one", "two"):
        shutil.copytree(corpus / "audio", tmp_path / name / "audio")
    return tmp_path


def test_scores_of_another_data_folder_are_not_used(corpus, copies, capsys):
    run(Loudness(), corpus, copies / "out", data_folder=copies / "one")
    again, other = Loudness(), Loudness()
    run(again, corpus, copies / "out", data_folder=copies / "two/../one")
    assert again.seen == 0
    assert capsys.readouterr().err == (
        f"17 of 17 scores taken from {copies / 'out/scored'} (remove it to score "
        "again)\n"
    )
    run(other, corpus, copies / "out", data_folder=copies / "two")
    assert other.seen == 17
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("workers", [0, 2])
def test_files_that_have_changed_are_scored_again(corpus, copies, capsys, workers):
    """By time or by size; and one that is gone is no longer among the scores."""
    audio = copies / "one/audio"
    _, first = run(Loudness(), corpus, copies / "out", data_folder=copies / "one")
    times = os.stat(audio / "test-003.flac")
    shutil.copy2(audio / "test-004.flac", audio / "test-003.flac")
    os.utime(audio / "test-003.flac", ns=(times.st_atime_ns, times.st_mtime_ns))
    os.utime(audio / "test-005.flac")
    (audio / "test-006.flac").unlink()
    detector = Loudness()
    settings = {"data_folder": copies / "one", "num_workers": workers}
    _, second = run(detector, corpus, copies / "out", **settings)
    if not workers:  # others count for themselves
        assert detector.seen == 2
    assert second.score("test-003") == pytest.approx(first.score("test-004"))
    assert second.score("test-003") != first.score("test-003")
    assert set(second.failures) == {"test-006"}
    told = capsys.readouterr().err
    assert "14 of 17 scores taken from" in told
    assert "changed since or are gone: 3 of 17, scored again" in told
    # What was scored again is known from now on.
    third = Loudness()
    run(third, corpus, copies / "out", data_folder=copies / "one")
    assert third.seen == 0
    assert "16 of 17 scores taken" in capsys.readouterr().err


def test_other_pieces_of_the_same_files_are_scored(corpus, tmp_path):
    run(Loudness(), corpus, tmp_path)
    rows = read_manifest(corpus / "test.csv")
    rows = [row | {"Start": "0.0", "Stop": "0.3"} for row in rows]
    write_manifest(tmp_path / "pieces.csv", rows)
    detector = Loudness()
    run(detector, corpus, tmp_path, tmp_path / "pieces.csv")
    assert detector.seen == len(rows)


def test_what_could_not_be_scored_is_tried_again(corpus, tmp_path):
    text = (corpus / "test.csv").read_text()
    broken = tmp_path / "broken.csv"
    broken.write_text(text.replace("test-002.flac", "gone.flac"))
    _, first = run(Loudness(), corpus, tmp_path, broken)
    _, second = run(Loudness(), corpus, tmp_path, broken)
    assert set(first.failures) == set(second.failures) == {"test-002"}


def test_a_recording_that_is_too_long_is_listed(corpus, tmp_path):
    detector = Loudness()
    detector.max_seconds = 1.0
    rows, scored = run(detector, corpus, tmp_path)
    long = {row["ID"] for row in rows if float(row["Duration"]) > 1.0}
    assert set(scored.failures) == long and 0 < len(long) < len(rows)
    assert "takes 1 s at most" in scored.failures[min(long)]


def test_pieces_give_recordings_too(corpus, tmp_path):
    rows = []
    for row in read_manifest(corpus / "test.csv"):
        for i in range(2):
            piece = {"Start": f"{0.2 * i:g}", "Stop": f"{0.2 * (i + 1):g}"}
            others = {
                "ID": f"{row['ID']}_{i}",
                "Recording": row["ID"],
                "Duration": "0.2",
            }
            rows.append(row | piece | others)
    write_manifest(tmp_path / "pieces.csv", rows)
    rows, scored = run(Loudness(), corpus, tmp_path, tmp_path / "pieces.csv")
    found = report_set(rows, scored, tmp_path, "max")
    assert (found.table[0]["real"], found.recordings[0]["real"]) == (18, 9)
    assert found.table[0]["interval"] == "recordings"
    with open(tmp_path / "recordings.csv") as file:
        first = next(csv.DictReader(file))
    best = max(scored.score(f"{first['ID']}_{i}") for i in range(2))
    assert float(first["Score"]) == pytest.approx(best, abs=1e-6)


def test_corpora_of_the_training_data_are_noted(corpus):
    rows = read_manifest(corpus / "test.csv")
    rows = [row | {"Corpus": "In-the-Wild"} for row in rows]
    rows[0] |= {"Corpus": "WaveFake", "Proportion": "-"}
    detector = Loudness()
    assert contamination(detector, rows) == {}
    heard = {"LJSpeech": {"-": {"real": 13100}}}
    detector.hparams = SimpleNamespace(lineage={"training_data": heard})
    (note,) = contamination(detector, rows).items()
    assert note[0] == "WaveFake" and "LJSpeech" in note[1]


@pytest.mark.parametrize("paths", [["a/x.csv", "b/x.csv"], []], ids=["twice", "none"])
def test_sets_need_names_of_their_own(paths):
    with pytest.raises(ManifestError, match="different names"):
        named_sets(paths)


def test_all_sets_are_opened_before_one_is_scored(corpus, tmp_path):
    (tmp_path / "damaged.csv").write_text("ID,Label\n")
    files = [corpus / "test.csv", tmp_path / "damaged.csv"]
    with pytest.raises(ManifestError, match="damaged.csv"):
        open_sets(files)
    files += [tmp_path / "none.csv", tmp_path / "neither.csv"]
    with pytest.raises(ManifestError) as found:
        open_sets(files, preparation="1. make them\n")
    assert f"{tmp_path}/none.csv, {tmp_path}/neither.csv" in str(found.value)
    assert str(found.value).endswith("from the beginning:\n1. make them")


def test_unknown_rules_for_pieces_are_refused():
    require_aggregate("median")
    with pytest.raises(UsageError, match="'avg'.*mean, median, min, max"):
        require_aggregate("avg")


@pytest.mark.parametrize(
    "source, there",
    [
        ("results/mini", False),
        ("results/mini/posttrain/seed0/detector", False),
        ("./detector", False),
        ("/nowhere", False),
        ("detector.onnx", False),
        ("author/model", True),
        ("lobes", True),
    ],
)
def test_only_what_is_not_local_is_looked_for_on_the_hub(
    source, there, tmp_path, monkeypatch
):
    (tmp_path / "lobes").mkdir()
    monkeypatch.chdir(tmp_path)
    if there:
        require_detector(source)
        return
    with pytest.raises(UsageError) as found:
        require_detector(source, "1. train\n")
    assert str(found.value).startswith(f"{source}: there is no such detector")
    assert str(found.value).endswith("\n1. train")
    with pytest.raises(UsageError, match="`python train.py hparams/posttrain_mini"):
        require_detector(source)


def test_all_missing_values_are_told_at_once():
    path = ROOT / "hparams/eval_zeroshot.yaml"
    assert "`--detector VALUE --data_folder VALUE`" in missing_values(path)
    told = missing_values(path, "detector: D")
    assert "'data_folder'" in told and "'detector'" not in told
    assert missing_values(path, "{detector: D, data_folder: E}") == ""


@pytest.mark.parametrize("name", ["mini", "zeroshot", "df2024"])
def test_evaluations_say_how_they_are_prepared(name):
    text = read_experiment(
        ROOT / f"hparams/eval_{name}.yaml", "{detector: D, data_folder: E}"
    )["preparation"]
    steps = ["train.py", "data_prep", "the same evaluate.py command"]
    assert all(step in text for step in steps)
