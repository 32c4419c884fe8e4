"""What every clip of both classes goes through before it is written.

Genuine and synthetic speech differ in recording chain, band, noise and codec,
and a detector would learn that instead. So every clip gets random colouring, a
noise floor and lossy coding, stronger than the differences between sources. The
wide chain is the post-training domain; the telephone chain, with reverberation
and much noise in an 8 kHz band, is the target domain.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence

import numpy as np
import soundfile

from data_prep.mini import g722
from data_prep.mini.audio import SAMPLE_RATE, UNIT_LEVEL, fit, to_16k, unit_level
from data_prep.mini.sources import Prefix

__all__ = ["random_level", "telephone_channel", "through_g722", "wide_channel"]

EQUALISER_HZ = (0, 300, 1000, 3000, 8000)
EQUALISER_DB = 5.0
# Name -> (container, subtype, compression level) of the telephone codecs.
TELEPHONE_CODECS = {
    "gsm": ("WAV", "GSM610", None),
    "mp3": ("MP3", "MPEG_LAYER_III", 0.8),
    "opus": ("OGG", "OPUS", 0.95),
    "ulaw": ("WAV", "ULAW", None),
    "vorbis": ("OGG", "VORBIS", 0.9),
}
G722_GAP = 4000  # samples of silence between clips, for the codec to settle
G722_DELAY = 22  # samples by which G.722 delays


def wide_channel(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Random band, equaliser, compression, noise floor and Vorbis coding."""
    from scipy.signal import butter, sosfiltfilt

    speech = unit_level(waveform).astype(np.float64)
    edge = 7000 if random.random() < 0.4 else random.uniform(4000, 7000)
    high_pass = butter(2, 80, "hp", fs=SAMPLE_RATE, output="sos")
    low_pass = butter(8, edge, "lp", fs=SAMPLE_RATE, output="sos")
    speech = sosfiltfilt(low_pass, sosfiltfilt(high_pass, speech))
    speech = _equalise(speech, random)
    speech = _compress(speech, random)
    noise = _coloured_noise(len(speech), random, steepest=1.2)
    speech = _mix(speech, noise, random.uniform(15, 35))
    level = float(random.uniform(0.2, 0.7))
    return _coded(speech, SAMPLE_RATE, "OGG", "VORBIS", level)


def telephone_channel(
    waveform: np.ndarray, random: np.random.Generator, prefix: Prefix
) -> tuple[np.ndarray, str]:
    """Reverberation, noise or music, 300-3400 Hz and a telephone codec.

    Returns
    -------
    tuple of (numpy.ndarray, str)
        The waveform, and what was done to it in words.
    """
    from scipy.signal import butter, resample_poly, sosfiltfilt

    steps = []
    speech = unit_level(waveform).astype(np.float64)
    if random.random() < 0.6:
        speech = _reverberate(speech, random)
        steps.append("reverberation")
    if random.random() < 0.5:
        noise = _coloured_noise(len(speech), random, steepest=2.0)
        steps.append("noise")
    else:
        noise = _music_excerpt(len(speech), random, prefix)
        steps.append("music")
    speech = _mix(unit_level(speech), noise, random.uniform(5, 22))
    band = [random.uniform(80, 300), 3400]
    speech = sosfiltfilt(butter(4, band, "bp", fs=SAMPLE_RATE, output="sos"), speech)
    codec = str(random.choice(sorted(TELEPHONE_CODECS)))
    steps.append(codec)
    narrow = resample_poly(unit_level(speech), 1, 2)
    decoded = _coded(narrow, SAMPLE_RATE // 2, *TELEPHONE_CODECS[codec])
    return fit(resample_poly(decoded, 2, 1), len(waveform)), " ".join(steps)


def through_g722(waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Code and decode waveforms with G.722, all in one call.

    The wideband prompts among the genuine recordings bring G.722 noise along, so
    every clip of the wide domain gets it.
    """
    gap = np.zeros(G722_GAP, np.float32)
    parts = [part for waveform in waveforms for part in (unit_level(waveform), gap)]
    decoded = g722.decode(g722.encode(np.concatenate(parts)))
    results, start = [], G722_DELAY
    for waveform in waveforms:
        results.append(fit(decoded[start : start + len(waveform)], len(waveform)))
        start += len(waveform) + G722_GAP
    return results


def random_level(waveform: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random level, below clipping."""
    waveform = unit_level(waveform) * 10 ** (random.uniform(-6, 3) / 20)
    peak = np.abs(waveform).max()
    return (waveform * min(1.0, 0.98 / max(peak, 1e-9))).astype(np.float32)


def _equalise(speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A smooth random frequency response."""
    gains = random.uniform(-EQUALISER_DB, EQUALISER_DB, len(EQUALISER_HZ))
    bins = np.fft.rfftfreq(len(speech), 1 / SAMPLE_RATE)
    response = 10 ** (np.interp(bins, EQUALISER_HZ, gains) / 20)
    return np.fft.irfft(np.fft.rfft(speech) * response, len(speech))


def _compress(speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Soft saturation by a random amount, so that the crest factor is no cue."""
    drive = 2 ** random.uniform(-5, -1)
    return np.tanh(unit_level(speech) * (drive / UNIT_LEVEL))


def _coloured_noise(
    length: int, random: np.random.Generator, steepest: float
) -> np.ndarray:
    """Noise whose power falls with frequency to a random power up to `steepest`."""
    spectrum = np.fft.rfft(random.standard_normal(length))
    bins = np.maximum(np.arange(len(spectrum)), 1)
    return np.fft.irfft(spectrum / bins ** (random.uniform(0, steepest) / 2), length)


def _mix(speech: np.ndarray, noise: np.ndarray, decibels: float) -> np.ndarray:
    """Speech at unit level plus noise that many decibels below."""
    return unit_level(speech) + unit_level(noise) * 10 ** (-decibels / 20)


def _reverberate(speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A room whose echo is noise that decays within 80 to 400 ms."""
    from scipy.signal import fftconvolve

    length = int(random.uniform(0.08, 0.4) * SAMPLE_RATE)
    decay = np.exp(-6.9 * np.arange(length) / length)
    response = random.standard_normal(length) * decay
    response[0] += random.uniform(2, 8) * np.sqrt(np.sum(response**2)) / 3
    return fftconvolve(speech, response)[: len(speech)]


def _music_excerpt(
    length: int, random: np.random.Generator, prefix: Prefix
) -> np.ndarray:
    """A stretch of game music."""
    pieces = _music(prefix)
    music = pieces[int(random.integers(len(pieces)))]
    start = int(random.integers(0, max(1, len(music) - length)))
    return fit(music[start : start + length], length)


@functools.cache
def _music(prefix: Prefix) -> list[np.ndarray]:
    """The first 40 s of each piece of music, at 16 kHz."""
    pieces = []
    folder = prefix.path("usr/share/games/fillets-ng/music")
    for path in sorted(folder.glob("*.ogg")):
        with soundfile.SoundFile(path) as file:
            samples = file.read(40 * file.samplerate, dtype="float32")
            pieces.append(to_16k(samples, file.samplerate))
    return pieces


def _coded(
    waveform: np.ndarray,
    sample_rate: int,
    container: str,
    subtype: str,
    compression: float | None,
) -> np.ndarray:
    """Code and decode with a codec of libsndfile, in memory."""
    buffer = io.BytesIO()
    options = {} if compression is None else {"compression_level": compression}
    soundfile.write(
        buffer,
        np.clip(waveform, -1, 1),
        sample_rate,
        format=container,
        subtype=subtype,
        **options,
    )
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    return fit(decoded, len(waveform))
