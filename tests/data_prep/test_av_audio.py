"""Sound that libsndfile does not read, through PyAV."""

import builtins

import numpy as np
import pytest
import soundfile
from corpus_trees import write_m4a

from data_prep.audio_info import AudioError, AudioInfo, audio_info, read_audio

RATE = 44100


def forbid_av(monkeypatch):
    """Let PyAV be as if it were not installed."""
    real_import = builtins.__import__

    def no_av(name, *args, **kwargs):
        if name == "av":
            raise ModuleNotFoundError(name="av")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_av)


@pytest.fixture
def tones():
    """Two seconds, [2, frames]."""
    time = np.arange(2 * RATE) / RATE
    return 0.3 * np.sin(2 * np.pi * np.outer([440, 700], time))


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.dat"])
def test_facts_and_samples(tmp_path, tones, name):
    path = write_m4a(tmp_path / name, tones, RATE)
    assert audio_info(path) == AudioInfo(2 * RATE, RATE, 2, "AAC", 0)
    samples, rate = read_audio(path)
    assert (samples.shape, rate, samples.dtype) == ((2 * RATE, 2), RATE, np.float32)
    inner = slice(3000, -3000)  # the encoder needs a moment to find its bits
    assert np.abs(samples[inner] - tones.T[inner]).mean() < 0.01


def test_a_piece_is_the_slice_of_the_whole(tmp_path, tones):
    path = write_m4a(tmp_path / "a.m4a", tones[:1], RATE)
    whole, _ = read_audio(path)
    piece, _ = read_audio(path, 0.5, 1.25)
    assert np.array_equal(piece, whole[RATE // 2 : RATE * 5 // 4])
    with pytest.raises(AudioError, match="not inside the file"):
        read_audio(path, 1.0, 3.0)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_a_truncated_file_is_noticed(tmp_path, tones, options):
    path = write_m4a(tmp_path / "a.m4a", tones, RATE, **options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=r"a\.m4a: .*damaged"):
        audio_info(path)


FLACS = [("PCM_16", 1), ("PCM_24", 2), ("PCM_S8", 1)]


def write_flac(path, subtype, channels, sabotage):
    """A second of noise whose bytes were changed; gives the samples as written."""
    noise = 0.2 * np.random.default_rng(0).standard_normal((RATE, channels))
    soundfile.write(path, noise, RATE, subtype=subtype)
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    content = bytearray(path.read_bytes())
    sabotage(content)
    path.write_bytes(content)
    return samples


def break_checksum(content):
    """Change the CRC-16 of the last frame, which is its last two bytes."""
    content[-1] ^= 0xFF


def break_samples(content):
    content[len(content) // 2] ^= 0x10


@pytest.mark.parametrize("subtype, channels", FLACS)
def test_a_flac_with_a_wrong_checksum_is_read_to_the_bit(tmp_path, subtype, channels):
    pytest.importorskip("av", reason="PyAV is not installed")
    path = tmp_path / "a.flac"
    written = write_flac(path, subtype, channels, break_checksum)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(path)
    samples, rate = read_audio(path)
    assert rate == RATE
    assert np.array_equal(samples, written)
    piece, _ = read_audio(path, 0.9, 1.0)
    assert np.array_equal(piece, written[round(0.9 * RATE) :])


@pytest.mark.parametrize("subtype, channels", FLACS)
def test_other_samples_than_the_header_states(tmp_path, subtype, channels):
    pytest.importorskip("av", reason="PyAV is not installed")
    path = tmp_path / "a.flac"
    write_flac(path, subtype, channels, break_samples)
    with pytest.raises(AudioError, match=r"a\.flac: .*damaged"):
        read_audio(path)


def test_a_flac_that_was_cut(tmp_path):
    path = tmp_path / "a.flac"
    write_flac(
        path, "PCM_16", 1, lambda content: content.__delitem__(slice(-9000, None))
    )
    with pytest.raises(AudioError, match=r"a\.flac: .*damaged"):
        read_audio(path)


def write_av(path, wav, container, codec, rate):
    """Write [1, frames] in a format that libsndfile does not know."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 96000
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, size)
        frame = av.AudioFrame.from_ndarray(wav.astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = rate, 0
        for block in [*resampler.resample(frame), *resampler.resample(None), None]:
            file.mux(stream.encode(block))
    return path


@pytest.mark.parametrize(
    "name, container, codec, encoding",
    [
        ("a.webm", "webm", "libopus", "OPUS"),
        ("a.aac", "adts", "aac", "AAC"),
        ("a.wma", "asf", "wmav2", "WMAV2"),
        ("a.mka", "matroska", "flac", "FLAC"),
    ],
)
def test_other_formats_of_the_web(tmp_path, tones, name, container, codec, encoding):
    path = write_av(tmp_path / name, tones[:1, ::2], container, codec, 48000)
    info = audio_info(path)
    assert (info.encoding, info.sample_rate, info.channels) == (encoding, 48000, 1)
    samples, _ = read_audio(path)
    assert len(samples) == info.frames
    assert abs(info.duration - RATE / 48000) < 0.1
    assert 0.15 < samples[3000:-6000].std() < 0.25


@pytest.mark.parametrize("size", [100, 1000, 100_000])
def test_random_bytes_are_not_audio(tmp_path, size):
    path = tmp_path / "a.wav"
    path.write_bytes(np.random.default_rng(size).bytes(size))
    with pytest.raises(AudioError, match="not audio"):
        read_audio(path)


def test_without_pyav_a_flac_is_refused_with_a_hint(tmp_path, monkeypatch):
    write_flac(tmp_path / "a.flac", "PCM_16", 1, break_checksum)
    forbid_av(monkeypatch)
    with pytest.raises(AudioError, match="damaged.*pip install av"):
        read_audio(tmp_path / "a.flac")


def test_a_missing_file_needs_no_pyav(tmp_path, monkeypatch):
    forbid_av(monkeypatch)
    with pytest.raises(AudioError, match="no such file") as caught:
        audio_info(tmp_path / "a.flac")
    assert "pip" not in str(caught.value)


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    forbid_av(monkeypatch)
    for read in (audio_info, read_audio):
        with pytest.raises(AudioError, match="pip install av"):
            read(path)
