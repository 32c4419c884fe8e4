"""Fake-or-Real, original."""

import pytest
from corpus_checks import decided, mentions, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

TOP = "FakeOrReal/for-original"
SPLITS = {"training": "train", "validation": "valid", "testing": "test"}
NAMES = ("real/file1.wav", "fake/file1.wav", "fake/file1.mp3", "fake/file10.mp3")


def build(folder):
    """The same names in all splits, two of them twins."""
    for split in SPLITS:
        for name in NAMES:
            write_audio(folder / split / name)
    return folder


def expected(splits, place=TOP):
    """What the rows of some splits should hold."""
    return {
        f"FoR-{split}-{name.replace('/', '-').replace('.', '-')}": (
            f"{place}/{split}/{name}",
            *(name[:4], "-", "-", SPLITS[split], "EN", "-"),
        )
        for split in splits
        for name in NAMES
    }


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(TOP, id="paper"),
        pytest.param("for-original", id="archive"),
        pytest.param(f"{TOP}/for-original", id="repeated"),
    ],
)
def test_rows_are_of_testing_by_default(tmp_path, place):
    build(tmp_path / "data" / place)
    rows, summary = prepare("for_original", tmp_path / "data")
    assert skipped(summary) == {}
    assert decided(rows) == expected(["testing"], place)
    assert {row["manifest"] for row in rows.values()} == {"FoR-original_EN_test.csv"}


def test_all_splits_can_be_asked_for(tmp_path):
    build(tmp_path / "data" / TOP)
    rows, _ = prepare("for_original", tmp_path / "data", splits="all")
    assert decided(rows) == expected(SPLITS)


def test_twins_in_wav_and_mp3_have_a_row_each(tmp_path):
    build(tmp_path / "data" / TOP)
    rows, _ = prepare("for_original", tmp_path / "data")
    wav, mp3 = (rows[f"FoR-testing-fake-file1-{kind}"] for kind in ("wav", "mp3"))
    assert (wav["AudioEncoding"], mp3["AudioEncoding"]) == ("PCM_S", "MP3")


def test_the_mode_original_loses_twins_and_other_formats(tmp_path):
    folder = build(tmp_path / "data" / TOP)
    write_audio(folder / "testing/real/file2.flac")
    complete, _ = prepare("for_original", tmp_path / "data")
    original, summary = prepare("for_original", tmp_path / "data", mode="original")
    assert set(complete) - set(original) == {
        "FoR-testing-fake-file1-wav",
        "FoR-testing-fake-file1-mp3",
        "FoR-testing-real-file2-flac",
    }
    assert len(original) == 2
    assert len(summary["left_out"]) == 3


def test_an_unknown_folder_is_skipped_and_takes_no_label_over(tmp_path):
    folder = build(tmp_path / "data" / TOP)
    write_audio(folder / "testing/unknown/file1.wav")
    write_audio(folder / "testing/fake/more/file1.wav")
    rows, summary = prepare("for_original", tmp_path / "data")
    assert len(rows) == len(NAMES)
    assert skipped(summary) == {
        "testing/unknown/file1.wav": "'unknown' is not one of real, fake",
        "testing/fake/more/file1.wav": ("not directly in a folder real or fake"),
    }


def test_broken_files_are_reported(tmp_path):
    folder = build(tmp_path / "data" / TOP)
    (folder / "testing/fake/file1.mp3").write_bytes(b"")
    (folder / "testing/fake/file9.mp3").symlink_to("nowhere.mp3")
    rows, summary = prepare("for_original", tmp_path / "data")
    assert len(rows) == len(NAMES) - 1
    for name in ("file1.mp3", "file9.mp3"):
        assert mentions(summary, f"testing/fake/{name}")


def test_the_variants_do_not_overwrite_each_other(tmp_path):
    build(tmp_path / "data" / TOP)
    write_audio(tmp_path / "data/FakeOrReal/for-norm/testing/real/file1.wav")
    original, first = prepare("for_original", tmp_path / "data")
    norm, second = prepare("for_norm", tmp_path / "data")
    assert {key.partition("-")[0] for key in original} == {"FoR"}
    assert {key.partition("-")[0] for key in norm} == {"FoRnorm"}
    assert first["corpus"] != second["corpus"]
    files = [entry["file"] for entry in first["manifests"] + second["manifests"]]
    assert files == ["FoR-original_EN_test.csv", "FoR-norm_EN_test.csv"]


def test_missing_variant(tmp_path):
    build(tmp_path / "data/FakeOrReal/for-norm")
    with pytest.raises(LayoutError, match="no folder FakeOrReal/for-original or"):
        prepare("for_original", tmp_path / "data")


def test_a_missing_split_stops_if_it_is_asked_for(tmp_path):
    write_audio(tmp_path / "data" / TOP / "testing/real/file1.wav")
    with pytest.raises(LayoutError, match="no folder training"):
        prepare("for_original", tmp_path / "data", splits="all")
