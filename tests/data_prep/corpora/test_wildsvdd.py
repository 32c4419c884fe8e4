"""WildSVDD."""

import pytest
from corpus_checks import decided, mentions, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

# Label, split and the recording that mixture and vocals share.
FILES = {
    "train/mixture/deepfake_Example_7": ("fake", "train", "train-deepfake_Example_7"),
    "train/vocals/deepfake_Example_7": ("fake", "train", "train-deepfake_Example_7"),
    "test_A/vocals/bonafide_A_Name_1": ("real", "test", "test_A-bonafide_A_Name_1"),
    "test_B/mixture/bonafide_Example_7": ("real", "test", "test_B-bonafide_Example_7"),
}
TOP = "WildSVDD_Data_Sep2024_Processed"


@pytest.fixture
def audio(tmp_path):
    """Four files of three subsets."""
    folder = tmp_path / "data/WildSVDD" / TOP
    for name in FILES:
        write_audio(folder / f"{name}.flac", 0.1, 44100, channels=2)
    return folder


def test_rows(tmp_path, audio):
    rows, summary = prepare("wildsvdd", tmp_path / "data")
    assert skipped(summary) == {}
    assert decided(rows) == {
        f"WildSVDD-{name.replace('/', '-')}": (
            f"WildSVDD/{TOP}/{name}.flac",
            *(label, "-", "-", split, "-", segment),
        )
        for name, (label, split, segment) in FILES.items()
    }
    assert {row["AudioChannel"] for row in rows.values()} == {"2"}


def test_language_is_not_the_name_of_the_subset(tmp_path, audio):
    rows, _ = prepare("wildsvdd", tmp_path / "data")
    assert {row["Language"] for row in rows.values()} == {"-"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("train/vocals/Example_8", "'Example' is not one of", id="label"),
        pytest.param(
            "train/vocals/my_bonafide_8", "'my' is not one of", id="word-within"
        ),
        pytest.param("valid/vocals/bonafide_E_1", "'valid' is not one of", id="subset"),
        pytest.param("train/drums/bonafide_E_1", "'drums' is not one of", id="version"),
        pytest.param("train/bonafide_E_1", "not in a folder", id="depth"),
    ],
)
def test_unknown_names_are_skipped_and_take_nothing_over(tmp_path, audio, name, reason):
    write_audio(audio / f"{name}.flac")
    rows, summary = prepare("wildsvdd", tmp_path / "data")
    assert len(rows) == len(FILES)
    ((what, why),) = skipped(summary).items()
    assert what == f"{TOP}/{name}.flac"
    assert why.startswith(reason)


def test_only_the_mode_original_misses_other_formats(tmp_path, audio):
    write_audio(audio / "train/vocals/bonafide_Example_9.wav")
    complete, _ = prepare("wildsvdd", tmp_path / "data")
    original, _ = prepare("wildsvdd", tmp_path / "data", mode="original")
    assert set(complete) - set(original) == {"WildSVDD-train-vocals-bonafide_Example_9"}


def test_unreadable_audio_is_reported(tmp_path, audio):
    (audio / "train/mixture/deepfake_Example_7.flac").write_bytes(b"no audio")
    rows, summary = prepare("wildsvdd", tmp_path / "data")
    assert len(rows) == len(FILES) - 1
    assert mentions(summary, "train/mixture/deepfake_Example_7.flac")


def test_missing_top_folder(tmp_path):
    write_audio(tmp_path / "data/WildSVDD/train/vocals/bonafide_Example_1.flac")
    with pytest.raises(LayoutError, match=f"no folder {TOP}"):
        prepare("wildsvdd", tmp_path / "data")
