"""Sound in MP4 files, which libsndfile does not read."""

import builtins

import numpy as np
import pytest

from data_prep.audio_info import AudioError, AudioInfo, audio_info, read_audio

RATE = 44100


def write_m4a(path, wav, rate=RATE, **options):
    """Write [channels, frames] as AAC."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    layout = {1: "mono", 2: "stereo"}[len(wav)]
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = container.add_stream("aac", rate=rate, layout=layout)
        for start in range(0, wav.shape[1], 1024):
            block = np.ascontiguousarray(wav[:, start : start + 1024], np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def tones():
    """Two seconds, [2, frames]."""
    time = np.arange(2 * RATE) / RATE
    return 0.3 * np.sin(2 * np.pi * np.outer([440, 700], time))


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.dat"])
def test_facts_and_samples(tmp_path, tones, name):
    path = write_m4a(tmp_path / name, tones)
    assert audio_info(path) == AudioInfo(2 * RATE, RATE, 2, "AAC", 0)
    samples, rate = read_audio(path)
    assert (samples.shape, rate, samples.dtype) == ((2 * RATE, 2), RATE, np.float32)
    inner = slice(3000, -3000)  # the encoder needs a moment to find its bits
    assert np.abs(samples[inner] - tones.T[inner]).mean() < 0.01


def test_a_piece_is_the_slice_of_the_whole(tmp_path, tones):
    path = write_m4a(tmp_path / "a.m4a", tones[:1])
    whole, _ = read_audio(path)
    piece, _ = read_audio(path, 0.5, 1.25)
    assert np.array_equal(piece, whole[RATE // 2 : RATE * 5 // 4])
    with pytest.raises(AudioError, match="not inside the file"):
        read_audio(path, 1.0, 3.0)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_a_truncated_file_is_noticed(tmp_path, tones, options):
    path = write_m4a(tmp_path / "a.m4a", tones, **options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"a\.m4a: .*damaged"):
        audio_info(path)


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    real_import = builtins.__import__

    def no_av(name, *args, **kwargs):
        if name == "av":
            raise ModuleNotFoundError(name="av")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_av)
    for read in (audio_info, read_audio):
        with pytest.raises(AudioError, match="pip install av"):
            read(path)
