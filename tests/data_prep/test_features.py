"""Trivial features, on sounds whose features are known."""

import numpy as np
import pytest
import soundfile

from data_prep.audio_info import AudioError
from data_prep.features import FEATURES, audit_features, trivial_features
from data_prep.manifest import ManifestError

RATE = 16000


def tone(seconds, frequency=1000.0, amplitude=0.5, rate=RATE):
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time))[:, None]


def silence(seconds):
    return np.zeros((round(seconds * RATE), 1))


def test_tone():
    found = trivial_features(tone(2.0), RATE)
    assert found["duration"] == 2.0
    assert found["peak"] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found["crest_factor"] == pytest.approx(20 * np.log10(2**0.5), abs=0.01)
    assert found["level"] == pytest.approx(found["peak"] - found["crest_factor"])
    assert found["zero_crossing_rate"] == pytest.approx(2000, rel=0.01)
    assert found["spectral_centroid"] == pytest.approx(1000, rel=0.01)
    assert found["bandwidth"] == pytest.approx(1000, abs=70)
    assert found["leading_silence"] == found["trailing_silence"] == found["pauses"] == 0


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_units_do_not_depend_on_the_rate(rate):
    found = trivial_features(tone(1.0, rate=rate), rate)
    assert found["duration"] == pytest.approx(1.0)
    assert found["zero_crossing_rate"] == pytest.approx(2000, rel=0.01)
    assert found["spectral_centroid"] == pytest.approx(1000, rel=0.01)


def test_silence_at_the_ends_and_between():
    parts = [silence(0.3), tone(0.5), silence(0.25), tone(0.25), silence(0.1)]
    found = trivial_features(np.concatenate(parts), RATE)
    assert found["leading_silence"] == pytest.approx(0.3)
    assert found["trailing_silence"] == pytest.approx(0.1)
    assert found["pauses"] == pytest.approx(0.25)
    assert found["silence_level"] == -120


def test_silence_is_relative_to_the_loudest_frame():
    faint = 0.003 * tone(0.5)
    found = trivial_features(np.concatenate([faint, tone(0.5)]), RATE)
    assert found["leading_silence"] == pytest.approx(0.5)
    assert found["silence_level"] > -120


def test_bandwidth_of_filtered_noise():
    noise = np.random.default_rng(0).standard_normal(4 * RATE)
    spectrum = np.fft.rfft(noise)
    spectrum[len(spectrum) // 2 :] = 0  # above 4 kHz
    found = trivial_features(np.fft.irfft(spectrum)[:, None], RATE)
    assert found["bandwidth"] == pytest.approx(0.95 * 4000, rel=0.03)
    assert found["spectral_centroid"] == pytest.approx(2000, rel=0.05)


def test_offset_is_measured_and_does_not_hide_the_rest():
    found = trivial_features(tone(1.0, amplitude=0.1) + 0.5, RATE)
    assert found["dc_offset"] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found["zero_crossing_rate"] == pytest.approx(2000, rel=0.01)
    assert found["spectral_centroid"] == pytest.approx(1000, rel=0.01)


def test_channels_are_averaged():
    stereo = np.concatenate([tone(1.0), -tone(1.0)], axis=1)
    assert trivial_features(stereo, RATE)["level"] == -120


@pytest.mark.parametrize("frames", [1, 100, RATE])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_features_are_finite(frames, value):
    found = trivial_features(np.full((frames, 1), value), RATE)
    assert all(np.isfinite(list(found.values())))


@pytest.fixture
def rows(tmp_path):
    """Rows of three files, the second a piece of its file."""
    found = []
    for index, (start, stop) in enumerate([("-", "-"), ("0.5", "0.75"), ("-", "-")]):
        soundfile.write(tmp_path / f"{index}.wav", tone(1.0 + index), RATE)
        path = f"$ROOT/{index}.wav"
        found.append({"ID": f"r{index}", "Path": path, "Start": start, "Stop": stop})
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_become_a_matrix(rows, tmp_path, workers):
    names, matrix = audit_features(rows, tmp_path, workers)
    assert names == FEATURES and matrix.shape == (3, len(FEATURES))
    assert matrix[:, names.index("duration")].tolist() == [1.0, 0.25, 3.0]
    assert matrix[:, names.index("sample_rate")].tolist() == [RATE] * 3
    assert matrix[:, names.index("bytes_per_second")] == pytest.approx(
        2 * RATE, rel=0.01
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_unusable_audio_raises_or_is_collected(rows, tmp_path, workers):
    (tmp_path / "1.wav").write_text("no audio")
    (tmp_path / "2.wav").unlink()
    with pytest.raises(AudioError, match=r"1\.wav: not audio"):
        audit_features(rows, tmp_path, workers)
    failures = []
    _, matrix = audit_features(rows, tmp_path, workers, failures=failures)
    assert np.isnan(matrix).all(axis=1).tolist() == [False, True, True]
    assert failures[0].startswith("ID r1: ") and "no such file" in failures[1]


def test_root_needs_a_data_folder(rows):
    with pytest.raises(ManifestError, match="data folder"):
        audit_features(rows)
