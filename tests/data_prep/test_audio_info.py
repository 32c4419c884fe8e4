"""Audio facts and decoding, on files that the tests write."""

import numpy as np
import pytest
import soundfile

from data_prep.audio_info import AudioError, AudioInfo, audio_info, read_audio

RATE = 16000
FRAMES = 3 * RATE


@pytest.fixture
def noise():
    """Three seconds of noise that swells, [frames]."""
    rng = np.random.default_rng(0)
    return 0.2 * rng.standard_normal(FRAMES) * np.linspace(0.1, 1, FRAMES)


@pytest.fixture
def write(tmp_path, noise):
    """Write the noise to a file and give its path."""

    def write_file(name, rate=RATE, channels=1, **kwargs):
        samples = np.repeat(noise[:, None], channels, axis=1)
        soundfile.write(tmp_path / name, samples, rate, **kwargs)
        return tmp_path / name

    return write_file


def cut(path, share=0.6):
    """Keep the first part of a file's bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


KINDS = [
    ("a.wav", {"subtype": "PCM_U8"}, "PCM_U", 8),
    ("a.wav", {"subtype": "PCM_16"}, "PCM_S", 16),
    ("a.wav", {"subtype": "PCM_24"}, "PCM_S", 24),
    ("a.wav", {"subtype": "PCM_32"}, "PCM_S", 32),
    ("a.wav", {"subtype": "FLOAT"}, "PCM_F", 32),
    ("a.wav", {"subtype": "DOUBLE"}, "PCM_F", 64),
    ("a.wav", {"subtype": "ULAW"}, "ULAW", 8),
    ("a.wav", {"subtype": "ALAW"}, "ALAW", 8),
    ("a.wav", {"subtype": "IMA_ADPCM"}, "UNKNOWN", 0),
    ("a.wav", {"format": "WAVEX", "subtype": "PCM_24"}, "PCM_S", 24),
    ("a.flac", {"subtype": "PCM_S8"}, "FLAC", 8),
    ("a.flac", {"subtype": "PCM_16"}, "FLAC", 16),
    ("a.flac", {"subtype": "PCM_24"}, "FLAC", 24),
    ("a.ogg", {"subtype": "VORBIS"}, "VORBIS", 0),
    ("a.opus", {"format": "OGG", "subtype": "OPUS"}, "OPUS", 0),
    ("a.mp3", {"subtype": "MPEG_LAYER_III"}, "MP3", 0),
]


@pytest.mark.parametrize(("name", "kwargs", "encoding", "bits"), KINDS)
def test_info_of_each_encoding(write, name, kwargs, encoding, bits):
    path = write(name, **kwargs)
    info = audio_info(path)
    assert (info.encoding, info.bits) == (encoding, bits)
    assert (info.sample_rate, info.channels) == (RATE, 1)
    # ADPCM fills its last block.
    assert info.frames == pytest.approx(FRAMES, abs=2000 * (encoding == "UNKNOWN"))
    samples, rate = read_audio(path)
    assert samples.shape == (info.frames, 1) and samples.dtype == np.float32
    assert rate == RATE


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_rates_are_native(write, name, rate):
    info = audio_info(write(name, rate=rate))
    assert (info.frames, info.sample_rate) == (FRAMES, rate)
    assert info.duration == pytest.approx(FRAMES / rate)


def test_five_channels(write):
    path = write("a.wav", rate=48000, channels=5)
    assert audio_info(path).channels == 5
    samples, _ = read_audio(path, 0.5, 0.75)
    assert samples.shape == (12000, 5)


def test_path_may_be_text(write):
    assert audio_info(str(write("a.wav"))) == AudioInfo(FRAMES, RATE, 1, "PCM_S", 16)


def test_content_decides_not_the_suffix(write):
    path = write("a.flac")
    assert audio_info(path.rename(path.with_name("b.wav"))).encoding == "FLAC"


PIECES = [(None, 0.5), (0.0, 3.0), (1.0, None), (0.33333, 2.71828), (2.9999, 3.0)]


@pytest.mark.parametrize(("start", "stop"), PIECES)
@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_piece_equals_slice_bit_for_bit(write, name, start, stop):
    path = write(name)
    whole, _ = read_audio(path)
    piece, _ = read_audio(path, start, stop)
    first = round((start or 0) * RATE)
    last = FRAMES if stop is None else round(stop * RATE)
    assert np.array_equal(piece, whole[first:last])


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_piece_of_a_lossy_file_equals_slice(tmp_path, name, rate):
    # A sweep is easy to encode, so that MP3 frames borrow from far back.
    time = np.arange(8 * rate) / rate
    sweep = 0.3 * np.sin(2 * np.pi * (100 * time + 100 * time**2))
    soundfile.write(tmp_path / name, sweep, rate)
    whole, _ = read_audio(tmp_path / name)
    for start in (0.01, 1.7, 3.3, 6.9):
        piece, _ = read_audio(tmp_path / name, start, start + 1)
        first = round(start * rate)
        assert piece == pytest.approx(whole[first : first + rate], abs=1e-6)


def test_a_piece_is_read_without_the_rest(write):
    path = write("a.flac")
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 4 :] = bytes(len(content) - len(content) * 3 // 4)
    path.write_bytes(content)
    assert len(read_audio(path, 0.5, 1.0)[0]) == RATE // 2
    with pytest.raises(AudioError):
        read_audio(path)


def test_one_frame_past_the_end_is_the_end(write):
    path = write("a.wav")
    piece, _ = read_audio(path, 2.5, (FRAMES + 1) / RATE)
    assert len(piece) == FRAMES - round(2.5 * RATE)


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0.0, (FRAMES + 2) / RATE), (3.0, None), (9.0, 10.0), (2.0, 1.0), (-0.5, 1.0)],
)
def test_piece_outside_the_file(write, start, stop):
    with pytest.raises(AudioError, match=r"a\.wav.*not inside the file.*3\.000 s"):
        read_audio(write("a.wav"), start, stop)


def test_times_must_be_numbers(write):
    with pytest.raises(AudioError, match="stop is nan"):
        read_audio(write("a.wav"), 0.0, float("nan"))


def both(path):
    """The two functions, for errors that both must find."""
    return [lambda: audio_info(path), lambda: read_audio(path)]


def test_missing_file(tmp_path):
    for call in both(tmp_path / "none.wav"):
        with pytest.raises(AudioError, match=r"none\.wav: no such file"):
            call()


def test_folder(tmp_path):
    for call in both(tmp_path):
        with pytest.raises(AudioError, match="this is a folder"):
            call()


def test_zero_bytes(tmp_path):
    (tmp_path / "a.wav").touch()
    for call in both(tmp_path / "a.wav"):
        with pytest.raises(AudioError, match=r"a\.wav: the file is empty"):
            call()


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.raw"])
def test_text_with_an_audio_name(tmp_path, name):
    (tmp_path / name).write_text("This is no audio.\n" * 100)
    for call in both(tmp_path / name):
        with pytest.raises(AudioError, match=f"{name}: not audio .*ffmpeg"):
            call()


@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_truncated_wav(write, kind):
    path = cut(write("a.wav", format=kind))
    for call in both(path):
        with pytest.raises(AudioError, match=r"truncated, \d+ of 96000 bytes"):
            call()


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_truncated_compressed_file(write, name):
    with pytest.raises(AudioError, match=f"{name}: truncated or damaged"):
        read_audio(cut(write(name)))


def test_damage_in_the_middle(write):
    path = write("a.flac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3000] = bytes(3000)
    path.write_bytes(content)
    with pytest.raises(AudioError, match="truncated or damaged"):
        read_audio(path)


def test_no_frames(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), RATE)
    for call in both(tmp_path / "a.wav"):
        with pytest.raises(AudioError, match="no samples"):
            call()


def test_flac_without_length_is_counted(write):
    path = write("a.flac")
    whole, _ = read_audio(path)
    content = bytearray(path.read_bytes())
    # Total samples: 36 bits of STREAMINFO, which starts at byte 8 (RFC 9639, 8.2).
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert audio_info(path) == AudioInfo(FRAMES, RATE, 1, "FLAC", 16)
    assert np.array_equal(read_audio(path)[0], whole)
    assert np.array_equal(read_audio(path, 1.0, 2.0)[0], whole[RATE : 2 * RATE])


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_streamed_wav_is_not_truncated(write, size):
    path = write("a.wav")
    content = bytearray(path.read_bytes())
    position = content.index(b"data") + 4
    content[position : position + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert audio_info(path).frames == FRAMES


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(tmp_path, noise, bad):
    noise[[20000, 20007]] = bad
    soundfile.write(tmp_path / "a.wav", noise, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="2 samples are NaN or .* at frame 20000"):
        read_audio(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="frame 20000"):
        read_audio(tmp_path / "a.wav", 1.0, 2.0)
    assert len(read_audio(tmp_path / "a.wav", 0.0, 1.0)[0]) == RATE
