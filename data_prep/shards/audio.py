"""The audio of a manifest row as the content of a file in a shard."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from data_prep.audio_info import AudioError, audio_info, read_audio
from data_prep.manifest import UNKNOWN, resolve_path

__all__ = ["NATIVE", "Stored", "most_bytes", "store"]

#: Instead of a sample rate: what the files have.
NATIVE = "native"
_HEADER = 1 << 14  # bytes; more than headers and FLAC's frames add to the samples
_BITS_FLAC = 24  # most that FLAC holds exactly for every decoder
_MOST_CHANNELS = 8  # of FLAC
_FLOAT_BYTES = 4


class Stored(NamedTuple):
    """Audio as it is stored.

    Arguments
    ---------
    content : bytes
        An audio file.
    suffix : str
        File name extension without the dot.
    seconds : float
        How long it is.
    """

    content: bytes
    suffix: str
    seconds: float


def store(
    row: Mapping[str, str], data_folder: str | None, sample_rate: int | str
) -> Stored:
    """Read the audio of a row, or the piece that it names, to its end and encode it.

    Arguments
    ---------
    row : dict
        Manifest row.
    data_folder : str, optional
        What `$ROOT` stands for.
    sample_rate : int or str
        Of detectors, 16000: one channel, 16-bit FLAC. `native`: the bytes of the
        file; of a piece its samples, in FLAC if that holds them exactly, otherwise
        as 32-bit floating-point WAV.

    Returns
    -------
    Stored

    Raises
    ------
    AudioError
        If the audio cannot be read or is too short to be scored.
    """
    path = resolve_path(row["Path"], data_folder)
    start, stop = (
        None if row[key] == UNKNOWN else float(row[key]) for key in ("Start", "Stop")
    )
    # Here, because it takes seconds and the help needs none of it.
    from recipes.AntiDeepfake.dataio import SAMPLE_RATE, read_waveform

    if sample_rate != NATIVE:
        wav = read_waveform(path, start, stop).numpy()
        content = _encode(wav, SAMPLE_RATE, "PCM_16")
        return Stored(content, "flac", len(wav) / SAMPLE_RATE)
    read_waveform(path, start, stop)  # raises if it cannot be
    if start is None:
        info = audio_info(path)
        suffix = Path(path).suffix[1:].lower() or "audio"
        return Stored(_content(path), suffix, info.duration)
    return _store_piece(path, start, stop)


def most_bytes(
    row: Mapping[str, str],
    data_folder: str | None,
    sample_rate: int | str,
    seconds: float,
) -> int:
    """A number of bytes that the stored audio of a row does not exceed.

    It follows from the row, and of whole files that are stored as they are from the
    size, so that shards can be planned before anything is decoded.

    Arguments
    ---------
    row, data_folder, sample_rate
        As for `store`.
    seconds : float
        How long the row says that the audio is.

    Returns
    -------
    int
    """
    if sample_rate != NATIVE:
        return _HEADER + round(seconds * sample_rate * 2)
    if row["Start"] == UNKNOWN:
        try:
            return Path(resolve_path(row["Path"], data_folder)).stat().st_size
        except OSError:
            return 0  # it will be among the failures
    channels = int(row["AudioChannel"]) if row["AudioChannel"].isdigit() else 2
    return _HEADER + round(seconds * float(row["SampleRate"]) * channels * _FLOAT_BYTES)


def _store_piece(path: str, start: float, stop: float) -> Stored:
    """The samples of a piece, exactly as they are read."""
    samples, rate = read_audio(path, start, stop)
    info = audio_info(path)
    seconds = len(samples) / rate
    # Lossy formats have no bits: what a decoder gives is floating-point.
    exact = info.encoding in ("PCM_S", "PCM_U", "FLAC", "ULAW", "ALAW")
    bits = 16 if info.bits <= 16 else info.bits
    if exact and bits <= _BITS_FLAC and samples.shape[1] <= _MOST_CHANNELS:
        return Stored(_encode(samples, rate, f"PCM_{bits}"), "flac", seconds)
    return Stored(_encode(samples, rate, "FLOAT", "WAV"), "wav", seconds)


def _encode(
    samples: NDArray[np.float32], rate: int, subtype: str, container: str = "FLAC"
) -> bytes:
    """The content of an audio file; what exceeds full scale is clipped in FLAC."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, subtype, format=container)
    return buffer.getvalue()


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AudioError(
            f"{path}: cannot be read ({error.strerror}). Check disk and permissions."
        ) from None
