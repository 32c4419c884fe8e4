"""In-the-Wild."""

import pytest
from corpus_checks import decided, mentions
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

META = [
    "file,speaker,label",
    "0.wav,Jane Example,spoof",
    '1.wav,"Example, John",bona-fide',
    "10.wav,007,spoof",
]


def build(folder):
    """The folder with the audio and its list, which has a byte order mark."""
    write_text(folder / "meta.csv", *META, encoding="utf-8-sig")
    for number in (0, 1, 10):
        write_audio(folder / f"{number}.wav")
    return folder


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("In-the-Wild/release_in_the_wild", id="paper"),
        pytest.param("release_in_the_wild", id="archive"),
    ],
)
def test_rows(tmp_path, place):
    build(tmp_path / "data" / place)
    rows, summary = prepare("in_the_wild", tmp_path / "data")
    assert summary["skipped"] == []
    others = ("-", "EN", "-")
    assert decided(rows) == {
        "ItW-0": (f"{place}/0.wav", "fake", "-", "Jane Example", *others),
        "ItW-1": (f"{place}/1.wav", "real", "-", "Example, John", *others),
        "ItW-10": (f"{place}/10.wav", "fake", "-", "007", *others),
    }
    assert {row["manifest"] for row in rows.values()} == {"In-the-Wild_EN.csv"}


def test_missing_audio_is_reported_and_gives_no_row_without_a_length(tmp_path):
    folder = build(tmp_path / "data/In-the-Wild/release_in_the_wild")
    (folder / "1.wav").unlink()
    rows, summary = prepare("in_the_wild", tmp_path / "data")
    assert sorted(rows) == ["ItW-0", "ItW-10"]
    assert mentions(summary, "release_in_the_wild/1.wav")


def test_unreadable_audio_is_reported(tmp_path):
    folder = build(tmp_path / "data/In-the-Wild/release_in_the_wild")
    (folder / "0.wav").write_bytes(b"")
    rows, summary = prepare("in_the_wild", tmp_path / "data")
    assert sorted(rows) == ["ItW-1", "ItW-10"]
    assert mentions(summary, "release_in_the_wild/0.wav")


@pytest.mark.parametrize("place", ["In-the-Wild/release_in_the_wild", "In-The-Wild"])
def test_a_file_without_label_is_reported(tmp_path, place):
    write_audio(build(tmp_path / "data" / place) / "11.wav")
    rows, summary = prepare("in_the_wild", tmp_path / "data")
    assert "ItW-11" not in rows
    assert mentions(summary, "11.wav")


def test_missing_list(tmp_path):
    (build(tmp_path / "data/In-the-Wild/release_in_the_wild") / "meta.csv").unlink()
    with pytest.raises(LayoutError, match="meta.csv: cannot be read"):
        prepare("in_the_wild", tmp_path / "data")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param([META[0], "0.wav,Jane,fake"], "label is 'fake'", id="label"),
        pytest.param(["path,speaker,label"], "the header lacks file", id="column"),
        pytest.param([META[0], "0.wav,Jane"], "not as many fields", id="fields"),
    ],
)
def test_another_list_stops(tmp_path, lines, message):
    folder = build(tmp_path / "data/In-the-Wild/release_in_the_wild")
    write_text(folder / "meta.csv", *lines)
    with pytest.raises(LayoutError, match=message):
        prepare("in_the_wild", tmp_path / "data")
