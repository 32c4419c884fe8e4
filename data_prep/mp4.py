"""Sound in MP4 files (m4a, mp4, mov), through the optional package PyAV.

libsndfile does not read this container. Corpora from the web hold it, sometimes under
other names (`.dat`), so it is told by its first bytes. Whether the samples are there is
only known after decoding, and seeking is not exact. So all is decoded every time:
convert what is read often (`ffmpeg -i a.m4a a.flac`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mp4Audio", "Mp4Error", "is_mp4", "read_mp4"]

# By so much the header may be wrong about the length, in seconds.
_SLACK = 0.2


class Mp4Error(ValueError):
    """An MP4 file that cannot be used; says why, and what to do."""


@dataclass(frozen=True)
class Mp4Audio:
    """The first sound track of a file.

    Arguments
    ---------
    samples : numpy.ndarray
        float32, [frames, channels].
    sample_rate : int
        In Hz.
    codec : str
        Name of the encoding, e.g. `AAC`.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    codec: str


def is_mp4(path: str | Path) -> bool:
    """Tell by the first bytes whether a file is in the MP4 container."""
    try:
        with open(path, "rb") as file:
            return file.read(8)[4:] == b"ftyp"
    except OSError:
        return False


def read_mp4(path: str | Path) -> Mp4Audio:
    """Decode the first sound track of an MP4 file.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    Mp4Audio
        All samples.

    Raises
    ------
    Mp4Error
        If PyAV is not installed, or the file is damaged or without sound.
    """
    try:
        import av
    except ModuleNotFoundError:
        raise Mp4Error(
            "an MP4 file, which needs the package PyAV: pip install av. Or convert "
            "it: ffmpeg -i IN OUT.flac"
        ) from None
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise Mp4Error("an MP4 file without a sound track. Leave it out.")
            stream = container.streams.audio[0]
            frames = chain(container.decode(stream), [None])  # None: the rest
            planar = av.AudioResampler(format="fltp")
            blocks = [block for frame in frames for block in planar.resample(frame)]
            promised = float((stream.duration or 0) * stream.time_base)
            codec = stream.codec_context.name.upper()
    except av.FFmpegError as error:
        raise Mp4Error(
            f"a damaged MP4 file ({error.strerror}). Copy or download it again."
        ) from None
    if not blocks:
        raise Mp4Error("an MP4 file without samples. Copy or download it again.")
    rate = blocks[0].sample_rate
    samples = np.concatenate([block.to_ndarray() for block in blocks], axis=1).T
    return Mp4Audio(_of_length(samples, promised, rate), rate, codec)


def _of_length(
    samples: NDArray[np.float32], promised: float, rate: int
) -> NDArray[np.float32]:
    """The samples that the header promises, in seconds (0: all that are there)."""
    if len(samples) / rate < promised - _SLACK:
        raise Mp4Error(
            f"truncated or damaged, {len(samples) / rate:.3f} of {promised:.3f} s can "
            "be decoded. Copy or download it again."
        )
    # Encoders fill up the last block with silence.
    wanted = round(promised * rate) if promised else len(samples)
    return np.ascontiguousarray(samples[:wanted])
