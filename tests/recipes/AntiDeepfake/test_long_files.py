"""A crop of a long file costs a crop: what is decoded, and that it is the same."""

import numpy as np
import pytest
import soundfile
import torch

from recipes.AntiDeepfake.dataio import WaveformReader

RATE = 16000


@pytest.fixture(scope="module", params=["flac", "wav"])
def long_file(request, tmp_path_factory):
    """Ten minutes of noise, decoded as a whole too."""
    path = tmp_path_factory.mktemp("long") / f"long.{request.param}"
    noise = np.random.default_rng(0).normal(0, 0.1, 600 * RATE)
    soundfile.write(path, noise, RATE)
    return path, soundfile.read(path, dtype="float32")[0]


@pytest.fixture
def decoded(monkeypatch):
    """Numbers of frames that were asked of libsndfile."""
    frames = []
    read = soundfile.SoundFile.read

    def counted(self, count=-1, **options):
        samples = read(self, count, **options)
        frames.append(len(samples))
        return samples

    monkeypatch.setattr(soundfile.SoundFile, "read", counted)
    return frames


def test_only_the_crop_is_decoded_and_it_is_bit_equal(long_file, decoded):
    path, whole = long_file
    reader = WaveformReader(crop=(10.0, 13.0), seed=1, normalise=False)
    starts = []
    for pass_number in range(5):
        crop = reader("a", str(path), "-", "-", pass_number).numpy()
        candidates = np.flatnonzero(whole[: len(whole) - len(crop)] == crop[0])
        first = next(i for i in candidates if whole[i + 9] == crop[9])
        assert np.array_equal(whole[first : first + len(crop)], crop)
        assert decoded.pop() == len(crop) <= 13 * RATE + 1
        starts.append(first)
    assert not decoded
    assert max(starts) - min(starts) > 60 * RATE


def test_a_piece_of_a_recording_is_bit_equal(long_file, decoded):
    path, whole = long_file
    reader = WaveformReader(normalise=False)
    piece = reader("a", str(path), "595.5", "599.25", 0)
    expected = torch.from_numpy(whole[round(595.5 * RATE) : round(599.25 * RATE)])
    assert torch.equal(piece, expected)
    assert decoded == [len(piece)]
