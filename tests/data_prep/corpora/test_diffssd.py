"""DiffSSD."""

import pytest
from corpus_checks import decided, left_out, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

FOLDER = "DiffSSD/generated_speech"
WAV = {
    "DiffSSD-your_tts-speaker_1001-EN-sentence_449": (
        f"{FOLDER}/your_tts/speaker_1001/sentence_449.wav",
        *("fake", "your_tts", "speaker_1001", "-", "EN", "-"),
    ),
    "DiffSSD-grad_tts---EN-sentence_12": (
        f"{FOLDER}/grad_tts/sentence_12.wav",
        *("fake", "grad_tts", "-", "-", "EN", "-"),
    ),
    "DiffSSD-openvoicev2-speaker_1001-EN-sentence_1_en-au": (
        f"{FOLDER}/openvoicev2/speaker_1001/sentence_1_en-au.wav",
        *("fake", "openvoicev2", "speaker_1001", "-", "EN", "-"),
    ),
}
MP3 = {
    "DiffSSD-elevenlabs-speaker_1001-EN-sentence_7-mp3": (
        f"{FOLDER}/elevenlabs/speaker_1001/sentence_7.mp3",
        *("fake", "elevenlabs", "speaker_1001", "-", "EN", "-"),
    ),
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for path, *_ in (WAV | MP3).values():
        write_audio(root / path)
    return root


def test_mp3_is_in_the_complete_corpus(root):
    rows, summary = prepare("diffssd", root)
    assert decided(rows) == WAV | MP3
    assert rows[next(iter(MP3))]["AudioEncoding"] == "MP3"
    assert summary["skipped"] == []


def test_original_has_wav_only(root):
    rows, summary = prepare("diffssd", root, mode="original")
    assert decided(rows) == WAV
    assert summary["skipped"] == []
    assert left_out(summary)["generated_speech"].endswith("misses: 1")


def test_wav_and_mp3_of_a_sentence_have_two_ids(root):
    write_audio(root / FOLDER / "elevenlabs/speaker_1001/sentence_7.wav")
    rows, _ = prepare("diffssd", root)
    assert "DiffSSD-elevenlabs-speaker_1001-EN-sentence_7" in rows
    assert "DiffSSD-elevenlabs-speaker_1001-EN-sentence_7-mp3" in rows


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_genuine_speech_beside_it_is_not_fake(root, mode):
    write_audio(root / "DiffSSD/real_speech/LJSpeech/LJ001-0001.wav")
    rows, _ = prepare("diffssd", root, mode=mode)
    assert all("real_speech" not in row["Path"] for row in rows.values())


def test_file_without_a_generator_is_skipped(root):
    write_audio(root / FOLDER / "sentence_1.wav")
    rows, summary = prepare("diffssd", root)
    assert decided(rows) == WAV | MP3
    assert list(skipped(summary)) == ["generated_speech/sentence_1.wav"]


def test_missing_folder_is_refused(tmp_path):
    write_audio(tmp_path / "data/DiffSSD/real_speech/LJ001-0001.wav")
    with pytest.raises(LayoutError, match="generated_speech"):
        prepare("diffssd", tmp_path / "data")


def test_unreadable_file_is_listed(root):
    write_broken(root / FOLDER / "playht/speaker_1/sentence_0.mp3")
    rows, summary = prepare("diffssd", root)
    assert decided(rows) == WAV | MP3
    assert mentions(summary, "playht/speaker_1/sentence_0.mp3")


def test_folder_that_is_no_speaker_is_not_called_one(root):
    write_audio(root / FOLDER / "your_tts/extra/sentence_1.wav")
    rows, _ = prepare("diffssd", root)
    assert rows["DiffSSD-your_tts-extra-EN-sentence_1"]["Speaker"] == "-"
