"""LibriTTS-Vocoded."""

import pytest
from corpus_checks import decided, left_out, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio, write_text

FOLDER = "LibriTTS-Vocoded"
PAPER = ("hifigan", "hn_sinc_nsf", "hn_sinc_nsf_hifi", "waveglow")
CLIP = "1004_2004_000059_000002"
PLACE = f"train-clean-360/1004/2004/{CLIP}"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for vocoder in PAPER:
        write_audio(root / FOLDER / vocoder / f"{PLACE}.wav")
    return root


def row_of(vocoder, suffix=".wav"):
    return (
        f"{FOLDER}/{vocoder}/{PLACE}{suffix}",
        *("fake", vocoder, "1004", "train", "EN", f"Libri-{CLIP}"),
    )


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_rows(root, mode):
    rows, summary = prepare("libritts_vocoded", root, mode=mode)
    assert decided(rows) == {
        f"LibriTTS-Vo-{vocoder}-{CLIP}": row_of(vocoder) for vocoder in PAPER
    }
    assert summary["skipped"] == []


def test_other_vocoders_are_in_the_complete_corpus_only(root):
    write_audio(root / FOLDER / "vocos" / f"{PLACE}.flac")
    write_text(root / FOLDER / "vocos.csv", "the manifest of `data_prep vocode`")
    rows, summary = prepare("libritts_vocoded", root)
    assert decided(rows)[f"LibriTTS-Vo-vocos-{CLIP}"] == row_of("vocos", ".flac")
    assert len(rows) == 5
    rows, summary = prepare("libritts_vocoded", root, mode="original")
    assert {row["Attack"] for row in rows.values()} == set(PAPER)
    assert list(left_out(summary)) == ["vocos"]


@pytest.mark.parametrize(
    ("subset", "split"),
    [("dev-other", "valid"), ("test-clean", "test"), ("train-other-500", "train")],
    ids=["dev", "test", "train"],
)
def test_split_is_that_of_the_subset(root, subset, split):
    write_audio(root / FOLDER / "hifigan" / subset / "1/2/1_2_000001_000000.wav")
    rows, _ = prepare("libritts_vocoded", root)
    row = rows["LibriTTS-Vo-hifigan-1_2_000001_000000"]
    assert (row["Proportion"], row["Speaker"]) == (split, "1")


def test_unknown_subset_is_skipped(root):
    write_audio(root / FOLDER / "hifigan/extra/1/2/1_2_000001_000000.wav")
    rows, summary = prepare("libritts_vocoded", root)
    assert len(rows) == 4
    assert list(skipped(summary)) == ["hifigan/extra"]


def test_subset_without_a_vocoder_is_skipped(root):
    write_audio(root / FOLDER / f"{PLACE}.wav")
    rows, summary = prepare("libritts_vocoded", root)
    assert len(rows) == 4
    assert list(skipped(summary)) == ["train-clean-360"]


def test_unreadable_file_is_listed(root):
    write_broken(root / FOLDER / "waveglow/dev-clean/1/2/1_2_000001_000000.wav")
    rows, summary = prepare("libritts_vocoded", root)
    assert len(rows) == 4
    assert mentions(summary, "waveglow/dev-clean/1/2/1_2_000001_000000.wav")
