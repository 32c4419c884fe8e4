"""Making one copy: read, resample, vocode, set length and level, write."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from data_prep.audio_info import AudioError, read_audio
from data_prep.files import atomic_path
from data_prep.mini.audio import fit
from data_prep.vocoders.base import Vocoder
from data_prep.vocoders.plan import FORMATS, Copy

__all__ = ["copy_waveform", "make_copy", "remove_leftovers"]

SHORTEST = 0.1  # seconds; windows of vocoders are up to half of that
TAIL = 0.05  # seconds behind the end, so that a last incomplete frame is not missing
# Codecs and generators give up to about one frame of 80 ms more than they were given.
# A wrong sample rate or hop gives much more.
SLACK = 0.2  # seconds
HIGHEST_PEAK = 0.99


def copy_waveform(
    vocoder: Vocoder, wav: NDArray, sample_rate: int, seed: int = 0
) -> NDArray[np.float32]:
    """Copy a waveform at its own rate, length and level.

    Arguments
    ---------
    vocoder : Vocoder
        Who makes the copy, at its rate; the result is resampled back.
    wav : numpy.ndarray
        One channel, [time], full scale 1.
    sample_rate : int
        In Hz.
    seed : int
        Of the random choices of the vocoder.

    Returns
    -------
    numpy.ndarray
        float32, [time]: exactly as many samples, and the same mean and deviation.
        Where a peak would then exceed `HIGHEST_PEAK`, the whole is scaled down.

    Raises
    ------
    AudioError
        If the waveform is too short or silent, or the copy is of no use.
    """
    seconds = len(wav) / sample_rate
    if seconds < SHORTEST:
        raise AudioError(
            f"{seconds:.3f} s long; a copy needs {SHORTEST} s. Leave the row out."
        )
    if np.ptp(wav) == 0:
        raise AudioError("digital silence, nothing to copy. Leave the row out.")
    padded = np.pad(wav, (0, round(TAIL * sample_rate)), "reflect")
    rate = vocoder.sample_rate or sample_rate
    given = _resample(padded, sample_rate, rate).astype(np.float32)
    copy = _resample(vocoder(given, rate, seed), rate, sample_rate)
    surplus = (len(copy) - len(padded)) / sample_rate
    if abs(surplus) > SLACK:
        raise AudioError(
            f"{vocoder.name} made {len(copy) / sample_rate:.2f} s of {seconds:.2f} s. "
            "Give it the weights that are meant for it."
        )
    copy = fit(copy, len(wav))
    if not np.isfinite(copy).all() or np.ptp(copy) == 0:
        raise AudioError(
            f"{vocoder.name} made silence or numbers that are not finite. Check its "
            "weights, or leave the row out."
        )
    return _with_level_of(wav, copy)


def make_copy(copy: Copy, vocoder: Vocoder) -> tuple[int, int, int]:
    """Make one copy and write its file, 16 bits.

    Channels of the source are averaged, as when a detector is trained.

    Arguments
    ---------
    copy : Copy
        What to make.
    vocoder : Vocoder
        Who makes it.

    Returns
    -------
    size : int
        Of the file, in bytes.
    frames : int
        Number of samples.
    sample_rate : int
        In Hz, that of the source.

    Raises
    ------
    AudioError
        If the source cannot be used or the vocoder fails.
    OSError
        If the file cannot be written.
    """
    samples, rate = read_audio(copy.source, *copy.piece)
    try:
        wav = copy_waveform(vocoder, samples.mean(axis=1), rate, copy.seed)
    except AudioError as error:
        raise AudioError(f"{copy.source}: {error}") from None
    # One odd source must not end a run of days, whatever the libraries raise.
    except Exception as error:
        why = str(error).strip().partition("\n")[0]
        raise AudioError(
            f"{copy.source}: {vocoder.name} failed ({type(error).__name__}: {why}). "
            "Cut it into pieces if it is long, or leave the row out."
        ) from error
    with atomic_path(copy.output) as temporary:
        soundfile.write(temporary, wav, rate, subtype="PCM_16")
        size = temporary.stat().st_size
    return size, len(wav), rate


def remove_leftovers(copies: Iterable[Copy]) -> None:
    """Remove the temporary files of killed writers from the folders of copies.

    They would look like audio to whoever walks the folders.
    """
    for folder in {Path(copy.output).parent for copy in copies}:
        for audio_format in FORMATS:
            for path in folder.glob(f".*.tmp.{audio_format}"):
                path.unlink(missing_ok=True)


def _with_level_of(wav: NDArray, copy: NDArray) -> NDArray[np.float32]:
    """Give a copy the mean and the deviation of its source, without clipping.

    The mean, because vocoders remove the offset of a recording, and its absence alone
    would tell the copies of some corpora.
    """
    wav, copy = (np.asarray(samples, np.float64) for samples in (wav, copy))
    copy = (copy - copy.mean()) * (wav.std() / copy.std()) + wav.mean()
    return (copy * min(1.0, HIGHEST_PEAK / np.abs(copy).max())).astype(np.float32)


def _resample(wav: NDArray, old: int, new: int) -> NDArray:
    """Resample with a polyphase filter."""
    if old == new:
        return wav
    from scipy.signal import resample_poly

    divisor = math.gcd(old, new)
    return resample_poly(wav, new // divisor, old // divisor)
