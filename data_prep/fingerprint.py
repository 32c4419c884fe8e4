"""Fingerprints of audio: find the same recording under another name.

The same recording is found again after another container or lossy coding, at another
sample rate or level, with silence cut off or as a piece of a longer one. Speech of the
same speaker or the same sentence read again is another recording.

A fingerprint has one 32-bit word for every 16 ms: the signs of the differences of band
energies along frequency and time, between 200 and 1900 Hz, which telephone lines and
low sample rates keep. Two recordings match where few of the bits differ. After J.
Haitsma and T. Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002, with
shorter frames for speech.

Of 300 recorded utterances of 1.5 to 15 s, `benchmarks.fingerprint` found again all at
another level or rate or cut at the begin, 99 % after a telephone line or cut to a
second, 96 % or more in MP3 and Vorbis of low rate, 97 % and 86 % in noise 20 and 10 dB
below them; and took none of 300 others for one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

__all__ = ["FingerprintIndex", "Match", "fingerprint"]

RATE = 4000  # Hz
FRAME = 1024  # samples; 256 ms
HOP = 64  # samples; 16 ms
BANDS = 33
LOWEST, HIGHEST = 200.0, 1900.0  # Hz
#: Most bits that may differ, as a share of all: half of them do for unrelated audio.
THRESHOLD = 0.30
#: Fewest words in which two recordings must overlap.
SHORTEST = 32
_FEWEST_HITS = 2
_MOST_REPEATS = 64  # a word in more places, such as that of silence, tells nothing
_CANDIDATES = 8  # places with the most hits that are compared bit by bit

_EDGES = np.round(np.geomspace(LOWEST, HIGHEST, BANDS + 1) * FRAME / RATE).astype(int)
_WINDOW = np.hanning(FRAME).astype(np.float32)
_BIT = np.uint32(1) << np.arange(32, dtype=np.uint32)


class Match(NamedTuple):
    """Where a recording was found again.

    Arguments
    ---------
    name : str
        The recording in the index.
    distance : float
        Share of the bits that differ.
    seconds : float
        Length of the stretch that was compared.
    offset : float
        Where the recording that was looked for begins in the other one, in seconds;
        negative if before its begin.
    """

    name: str
    distance: float
    seconds: float
    offset: float


def fingerprint(samples: NDArray, sample_rate: int) -> NDArray[np.uint32]:
    """Compute the fingerprint of a waveform.

    Arguments
    ---------
    samples : numpy.ndarray
        Waveform, [frames, channels]; channels are averaged.
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray
        uint32, one word for each 16 ms of audio that is longer than 0.27 s; none for
        shorter audio.

    Example
    -------
    >>> noise = np.random.default_rng(0).standard_normal((16000, 1))
    >>> words = fingerprint(noise, 16000)
    >>> len(words), bool((words == fingerprint(0.1 * noise, 16000)).all())
    (46, True)
    """
    wav = samples.mean(axis=1, dtype=np.float32)
    divisor = gcd(sample_rate, RATE)
    wav = resample_poly(wav, RATE // divisor, sample_rate // divisor)
    if len(wav) < FRAME + HOP:
        return np.zeros(0, np.uint32)
    frames = np.lib.stride_tricks.sliding_window_view(wav, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * _WINDOW)) ** 2
    bands = np.add.reduceat(power[:, : _EDGES[-1]], _EDGES[:-1], axis=1)
    slopes = bands[:, :-1] - bands[:, 1:]
    bits = slopes[1:] > slopes[:-1]
    return bits @ _BIT


class FingerprintIndex:
    """Fingerprints of some recordings, in which others can be looked up.

    It needs about 1 kB of memory for each second of audio, so it should be made of the
    shorter list, mostly that for testing.

    Arguments
    ---------
    recordings : iterable of (str, numpy.ndarray)
        Names and fingerprints.

    Example
    -------
    >>> noise = np.random.default_rng(0).standard_normal((32000, 2))
    >>> index = FingerprintIndex([("one", fingerprint(noise[:, :1], 16000))])
    >>> (match,) = index.find(fingerprint(0.5 * noise[8000:, :1], 16000))
    >>> match.name, round(match.offset, 1)
    ('one', 0.5)
    >>> index.find(fingerprint(noise[:, 1:], 16000))
    []
    """

    def __init__(self, recordings: Iterable[tuple[str, NDArray[np.uint32]]]):
        self.names: list[str] = []
        parts = []
        for name, words in recordings:
            self.names.append(name)
            parts.append(words)
        self.words = np.concatenate([*parts, np.zeros(0, np.uint32)])
        self.starts = np.cumsum([0, *map(len, parts)])
        self._order = np.argsort(self.words, kind="stable")
        self._sorted = self.words[self._order]

    def find(
        self, words: NDArray[np.uint32], threshold: float = THRESHOLD
    ) -> list[Match]:
        """Find the recordings that share a stretch with another one.

        Arguments
        ---------
        words : numpy.ndarray
            Fingerprint of the other one.
        threshold : float
            Most bits that may differ, as a share of all.

        Returns
        -------
        list of Match
            The closest first, at most one for each recording of the index.
        """
        matches: dict[str, Match] = {}
        for recording, shift in self._candidates(words):
            match = self._compare(words, recording, shift)
            if match is None or match.distance > threshold:
                continue
            known = matches.get(match.name)
            if known is None or match.distance < known.distance:
                matches[match.name] = match
        return sorted(matches.values(), key=lambda match: match.distance)

    def _candidates(self, words: NDArray[np.uint32]) -> list[tuple[int, int]]:
        """Recordings and shifts at which several words are equal."""
        first = np.searchsorted(self._sorted, words, "left")
        counts = np.searchsorted(self._sorted, words, "right") - first
        counts[counts > _MOST_REPEATS] = 0
        total = int(counts.sum())
        if not total:
            return []
        # The places of all equal words: for each word `first`, `first + 1`, ...
        within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        places = self._order[np.repeat(first, counts) + within]
        shifts = places - np.repeat(np.arange(len(words)), counts)
        recordings = np.searchsorted(self.starts, places, "right") - 1
        keys, hits = np.unique(
            np.column_stack([recordings, shifts]), axis=0, return_counts=True
        )
        best = np.argsort(-hits, kind="stable")[:_CANDIDATES]
        return [
            (int(keys[i, 0]), int(keys[i, 1])) for i in best if hits[i] >= _FEWEST_HITS
        ]

    def _compare(
        self, words: NDArray[np.uint32], recording: int, shift: int
    ) -> Match | None:
        """Compare bit by bit where the two overlap."""
        begin, end = self.starts[recording], self.starts[recording + 1]
        low, high = max(begin, shift), min(end, shift + len(words))
        here, there = self.words[low:high], words[low - shift : high - shift]
        # Digital silence has no bits; a lossy copy of it has those of its noise.
        sounding = (here != 0) & (there != 0)
        count = int(sounding.sum())
        if count < SHORTEST:
            return None
        bits = np.unpackbits((here ^ there)[sounding].view(np.uint8)).sum()
        return Match(
            self.names[recording],
            float(bits) / (32 * count),
            float(count) * HOP / RATE,
            float(shift - begin) * HOP / RATE,
        )
