"""Trivial facts of audio, which should not tell real speech from fake.

A detector that is right for one of these reasons has learned how a corpus was
recorded and stored, not what synthetic speech sounds like. The length of silence,
for example, separates the classes of ASVspoof 2019 well (N. Müller et al., "Speech
is Silver, Silence is Golden: What do ASVspoof-trained Models Really Learn?", 2021,
https://arxiv.org/abs/2106.12914).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.audio_info import AudioError, audio_info, read_audio
from data_prep.manifest import UNKNOWN, resolve_path
from data_prep.workers import open_map

__all__ = ["FEATURES", "audit_features", "trivial_features"]

# In the order of the columns of `audit_features`.
FEATURES = (
    "duration",
    "level",
    "peak",
    "crest_factor",
    "leading_silence",
    "trailing_silence",
    "pauses",
    "bandwidth",
    "spectral_centroid",
    "zero_crossing_rate",
    "dc_offset",
    "silence_level",
    "sample_rate",
    "bytes_per_second",
)
_FLOOR = 1e-6  # -120 dB; digital silence has to have some finite level
_SILENCE_FRAME = 0.01  # seconds
_SILENCE_BELOW = 40.0  # dB under the loudest frame
_SPECTRUM_FRAME = 0.032  # seconds
_ROLL_OFF = 0.95  # share of the energy below the bandwidth


def trivial_features(samples: NDArray, sample_rate: int) -> dict[str, float]:
    """Features of a waveform that have nothing to do with how speech was made.

    Arguments
    ---------
    samples : numpy.ndarray
        Waveform, [frames, channels], full scale 1; channels are averaged.
    sample_rate : int
        In Hz.

    Returns
    -------
    dict
        `duration` in s; `level` (root mean square), `peak` and `dc_offset` in dB
        below full scale, -120 at the lowest; `crest_factor` (peak over level) in
        dB; `leading_silence` and `trailing_silence` in s and `pauses`, the share
        of silence in what lies between, where silence is 10 ms frames more than
        40 dB under the loudest; `silence_level` in dB, the level that 5 % of the
        frames stay below; `bandwidth` (95 % of the energy lies below) and
        `spectral_centroid` in Hz; `zero_crossing_rate` in 1/s.

    Example
    -------
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)[:, None]
    >>> found = trivial_features(np.concatenate([np.zeros((4000, 1)), tone]), 16000)
    >>> round(found["duration"], 3), round(found["leading_silence"], 3)
    (1.25, 0.25)
    >>> round(found["crest_factor"], 1), round(found["spectral_centroid"], -1)
    (4.0, 1000.0)
    """
    wav = samples.mean(axis=1, dtype=np.float64)
    offset = wav.mean()
    peak, level = _decibel(np.abs(wav).max()), _decibel(_rms(wav))
    # An offset would hide the crossings and the energy of the lowest band.
    wav = wav - offset
    crossings = np.count_nonzero(np.diff(np.signbit(wav)))
    return {
        "duration": len(wav) / sample_rate,
        "level": level,
        "peak": peak,
        "crest_factor": peak - level,
        "dc_offset": _decibel(abs(offset)),
        "zero_crossing_rate": crossings * sample_rate / len(wav),
        **_silence(wav, sample_rate),
        **_spectrum(wav, sample_rate),
    }


def audit_features(
    rows: Sequence[Mapping[str, str]],
    data_folder: str | Path | None = None,
    workers: int = 1,
    progress: bool = False,
    failures: list[str] | None = None,
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Trivial features of the audio of manifest rows, and facts of its files.

    Arguments
    ---------
    rows : list of dict
        Manifest rows; `Start` and `Stop` are respected.
    data_folder : str or Path, optional
        What `$ROOT` stands for.
    workers : int
        Number of processes; 1 stays in this one.
    progress : bool
        Whether to show a progress bar, if standard error is a terminal.
    failures : list of str, optional
        Takes a message for each row whose audio cannot be used, and the features
        of this row are NaN. Without it the first such row raises.

    Returns
    -------
    names : tuple of str
        `FEATURES`: those of `trivial_features`, then `sample_rate` in Hz and
        `bytes_per_second` of the file.
    matrix : numpy.ndarray
        float64, [rows, features].

    Raises
    ------
    AudioError
        For the first audio that cannot be used, unless `failures` is given.
    ManifestError
        If a path starts with `$ROOT` and there is no data folder.
    """
    matrix = np.full((len(rows), len(FEATURES)), np.nan)
    work = partial(_row_features, data_folder=data_folder)
    with open_map(workers) as apply:
        found = apply(work, rows, chunksize=16)
        # `disable=None` leaves the bar out where there is no terminal.
        bar = tqdm(found, "audio", len(rows), disable=None if progress else True)
        for index, values in enumerate(bar):
            if not isinstance(values, AudioError):
                matrix[index] = values
            elif failures is None:
                raise values
            else:
                failures.append(f"ID {rows[index]['ID']}: {values}")
    return FEATURES, matrix


def _row_features(
    row: Mapping[str, str], data_folder: str | Path | None
) -> list[float] | AudioError:
    """The features of one row in the order of `FEATURES`, or why there are none."""
    path = resolve_path(row["Path"], data_folder)
    start, stop = (
        None if row[key] == UNKNOWN else float(row[key]) for key in ("Start", "Stop")
    )
    try:
        samples, sample_rate = read_audio(path, start, stop)
        found = trivial_features(samples, sample_rate)
        found["sample_rate"] = sample_rate
        found["bytes_per_second"] = os.path.getsize(path) / audio_info(path).duration
    except AudioError as error:
        return error
    return [found[name] for name in FEATURES]


def _silence(wav: NDArray, sample_rate: int) -> dict[str, float]:
    """Silence at both ends, in between, and its level."""
    frames = _frames(wav, round(_SILENCE_FRAME * sample_rate))
    levels = 20 * np.log10(np.maximum(np.sqrt(np.mean(frames**2, axis=1)), _FLOOR))
    sounding = np.flatnonzero(levels >= levels.max() - _SILENCE_BELOW)
    first, last = sounding[0], sounding[-1]
    return {
        "leading_silence": float(first * _SILENCE_FRAME),
        "trailing_silence": float((len(levels) - 1 - last) * _SILENCE_FRAME),
        "pauses": float(1 - len(sounding) / (last - first + 1)),
        "silence_level": float(np.percentile(levels, 5)),
    }


def _spectrum(wav: NDArray, sample_rate: int) -> dict[str, float]:
    """Bandwidth and centroid of the mean power spectrum."""
    frames = _frames(wav, round(_SPECTRUM_FRAME * sample_rate))
    windowed = frames * np.hanning(frames.shape[1])
    power = np.mean(np.abs(np.fft.rfft(windowed)) ** 2, axis=0)
    if not power.any():
        return {"bandwidth": 0.0, "spectral_centroid": 0.0}
    frequency = np.fft.rfftfreq(frames.shape[1], 1 / sample_rate)
    below = np.cumsum(power)
    return {
        "bandwidth": float(frequency[np.searchsorted(below, _ROLL_OFF * below[-1])]),
        "spectral_centroid": float(power @ frequency / below[-1]),
    }


def _frames(wav: NDArray, size: int) -> NDArray:
    """Cut into frames without overlap, [frames, size].

    A remainder is dropped; a waveform shorter than one frame is filled with zeros.
    """
    count = max(1, len(wav) // size)
    return np.resize(np.pad(wav, (0, max(0, size - len(wav)))), (count, size))


def _rms(wav: NDArray) -> float:
    return float(np.sqrt(np.mean(wav**2)))


def _decibel(amplitude: float) -> float:
    """Decibels relative to full scale, at least -120."""
    return float(20 * np.log10(max(amplitude, _FLOOR)))
