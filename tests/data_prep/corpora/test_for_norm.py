"""Fake-or-Real, normalised."""

import pytest
from corpus_checks import decided, mentions
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

END = "_16k.wav_norm.wav_mono.wav_silence"
SPLITS = {"training": "train", "validation": "valid", "testing": "test"}
NAMES = (f"real/file1.wav{END}", f"fake/file1.wav{END}", f"fake/file1.mp3{END}")


def build(folder):
    """The same names in all splits."""
    for split in SPLITS:
        for name in NAMES:
            write_audio(folder / split / f"{name}.wav")
    return folder


def test_the_variants_need_not_lie_in_one_folder(tmp_path):
    write_audio(tmp_path / "data/FakeOrReal/for-original/testing/real/file1.wav")
    build(tmp_path / "data/for-norm")
    rows, _ = prepare("for_norm", tmp_path / "data")
    assert len(rows) == len(NAMES)


@pytest.mark.parametrize("splits", ["testing", "all"])
def test_rows(tmp_path, splits):
    build(tmp_path / "data/FakeOrReal/for-norm")
    rows, summary = prepare("for_norm", tmp_path / "data", splits=splits)
    assert summary["skipped"] == []
    assert decided(rows) == {
        f"FoRnorm-{split}-{name.replace('/', '-')}": (
            f"FakeOrReal/for-norm/{split}/{name}.wav",
            *(name[:4], "-", "-", SPLITS[split], "EN", "-"),
        )
        for split in (SPLITS if splits == "all" else ["testing"])
        for name in NAMES
    }


def test_testing_is_the_default(tmp_path):
    build(tmp_path / "data/for-norm")
    rows, summary = prepare("for_norm", tmp_path / "data")
    assert summary["options"]["splits"] == "testing"
    assert {row["manifest"] for row in rows.values()} == {"FoR-norm_EN_test.csv"}


def test_unreadable_audio_is_reported(tmp_path):
    folder = build(tmp_path / "data/FakeOrReal/for-norm")
    (folder / f"testing/{NAMES[0]}.wav").write_bytes(b"no audio")
    rows, summary = prepare("for_norm", tmp_path / "data")
    assert len(rows) == len(NAMES) - 1
    assert mentions(summary, f"testing/{NAMES[0]}.wav")


def test_missing_variant(tmp_path):
    build(tmp_path / "data/FakeOrReal/for-original")
    with pytest.raises(LayoutError, match="no folder FakeOrReal/for-norm or"):
        prepare("for_norm", tmp_path / "data")
