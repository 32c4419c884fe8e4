"""Waveform tools that genuine and synthetic speech share.

A waveform is a one-dimensional float32 array at 16 kHz.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from data_prep.mini.store import Clip

__all__ = [
    "SAMPLE_RATE",
    "cut_pieces",
    "fit",
    "generator",
    "read_audio",
    "shorten_pauses",
    "to_16k",
    "trim",
    "unit_level",
]

SAMPLE_RATE = 16000
UNIT_LEVEL = 0.05  # root mean square of a waveform at unit level
FRAME = 320  # 20 ms, for everything that looks at energy
SILENCE = -32.0  # dB relative to the loudest frame
SILENT_FILE = -75.0  # dB; no frame below this is speech

SHORTEST_UTTERANCE = 0.3  # seconds; shorter ones are mostly clicks
PIECE_SECONDS = (1.5, 3.5)
PAUSE_SECONDS = (0.08, 0.2)


def generator(*keys: object) -> np.random.Generator:
    """A random generator that depends on nothing but the keys.

    Example
    -------
    >>> int(generator("a", 1).integers(1000)) == int(generator("a", 1).integers(1000))
    True
    """
    digest = hashlib.sha256("|".join(map(str, keys)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def to_16k(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mix to one channel, remove the offset and resample to 16 kHz."""
    from scipy.signal import resample_poly

    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim > 1:
        samples = samples.mean(axis=1)
    if len(samples):
        samples = samples - samples.mean()
    divisor = math.gcd(int(sample_rate), SAMPLE_RATE)
    if sample_rate != SAMPLE_RATE and len(samples):
        samples = resample_poly(
            samples, SAMPLE_RATE // divisor, int(sample_rate) // divisor
        )
    return samples.astype(np.float32)


def read_audio(path: Path) -> np.ndarray:
    """Read a file as 16 kHz mono, without silence at the ends.

    Headerless `.gsm` files are GSM 06.10 at 8 kHz.
    """
    if path.suffix == ".gsm":
        samples, rate = soundfile.read(
            path, format="RAW", subtype="GSM610", samplerate=8000, channels=1
        )
    else:
        samples, rate = soundfile.read(path, dtype="float32")
    return trim(to_16k(samples, rate))


def fit(waveform: np.ndarray, length: int) -> np.ndarray:
    """Cut, or pad with zeros, to a length, as float32."""
    waveform = np.asarray(waveform, dtype=np.float32)[:length]
    return np.pad(waveform, (0, length - len(waveform)))


def unit_level(waveform: np.ndarray) -> np.ndarray:
    """Scale to the root mean square that every mixing step assumes."""
    level = np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))
    return (waveform * (UNIT_LEVEL / (level + 1e-8))).astype(np.float32)


def trim(waveform: np.ndarray) -> np.ndarray:
    """Remove silence at both ends but for one frame; all if nothing else is left."""
    speech = _speech_frames(waveform)
    frames = np.flatnonzero(speech)
    if len(speech) < 5 or not len(frames):
        return waveform[:0]
    start = max(0, (frames[0] - 1) * FRAME)
    return waveform[start : (frames[-1] + 2) * FRAME]


def shorten_pauses(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Shorten every pause inside to a length that says nothing about the class.

    Synthetic speech pauses longer or shorter than people do, which a detector
    should not learn. What is cut out is the middle of the pause.
    """
    speech = _speech_frames(waveform)
    edges = np.flatnonzero(np.diff(speech.astype(np.int8)))
    kept, position = [], 0
    # Edges alternate; a pause starts where speech ends.
    first = 0 if len(speech) and speech[0] else 1
    for before, after in zip(edges[first::2], edges[first + 1 :: 2], strict=False):
        pause_start, pause_stop = (before + 1) * FRAME, (after + 1) * FRAME
        wanted = int(random.uniform(*PAUSE_SECONDS) * SAMPLE_RATE)
        surplus = pause_stop - pause_start - wanted
        if surplus > 0:
            cut = pause_start + wanted // 2
            kept.append(waveform[position:cut])
            position = cut + surplus
    return np.concatenate([*kept, waveform[position:]])


def cut_pieces(
    utterances: Sequence[Clip], count: int, random: np.random.Generator
) -> list[Clip]:
    """Make pieces of random length from utterances, the same way for both classes.

    A piece is a stretch of one utterance, or of several joined by short pauses.
    No utterance goes into two pieces, so pieces may be split at will.

    Arguments
    ---------
    utterances : sequence of Clip
        Trimmed utterances; those below 0.3 s are left out.
    count : int
        How many pieces to make.
    random : numpy.random.Generator
        Draws order, lengths and pauses.

    Returns
    -------
    list of Clip
        Up to `count` pieces (fewer if the utterances run out) of 1.5 to 3.5 s,
        whose origin names all utterances used.
    """
    long_enough = [
        clip
        for clip in utterances
        if len(clip.waveform) >= SHORTEST_UTTERANCE * SAMPLE_RATE
    ]
    remaining = iter(random.permutation(len(long_enough)))
    pieces: list[Clip] = []
    while len(pieces) < count:
        length = int(random.uniform(*PIECE_SECONDS) * SAMPLE_RATE)
        joined, origins = np.zeros(0, np.float32), []
        while len(joined) < length:
            index = next(remaining, None)
            if index is None:
                return pieces
            clip = long_enough[index]
            speech = unit_level(shorten_pauses(clip.waveform, random))
            pause = int(random.uniform(*PAUSE_SECONDS) * SAMPLE_RATE)
            gap = np.zeros(pause if len(joined) else 0, np.float32)
            joined = np.concatenate([joined, gap, speech])
            origins.append(clip.origin)
        start = int(random.integers(0, len(joined) - length + 1))
        pieces.append(Clip(joined[start : start + length], " | ".join(origins)))
    return pieces


def _speech_frames(waveform: np.ndarray) -> np.ndarray:
    """For each whole frame, whether it is speech by its energy."""
    count = len(waveform) // FRAME
    if count == 0:
        return np.zeros(0, bool)
    frames = np.asarray(waveform[: count * FRAME], np.float64).reshape(count, FRAME)
    energy = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    return energy > max(energy.max() + SILENCE, SILENT_FILE)
