"""VoxCeleb2-Vocoded."""

import pytest
from corpus_checks import decided, mentions, skipped
from corpus_trees import prepare, write_audio

PAPER = ("hifigan", "hn_sinc_nsf", "hn_sinc_nsf_hifi", "waveglow")
UTTERANCE = "dev/aac/id00001/-AAA-BBB_CC/00146"


@pytest.fixture
def corpus(tmp_path):
    """One utterance through the vocoders of the paper and another one."""
    folder = tmp_path / "data/VoxCeleb2-Vocoded"
    for vocoder in (*PAPER, "vocos"):
        write_audio(folder / f"{vocoder}/{UTTERANCE}.wav")
    return folder


def test_rows(tmp_path, corpus):
    rows, summary = prepare("voxceleb2_vocoded", tmp_path / "data")
    assert skipped(summary) == {}
    assert decided(rows) == {
        f"VoxCeleb2-Vo-{vocoder}-id00001--AAA-BBB_CC-00146": (
            f"VoxCeleb2-Vocoded/{vocoder}/{UTTERANCE}.wav",
            *("fake", vocoder, "id00001", "-", "-", "-AAA-BBB_CC"),
        )
        for vocoder in (*PAPER, "vocos")
    }


def test_fakes_and_their_originals_share_the_recording(tmp_path, corpus):
    write_audio(tmp_path / f"data/VoxCeleb2/{UTTERANCE}.wav")
    real, _ = prepare("voxceleb2", tmp_path / "data")
    fake, _ = prepare("voxceleb2_vocoded", tmp_path / "data")
    assert {row["Recording"] for row in (real | fake).values()} == {"-AAA-BBB_CC"}
    assert {row["Corpus"] for row in real.values()} == {"VoxCeleb2"}
    assert {row["Corpus"] for row in fake.values()} == {"VoxCeleb2-Vocoded"}


def test_the_mode_original_has_the_vocoders_of_the_paper_as_wav(tmp_path, corpus):
    write_audio(corpus / "hifigan/dev/aac/id00001/-AAA-BBB_CC/00147.flac")
    complete, _ = prepare("voxceleb2_vocoded", tmp_path / "data")
    original, summary = prepare("voxceleb2_vocoded", tmp_path / "data", mode="original")
    assert {row["Attack"] for row in original.values()} == set(PAPER)
    assert set(complete) - set(original) == {
        "VoxCeleb2-Vo-vocos-id00001--AAA-BBB_CC-00146",
        "VoxCeleb2-Vo-hifigan-id00001--AAA-BBB_CC-00147",
    }
    assert [entry["what"] for entry in summary["left_out"]] == [
        "hifigan/dev/aac/id00001/-AAA-BBB_CC/00147.flac",
        "vocos",
    ]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("hifigan/id00001/AAAAAAAAAAA/00001.wav", id="no-dev"),
        pytest.param("hifigan/dev/mp4/id00001/AAAAAAAAAAA/00001.wav", id="no-aac"),
        pytest.param("hifigan/dev/aac/id00001/00001.wav", id="depth"),
    ],
)
def test_an_odd_place_is_skipped(tmp_path, corpus, name):
    write_audio(corpus / name)
    rows, summary = prepare("voxceleb2_vocoded", tmp_path / "data")
    assert len(rows) == len(PAPER) + 1
    assert list(skipped(summary)) == [name]


def test_unreadable_audio_is_reported(tmp_path, corpus):
    (corpus / f"waveglow/{UTTERANCE}.wav").write_bytes(b"no audio")
    rows, summary = prepare("voxceleb2_vocoded", tmp_path / "data")
    assert len(rows) == len(PAPER)
    assert mentions(summary, f"waveglow/{UTTERANCE}.wav")
