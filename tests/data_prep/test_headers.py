"""Headers read without libsndfile are what libsndfile says, or nothing."""

import os
import random

import numpy as np
import pytest
import soundfile

from data_prep.audio_info import AudioError, AudioInfo, audio_info
from data_prep.headers import open_header, read_header

RATE = 22050
LIST = b"LIST\x1a\x00\x00\x00INFOISFT\x0e\x00\x00\x00Lavf58.29.100\x00"
PICTURE = 100_000  # bytes; lies far behind what is read at once


def write(path, channels=1, frames=700, **kwargs):
    samples = 0.1 * np.random.default_rng(0).standard_normal((frames, channels))
    soundfile.write(path, samples, RATE, **kwargs)
    return path


def quick(path):
    """The facts if they were found without libsndfile."""
    facts = open_header(path)[2]
    return AudioInfo(*facts) if facts else None


def assert_same(path):
    """`read_header` gives what `audio_info` gives, or the same message."""
    try:
        expected = audio_info(path)
    except AudioError as error:
        with pytest.raises(AudioError) as raised:
            read_header(path)
        assert str(raised.value) == str(error)
    else:
        assert read_header(path) == expected


QUICK = [
    *(("a.wav", "WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24")),
    *(("a.wav", "WAV", subtype) for subtype in ("PCM_32", "FLOAT", "DOUBLE")),
    *(("a.wav", "WAV", subtype) for subtype in ("ULAW", "ALAW")),
    *(("a.wav", "WAVEX", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT")),
    *(("a.flac", "FLAC", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24")),
]
OTHERS = [
    *(("a.wav", "WAV", subtype) for subtype in ("IMA_ADPCM", "MS_ADPCM", "GSM610")),
    ("a.wav", "RF64", "PCM_16"),
    ("a.ogg", "OGG", "VORBIS"),
    ("a.mp3", "MP3", "MPEG_LAYER_III"),
    ("a.aiff", "AIFF", "PCM_16"),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("name", "form", "subtype"), QUICK)
def test_common_formats_are_read_here(tmp_path, name, form, subtype, channels):
    path = write(tmp_path / name, channels, format=form, subtype=subtype)
    assert quick(path) == audio_info(path)
    assert_same(path)


@pytest.mark.parametrize(("name", "form", "subtype"), OTHERS)
def test_other_formats_are_left_to_libsndfile(tmp_path, name, form, subtype):
    path = write(tmp_path / name, format=form, subtype=subtype)
    assert quick(path) is None
    assert_same(path)


def changed(path, change):
    path.write_bytes(change(path.read_bytes()))
    return path


def with_size(size):
    """A change of the length in the header of the samples."""

    def change(content):
        place = content.find(b"data") + 4
        return content[:place] + size.to_bytes(4, "little") + content[place + 4 :]

    return change


WAV_CHANGES = {
    "list before the samples": (lambda b: b[:36] + LIST + b[36:], True),
    "list after the samples": (lambda b: b + LIST, True),
    "odd chunk after the samples": (lambda b: b + b"abcd\x02\x00\x00\x00xy", False),
    "garbage after the samples": (lambda b: b + b"\x01" * 7, False),
    "streamed, size unknown": (with_size(0xFFFFFFFF), True),
    "size 0": (with_size(0), False),
    "half a frame": (with_size(1399), False),
    "size of 2 GiB": (with_size(0x7FFF0000), False),
    "truncated": (lambda b: b[:-100], False),
    "header only": (lambda b: b[:44], False),
    "half a header": (lambda b: b[:30], False),
    "empty": (lambda b: b"", False),
    "text": (lambda b: b"404: Not Found\n", False),
    "two formats": (lambda b: b[:36] + b[12:36] + b[36:], False),
    "list that does not fit": (
        lambda b: b[:36] + LIST.replace(b"\x0e", b"\x0c") + b[36:],
        False,
    ),
}


@pytest.mark.parametrize("name", WAV_CHANGES)
def test_unusual_wav(tmp_path, name):
    change, is_quick = WAV_CHANGES[name]
    path = changed(write(tmp_path / "a.wav"), change)
    assert (quick(path) is not None) == is_quick
    assert_same(path)


def flac_with(block_type, body):
    """Put a metadata block behind STREAMINFO."""
    block = bytes([block_type]) + len(body).to_bytes(3, "big") + body
    return lambda content: content[:42] + block + content[42:]


FLAC_CHANGES = {
    "padding": (flac_with(1, bytes(PICTURE)), True),
    "comments that do not fit": (flac_with(4, b"\xff\xff\x00\x00abcd"), False),
    "second STREAMINFO": (flac_with(0, bytes(34)), False),
    "ID3 tag before": (lambda b: b"ID3\x04\x00\x00\x00\x00\x00\x00" + b, False),
    "no length": (lambda b: b[:21] + b[21:22] + bytes(4) + b[26:], False),
    "cut in the metadata": (lambda b: b[:60], False),
    "cut after STREAMINFO": (lambda b: b[:42], False),
    "cut in the samples": (lambda b: b[:-100], True),
    "no frame after the metadata": (lambda b: b[:42] + bytes(200), False),
}


@pytest.mark.parametrize("name", FLAC_CHANGES)
def test_unusual_flac(tmp_path, name):
    change, is_quick = FLAC_CHANGES[name]
    path = changed(write(tmp_path / "a.flac"), change)
    assert (quick(path) is not None) == is_quick
    assert_same(path)


@pytest.mark.parametrize(
    ("content", "name"), [("a.flac", "b.wav"), ("a.wav", "b.flac"), ("a.mp3", "b.wav")]
)
def test_names_do_not_decide(tmp_path, content, name):
    path = write(tmp_path / content).rename(tmp_path / name)
    assert_same(path)


def test_raw_names_are_refused_as_before(tmp_path):
    path = write(tmp_path / "a.wav").rename(tmp_path / "a.raw")
    assert_same(path)


def test_what_is_not_a_file(tmp_path):
    assert_same(tmp_path)
    assert_same(tmp_path / "missing.wav")
    os.symlink("nowhere.wav", tmp_path / "link.wav")
    assert_same(tmp_path / "link.wav")


@pytest.mark.parametrize("name", ["a.wav", "b.flac"])
def test_damage_never_gives_other_facts(tmp_path, name):
    """Whatever bytes of the header are changed: the same facts, or none."""
    rng = random.Random(0)
    original = write(tmp_path / name).read_bytes()
    path, found = tmp_path / f"damaged-{name}", 0
    for _ in range(300):
        content = bytearray(original)
        content[rng.randrange(60)] = rng.choice([0, 1, 2, 255, rng.randrange(256)])
        path.write_bytes(content)
        facts = quick(path)
        if facts is not None:
            found += 1
            assert facts == audio_info(path)
    assert found
