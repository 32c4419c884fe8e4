"""A test set is scored once, whatever happens on the way."""

import csv
from types import SimpleNamespace

import pytest
import torch

from data_prep.manifest import ManifestError, read_manifest, write_manifest
from recipes.AntiDeepfake.evaluation import (
    contamination,
    named_sets,
    report_set,
    score_set,
)
from recipes.AntiDeepfake.file_scoring import FileScorer


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


def run(detector, corpus, folder, manifest="test.csv", **settings):
    settings = {"max_batch_length": 3.0} | settings
    return score_set(detector, corpus / manifest, corpus, folder, **settings)


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
