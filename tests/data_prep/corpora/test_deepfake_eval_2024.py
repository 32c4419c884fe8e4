"""Deepfake-Eval-2024: decoded once, cut by rows."""

import json

import numpy as np
import pytest
import soundfile
from corpus_checks import left_out
from corpus_trees import prepare, write_audio, write_noise_m4a, write_text

from data_prep.audio_info import audio_info, read_audio
from data_prep.corpora.base import LayoutError
from data_prep.corpora.deepfake_eval_2024 import pieces

FOLDER = "Deepfake-Eval-2024"
KEY = "audio-metadata-publish.csv"
HEADER = "Filename,Date,Ground Truth,Public Comments,Finetuning Set"
LINES = [
    'abc.mp3,2024-05-01,Fake,"lip sync, dubbed, ""so they say""",Train',
    "def.wav,2024-06-01,Real,,Test",
    "ghi.dat,2024-06-02, fake ,,TEST ",
    "jkl.flac,2024-06-03,Unknown,,Test",
]


@pytest.fixture
def root(tmp_path):
    """Four recordings: MP3, stereo WAV, MP4 named .dat, and one of neither class."""
    folder = tmp_path / "data" / FOLDER
    write_text(folder / KEY, HEADER, *LINES, encoding="utf-8-sig")
    write_audio(folder / "audio-data/abc.mp3", 2.3, 16000)
    write_audio(folder / "audio-data/def.wav", 0.9, 44100, channels=2)
    write_noise_m4a(folder / "audio-data/ghi.dat", 1.25)
    write_audio(folder / "audio-data/jkl.flac", 0.5)
    return tmp_path / "data"


def test_every_row(root):
    rows, summary = prepare("deepfake_eval_2024", root, lengths="1,10")
    facts = {
        key: (
            row["Label"],
            row["Proportion"],
            row["Start"],
            row["Stop"],
            row["Duration"],
        )
        for key, row in rows.items()
    }
    assert facts == {
        "DFE24-1s-train-abc_seg1": ("fake", "train", "0.0", "1.0", "1.0"),
        # What is left, 0.3 s, is part of the piece before it.
        "DFE24-1s-train-abc_seg2": ("fake", "train", "1.0", "2.3", "1.3"),
        "DFE24-10s-train-abc_seg1": ("fake", "train", "0.0", "2.3", "2.3"),
        "DFE24-1s-test-def_seg1": ("real", "test", "0.0", "0.9", "0.9"),
        "DFE24-10s-test-def_seg1": ("real", "test", "0.0", "0.9", "0.9"),
        "DFE24-1s-test-ghi_seg1": ("fake", "test", "0.0", "1.25", "1.25"),
        "DFE24-10s-test-ghi_seg1": ("fake", "test", "0.0", "1.25", "1.25"),
    }
    row = rows["DFE24-1s-test-def_seg1"]
    assert row["manifest"] == "Deepfake-Eval-2024_1s_test.csv"
    assert row["Path"] == f"$ROOT/{FOLDER}/decoded/def.wav.flac"
    assert (row["SampleRate"], row["AudioChannel"]) == ("44100", "2")
    assert {row["Recording"] for row in rows.values()} == {
        "abc.mp3",
        "def.wav",
        "ghi.dat",
    }
    assert {row["Attack"] for row in rows.values()} == {"-"}
    assert summary["skipped"] == []


def test_decoded_samples_are_those_of_the_source(root):
    prepare("deepfake_eval_2024", root)
    for name in ("abc.mp3", "def.wav", "ghi.dat"):
        before, rate = read_audio(root / FOLDER / "audio-data" / name)
        after, same = read_audio(root / FOLDER / f"decoded/{name}.flac")
        assert rate == same and before.shape == after.shape
        assert np.abs(before - after).max() <= 2 / 32768


def test_the_lengths_of_the_paper_are_the_default(root):
    rows, _ = prepare("deepfake_eval_2024", root)
    pieces_of = {row["manifest"].split("_")[1] for row in rows.values()}
    assert pieces_of == {"4s", "10s", "13s", "30s", "50s"}


def test_what_is_neither_real_nor_fake_is_reported_and_no_failure(root):
    _, summary = prepare("deepfake_eval_2024", root)
    assert "jkl.flac" in json.dumps(summary)
    assert summary["skipped"] == []


def test_original_mode_loses_what_the_scripts_lost(root):
    folder = root / FOLDER
    names = ["mno.m4a", "pqr.mp4", "stu.mp3"]
    lines = [f"{name},2024-06-03,Real,,Train" for name in names]
    write_text(folder / KEY, HEADER, *LINES, *lines)
    for name in names[:2]:
        write_noise_m4a(folder / "audio-data" / name, 0.3)
    fast = write_audio(folder / "audio-data/stu.wav", 0.3, 96000)
    fast.rename(fast.with_suffix(".mp3"))
    complete, _ = prepare("deepfake_eval_2024", root, lengths="1")
    original, summary = prepare("deepfake_eval_2024", root, "original", lengths="1")
    lost = {row["Recording"] for row in complete.values()}
    lost -= {row["Recording"] for row in original.values()}
    assert lost == {"ghi.dat", *names}
    assert lost <= set(left_out(summary)), "what a mode loses is listed"
    # The short last piece is one of its own, as the scripts cut it.
    assert original["DFE24-1s-train-abc_seg3"]["Duration"] == "0.3"


def test_stems_that_repeat_keep_their_extension(root):
    folder = root / FOLDER
    write_text(folder / KEY, HEADER, *LINES, "abc.wav,2024,Real,,Test")
    write_audio(folder / "audio-data/abc.wav", 0.5)
    rows, _ = prepare("deepfake_eval_2024", root, lengths="10")
    assert {"DFE24-10s-train-abc.mp3_seg1", "DFE24-10s-test-abc.wav_seg1"} <= set(rows)


def test_languages_are_taken_where_the_key_file_has_them(root):
    folder = root / FOLDER
    lines = [
        f"{line},{name}"
        for line, name in zip(LINES, ("English", "cs", "", ""), strict=True)
    ]
    write_text(folder / KEY, f"{HEADER},Language", *lines)
    rows, _ = prepare("deepfake_eval_2024", root, lengths="10")
    assert {row["Recording"]: row["Language"] for row in rows.values()} == {
        "abc.mp3": "EN",
        "def.wav": "CS",
        "ghi.dat": "-",
    }


def test_a_second_run_decodes_nothing(root):
    prepare("deepfake_eval_2024", root)
    decoded = sorted((root / FOLDER / "decoded").iterdir())
    before = [file.stat().st_mtime_ns for file in decoded]
    prepare("deepfake_eval_2024", root)
    assert [file.stat().st_mtime_ns for file in decoded] == before


def test_missing_and_unreadable_recordings_are_listed(root):
    audio = root / FOLDER / "audio-data"
    (audio / "abc.mp3").unlink()
    (audio / "def.wav").write_bytes(b"")
    rows, summary = prepare("deepfake_eval_2024", root)
    assert {row["Recording"] for row in rows.values()} == {"ghi.dat"}
    text = json.dumps(summary)
    assert "abc.mp3" in text and "no such file" in text
    assert "def.wav" in text and "0 bytes" in text


def test_files_without_a_line_in_the_key_are_listed(root):
    write_audio(root / FOLDER / "audio-data/extra.wav")
    _, summary = prepare("deepfake_eval_2024", root)
    assert "extra.wav" in json.dumps(summary)


def test_without_the_key_file(root):
    (root / FOLDER / KEY).unlink()
    with pytest.raises(LayoutError, match=KEY):
        prepare("deepfake_eval_2024", root)


@pytest.mark.parametrize("lengths", ["", "four", "4,-1", "4;10"])
def test_lengths_that_make_no_sense(root, lengths):
    with pytest.raises(LayoutError, match="lengths"):
        prepare("deepfake_eval_2024", root, lengths=lengths)


@pytest.mark.parametrize("seconds", [0.5, 4, 13])
@pytest.mark.parametrize("frames", [1, 7999, 8000, 8001, 64000, 70000, 208001])
@pytest.mark.parametrize("tail", [0.0, 1.0])
def test_pieces_cover_a_recording_once(frames, seconds, tail):
    found = list(pieces(frames, 16000, seconds, tail))
    assert found[0][0] == 0 and found[-1][1] == frames
    assert all(a[1] == b[0] for a, b in zip(found[:-1], found[1:], strict=True))
    last = found[-1][1] - found[-1][0]
    assert len(found) == 1 or last >= min(tail, seconds) * 16000


def test_a_row_reads_its_piece(root):
    rows, _ = prepare("deepfake_eval_2024", root, lengths="1")
    row = rows["DFE24-1s-train-abc_seg2"]
    path = root / row["Path"].removeprefix("$ROOT/")
    piece, rate = read_audio(path, float(row["Start"]), float(row["Stop"]))
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert np.array_equal(piece, whole[rate:])
    assert audio_info(path).encoding == "FLAC"
