"""Headers of WAV and FLAC files, read without a library.

Opening a file with libsndfile costs several times what reading its first bytes costs,
and corpora have millions of files. `read_header` gives what `audio_info` gives, in
every field. Only headers of which that is certain are parsed here; everything else (a
size that does not fit, other containers, compressed WAV, ...) goes to `audio_info`,
which also says what is wrong with a damaged file.

Formats: RIFF/WAVE, "Multimedia Programming Interface and Data Specifications 1.0",
1991; FLAC, RFC 9639, https://www.rfc-editor.org/rfc/rfc9639.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path

from data_prep.audio_info import AudioInfo, audio_info

__all__ = ["Facts", "Header", "open_header", "read_header"]

#: The fields of `AudioInfo` in their order, as a plain tuple, which is made and sent
#: to another process in less time.
Facts = tuple[int, int, int, str, int]
#: Size in bytes, time of the last change in ns, and the facts if they are certain.
Header = tuple[int, int, "Facts | None"]

_HEAD = 4096  # bytes that are read at once; one page
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
# The header that most writers make: nothing but the format and the samples.
_PLAIN = struct.Struct("<20sHHIIHH4sI")
_PLAIN_START = b"WAVEfmt \x10\x00\x00\x00"
# What libsndfile passes over on its way to the samples and after them.
_SKIPPED = frozenset((b"LIST", b"fact", b"PEAK", b"JUNK", b"junk", b"bext", b"PAD "))
_EXTENSIBLE = 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
# (format tag, bits per sample) of WAV: encoding.
_WAV_ENCODINGS = {
    (1, 8): "PCM_U",
    (1, 16): "PCM_S",
    (1, 24): "PCM_S",
    (1, 32): "PCM_S",
    (3, 32): "PCM_F",
    (3, 64): "PCM_F",
    (6, 8): "ALAW",
    (7, 8): "ULAW",
}
# Writers that cannot seek back leave a size that means "to the end".
_STREAMED = 0xFFFFFFFF
_FLAC_BITS = (8, 16, 24)
_COMMENTS = 4  # type of the block
_LENGTH = struct.Struct("<I")


def read_header(path: str | Path) -> AudioInfo:
    """Facts of an audio file, equal to those of `audio_info` but sooner.

    Arguments
    ---------
    path : str or Path
        Audio file.

    Returns
    -------
    AudioInfo
        Its length, rate, channels and encoding.

    Raises
    ------
    AudioError
        As `audio_info`, with the same message.

    Example
    -------
    >>> import tempfile, numpy, soundfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.flac")
    >>> soundfile.write(path, numpy.zeros(8000), 16000)
    >>> read_header(path)
    AudioInfo(frames=8000, sample_rate=16000, channels=1, encoding='FLAC', bits=16)
    """
    try:
        facts = open_header(path)[2]
    except OSError:
        facts = None
    return AudioInfo(*facts) if facts else audio_info(path)


def open_header(path: str | Path) -> Header:
    """Size, time of change and, if certain, the facts of a file.

    Arguments
    ---------
    path : str or Path
        Any file.

    Returns
    -------
    tuple
        `Header`; its facts are None when only `audio_info` can tell.

    Raises
    ------
    OSError
        If it cannot be opened or read, or is a folder, a pipe or the like.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        size, changed = status.st_size, status.st_mtime_ns
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a file")
        head = os.read(descriptor, _HEAD)
        magic = head[:4]
        if magic == b"RIFF":
            return size, changed, _wav(descriptor, head, size, os.fspath(path))
        if magic == b"fLaC":
            return size, changed, _flac(descriptor, head, size, os.fspath(path))
        return size, changed, None
    finally:
        os.close(descriptor)


def _bytes_at(descriptor: int, head: bytes, place: int, count: int) -> bytes:
    """Some bytes of the file, from the head if they are in it."""
    if place + count <= len(head):
        return head[place : place + count]
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.read(descriptor, count)


def _wav(descriptor: int, head: bytes, size: int, path: str) -> Facts | None:
    """Facts from RIFF chunks up to the samples, and one chunk after them."""
    if head[8:12] != b"WAVE" or _taken_as_raw(path):
        return None
    if head[8:20] == _PLAIN_START and head[36:40] == b"data":
        _, tag, channels, rate, per_second, block, bits, _, length = _PLAIN.unpack_from(
            head
        )
        encoding = _encoding(tag, channels, rate, per_second, block, bits)
        if encoding and length + 44 == size and not length % block and length:
            return length // block, rate, channels, encoding, bits
    form, place = None, 12
    while True:
        chunk = _bytes_at(descriptor, head, place, 8)
        if len(chunk) < 8:
            return None
        name, length = _CHUNK.unpack(chunk)
        place += 8
        if name == b"data":
            break
        if name == b"fmt " and form is None:
            form = known = _wav_format(
                _bytes_at(descriptor, head, place, length), length
            )
        elif name == b"LIST":
            known = _list_fits(_bytes_at(descriptor, head, place, length))
        else:
            known = name in _SKIPPED
        if not known or length % 2:
            return None
        place += length
    if form is None:
        return None
    rate, channels, block, encoding, bits = form
    length = _wav_data(descriptor, head, place, length, size)
    if not length or length % block:
        return None
    return length // block, rate, channels, encoding, bits


def _wav_format(body: bytes, length: int) -> tuple[int, int, int, str, int] | None:
    """Rate, channels, bytes per frame, encoding and bits, of a `fmt ` chunk."""
    if length not in (16, 18, 40) or len(body) < length:
        return None
    tag, channels, rate, per_second, block, bits = _FORMAT.unpack_from(body)
    if tag == _EXTENSIBLE:
        if length != 40 or body[26:] != _GUID_TAIL or body[18:20] != body[14:16]:
            return None
        tag = int.from_bytes(body[24:26], "little")
    elif length == 40:
        return None
    encoding = _encoding(tag, channels, rate, per_second, block, bits)
    return (rate, channels, block, encoding, bits) if encoding else None


def _encoding(
    tag: int, channels: int, rate: int, per_second: int, block: int, bits: int
) -> str | None:
    """Name of the encoding, if the fields of a `fmt ` chunk agree."""
    if (
        0 < channels <= 64
        and 0 < rate < 1 << 24
        and block == channels * bits // 8
        and per_second == rate * block
    ):
        return _WAV_ENCODINGS.get((tag, bits))
    return None


def _wav_data(descriptor: int, head: bytes, start: int, length: int, size: int) -> int:
    """Bytes of samples; 0 if that is not certain."""
    there = size - start
    if length == _STREAMED and there < length:
        return there
    rest = there - length
    if rest in (0, 1) and rest == length % 2:
        return length
    if rest < 8 or length % 2:
        return 0
    chunk = _bytes_at(descriptor, head, start + length, 8)
    if len(chunk) < 8:
        return 0
    name, after = _CHUNK.unpack(chunk)
    return length if name in _SKIPPED and rest == 8 + after else 0


def _list_fits(body: bytes) -> bool:
    """Whether the texts of a LIST chunk end where it ends."""
    place = 4
    while place + 8 <= len(body):
        length = _CHUNK.unpack_from(body, place)[1]
        place += 8 + length + length % 2
    return place == len(body)


def _flac(descriptor: int, head: bytes, size: int, path: str) -> Facts | None:
    """Facts from STREAMINFO, if the blocks after it lead to a frame of audio."""
    if head[4:8] not in (b"\x00\x00\x00\x22", b"\x80\x00\x00\x22") or len(head) < 42:
        return None
    packed = int.from_bytes(head[18:26], "big")
    rate, frames = packed >> 44, packed & (1 << 36) - 1
    channels, bits = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    if not rate or not frames or bits not in _FLAC_BITS or _taken_as_raw(path):
        return None
    place, last = 42, head[4] >> 7
    while not last:
        block = _bytes_at(descriptor, head, place, 4)
        # 1 to 6 are the other blocks that exist; a second STREAMINFO is not allowed.
        if len(block) < 4 or not 0 < block[0] & 127 < 7:
            return None
        last, length = block[0] >> 7, int.from_bytes(block[1:], "big")
        place += 4
        # The decoder refuses comments that do not fill their block.
        if block[0] & 127 == _COMMENTS and not _comments_fit(
            _bytes_at(descriptor, head, place, length)
        ):
            return None
        place += length
        if place >= size:
            return None
    sync = _bytes_at(descriptor, head, place, 2)
    if len(sync) < 2 or sync[0] != 0xFF or sync[1] >> 1 != 0x7C:
        return None
    return frames, rate, channels, "FLAC", bits


def _comments_fit(body: bytes) -> bool:
    """Whether the texts of a VORBIS_COMMENT block end where it ends."""
    try:
        (length,) = _LENGTH.unpack_from(body)
        (count,) = _LENGTH.unpack_from(body, 4 + length)
        place = 8 + length
        for _ in range(count):
            place += 4 + _LENGTH.unpack_from(body, place)[0]
    except struct.error:
        return False
    return place == len(body)


def _taken_as_raw(path: str) -> bool:
    """Whether soundfile does not look into a file because of its name."""
    return path[-4:].lower() == ".raw"
