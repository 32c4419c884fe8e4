"""Facts and samples of audio files, or an error that says what is wrong.

Both functions go through libsndfile (the `soundfile` package), which reads WAV,
FLAC, Ogg Vorbis, Opus, MP3, AIFF and others. MP4 files (m4a, mp4), and what libsndfile
refuses or cannot decode, go to `data_prep.av_audio`.

What libsndfile does not care for is dealt with here: a WAV that is shorter than its
header says, a file whose header gives no length, samples that are not numbers, and
seeking in lossy files, after which it may return wrong samples. Two cases cannot be
noticed: an Ogg file that was cut (it carries no length), and an MP3 of variable bit
rate without a Xing header (its length is an estimate).
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from data_prep.av_audio import AvAudio, AvError, NoAvError, is_mp4, read_av

__all__ = ["AudioError", "AudioInfo", "audio_info", "read_audio"]

# Names of encodings and bits per sample in the vocabulary of torchaudio, which the
# manifests of the original use. FLAC is told by its format instead.
_ENCODINGS = {
    "PCM_S8": ("PCM_S", 8),
    "PCM_16": ("PCM_S", 16),
    "PCM_24": ("PCM_S", 24),
    "PCM_32": ("PCM_S", 32),
    "PCM_U8": ("PCM_U", 8),
    "FLOAT": ("PCM_F", 32),
    "DOUBLE": ("PCM_F", 64),
    "ULAW": ("ULAW", 8),
    "ALAW": ("ALAW", 8),
    "MPEG_LAYER_III": ("MP3", 0),
    "VORBIS": ("VORBIS", 0),
    "OPUS": ("OPUS", 0),
}
_UNKNOWN_LENGTH = 2**63 - 1  # libsndfile's SF_COUNT_MAX
_STREAMED = 0x7FFF0000  # WAV writers that cannot seek back leave a size above this
_BLOCK = 1 << 16  # frames
# An MP3 frame (1152 samples, or 576 at low rates) borrows bits from the ones before
# it, up to 511 bytes back. Decoding ten frames more makes a seek exact.
_MP3_PREROLL = 10 * 1152
# Without a Xing header the number of frames is computed from the size of the file.
_MP3_SLACK = 2 * 1152


class AudioError(ValueError):
    """Audio that cannot be used; names the file, the reason and what to do."""


class _Undecodable(AudioError):
    """What libsndfile says of a file that another decoder may read."""


@dataclass(frozen=True)
class AudioInfo:
    """Facts of an audio file.

    Arguments
    ---------
    frames : int
        Number of samples of each channel.
    sample_rate : int
        Rate of the file in Hz.
    channels : int
        Number of channels.
    encoding : str
        `PCM_S`, `PCM_U`, `PCM_F`, `ULAW`, `ALAW`, `FLAC`, `MP3`, `VORBIS`, `OPUS`
        or `UNKNOWN`; in MP4 files the codec's name, mostly `AAC`.
    bits : int
        Bits per sample; 0 for lossy or unknown encodings.

    Example
    -------
    >>> AudioInfo(24000, 16000, 1, "FLAC", 16).duration
    1.5
    """

    frames: int
    sample_rate: int
    channels: int
    encoding: str
    bits: int

    @property
    def duration(self) -> float:
        """Length in seconds, not rounded."""
        return self.frames / self.sample_rate


def audio_info(path: str | Path) -> AudioInfo:
    """Read the header of an audio file.

    Samples are decoded only when the header gives no length (then they are
    counted). So this does not find damage behind the header; `read_audio` does.

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
        If the file is missing, empty, not audio, shorter than its header says
        (WAV) or holds no samples.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.wav")
    >>> soundfile.write(path, np.zeros(8000), 16000)
    >>> audio_info(path)
    AudioInfo(frames=8000, sample_rate=16000, channels=1, encoding='PCM_S', bits=16)
    """
    if not is_mp4(path):
        try:
            return _header(path)
        except _Undecodable as error:
            sound = _second_opinion(path, error)
    else:
        sound = _read_mp4(path)
    frames, channels = sound.samples.shape
    return AudioInfo(frames, sound.sample_rate, channels, sound.codec, sound.bits)


def read_audio(
    path: str | Path, start: float | None = None, stop: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Decode an audio file or a piece of it.

    Only the piece is decoded, however long the file is, and it equals the same
    slice of the whole (MP3: up to rounding, 1e-6). Exceptions are Ogg files, decoded
    from their start, and MP4 files, decoded as a whole: convert long ones to FLAC.

    Arguments
    ---------
    path : str or Path
        Audio file.
    start : float, optional
        Begin of the piece in seconds, rounded to the nearest frame; 0 by default.
    stop : float, optional
        End of the piece in seconds, rounded to the nearest frame; the end of the
        file by default. One frame past the end is taken as the end, because a time
        written with few decimals may round up.

    Returns
    -------
    samples : numpy.ndarray
        float32 in [-1, 1] (floating-point files may exceed it), [frames, channels].
    sample_rate : int
        Rate of the file in Hz.

    Raises
    ------
    AudioError
        As `audio_info`, and if the piece is not inside the file, the file ends or
        is damaged before the piece does, or a sample is NaN or infinite.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "a.wav")
    >>> soundfile.write(path, np.zeros((16000, 2)), 16000)
    >>> samples, sample_rate = read_audio(path, start=0.25, stop=0.5)
    >>> samples.shape, sample_rate
    ((4000, 2), 16000)
    """
    sound = _read_mp4(path) if is_mp4(path) else None
    if sound is None:
        try:
            samples, rate, first = _read_piece(path, start, stop)
        except _Undecodable as error:
            sound = _second_opinion(path, error)
    if sound is not None:
        samples, rate = sound.samples, sound.sample_rate
        first, last = _frame_range(path, start, stop, len(samples), rate)
        samples = samples[first:last]
    finite = np.isfinite(samples)
    if not finite.all():
        raise AudioError(
            f"{path}: {np.count_nonzero(~finite)} samples are NaN or infinite, the "
            f"first at frame {first + int(np.argmin(finite.all(axis=1)))}. Make the "
            "file again or leave it out."
        )
    return samples, rate


def _header(path: str | Path) -> AudioInfo:
    """What libsndfile tells of a file."""
    with _open(path) as file:
        _check_size(file, path)
        if file.format == "FLAC":
            encoding, bits = "FLAC", int(file.subtype.rpartition("_")[2].lstrip("S"))
        else:
            encoding, bits = _ENCODINGS.get(file.subtype, ("UNKNOWN", 0))
        frames = file.frames
        if not _has_length(file):
            frames = len(_decode_from_start(path))
        return AudioInfo(frames, file.samplerate, file.channels, encoding, bits)


def _read_piece(
    path: str | Path, start: float | None, stop: float | None
) -> tuple[NDArray[np.float32], int, int]:
    """Samples of a piece, sample rate and first frame, by libsndfile."""
    with _open(path) as file:
        _check_size(file, path)
        rate = file.samplerate
        if _has_length(file):
            first, last = _frame_range(path, start, stop, file.frames, rate)
            return _decode(file, path, first, last), rate, first
    samples = _decode_from_start(path)
    first, last = _frame_range(path, start, stop, len(samples), rate)
    return samples[first:last], rate, first


def _read_mp4(path: str | Path) -> AvAudio:
    try:
        return read_av(path)
    except AvError as error:
        raise AudioError(f"{path}: {error}") from None


def _second_opinion(path: str | Path, error: _Undecodable) -> AvAudio:
    """What FFmpeg makes of a file, or the error of libsndfile."""
    try:
        return read_av(path)
    except NoAvError:
        raise AudioError(
            f"{error} The package PyAV may read it: pip install av."
        ) from None
    except AvError:
        raise AudioError(str(error)) from None


class _ForwardFile(soundfile.SoundFile):
    """A file that is read from its begin to its end.

    soundfile seeks after each read, which fails when the length is not known.
    """

    def seekable(self) -> bool:
        """Keep soundfile from seeking."""
        return False


def _open(
    path: str | Path, opener: type[soundfile.SoundFile] = soundfile.SoundFile
) -> soundfile.SoundFile:
    """Open an audio file, or raise AudioError."""
    try:
        return opener(os.fspath(path))
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: name.raw
        there = os.path.isfile(path) and os.access(path, os.R_OK)
        kind = _Undecodable if there and os.path.getsize(path) else AudioError
        raise kind(f"{path}: {_why_not_opened(path, error)}") from None


def _why_not_opened(path: str | Path, error: Exception) -> str:
    """Reason and remedy for a file that libsndfile refused."""
    if not os.path.exists(path):
        return "no such file. Check the path and the data folder."
    if os.path.isdir(path):
        return "this is a folder. Name an audio file."
    if not os.access(path, os.R_OK):
        return "no permission to read it. Change the permissions."
    if not os.path.getsize(path):
        return "the file is empty (0 bytes). Copy or download it again."
    detail = getattr(error, "error_string", str(error)).strip().rstrip(".")
    return (
        f"not audio that libsndfile can read ({detail}). If the format is another "
        "one, convert it: ffmpeg -i IN OUT.flac; if not, the file is damaged: get it "
        "again."
    )


def _has_length(file: soundfile.SoundFile) -> bool:
    """Whether the header says how many frames there are."""
    return 0 < file.frames < _UNKNOWN_LENGTH


def _check_size(file: soundfile.SoundFile, path: str | Path) -> None:
    """Raise AudioError for a WAV whose samples end before the header says so.

    libsndfile silently takes what is there and notes the fact in its log only.
    """
    note = re.search(
        r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE
    )
    if note and int(note[2]) < int(note[1]) < _STREAMED:
        raise AudioError(
            f"{path}: truncated, {note[2]} of {note[1]} bytes of samples are there. "
            "Copy or download it again."
        )


def _frame_range(
    path: str | Path, start: float | None, stop: float | None, frames: int, rate: int
) -> tuple[int, int]:
    """First frame and the one after the last, of a piece given in seconds."""
    for name, value in (("start", start), ("stop", stop)):
        if value is not None and not math.isfinite(value):
            raise AudioError(f"{path}: {name} is {value}; it must be seconds.")
    first = 0 if start is None else round(start * rate)
    last = frames if stop is None else round(stop * rate)
    if last == frames + 1:
        last = frames
    if not 0 <= first < last <= frames:
        raise AudioError(
            f"{path}: the piece from {start or 0} s to {stop or 'the end'} "
            f"(frames {first} to {last}) is not inside the file, which has {frames} "
            f"frames ({frames / rate:.3f} s). Correct Start and Stop, or get the "
            "whole file."
        )
    return first, last


def _decode(
    file: soundfile.SoundFile, path: str | Path, first: int, last: int
) -> NDArray[np.float32]:
    """Samples of a range of frames, [frames, channels]."""
    is_mp3 = file.format == "MP3"
    preroll = min(first, _MP3_PREROLL) if is_mp3 else 0
    try:
        if file.format == "OGG":
            _skip(file, first)
        elif first:
            file.seek(first - preroll)
        samples = file.read(last - first + preroll, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _damaged(path, error) from None
    samples = samples[preroll:]
    missing = last - first - len(samples)
    if missing > (_MP3_SLACK if is_mp3 else 0) or not len(samples):
        raise _Undecodable(
            f"{path}: truncated or damaged, {len(samples)} of {last - first} frames "
            f"from frame {first} on can be decoded. Copy or download it again."
        )
    return samples


def _skip(file: soundfile.SoundFile, frames: int) -> None:
    """Decode and drop frames.

    libsndfile 1.2 seeks in Ogg Vorbis to a place up to some hundred frames away
    from the one asked for, and what follows starts with the wrong window.
    """
    for done in range(0, frames, _BLOCK):
        file.read(min(_BLOCK, frames - done), dtype="float32")


def _decode_from_start(path: str | Path) -> NDArray[np.float32]:
    """All samples of a file whose header gives no length, [frames, channels]."""
    blocks = []
    with _open(path, _ForwardFile) as file:
        try:
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block)
        except soundfile.LibsndfileError as error:
            raise _damaged(path, error) from None
    if not blocks:
        raise AudioError(
            f"{path}: no samples (the header gives 0 frames). It may be a recording "
            "that was not finished: make the file again or leave it out."
        )
    return np.concatenate(blocks)


def _damaged(path: str | Path, error: soundfile.LibsndfileError) -> _Undecodable:
    """The error for a decoder that gave up."""
    detail = error.error_string.strip() or f"libsndfile error {error.code}"
    return _Undecodable(
        f"{path}: truncated or damaged, decoding stopped ({detail}). Copy or download "
        "it again."
    )
