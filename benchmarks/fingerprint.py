"""How often fingerprints find the same audio again, and how often other audio.

Run from the root of the repository (about a minute):

    python -m benchmarks.fingerprint [FOLDER]

Every recording is changed in several ways and looked up among the unchanged ones; then
as many other recordings are looked up. A find is a match below the threshold of
`data_prep.fingerprint`. Without a folder the recordings are made: syllables of
harmonics with random pitch, formants and rhythm. With one, they are the audio files
in it of 1.5 to 15 s; copies among them count as false finds, and are listed.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

from data_prep.audio_info import AudioError, read_audio
from data_prep.corpora.tree import AUDIO_SUFFIXES
from data_prep.fingerprint import THRESHOLD, FingerprintIndex, fingerprint

RATE = 16000
RECORDINGS = 300
Audio = tuple[NDArray, int]  # [frames, channels] and the sample rate


def syllables(seed: int, seconds: float = 3.0) -> NDArray[np.float32]:
    """Harmonic sounds of random pitch, formants and rhythm, [frames] at 16 kHz."""
    rng = np.random.default_rng(seed)
    time_axis = np.arange(round(seconds * RATE)) / RATE
    wav = 0.01 * rng.standard_normal(len(time_axis))
    start = 0.0
    while start < seconds - 0.1:
        length = rng.uniform(0.1, 0.3)
        here = (time_axis >= start) & (time_axis < start + length)
        t = time_axis[here] - start
        pitch = rng.uniform(90, 250)
        phase = 2 * np.pi * (pitch * t + rng.uniform(-200, 200) * t**2)
        formants = rng.uniform(250, 1900, 3)
        for k in range(1, 20):
            gain = np.exp(-(((k * pitch - formants) / 120) ** 2)).sum()
            wav[here] += gain * np.sin(k * phase) * np.sin(np.pi * t / length)
        start += length * rng.uniform(0.6, 1.2)
    return (0.3 * wav / np.abs(wav).max()).astype(np.float32)


def at_rate(audio: Audio, rate: int) -> Audio:
    """Resample."""
    samples, old = audio
    divisor = gcd(old, rate)
    return resample_poly(samples, rate // divisor, old // divisor, axis=0), rate


def coded(audio: Audio, **form: object) -> Audio:
    """Write and read in some format."""
    memory = io.BytesIO()
    soundfile.write(memory, *audio, **form)
    memory.seek(0)
    return soundfile.read(memory, always_2d=True, dtype="float32")


def noisy(audio: Audio, decibel: float) -> Audio:
    """Add white noise."""
    samples, rate = audio
    noise = np.random.default_rng(0).standard_normal(samples.shape)
    return samples + noise * samples.std() * 10 ** (-decibel / 20), rate


def telephone(audio: Audio) -> Audio:
    """300 to 3400 Hz, 8 kHz, mu-law."""
    samples, rate = at_rate(audio, 8000)
    band = butter(4, [300, 3400], "band", fs=rate, output="sos")
    return coded((sosfilt(band, samples, axis=0), rate), format="WAV", subtype="ULAW")


CHANGES: dict[str, Callable[[Audio], Audio]] = {
    "20 dB less": lambda audio: (0.1 * audio[0], audio[1]),
    "at 44.1 kHz": lambda audio: at_rate(audio, 44100),
    "at 8 kHz": lambda audio: at_rate(audio, 8000),
    "MP3": lambda audio: coded(at_rate(audio, RATE), format="MP3"),
    "MP3, low rate": lambda audio: coded(
        at_rate(audio, RATE), format="MP3", compression_level=0.95
    ),
    "Vorbis, low rate": lambda audio: coded(
        at_rate(audio, RATE), format="OGG", compression_level=1.0
    ),
    "telephone": telephone,
    "0.31 s cut off": lambda audio: (audio[0][round(0.31 * audio[1]) :], audio[1]),
    "0.5 s silence before": lambda audio: (
        np.pad(audio[0], ((audio[1] // 2, 0), (0, 0))),
        audio[1],
    ),
    "1 s of it": lambda audio: (
        audio[0][round(0.2 * audio[1]) : round(1.2 * audio[1])],
        audio[1],
    ),
    "noise, 20 dB": lambda audio: noisy(audio, 20),
    "noise, 10 dB": lambda audio: noisy(audio, 10),
}


def recordings(folder: str | None) -> list[tuple[str, Audio]]:
    """Twice `RECORDINGS` named recordings, or what the folder has."""
    wanted = 2 * RECORDINGS
    if folder is None:
        return [(str(i), (syllables(i)[:, None], RATE)) for i in range(wanted)]
    files = [f for f in sorted(Path(folder).rglob("*")) if f.suffix in AUDIO_SUFFIXES]
    np.random.default_rng(0).shuffle(files)
    found: list[tuple[str, Audio]] = []
    for file in files:
        try:
            audio = read_audio(file)
        except AudioError:
            continue
        if 1.5 <= len(audio[0]) / audio[1] <= 15:
            found.append((str(file), audio))
        if len(found) == wanted:
            break
    return found


def main() -> None:
    """Print the table."""
    found = recordings(sys.argv[1] if len(sys.argv) > 1 else None)
    known, others = found[: len(found) // 2], found[len(found) // 2 :]
    begin = time.process_time()
    index = FingerprintIndex((name, fingerprint(*audio)) for name, audio in known)
    seconds = sum(len(audio[0]) / audio[1] for _, audio in known)
    cost = 1000 * (time.process_time() - begin) / seconds
    print(f"{len(known)} recordings, {seconds:.0f} s, {cost:.1f} ms CPU per second")
    print(f"{'change':22} {'found %':>8} {'median bits % that differ':>26}")
    for change, apply in CHANGES.items():
        distances = []
        for name, audio in known:
            matches = index.find(fingerprint(*apply(audio)))
            distances += [match.distance for match in matches if match.name == name]
        rate, median = len(distances) / len(known), np.median(distances)
        print(f"{change:22} {100 * rate:8.1f} {100 * median:26.1f}")
    false = [
        (name, match)
        for name, audio in others
        for match in index.find(fingerprint(*audio))
    ]
    pairs = len(known) * len(others)
    print(f"{len(false)} of {pairs} pairs of others below {100 * THRESHOLD:.0f} %")
    for name, match in false:
        print(f"  {name} and {match.name}: {100 * match.distance:.1f} %")


if __name__ == "__main__":
    main()
