"""CodecFake of Wu et al."""

import pytest
from corpus_checks import facts, mentions, recordings, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.codecfake_wu import CODECS

DAC = "descript-audio-codec-16khz"
FILES = {
    "encodec_24khz+p101_001": ("encodec_24khz", "p101"),
    f"{DAC}+p102_010": (DAC, "p102"),
    f"{DAC}+p101_001_mic1": (DAC, "p101"),
}


def name_of(key, layout):
    codec, _, utterance = key.partition("+")
    speaker = utterance.partition("_")[0]
    return {
        "flat": f"processed/{key}.wav",
        "folders": f"{codec}/{utterance}.wav",
        "deep": f"raw/{codec}/wav48/{speaker}/{utterance}.wav",
    }[layout]


def build(folder, layout):
    for key in FILES:
        write_audio(folder / name_of(key, layout), 0.2, 24000)
    return folder


@pytest.fixture
def corpus(tmp_path):
    return build(tmp_path / "data/CodecFake", "flat")


@pytest.mark.parametrize("mode", ["complete", "original"])
@pytest.mark.parametrize("layout", ["flat", "folders", "deep"])
def test_every_row(tmp_path, layout, mode):
    build(tmp_path / "data/CodecFake", layout)
    rows, summary = prepare("codecfake_wu", tmp_path / "data", mode)
    assert facts(rows) == {
        f"CodecF-{key}": (
            "fake",
            codec,
            speaker,
            "-",
            "EN",
            f"$ROOT/CodecFake/{name_of(key, layout)}",
        )
        for key, (codec, speaker) in FILES.items()
    }
    assert skipped(summary) == {}
    assert {row["manifest"] for row in rows.values()} == {"CodecFake-Wu2024_EN.csv"}


def test_copies_share_the_utterance(corpus):
    rows, _ = prepare("codecfake_wu", corpus.parent)
    assert recordings(rows)["CodecF-encodec_24khz+p101_001"] == "p101_001"


def test_renamed_files_are_not_counted_twice(corpus):
    build(corpus, "folders")
    rows, _ = prepare("codecfake_wu", corpus.parent)
    assert len(rows) == len(FILES)


@pytest.mark.parametrize("mode", ["complete", "original"])
@pytest.mark.parametrize(
    "path",
    ["original/p101_001.wav", "VCTK/wav48/p101/p101_001.wav", "p101_001.wav"],
)
def test_genuine_originals_are_never_fake(tmp_path, path, mode):
    corpus = build(tmp_path / "data/CodecFake", "folders")
    write_audio(corpus / path)
    rows, summary = prepare("codecfake_wu", corpus.parent, mode)
    assert len(rows) == len(FILES)
    assert list(skipped(summary)) == [path]
    assert "may be genuine speech of VCTK" in skipped(summary)[path]


@pytest.mark.parametrize("name", ["original+p101_001", "p101_001"])
def test_flat_file_of_no_codec_is_listed(corpus, name):
    write_audio(corpus / f"processed/{name}.wav")
    rows, summary = prepare("codecfake_wu", corpus.parent)
    assert len(rows) == len(FILES)
    assert list(skipped(summary)) == [f"processed/{name}.wav"]


def test_no_extension_is_passed_over(corpus):
    write_audio(corpus / "processed/encodec_24khz+p103_001.flac")
    rows, _ = prepare("codecfake_wu", corpus.parent)
    assert len(rows) == len(FILES) + 1


def test_fifteen_codecs():
    assert len(set(CODECS)) == 15


def test_unreadable_file_is_listed(corpus):
    path = "processed/encodec_24khz+p101_001.wav"
    (corpus / path).write_bytes(b"")
    rows, summary = prepare("codecfake_wu", corpus.parent)
    assert len(rows) == len(FILES) - 1
    assert mentions(summary, path)
