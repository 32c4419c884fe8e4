"""toy_example."""

import pytest
from corpus_checks import decided, mentions, skipped
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

PROTOCOL = [
    "LA_0101 LA_T_1000001 - - bonafide",
    "LA_0102 LA_T_1000002 - A03 spoof ",
    "LA_0103 LA_D_1000003 - A06 spoof",
    "LA_0104 LA_E_1000004 - A10 spoof",
]


@pytest.fixture
def corpus(tmp_path):
    """Four utterances of three splits."""
    folder = tmp_path / "data/toy_example"
    write_text(folder / "protocol.txt", *PROTOCOL)
    for name in ("LA_T_1000001", "LA_T_1000002", "LA_D_1000003"):
        write_audio(folder / f"train_dev/{name}.wav")
    write_audio(folder / "eval/LA_E_1000004.wav")
    return folder


def test_rows(tmp_path, corpus):
    rows, summary = prepare("toy_example", tmp_path / "data")
    assert skipped(summary) == {}
    train, test = "toy_example/train_dev/LA", "toy_example/eval/LA"
    end = ("EN", "-")
    assert decided(rows) == {
        f"ASV19LAdemo-LA_{name}": (*values, *end)
        for name, values in {
            "T_1000001": (f"{train}_T_1000001.wav", "real", "-", "LA_0101", "train"),
            "T_1000002": (f"{train}_T_1000002.wav", "fake", "A03", "LA_0102", "train"),
            "D_1000003": (f"{train}_D_1000003.wav", "fake", "A06", "LA_0103", "valid"),
            "E_1000004": (f"{test}_E_1000004.wav", "fake", "A10", "LA_0104", "test"),
        }.items()
    }
    assert {row["manifest"] for row in rows.values()} == {
        f"toy_example_EN_{split}.csv" for split in ("train", "valid", "test")
    }


def test_missing_audio_is_reported_and_does_not_stop(tmp_path, corpus):
    (corpus / "train_dev/LA_D_1000003.wav").unlink()
    rows, summary = prepare("toy_example", tmp_path / "data")
    assert len(rows) == 3
    assert "ASV19LAdemo-LA_D_1000003" not in rows
    assert mentions(summary, "train_dev/LA_D_1000003.wav")


def test_unreadable_audio_is_reported(tmp_path, corpus):
    (corpus / "eval/LA_E_1000004.wav").write_bytes(b"no audio")
    rows, summary = prepare("toy_example", tmp_path / "data")
    assert "ASV19LAdemo-LA_E_1000004" not in rows
    assert mentions(summary, "eval/LA_E_1000004.wav")


@pytest.mark.parametrize("folder", ["train_dev", "eval"])
def test_a_file_without_label_is_reported(tmp_path, corpus, folder):
    write_audio(corpus / folder / "LA_T_1000009.wav")
    rows, summary = prepare("toy_example", tmp_path / "data")
    assert len(rows) == len(PROTOCOL)
    assert mentions(summary, f"{folder}/LA_T_1000009.wav")


def test_a_name_of_no_split_is_skipped(tmp_path, corpus):
    write_text(corpus / "protocol.txt", *PROTOCOL, "LA_0105 DF_E_1000005 - A10 spoof")
    rows, summary = prepare("toy_example", tmp_path / "data")
    assert len(rows) == 4
    ((what, reason),) = skipped(summary).items()
    assert what.endswith("protocol.txt, line 5")
    assert reason == "'DF_E_' is not one of LA_T_, LA_D_, LA_E_"


def test_missing_protocol(tmp_path, corpus):
    (corpus / "protocol.txt").unlink()
    with pytest.raises(LayoutError, match="protocol.txt: cannot be read"):
        prepare("toy_example", tmp_path / "data")


def test_an_unknown_label_stops(tmp_path, corpus):
    write_text(corpus / "protocol.txt", "LA_0101 LA_T_1000001 - - genuine")
    with pytest.raises(LayoutError, match="line 1: key is 'genuine'"):
        prepare("toy_example", tmp_path / "data")
