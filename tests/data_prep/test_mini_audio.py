"""Trimming, pauses, pieces and their files."""

import numpy as np
import pytest
import soundfile

from data_prep.mini.audio import (
    FRAME,
    SAMPLE_RATE,
    cut_pieces,
    fit,
    generator,
    read_audio,
    shorten_pauses,
    to_16k,
    trim,
    unit_level,
)
from data_prep.mini.store import Clip, read_clips, write_clips


def tone(seconds, level=0.3, rate=SAMPLE_RATE):
    times = np.arange(int(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * 220 * times)).astype(np.float32)


def silence(seconds):
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def test_generator_depends_on_every_key():
    draws = {generator(*keys).random() for keys in [(0,), (1,), (0, "a"), ("0", "b")]}
    assert len(draws) == 4
    assert generator("a", 1).random() == generator("a", 1).random()


def test_to_16k_mixes_resamples_and_centres():
    stereo = np.stack([tone(1, rate=44100) + 0.1, tone(1, rate=44100) + 0.1], axis=1)
    waveform = to_16k(stereo, 44100)
    assert waveform.dtype == np.float32
    assert len(waveform) == SAMPLE_RATE
    assert abs(waveform.mean()) < 1e-3
    np.testing.assert_allclose(waveform[100:-100], tone(1)[100:-100], atol=0.01)


def test_trim_keeps_a_frame_on_both_sides():
    speech = np.concatenate([silence(0.5), tone(1), silence(0.5)])
    assert abs(len(trim(speech)) - SAMPLE_RATE) <= 4 * FRAME


@pytest.mark.parametrize(
    "waveform", [silence(0), silence(0.01), silence(1), tone(0.05)]
)
def test_trim_of_almost_nothing_is_nothing(waveform):
    assert len(trim(waveform)) == 0


def test_shorten_pauses_leaves_speech_and_short_pauses():
    speech = np.concatenate([tone(0.5), silence(1), tone(0.5), silence(0.04), tone(1)])
    result = shorten_pauses(speech, generator(0))
    cut = len(speech) - len(result)
    assert (1 - 0.2) * SAMPLE_RATE - 2 * FRAME <= cut <= (1 - 0.08) * SAMPLE_RATE
    assert np.isclose(np.sum(result**2), np.sum(speech**2))


def test_shorten_pauses_when_silence_comes_first():
    speech = np.concatenate([silence(0.02), tone(0.5), silence(1), tone(0.5)])
    assert len(shorten_pauses(speech, generator(0))) < len(speech) - 0.7 * SAMPLE_RATE


def test_fit_and_level():
    assert list(fit(np.ones(2), 4)) == [1, 1, 0, 0]
    assert len(fit(np.ones(5), 4)) == 4
    assert np.isclose(np.sqrt(np.mean(unit_level(tone(1)) ** 2)), 0.05, rtol=1e-3)


def test_pieces_have_the_planned_length_and_share_no_utterance():
    utterances = [Clip(tone(seconds), f"u{i}") for i, seconds in enumerate([0.8] * 40)]
    pieces = cut_pieces(utterances, 5, generator(0))
    assert len(pieces) == 5
    assert all(1.5 <= len(p.waveform) / SAMPLE_RATE <= 3.5 for p in pieces)
    origins = [origin for piece in pieces for origin in piece.origin.split(" | ")]
    assert len(set(origins)) == len(origins)


def test_pieces_are_the_same_for_the_same_seed():
    utterances = [Clip(tone(1, level=0.1 + i / 50), f"u{i}") for i in range(20)]
    first, second = (cut_pieces(utterances, 3, generator(7)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.waveform, other.waveform)
        assert one.origin == other.origin


def test_too_few_or_too_short_utterances_give_fewer_pieces():
    assert cut_pieces([Clip(tone(0.2), "click")] * 50, 3, generator(0)) == []
    assert len(cut_pieces([Clip(tone(4), "one")], 3, generator(0))) == 1


def test_clips_survive_a_file(tmp_path):
    clips = [Clip(tone(0.1), "a: b"), Clip(silence(0), ""), Clip(tone(0.2), "ž")]
    write_clips(tmp_path / "clips.npz", clips)
    for one, other in zip(read_clips(tmp_path / "clips.npz"), clips, strict=True):
        np.testing.assert_array_equal(one.waveform, other.waveform)
        assert one.origin == other.origin
    write_clips(tmp_path / "none.npz", [])
    assert read_clips(tmp_path / "none.npz") == []


def test_headerless_gsm_is_read_as_8_khz(tmp_path):
    path = tmp_path / "prompt.gsm"
    soundfile.write(path, tone(1, rate=8000), 8000, format="RAW", subtype="GSM610")
    assert abs(len(read_audio(path)) - SAMPLE_RATE) <= 4 * FRAME
