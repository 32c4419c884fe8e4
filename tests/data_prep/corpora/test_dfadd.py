"""DFADD."""

import pytest
from corpus_checks import facts, mentions, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

SYSTEMS = ("GradTTS", "MatchaTTS", "NaturalSpeech2", "PflowTTS", "StyleTTS2")
SPLITS = ("train", "valid", "test")


def build(folder):
    for number, split in enumerate(SPLITS, start=1):
        write_audio(folder / f"DATASET_VCTK_BONAFIDE/{split}/p10{number}_003.wav")
        for system in SYSTEMS:
            name = f"DATASET_{system}/{split}/p10{number}_251_{system}.flac"
            write_audio(folder / name)
    return folder


@pytest.fixture
def corpus(tmp_path):
    return build(tmp_path / "data/DFADD")


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row(corpus, mode):
    rows, summary = prepare("dfadd", corpus.parent, mode)
    expected = {}
    for number, split in enumerate(SPLITS, start=1):
        speaker = f"p10{number}"
        folder = "DATASET_VCTK_BONAFIDE"
        expected[f"DFADD-{folder}-{speaker}_003"] = (
            "real",
            "-",
            speaker,
            split,
            "EN",
            f"$ROOT/DFADD/{folder}/{split}/{speaker}_003.wav",
        )
        for system in SYSTEMS:
            stem = f"{speaker}_251_{system}"
            expected[f"DFADD-DATASET_{system}-{stem}"] = (
                "fake",
                system,
                speaker,
                split,
                "EN",
                f"$ROOT/DFADD/DATASET_{system}/{split}/{stem}.flac",
            )
    assert facts(rows) == expected
    assert skipped(summary) == {}


def test_folder_of_the_repository(tmp_path):
    build(tmp_path / "data/DFADD/DFADD_ZIP")
    rows, _ = prepare("dfadd", tmp_path / "data")
    assert len(rows) == 18


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("DATASET_GradTTS/demo/p1_1.wav", "'demo' is not one of train, valid, test"),
        ("DATASET_XTTS/train/p1_1.wav", "'DATASET_XTTS' is not one of"),
        ("DATASET_GradTTS/p1_1.wav", "not in DATASET_<system>/<split>/"),
    ],
    ids=["split", "system", "depth"],
)
def test_folder_does_not_become_a_split(corpus, path, reason):
    write_audio(corpus / path)
    rows, summary = prepare("dfadd", corpus.parent)
    assert len(rows) == 18
    assert list(skipped(summary)) == [path]
    assert reason in skipped(summary)[path]


@pytest.mark.parametrize(
    "folder", ["DATASET_VCTK_BONAFIDE/valid", "DATASET_StyleTTS2/test"]
)
def test_missing_part_stops(corpus, folder):
    (corpus / folder).rename(corpus / "elsewhere")
    with pytest.raises(LayoutError, match=folder):
        prepare("dfadd", corpus.parent)


def test_mixture_of_two_releases_stops(corpus):
    # The update of 2025 has WAV where the files before it are FLAC.
    write_audio(corpus / "DATASET_PflowTTS/train/p101_251_PflowTTS.wav")
    with pytest.raises(LayoutError, match="DFADD-DATASET_PflowTTS-p101_251_PflowTTS"):
        prepare("dfadd", corpus.parent)


def test_unreadable_file_is_listed(corpus):
    path = "DATASET_VCTK_BONAFIDE/test/p103_003.wav"
    (corpus / path).write_bytes(b"")
    rows, summary = prepare("dfadd", corpus.parent)
    assert len(rows) == 17
    assert mentions(summary, path)
