"""LibriTTS-R."""

import pytest
from corpus_checks import decided, left_out, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

LISTS = "libritts_r_failed_speech_restoration_examples"
DEV = "dev-clean/1001/2001/1001_2001_000006_000003"
TEST = "test-other/1003/2003/1003_2003_000001_000000"


def write_corpus(root, folder="LibriTTS-R"):
    write_audio(root / folder / f"{DEV}.wav", 0.2, 24000)
    write_audio(root / folder / f"{TEST}.wav", 0.2, 24000)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    write_corpus(root)
    return root


@pytest.mark.parametrize("mode", ["complete", "original"])
@pytest.mark.parametrize("folder", ["LibriTTS-R", "LibriTTS_R"])
def test_rows(tmp_path, folder, mode):
    root = tmp_path / "data"
    write_corpus(root, folder)
    rows, summary = prepare("libritts_r", root, mode=mode)
    assert decided(rows) == {
        "Libri-R-1001_2001_000006_000003": (
            f"{folder}/{DEV}.wav",
            *("fake", "Miipher-WaveFit", "1001", "valid", "EN"),
            "Libri-1001_2001_000006_000003",
        ),
        "Libri-R-1003_2003_000001_000000": (
            f"{folder}/{TEST}.wav",
            *("fake", "Miipher-WaveFit", "1003", "test", "EN"),
            "Libri-1003_2003_000001_000000",
        ),
    }
    assert summary["skipped"] == []


def test_failed_restorations_are_dropped_on_request(root):
    write_text(
        root / "LibriTTS-R" / LISTS / "dev-clean_bad_sample_list.txt", f"./{DEV}.wav"
    )
    assert len(prepare("libritts_r", root)[0]) == 2
    rows, summary = prepare("libritts_r", root, failed="drop")
    assert list(rows) == ["Libri-R-1003_2003_000001_000000"]
    assert summary["skipped"] == []
    assert list(left_out(summary)) == [f"{DEV}.wav"]


def test_dropping_needs_the_lists(root):
    with pytest.raises(LayoutError, match=LISTS):
        prepare("libritts_r", root, failed="drop")


def test_unknown_subset_is_skipped(root):
    write_audio(root / "LibriTTS-R/doc/1/2/1_2_000001_000000.wav")
    rows, summary = prepare("libritts_r", root)
    assert len(rows) == 2
    assert list(skipped(summary)) == ["doc"]


def test_unreadable_file_is_listed(root):
    write_broken(root / "LibriTTS-R/dev-other/9/9/9_9_000001_000000.wav")
    rows, summary = prepare("libritts_r", root)
    assert len(rows) == 2
    assert mentions(summary, "dev-other/9/9/9_9_000001_000000.wav")
