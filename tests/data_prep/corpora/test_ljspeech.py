"""LJSpeech."""

import pytest
from corpus_checks import decided, mentions, write_broken
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

BASE = "LJSpeech/LJSpeech-1.1"
CLIPS = ("LJ001-0001", "LJ018-0005")
ROWS = {
    f"LJ-{clip}": (f"{BASE}/wavs/{clip}.wav", "real", "-", "LJ", "-", "EN", "-")
    for clip in CLIPS
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for clip in CLIPS:
        write_audio(root / BASE / f"wavs/{clip}.wav", 0.2, 22050)
    metadata = root / BASE / "metadata.csv"
    # No header, quotes without a partner, no newline at the end.
    metadata.write_text('LJ001-0001|Dr. "A|Doctor "A\nLJ018-0005|B, b|B, b')
    return root


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_rows(root, mode):
    rows, summary = prepare("ljspeech", root, mode=mode)
    assert decided(rows) == ROWS
    assert rows["LJ-LJ001-0001"]["SampleRate"] == "22050"
    assert summary["skipped"] == []


def test_without_metadata_the_files_are_the_list(root):
    (root / BASE / "metadata.csv").unlink()
    assert decided(prepare("ljspeech", root)[0]) == ROWS


def test_archive_as_it_unpacks(tmp_path):
    root = tmp_path / "data"
    write_audio(root / "LJSpeech-1.1/wavs/LJ001-0001.wav")
    rows, _ = prepare("ljspeech", root)
    assert rows["LJ-LJ001-0001"]["Path"] == "$ROOT/LJSpeech-1.1/wavs/LJ001-0001.wav"


def test_missing_file_is_listed(root):
    write_text(root / BASE / "metadata.csv", "LJ001-0001|A|A", "LJ050-0001|B|B")
    rows, summary = prepare("ljspeech", root)
    assert list(rows) == ["LJ-LJ001-0001"]
    assert mentions(summary, "LJSpeech-1.1/wavs/LJ050-0001.wav")


def test_file_without_key_row_is_listed(root):
    write_audio(root / BASE / "wavs/LJ051-0001.wav")
    rows, summary = prepare("ljspeech", root)
    assert decided(rows) == ROWS
    assert mentions(summary, "wavs/LJ051-0001.wav")


def test_unreadable_file_is_listed(root):
    write_broken(root / BASE / "wavs/LJ018-0005.wav")
    rows, summary = prepare("ljspeech", root)
    assert list(rows) == ["LJ-LJ001-0001"]
    assert mentions(summary, "wavs/LJ018-0005.wav")


def test_key_file_with_other_columns_is_refused(root):
    write_text(root / BASE / "metadata.csv", "LJ001-0001|A")
    with pytest.raises(LayoutError, match=r"metadata\.csv, line 1"):
        prepare("ljspeech", root)


def test_folder_without_audio_folder_is_refused(tmp_path):
    (tmp_path / "data/LJSpeech").mkdir(parents=True)
    with pytest.raises(LayoutError, match="wavs"):
        prepare("ljspeech", tmp_path / "data")
