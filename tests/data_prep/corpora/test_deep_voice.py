"""DEEP-VOICE."""

import pytest
from corpus_checks import decided, mentions, skipped
from corpus_trees import prepare, write_audio, write_text

from data_prep.audio_info import read_audio
from data_prep.corpora.base import LayoutError

# Label, attack, speaker and recording.
SEGMENTS = {
    "FAKE/Obama-to-Biden_seg_1": ("fake", "VC", "biden", "Obama-to-Biden"),
    "FAKE/Obama-to-Biden_seg_2": ("fake", "VC", "biden", "Obama-to-Biden"),
    "FAKE/biden-to-Obama_seg_1": ("fake", "VC", "obama", "biden-to-Obama"),
    "REAL/musk-original_seg_1": ("real", "-", "musk", "musk-original"),
}
# Samples at the rates of the recordings, which differ.
LOG = [
    "Audio: Obama-to-Biden_seg_1, start at: 0, end at: 10001",
    "Saved: /base_path/Data/DeepVoice/AUDIO_SEGMENTS/FAKE/Obama-to-Biden_seg_1.wav",
    "Audio: Obama-to-Biden_seg_2, start at: 9997, end at: 20000",
    "Saved: /base_path/Data/DeepVoice/AUDIO_SEGMENTS/FAKE/Obama-to-Biden_seg_2.wav",
    "Audio: biden-to-Obama_seg_1, start at: 1, end at: 4410",
    "Saved: /base_path/Data/DeepVoice/AUDIO_SEGMENTS/FAKE/biden-to-Obama_seg_1.wav",
    "Audio: musk-original_seg_1, start at: 7, end at: 9600",
    "Saved: /base_path/Data/DeepVoice/AUDIO_SEGMENTS/REAL/musk-original_seg_1.wav",
    "Processing complete!",
]
PIECES = {
    "Obama-to-Biden_seg_1": (0, 10001),
    "Obama-to-Biden_seg_2": (9997, 20000),
    "biden-to-Obama_seg_1": (1, 4410),
    "musk-original_seg_1": (7, 9600),
}
RATES = {"Obama-to-Biden": 40000, "biden-to-Obama": 44100, "musk-original": 48000}


@pytest.fixture
def cut(tmp_path):
    """Segments as files."""
    folder = tmp_path / "data/DeepVoice/AUDIO_SEGMENTS"
    for name in SEGMENTS:
        write_audio(folder / f"{name}.wav", 0.2, 44100)
    return folder


@pytest.fixture
def uncut(tmp_path):
    """Recordings and the log."""
    folder = tmp_path / "data/DeepVoice"
    audio = folder / "KAGGLE/AUDIO"
    write_audio(audio / "FAKE/Obama-to-Biden.wav", 0.5, 40000)
    write_audio(audio / "FAKE/biden-to-Obama.wav", 0.3, 44100, channels=2)
    write_audio(audio / "REAL/musk-original.wav", 0.2, 48000)
    write_text(folder / "DeepVoice_seg_log.txt", *LOG)
    return folder


def expected(path):
    """What the rows of the segments should hold."""
    return {
        f"DeepVoice-VC_{name[5:]}": (
            path(name, recording),
            *(label, attack, speaker, "-", "EN", recording),
        )
        for name, (label, attack, speaker, recording) in SEGMENTS.items()
    }


def test_rows_of_cut_segments(tmp_path, cut):
    rows, summary = prepare("deep_voice", tmp_path / "data")
    assert skipped(summary) == {}
    assert decided(rows) == expected(
        lambda name, _: f"DeepVoice/AUDIO_SEGMENTS/{name}.wav"
    )


def test_segments_may_lie_where_the_original_cuts_them(tmp_path, cut):
    (tmp_path / "data/DeepVoice/KAGGLE").mkdir()
    cut.rename(tmp_path / "data/DeepVoice/KAGGLE/AUDIO_SEGMENTS")
    rows, _ = prepare("deep_voice", tmp_path / "data")
    assert len(rows) == len(SEGMENTS)


@pytest.mark.parametrize("absolute", [False, True], ids=["relative", "absolute"])
def test_rows_of_uncut_recordings(tmp_path, uncut, absolute):
    log = "DeepVoice_seg_log.txt"
    log = str(uncut / log) if absolute else log
    rows, summary = prepare("deep_voice", tmp_path / "data", segments=log)
    assert skipped(summary) == {}
    assert decided(rows) == expected(
        lambda name, recording: f"DeepVoice/KAGGLE/AUDIO/{name[:4]}/{recording}.wav"
    )


def test_pieces_are_exact_to_the_sample_at_any_rate(tmp_path, uncut):
    rows, _ = prepare("deep_voice", tmp_path / "data", segments="DeepVoice_seg_log.txt")
    for name, (first, end) in PIECES.items():
        row = rows[f"DeepVoice-VC_{name}"]
        rate = RATES[row["Recording"]]
        path = tmp_path / "data" / row["Path"].removeprefix("$ROOT/")
        whole, found_rate = read_audio(path)
        piece, _ = read_audio(path, float(row["Start"]), float(row["Stop"]))
        assert (found_rate, int(row["SampleRate"])) == (rate, rate)
        assert piece.tolist() == whole[first:end].tolist()
        assert float(row["Duration"]) == pytest.approx((end - first) / rate, abs=0.006)


def test_genuine_segments_have_no_attack(tmp_path, cut):
    for mode in ("complete", "original"):
        rows, _ = prepare("deep_voice", tmp_path / "data", mode=mode)
        genuine = [row for row in rows.values() if row["Label"] == "real"]
        assert [row["Attack"] for row in genuine] == ["-"]


def test_whole_recordings_can_be_asked_for(tmp_path, uncut):
    rows, summary = prepare("deep_voice", tmp_path / "data", segments="none")
    assert skipped(summary) == {}
    assert decided(rows) == {
        f"DeepVoice-VC_{name}": (
            f"DeepVoice/KAGGLE/AUDIO/{folder}/{name}.wav",
            *(label, attack, speaker, "-", "EN", name),
        )
        for name, folder, label, attack, speaker in (
            ("Obama-to-Biden", "FAKE", "fake", "VC", "biden"),
            ("biden-to-Obama", "FAKE", "fake", "VC", "obama"),
            ("musk-original", "REAL", "real", "-", "musk"),
        )
    }
    assert rows["DeepVoice-VC_Obama-to-Biden"]["Duration"] == "0.5"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("FAKE/musk-original_seg_3", id="genuine-among-fake"),
        pytest.param("REAL/biden-to-musk_seg_3", id="fake-among-genuine"),
        pytest.param("FAKE/biden-to-musk", id="not-cut"),
        pytest.param("OTHER/biden-to-musk_seg_3", id="folder"),
    ],
)
def test_a_segment_in_the_wrong_place_is_skipped(tmp_path, cut, name):
    write_audio(cut / f"{name}.wav")
    rows, summary = prepare("deep_voice", tmp_path / "data")
    assert len(rows) == len(SEGMENTS)
    assert list(skipped(summary)) == [f"AUDIO_SEGMENTS/{name}.wav"]


def test_a_cut_file_among_whole_recordings_is_skipped(tmp_path, uncut):
    write_audio(uncut / "KAGGLE/AUDIO/REAL/musk-original_seg_1.wav")
    rows, summary = prepare("deep_voice", tmp_path / "data", segments="none")
    assert len(rows) == 3
    assert list(skipped(summary)) == ["KAGGLE/AUDIO/REAL/musk-original_seg_1.wav"]


def test_only_the_mode_original_misses_other_formats(tmp_path, cut):
    write_audio(cut / "REAL/musk-original_seg_2.flac")
    complete, _ = prepare("deep_voice", tmp_path / "data")
    original, summary = prepare("deep_voice", tmp_path / "data", mode="original")
    assert set(complete) - set(original) == {"DeepVoice-VC_musk-original_seg_2"}
    (left_out,) = summary["left_out"]
    assert left_out["what"] == "AUDIO_SEGMENTS/REAL/musk-original_seg_2.flac"


def test_a_missing_recording_is_reported_with_its_segments(tmp_path, uncut):
    (uncut / "KAGGLE/AUDIO/FAKE/Obama-to-Biden.wav").unlink()
    rows, summary = prepare(
        "deep_voice", tmp_path / "data", segments="DeepVoice_seg_log.txt"
    )
    assert len(rows) == 2
    ((what, reason),) = skipped(summary).items()
    assert what == "KAGGLE/AUDIO/FAKE/Obama-to-Biden.wav"
    assert reason.endswith("Its 2 segments are left out.")


def test_a_segment_past_the_end_is_not_cut_short(tmp_path, uncut):
    write_audio(uncut / "KAGGLE/AUDIO/FAKE/Obama-to-Biden.wav", 0.4999, 40000)
    rows, summary = prepare(
        "deep_voice", tmp_path / "data", segments="DeepVoice_seg_log.txt"
    )
    assert "DeepVoice-VC_Obama-to-Biden_seg_1" in rows
    assert "DeepVoice-VC_Obama-to-Biden_seg_2" not in rows
    assert "which has 19996" in skipped(summary)["Obama-to-Biden_seg_2"]


def test_a_recording_without_segments_is_reported(tmp_path, uncut):
    write_audio(uncut / "KAGGLE/AUDIO/REAL/ryan-original.wav")
    rows, summary = prepare(
        "deep_voice", tmp_path / "data", segments="DeepVoice_seg_log.txt"
    )
    assert len(rows) == len(SEGMENTS)
    assert mentions(summary, "REAL/ryan-original.wav")


def test_unreadable_audio_is_reported(tmp_path, cut):
    (cut / "REAL/musk-original_seg_1.wav").write_bytes(b"no audio")
    rows, summary = prepare("deep_voice", tmp_path / "data")
    assert len(rows) == len(SEGMENTS) - 1
    assert mentions(summary, "REAL/musk-original_seg_1.wav")


def test_an_odd_name_in_the_log_is_skipped(tmp_path, uncut):
    line = "Audio: someone_seg_1, start at: 0, end at: 9"
    write_text(uncut / "DeepVoice_seg_log.txt", *LOG, line)
    rows, summary = prepare(
        "deep_voice", tmp_path / "data", segments="DeepVoice_seg_log.txt"
    )
    assert len(rows) == len(SEGMENTS)
    assert list(skipped(summary)) == ["someone"]


def test_a_line_of_another_file_stops(tmp_path, uncut):
    write_text(uncut / "DeepVoice_seg_log.txt", LOG[0], "Audio: a_seg_1, from 1 to 2")
    with pytest.raises(LayoutError, match="seg_log.txt, line 2: 'Audio: a_seg_1"):
        prepare("deep_voice", tmp_path / "data", segments="DeepVoice_seg_log.txt")


def test_missing_log(tmp_path, uncut):
    with pytest.raises(LayoutError, match="nowhere.txt: cannot be read"):
        prepare("deep_voice", tmp_path / "data", segments="nowhere.txt")


def test_the_release_as_it_is_needs_an_option(tmp_path, uncut):
    with pytest.raises(LayoutError, match="--option segments=PATH.*segments=none"):
        prepare("deep_voice", tmp_path / "data")


@pytest.mark.parametrize(
    ("segments", "wanted"), [("cut", "AUDIO_SEGMENTS"), ("none", "KAGGLE/AUDIO")]
)
def test_missing_audio_folder(tmp_path, segments, wanted):
    (tmp_path / "data/DeepVoice").mkdir(parents=True)
    with pytest.raises(LayoutError, match=f"no folder {wanted}"):
        prepare("deep_voice", tmp_path / "data", segments=segments)
