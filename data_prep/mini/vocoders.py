"""Copy synthesis: a waveform is analysed and made again by a vocoder.

Each vocoder is a function `(prefix, waveform, random) -> waveform` of the same
length. Its input is genuine, so that only the vocoder tells the copy from it.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_prep.mini.audio import SAMPLE_RATE, unit_level
from data_prep.mini.sources import Prefix

__all__ = ["VOCODERS"]

Vocoder = Callable[[Prefix, np.ndarray, np.random.Generator], np.ndarray]

FFT_SIZE, HOP = 512, 128
GRIFFIN_LIM_ITERATIONS = 24
MEL_BANDS = 80
LPC_ORDER, LPC_WINDOW, LPC_HOP = 18, 480, 160
CODEC2_MODES = ("3200", "2400", "1300")


def _world(prefix, waveform, random):
    """WORLD analysis and synthesis, nothing changed."""
    return _world_synthesis(*_world_analysis(waveform))


def _world_conversion(prefix, waveform, random):
    """WORLD with another pitch and vocal tract length: a crude voice conversion."""
    pitch, spectrum, aperiodicity = _world_analysis(waveform)
    pitch = pitch * 2 ** (random.uniform(0.15, 0.5) * random.choice([-1, 1]))
    bins = np.arange(spectrum.shape[1])
    warped = np.clip(bins / random.uniform(0.85, 1.18), 0, bins[-1])
    spectrum = np.stack([np.interp(warped, bins, frame) for frame in spectrum])
    return _world_synthesis(pitch, spectrum, aperiodicity)


def _world_analysis(waveform):
    import pyworld

    waveform = np.ascontiguousarray(waveform, np.float64)
    pitch, times = pyworld.dio(waveform, SAMPLE_RATE)
    pitch = pyworld.stonemask(waveform, pitch, times, SAMPLE_RATE)
    spectrum = pyworld.cheaptrick(waveform, pitch, times, SAMPLE_RATE)
    return pitch, spectrum, pyworld.d4c(waveform, pitch, times, SAMPLE_RATE)


def _world_synthesis(pitch, spectrum, aperiodicity):
    import pyworld

    return pyworld.synthesize(pitch, spectrum, aperiodicity, SAMPLE_RATE)


def _griffin_lim(prefix, waveform, random):
    """Phase reconstruction from the magnitude spectrogram."""
    return _reconstruct(np.abs(_spectrogram(waveform)), random)


def _mel_griffin_lim(prefix, waveform, random):
    """Phase reconstruction from a mel spectrogram, as in early neural TTS."""
    bands, inverse = _mel_filters()
    magnitude = inverse @ np.maximum(bands @ np.abs(_spectrogram(waveform)), 1e-9)
    return _reconstruct(np.maximum(magnitude, 0), random)


def _spectrogram(waveform):
    from scipy.signal import stft

    overlap = FFT_SIZE - HOP
    return stft(waveform, SAMPLE_RATE, nperseg=FFT_SIZE, noverlap=overlap)[2]


def _waveform(spectrogram):
    from scipy.signal import istft

    overlap = FFT_SIZE - HOP
    return istft(spectrogram, SAMPLE_RATE, nperseg=FFT_SIZE, noverlap=overlap)[1]


def _reconstruct(magnitude, random):
    """Griffin and Lim's iteration from a random phase."""
    frames = magnitude.shape[1]
    phase = np.exp(2j * np.pi * random.random(magnitude.shape))
    for _ in range(GRIFFIN_LIM_ITERATIONS):
        again = _spectrogram(_waveform(magnitude * phase))[:, :frames]
        again = np.pad(again, ((0, 0), (0, frames - again.shape[1])))
        phase = again / np.maximum(np.abs(again), 1e-9)
    return _waveform(magnitude * phase)


@functools.cache
def _mel_filters():
    """Triangular mel filters and their pseudo-inverse."""

    def mel(frequency):
        return 2595 * np.log10(1 + frequency / 700)

    marks = np.linspace(mel(0), mel(SAMPLE_RATE / 2), MEL_BANDS + 2)
    edges = 700 * (10 ** (marks / 2595) - 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.fft.rfftfreq(FFT_SIZE, 1 / SAMPLE_RATE)
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    bands = np.maximum(0, np.minimum(rising, falling))
    return bands, np.linalg.pinv(bands)


def _lpc(prefix, waveform, random):
    """Linear prediction excited by pulses or noise, the classic buzzy vocoder."""
    from scipy.linalg import solve_toeplitz
    from scipy.signal import lfilter

    length, half = len(waveform), LPC_WINDOW // 2
    window = np.hanning(LPC_WINDOW)
    # Half a window of padding on both sides: frame i is centred on i * LPC_HOP.
    speech = np.pad(np.asarray(waveform, np.float64), (half, LPC_WINDOW))
    excitation = np.pad(_excitation(waveform, random), (half, LPC_WINDOW))
    result = np.zeros(length + half + LPC_WINDOW)
    for start in range(0, length, LPC_HOP):
        part = slice(start, start + LPC_WINDOW)
        frame = speech[part] * window
        correlation = np.correlate(frame, frame, "full")[LPC_WINDOW - 1 :]
        correlation = correlation[: LPC_ORDER + 1]
        correlation[0] = correlation[0] * 1.0001 + 1e-9
        predictor = solve_toeplitz(correlation[:-1], correlation[1:])
        residual = max(correlation[0] - predictor @ correlation[1:], 1e-12)
        gain = np.sqrt(residual / np.sum(window**2))
        filtered = lfilter([gain], np.r_[1, -predictor], excitation[part])
        result[part] += filtered * window
    return result[half : half + length]


def _excitation(waveform, random):
    """Pulses of unit power at the pitch where voiced, noise elsewhere."""
    import pyworld

    milliseconds = 1000 * LPC_HOP / SAMPLE_RATE
    speech = np.ascontiguousarray(waveform, np.float64)
    pitch, _ = pyworld.dio(speech, SAMPLE_RATE, frame_period=milliseconds)
    frames = np.minimum(np.arange(len(waveform)) // LPC_HOP, len(pitch) - 1)
    pitch = pitch[frames]
    cycles = np.floor(np.cumsum(pitch) / SAMPLE_RATE)
    pulses = np.diff(cycles, prepend=0) > 0
    noise = random.standard_normal((2, len(waveform)))
    voiced = pulses * np.sqrt(SAMPLE_RATE / np.maximum(pitch, 1))
    return np.where(pitch > 0, voiced, noise[0]) + 0.08 * noise[1]


def _codec2(prefix, waveform, random):
    """Codec 2, a sinusoidal speech codec at 1.3 to 3.2 kbit/s, at 8 kHz."""
    from scipy.signal import resample_poly

    mode = str(random.choice(CODEC2_MODES))
    narrow = np.clip(resample_poly(unit_level(waveform) * 1.6, 1, 2), -1, 1)
    with tempfile.TemporaryDirectory() as folder:
        raw, coded = Path(folder, "speech.raw"), Path(folder, "speech.bit")
        raw.write_bytes((narrow * 32767).astype("<i2").tobytes())
        prefix.run("c2enc", mode, str(raw), str(coded))
        prefix.run("c2dec", mode, str(coded), str(raw))
        decoded = np.frombuffer(raw.read_bytes(), "<i2") / 32768
    return resample_poly(decoded, 2, 1)


VOCODERS: dict[str, Vocoder] = {
    "codec2": _codec2,
    "griffinlim": _griffin_lim,
    "lpc": _lpc,
    "mel_griffinlim": _mel_griffin_lim,
    "world": _world,
    "world_vc": _world_conversion,
}
