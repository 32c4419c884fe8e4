"""AISHELL-3."""

import pytest
from corpus_checks import facts, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data/AIShell3"
    write_audio(folder / "train/wav/SSB0101/SSB01010007.wav", 0.3, 44100)
    write_audio(folder / "test/wav/SSB0202/SSB02020003.wav", 0.2, 44100)
    return folder


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row(corpus, mode):
    rows, summary = prepare("aishell3", corpus.parent, mode)
    root = "$ROOT/AIShell3"
    assert facts(rows) == {
        "AIShell3-SSB0101-SSB01010007": (
            "real",
            "-",
            "SSB0101",
            "train",
            "ZH",
            f"{root}/train/wav/SSB0101/SSB01010007.wav",
        ),
        "AIShell3-SSB0202-SSB02020003": (
            "real",
            "-",
            "SSB0202",
            "test",
            "ZH",
            f"{root}/test/wav/SSB0202/SSB02020003.wav",
        ),
    }
    assert skipped(summary) == {}


def test_manifests_and_audio_facts(corpus):
    rows, _ = prepare("aishell3", corpus.parent)
    row = rows["AIShell3-SSB0101-SSB01010007"]
    assert row["manifest"] == "AISHELL-3_ZH_train.csv"
    assert (row["Duration"], row["SampleRate"]) == ("0.3", "44100")
    test_row = rows["AIShell3-SSB0202-SSB02020003"]
    assert test_row["manifest"] == "AISHELL-3_ZH_test.csv"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        # Sorted after test: the scripts of the paper would call it a test file.
        ("tests_old/wav/SSB0303/SSB03030001.wav", "'tests_old' is not one of"),
        ("train/wav/SSB03030001.wav", "not in {train,test}/wav/<speaker>/"),
        ("train/noisy/SSB0303/SSB03030001.wav", "not in {train,test}/wav/<speaker>/"),
    ],
    ids=["unknown split", "no speaker", "not wav"],
)
def test_no_file_inherits_the_split_of_the_one_before(corpus, path, reason):
    write_audio(corpus / path)
    rows, summary = prepare("aishell3", corpus.parent)
    assert len(rows) == 2
    assert list(skipped(summary)) == [path]
    assert reason in skipped(summary)[path]


def test_extensions_in_any_case_and_format(corpus):
    write_audio(corpus / "test/wav/SSB0202/SSB02020004.flac")
    upper = write_audio(corpus / "test/wav/SSB0202/SSB02020005.wav")
    upper.rename(upper.with_suffix(".WAV"))
    rows, _ = prepare("aishell3", corpus.parent)
    assert {"AIShell3-SSB0202-SSB02020004", "AIShell3-SSB0202-SSB02020005"} < set(rows)


def test_unreadable_file_is_listed(corpus):
    path = "train/wav/SSB0101/SSB01010008.wav"
    (corpus / path).write_bytes(b"")
    rows, summary = prepare("aishell3", corpus.parent)
    assert len(rows) == 2
    assert any(what.endswith(path) for what in skipped(summary))


def test_missing_split_stops(corpus):
    (corpus / "test/wav").rename(corpus / "test/sound")
    with pytest.raises(LayoutError, match="no folder test/wav"):
        prepare("aishell3", corpus.parent)


def test_folder_of_the_archive(corpus):
    corpus.rename(corpus.with_name("data_aishell3"))
    rows, _ = prepare("aishell3", corpus.parent)
    assert "AIShell3-SSB0101-SSB01010007" in rows
