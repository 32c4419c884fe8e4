"""LibriTTS, and the subsets that it shares with the corpora made from it."""

import pytest
from corpus_checks import decided, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio, write_text

SPLITS = {
    "train-clean-100": "train",
    "train-clean-360": "train",
    "train-other-500": "train",
    "dev-clean": "valid",
    "dev-other": "valid",
    "test-clean": "test",
    "test-other": "test",
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for number, subset in enumerate(SPLITS, start=1001):
        name = f"{number}/2001/{number}_2001_000007_000001"
        write_audio(root / "LibriTTS" / subset / f"{name}.wav", 0.2, 24000)
        write_text(root / "LibriTTS" / subset / f"{name}.normalized.txt", "Text.")
    write_text(root / "LibriTTS/speakers.tsv", "READER\tGENDER")
    return root


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_rows(root, mode):
    rows, summary = prepare("libritts", root, mode=mode)
    assert decided(rows) == {
        f"Libri-{number}_2001_000007_000001": (
            f"LibriTTS/{subset}/{number}/2001/{number}_2001_000007_000001.wav",
            *("real", "-", str(number), SPLITS[subset], "EN", "-"),
        )
        for number, subset in enumerate(SPLITS, start=1001)
    }
    assert summary["skipped"] == []
    assert rows["Libri-1001_2001_000007_000001"]["SampleRate"] == "24000"


def test_unknown_subset_never_inherits_a_split(root):
    write_audio(root / "LibriTTS/train-clean-460/9/9/9_9_000001_000000.wav")
    rows, summary = prepare("libritts", root)
    assert len(rows) == 7
    assert list(skipped(summary)) == ["train-clean-460"]


def test_restored_copies_below_it_are_not_genuine(root):
    write_audio(root / "LibriTTS/LibriTTS_R/dev-clean/9/9/9_9_000001_000000.wav")
    rows, summary = prepare("libritts", root)
    assert len(rows) == 7
    assert list(skipped(summary)) == ["LibriTTS_R"]


@pytest.mark.parametrize(
    "path",
    ["9_9_000001_000000.wav", "dev-clean/9_9_000001_000000.wav", "dev-clean/9/9.wav"],
    ids=["top", "subset", "speaker"],
)
def test_stray_file_is_skipped(root, path):
    write_audio(root / "LibriTTS" / path)
    rows, summary = prepare("libritts", root)
    assert len(rows) == 7
    assert list(skipped(summary)) == [path]


def test_other_formats_are_found(root):
    write_audio(root / "LibriTTS/dev-clean/9/9/9_9_000001_000000.flac")
    rows, _ = prepare("libritts", root)
    assert rows["Libri-9_9_000001_000000"]["AudioEncoding"] == "FLAC"


def test_unreadable_file_is_listed(root):
    write_broken(root / "LibriTTS/dev-clean/9/9/9_9_000001_000000.wav")
    rows, summary = prepare("libritts", root)
    assert "Libri-9_9_000001_000000" not in rows
    assert mentions(summary, "dev-clean/9/9/9_9_000001_000000.wav")
