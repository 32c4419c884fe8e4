"""Vocoders and channels, on a synthetic vowel."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.mini import channel
from data_prep.mini.audio import SAMPLE_RATE, generator, unit_level
from data_prep.mini.copies import make_copies
from data_prep.mini.sources import Prefix
from data_prep.mini.store import Clip, read_clips, write_clips
from data_prep.mini.vocoders import VOCODERS

NO_PREFIX = Prefix(Path("/nonexistent"))
NEEDS_WORLD = ("lpc", "world", "world_vc")


@pytest.fixture(scope="module")
def vowel():
    """One second and a bit of a 120 Hz buzz with two formants."""
    from scipy.signal import lfilter

    pulses = np.zeros(16321)
    pulses[:: SAMPLE_RATE // 120] = 1
    for frequency in (700, 1200):
        angle = 2 * np.pi * frequency / SAMPLE_RATE
        pulses = lfilter([1], [1, -1.9 * np.cos(angle), 0.9025], pulses)
    noise = 0.01 * generator("vowel").standard_normal(len(pulses))
    return unit_level(pulses / np.abs(pulses).max() + noise)


@pytest.mark.parametrize("name", sorted(set(VOCODERS) - {"codec2"}))
def test_copies_keep_length_and_depend_on_the_seed_alone(name, vowel, tmp_path):
    if name in NEEDS_WORLD:
        pytest.importorskip("pyworld", exc_type=ImportError)
    write_clips(tmp_path / "genuine.npz", [Clip(vowel, "origin")])
    sources = [("mini-a", tmp_path / "genuine.npz", 0)]
    for run in ("one", "two"):
        make_copies(tmp_path / f"{run}.npz", NO_PREFIX, name, sources, seed=3)
    (one,), (two,) = (read_clips(tmp_path / f"{run}.npz") for run in ("one", "two"))
    np.testing.assert_array_equal(one.waveform, two.waveform)
    assert one.origin == "origin"
    assert len(one.waveform) == len(vowel)
    assert np.isfinite(one.waveform).all()
    assert not np.array_equal(one.waveform, vowel)


@pytest.mark.parametrize("name", ["griffinlim", "mel_griffinlim", "world", "lpc"])
def test_copies_resemble_their_source(name, vowel):
    """The long-term spectrum survives, unlike the waveform."""
    if name in NEEDS_WORLD:
        pytest.importorskip("pyworld", exc_type=ImportError)
    from scipy.signal import welch

    copy = VOCODERS[name](NO_PREFIX, vowel, generator(0))
    spectra = [np.log(welch(wave, nperseg=256)[1] + 1e-9) for wave in (vowel, copy)]
    assert np.corrcoef(spectra)[0, 1] > 0.8


def test_wide_channel_is_deterministic_and_keeps_length(vowel):
    one, two = (channel.wide_channel(vowel, generator(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert len(one) == len(vowel)
    assert not np.array_equal(one, channel.wide_channel(vowel, generator(6)))


def test_telephone_channel_is_narrow_and_says_what_it_did(vowel, monkeypatch):
    monkeypatch.setattr(channel, "_music", lambda prefix: [vowel[::-1].copy()])
    done = set()
    for seed in range(12):
        wave, words = channel.telephone_channel(vowel, generator(seed), NO_PREFIX)
        again, _ = channel.telephone_channel(vowel, generator(seed), NO_PREFIX)
        np.testing.assert_array_equal(wave, again)
        assert len(wave) == len(vowel)
        power = np.abs(np.fft.rfft(wave)) ** 2
        edge = int(4500 / SAMPLE_RATE * len(wave))
        assert power[edge:].sum() < 0.02 * power.sum()
        done |= set(words.split())
    assert {"reverberation", "noise", "music"} <= done
    assert done & set(channel.TELEPHONE_CODECS)


@pytest.mark.parametrize("codec", sorted(channel.TELEPHONE_CODECS))
def test_every_codec_of_the_telephone_keeps_length(codec, vowel):
    coded = channel._coded(vowel[::2], 8000, *channel.TELEPHONE_CODECS[codec])
    assert len(coded) == len(vowel[::2])
    assert np.sqrt(np.mean(coded**2)) > 0.01


def test_g722_keeps_places_and_lengths(vowel):
    pytest.importorskip("imageio_ffmpeg")
    waves = [vowel, vowel[:5000], vowel[::-1].copy()]
    results = channel.through_g722(waves)
    assert [len(wave) for wave in results] == [len(wave) for wave in waves]
    for wave, result in zip(waves, results, strict=True):
        assert np.corrcoef(wave, result)[0, 1] > 0.95


def test_random_level_never_clips(vowel):
    for seed in range(20):
        loud = channel.random_level(vowel * 100, generator(seed))
        assert np.abs(loud).max() <= 0.98 + 1e-6
        assert loud.dtype == np.float32
