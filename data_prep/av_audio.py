"""Sound that libsndfile does not read, through the optional package PyAV (FFmpeg).

There are two kinds. MP4 files (m4a, mp4, mov), WebM, AAC, WMA and others, which corpora
from the web hold, sometimes under other names (`.dat`). And files in formats that
libsndfile knows but refuses, such as FLAC files with a broken checksum in a frame,
which other decoders read to the last sample.

Whether the samples are there is only known after decoding, and seeking is not exact. So
all is decoded every time: convert what is read often (`ffmpeg -i a.m4a a.flac`). What
is decoded is not trusted: its length has to be the one that the header states, and a
FLAC has to have the checksum of its samples (MD5) that its header states.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["AvAudio", "AvError", "NoAvError", "is_mp4", "read_av"]

# By so much the header of a lossy file may be wrong about the length, in seconds.
_SLACK = 0.2


class AvError(ValueError):
    """A file that cannot be used; says why, and what to do."""


class NoAvError(AvError):
    """PyAV is not installed."""


@dataclass(frozen=True)
class AvAudio:
    """The first sound track of a file.

    Arguments
    ---------
    samples : numpy.ndarray
        float32, [frames, channels].
    sample_rate : int
        In Hz.
    codec : str
        Name of the encoding, e.g. `AAC`.
    bits : int
        Bits per sample of a FLAC file; 0 for other encodings.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    codec: str
    bits: int = 0


def is_mp4(path: str | Path) -> bool:
    """Tell by the first bytes whether a file is in the MP4 container."""
    try:
        with open(path, "rb") as file:
            return file.read(8)[4:] == b"ftyp"
    except OSError:
        return False


def read_av(path: str | Path) -> AvAudio:
    """Decode the first sound track of a file.

    Arguments
    ---------
    path : str or Path
        A file that FFmpeg knows.

    Returns
    -------
    AvAudio
        All samples.

    Raises
    ------
    NoAvError
        If PyAV is not installed.
    AvError
        If the file is damaged, truncated, or without sound.
    """
    try:
        import av
    except ModuleNotFoundError:
        raise NoAvError(
            "a file that needs the package PyAV: pip install av. Or convert it: "
            "ffmpeg -i IN OUT.flac"
        ) from None
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AvError("a file without a sound track. Leave it out.")
            stream = container.streams.audio[0]
            blocks = list(_packed_frames(container.decode(stream)))
            promised = float((stream.duration or 0) * (stream.time_base or 0))
            codec = stream.codec_context.name.upper()
    except av.FFmpegError as error:
        raise AvError(
            f"damaged, decoding stopped ({error.strerror}). Copy or download it again."
        ) from None
    if not blocks:
        raise AvError("a file without samples. Copy or download it again.")
    rate, channels = blocks[0].sample_rate, len(blocks[0].layout.channels)
    raw = np.concatenate([block.to_ndarray()[0] for block in blocks])
    raw = _of_length(raw.reshape(-1, channels), promised, rate)
    bits = _check_flac(path, raw) if codec == "FLAC" else 0
    return AvAudio(_as_float(raw), rate, codec, bits)


def _packed_frames(frames: Iterator) -> Iterator:
    """Frames with the channels side by side, in the sample format of the decoder."""
    import av

    packer = None
    for frame in chain(frames, [None]):  # None: the rest
        if packer is None and frame is not None:
            packer = av.AudioResampler(format=frame.format.name.removesuffix("p"))
        if packer is not None:
            yield from packer.resample(frame)


def _of_length(samples: NDArray, promised: float, rate: int) -> NDArray:
    """The samples that the header promises, in seconds (0: all that are there)."""
    if len(samples) / rate < promised - _SLACK:
        raise AvError(
            f"truncated or damaged, {len(samples) / rate:.3f} of {promised:.3f} s can "
            "be decoded. Copy or download it again."
        )
    # Encoders fill up the last block with silence.
    wanted = round(promised * rate) if promised else len(samples)
    return np.ascontiguousarray(samples[:wanted])


def _check_flac(path: str | Path, samples: NDArray) -> int:
    """Bits per sample of a FLAC file, whose samples must be those that went into it.

    The header (RFC 9639, section 8.2) states the number of samples and the MD5 sum of
    all of them, unless the encoder left these zero.
    """
    content = Path(path).read_bytes()
    if content[:4] != b"fLaC" and content[:3] != b"ID3":
        return 0  # FLAC in another container
    start = content.find(b"fLaC")
    header = content[start + 8 : start + 42]
    facts = int.from_bytes(header[10:18], "big")  # 20, 3, 5 and 36 bits
    bits, frames = (facts >> 36 & 31) + 1, facts & (1 << 36) - 1
    unused = 8 * samples.itemsize - bits  # FFmpeg puts the sample into the high bits
    bytes_each = (bits + 7) // 8
    values = (samples >> unused).astype(f"<i{samples.itemsize}")
    packed = values.view(np.uint8).reshape(-1, samples.itemsize)[:, :bytes_each]
    md5 = hashlib.md5(packed.tobytes(), usedforsecurity=False).digest()
    if (frames and frames != len(samples)) or (any(header[18:]) and md5 != header[18:]):
        raise AvError(
            "damaged, the samples are not those that its header states. Copy or "
            "download it again."
        )
    return bits


def _as_float(samples: NDArray) -> NDArray[np.float32]:
    """Samples in [-1, 1]; floating-point ones are left alone."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
