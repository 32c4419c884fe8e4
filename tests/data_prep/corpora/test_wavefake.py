"""WaveFake."""

import pytest
from corpus_checks import decided, mentions, skipped
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

TTS = "common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech"
FILES = {
    f"{TTS}/gen_0": (TTS, "LJ", "EN", "-"),
    "jsut_multi_band_melgan/BASIC5000_0001_gen": (
        "jsut_multi_band_melgan",
        "JSUT",
        "JA",
        "JSUT-BASIC5000_0001",
    ),
    "jsut_parallel_wavegan/BASIC5000_0001_gen": (
        "jsut_parallel_wavegan",
        "JSUT",
        "JA",
        "JSUT-BASIC5000_0001",
    ),
} | {
    f"ljspeech_{name}/LJ001-0001{end}": (
        f"ljspeech_{name}",
        "LJ",
        "EN",
        "LJ-LJ001-0001",
    )
    for name, end in {
        "full_band_melgan": "_gen",
        "hifiGAN": "_gen",
        "melgan": "_gen",
        "melgan_large": "_gen",
        "multi_band_melgan": "_gen",
        "parallel_wavegan": "_gen",
        "waveglow": "",
    }.items()
}


@pytest.fixture
def audio(tmp_path):
    """One file of each generator."""
    folder = tmp_path / "data/WaveFake/generated_audio"
    for name in FILES:
        write_audio(folder / f"{name}.wav", 0.1, 22050)
    return folder


def test_rows(tmp_path, audio):
    rows, summary = prepare("wavefake", tmp_path / "data")
    assert skipped(summary) == {}
    assert decided(rows) == {
        f"WF-{name.replace('/', '_')}": (
            f"WaveFake/generated_audio/{name}.wav",
            *("fake", generator, speaker, "-", language, source),
        )
        for name, (generator, speaker, language, source) in FILES.items()
    }


def test_the_recording_is_the_id_in_ljspeech(tmp_path, audio):
    write_audio(tmp_path / "data/LJSpeech-1.1/wavs/LJ001-0001.wav")
    line = "LJ001-0001|A text.|A text."
    write_text(tmp_path / "data/LJSpeech-1.1/metadata.csv", line)
    genuine, _ = prepare("ljspeech", tmp_path / "data")
    rows, _ = prepare("wavefake", tmp_path / "data")
    recordings = [row["Recording"] for row in rows.values() if row["Speaker"] == "LJ"]
    assert set(recordings) == {"-", *genuine}
    assert {row["Speaker"] for row in genuine.values()} == {"LJ"}


def test_the_second_copy_in_a_deeper_folder_is_not_read(tmp_path, audio):
    write_audio(audio / TTS / "generated/gen_0.wav")
    rows, summary = prepare("wavefake", tmp_path / "data")
    assert skipped(summary) == {}
    (left_out,) = summary["left_out"]
    assert left_out["what"] == f"generated_audio/{TTS}/generated"
    assert [key for key in rows if "gen_0" in key] == [f"WF-{TTS}_gen_0"]


def test_an_unknown_folder_is_skipped_and_takes_no_language_over(tmp_path, audio):
    write_audio(audio / "libritts_vocos/1_gen.wav")
    rows, summary = prepare("wavefake", tmp_path / "data")
    assert len(rows) == len(FILES)
    (reason,) = skipped(summary).values()
    assert "generated_audio/libritts_vocos" in skipped(summary)
    assert reason.startswith("'libritts_vocos' is not one of")


def test_a_missing_folder_is_reported(tmp_path, audio):
    (audio / "ljspeech_waveglow/LJ001-0001.wav").unlink()
    (audio / "ljspeech_waveglow").rmdir()
    rows, summary = prepare("wavefake", tmp_path / "data")
    assert len(rows) == len(FILES) - 1
    assert list(skipped(summary)) == ["generated_audio/ljspeech_waveglow"]


def test_only_the_mode_original_misses_other_formats(tmp_path, audio):
    write_audio(audio / "ljspeech_melgan/LJ001-0002_gen.flac")
    write_audio(audio / "ljspeech_melgan/LJ001-0003_gen.WAV")
    complete, _ = prepare("wavefake", tmp_path / "data")
    original, _ = prepare("wavefake", tmp_path / "data", mode="original")
    assert sorted(set(complete) - set(original)) == [
        "WF-ljspeech_melgan_LJ001-0002_gen"
    ]
    assert "WF-ljspeech_melgan_LJ001-0003_gen" in complete


def test_unreadable_audio_is_reported(tmp_path, audio):
    (audio / "ljspeech_melgan/LJ001-0001_gen.wav").write_bytes(b"no audio")
    rows, summary = prepare("wavefake", tmp_path / "data")
    assert len(rows) == len(FILES) - 1
    assert mentions(summary, "ljspeech_melgan/LJ001-0001_gen.wav")


def test_missing_top_folder(tmp_path):
    write_audio(tmp_path / "data/WaveFake/ljspeech_melgan/LJ001-0001_gen.wav")
    with pytest.raises(LayoutError, match="no folder generated_audio"):
        prepare("wavefake", tmp_path / "data")
