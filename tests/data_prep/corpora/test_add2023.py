"""ADD 2023, track 1.2, round 2."""

import pytest
from corpus_checks import decided, mentions
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

FOLDER = "Track1.2/testR2"
NAMES = [f"ADD2023_T1.2R2_E_9000000{number}" for number in range(4)]


@pytest.fixture
def corpus(tmp_path):
    """Four files of the list; trailing blanks and no newline at the end."""
    folder = tmp_path / "data/ADD2023" / FOLDER
    labels = ["genuine", "fake", "fake  ", "genuine"]
    lines = [f"{name}.wav {label}" for name, label in zip(NAMES, labels, strict=True)]
    write_text(folder / "label.txt", *lines)
    (folder / "label.txt").write_text("\n".join(lines))
    for name in NAMES:
        write_audio(folder / f"wav/{name}.wav")
    return folder


def test_rows(tmp_path, corpus):
    rows, summary = prepare("add2023", tmp_path / "data")
    assert summary["skipped"] == []
    places = [f"ADD2023/{FOLDER}/wav/{name}.wav" for name in NAMES]
    others = ("-", "-", "test", "ZH", "-")
    assert decided(rows) == {
        f"ADD2023-{NAMES[0]}": (places[0], "real", *others),
        f"ADD2023-{NAMES[1]}": (places[1], "fake", *others),
        f"ADD2023-{NAMES[2]}": (places[2], "fake", *others),
        f"ADD2023-{NAMES[3]}": (places[3], "real", *others),
    }
    assert {row["manifest"] for row in rows.values()} == {"ADD2023_ZH_test.csv"}


def test_both_modes_have_the_same_rows(tmp_path, corpus):
    complete, _ = prepare("add2023", tmp_path / "data")
    original, _ = prepare("add2023", tmp_path / "data", mode="original")
    assert original == complete


def test_missing_audio_is_reported_and_gives_no_row_without_a_length(tmp_path, corpus):
    (corpus / f"wav/{NAMES[1]}.wav").unlink()
    rows, summary = prepare("add2023", tmp_path / "data")
    assert sorted(rows) == [f"ADD2023-{name}" for name in (NAMES[0], *NAMES[2:])]
    assert mentions(summary, f"wav/{NAMES[1]}.wav")


def test_unreadable_audio_is_reported(tmp_path, corpus):
    (corpus / f"wav/{NAMES[0]}.wav").write_bytes(b"no audio")
    rows, summary = prepare("add2023", tmp_path / "data")
    assert f"ADD2023-{NAMES[0]}" not in rows
    assert mentions(summary, f"wav/{NAMES[0]}.wav")


def test_a_file_without_label_is_reported(tmp_path, corpus):
    write_audio(corpus / "wav/ADD2023_T1.2R2_E_90000009.wav")
    rows, summary = prepare("add2023", tmp_path / "data")
    assert len(rows) == len(NAMES)
    assert mentions(summary, "wav/ADD2023_T1.2R2_E_90000009.wav")


def test_missing_label_file(tmp_path, corpus):
    (corpus / "label.txt").unlink()
    with pytest.raises(LayoutError, match="label.txt: cannot be read"):
        prepare("add2023", tmp_path / "data")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("a.wav bonafide", "label is 'bonafide'", id="label"),
        pytest.param("a.wav", "1 columns instead of 2", id="columns"),
    ],
)
def test_a_line_of_another_list_stops(tmp_path, corpus, line, message):
    write_text(corpus / "label.txt", line)
    with pytest.raises(LayoutError, match=f"label.txt, line 1: {message}"):
        prepare("add2023", tmp_path / "data")


def test_another_track_is_not_taken_for_it(tmp_path, corpus):
    corpus.rename(corpus.parent / "testR1")
    with pytest.raises(LayoutError, match="no folder Track1.2/testR2"):
        prepare("add2023", tmp_path / "data")
