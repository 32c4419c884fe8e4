"""VoxCeleb2."""

import pytest
from corpus_checks import decided, left_out, mentions, skipped
from corpus_trees import prepare, write_audio, write_noise_m4a

from data_prep.corpora.base import LayoutError

SPEECH = "dev/aac"


@pytest.fixture
def corpus(tmp_path):
    """Two converted utterances, one with dashes in the name of its video."""
    folder = tmp_path / "data/VoxCeleb2"
    write_audio(folder / SPEECH / "id00001/-AAA-BBB_CC/00146.wav")
    write_audio(folder / SPEECH / "id00002/DDDDDDDDDDD/00007.flac")
    return folder


def test_rows(tmp_path, corpus):
    rows, summary = prepare("voxceleb2", tmp_path / "data")
    assert skipped(summary) == {}
    assert decided(rows) == {
        "VoxCeleb2-id00001--AAA-BBB_CC-00146": (
            "VoxCeleb2/dev/aac/id00001/-AAA-BBB_CC/00146.wav",
            *("real", "-", "id00001", "-", "-", "-AAA-BBB_CC"),
        ),
        "VoxCeleb2-id00002-DDDDDDDDDDD-00007": (
            "VoxCeleb2/dev/aac/id00002/DDDDDDDDDDD/00007.flac",
            *("real", "-", "id00002", "-", "-", "DDDDDDDDDDD"),
        ),
    }


def test_the_released_form_is_read(tmp_path, corpus):
    write_noise_m4a(corpus / SPEECH / "id00003/EEEEEEEEEEE/00001.m4a")
    rows, summary = prepare("voxceleb2", tmp_path / "data")
    row = rows["VoxCeleb2-id00003-EEEEEEEEEEE-00001"]
    assert (row["AudioEncoding"], row["SampleRate"]) == ("AAC", "16000")
    assert float(row["Duration"]) == pytest.approx(0.2, abs=0.1)
    assert (len(rows), summary["skipped"]) == (3, [])


def test_of_two_formats_the_converted_one_is_used_and_the_other_listed(
    tmp_path, corpus
):
    write_noise_m4a(corpus / SPEECH / "id00001/-AAA-BBB_CC/00146.m4a")
    write_audio(corpus / SPEECH / "id00002/DDDDDDDDDDD/00007.wav")
    rows, summary = prepare("voxceleb2", tmp_path / "data")
    paths = [row["Path"].rpartition("/")[2] for row in rows.values()]
    assert paths == ["00146.wav", "00007.flac"]
    assert skipped(summary) == {}
    assert [entry["what"] for entry in summary["left_out"]] == [
        f"{SPEECH}/id00001/-AAA-BBB_CC/00146.m4a",
        f"{SPEECH}/id00002/DDDDDDDDDDD/00007.wav",
    ]
    assert "--option format=wav" in summary["left_out"][0]["reason"]


def test_one_format_can_be_asked_for(tmp_path, corpus):
    write_noise_m4a(corpus / SPEECH / "id00001/-AAA-BBB_CC/00146.m4a")
    for wanted in ("m4a", "wav", "flac"):
        rows, summary = prepare("voxceleb2", tmp_path / "data", format=wanted)
        (row,) = rows.values()
        assert row["Path"].endswith(wanted)
        assert skipped(summary) == {}


def test_the_mode_original_reads_wav_only(tmp_path, corpus):
    rows, summary = prepare("voxceleb2", tmp_path / "data", mode="original")
    assert list(rows) == ["VoxCeleb2-id00001--AAA-BBB_CC-00146"]
    assert skipped(summary) == {}
    assert left_out(summary)[SPEECH].endswith("other files: 1")


def test_an_odd_place_is_skipped(tmp_path, corpus):
    write_audio(corpus / SPEECH / "id00001/00001.wav")
    rows, summary = prepare("voxceleb2", tmp_path / "data")
    assert len(rows) == 2
    assert skipped(summary) == {
        f"{SPEECH}/id00001/00001.wav": "not in a folder <speaker>/<video>"
    }


def test_unreadable_audio_is_reported(tmp_path, corpus):
    (corpus / SPEECH / "id00002/DDDDDDDDDDD/00007.flac").write_bytes(b"no audio")
    rows, summary = prepare("voxceleb2", tmp_path / "data")
    assert len(rows) == 1
    assert mentions(summary, "id00002/DDDDDDDDDDD/00007.flac")


def test_missing_top_folder(tmp_path):
    write_audio(tmp_path / "data/VoxCeleb2/test/aac/id00001/AAAAAAAAAAA/00001.wav")
    with pytest.raises(LayoutError, match="no folder dev/aac"):
        prepare("voxceleb2", tmp_path / "data")
