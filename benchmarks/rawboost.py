"""How much faster RawBoost is than the plain way, at the same output.

Run from the root of the repository (a minute):

    OMP_NUM_THREADS=1 python -m benchmarks.rawboost

The plain way was written for this comparison from the description in the paper
(https://arxiv.org/abs/2111.04433) with the usual means of SciPy: `firwin` for each
notch, `convolve` for the cascade, `power`, `lfilter` for each power, `permutation`.
`same` is `lobes.rawboost.rawboost` with a `RandomState`, whose output is compared
with that of the plain way first; `fast` is the same with a `Generator`; `batch` is
`RawBoost` on 100 s of audio as a tensor `[batch, time]` on the CPU, per utterance.
The others take turns through the same utterances.

Times are CPU time of one thread, medians over rounds in which the alternatives take
turns; a ratio is the median over the rounds, with its lowest and highest value. The
caches of a processor are shared: the load of the machine is printed, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal

from lobes.rawboost import ALGORITHMS, RawBoost, RawBoostParams, rawboost

RATE = 16000
SECONDS = (4, 13)
ROUNDS = 15
BATCH_SECONDS = 100


def plain_filter(
    params: RawBoostParams, rate: int, rng: np.random.RandomState, bias: tuple
) -> NDArray:
    """Draw a cascade of notches and scale it to its gain."""
    cascade = np.ones(1)
    for _ in range(params.num_notches):
        centre = rng.uniform(params.min_freq, params.max_freq)
        width = rng.uniform(params.min_width, params.max_width)
        taps = int(rng.uniform(params.min_taps, params.max_taps)) | 1
        low, high = centre - width / 2, centre + width / 2
        low = low if low > 0 else 1e-3
        high = high if high < rate / 2 else rate / 2 - 1e-3
        notch = signal.firwin(taps, [low, high], window="hamming", fs=rate)
        cascade = np.convolve(notch, cascade)
    gain = rng.uniform(params.min_gain - bias[0], params.max_gain - bias[1])
    _, response = signal.freqz(cascade)
    return 10 ** (gain / 20) * cascade / np.abs(response).max()


def plain_filtering(wav: NDArray, taps: NDArray) -> NDArray:
    """Filter, without the delay of the filter, one sample early as released."""
    ahead = (len(taps) + 1) // 2
    return signal.lfilter(taps, 1, np.pad(wav, (0, ahead)))[ahead:]


def plain_convolutive(
    wav: NDArray, params: RawBoostParams, rate: int, rng: np.random.RandomState
) -> NDArray:
    """Sum of the filtered powers, less the mean."""
    out = np.zeros(len(wav))
    for power in range(1, params.num_powers + 1):
        bias = (0, 0) if power == 1 else (params.min_bias, params.max_bias)
        taps = plain_filter(params, rate, rng, bias)
        out += plain_filtering(np.power(wav, power), taps)
    return guard(out - out.mean())


def plain_impulsive(
    wav: NDArray, params: RawBoostParams, rate: int, rng: np.random.RandomState
) -> NDArray:
    """Random samples changed in proportion to themselves."""
    share = rng.uniform(0, params.max_impulses) / 100
    places = rng.permutation(len(wav))[: int(len(wav) * share)]
    strength = rng.uniform(-1, 1, len(places)) * rng.uniform(-1, 1, len(places))
    out = wav.copy()
    out[places] += params.impulse_gain * strength * wav[places]
    return guard(out)


def plain_stationary(
    wav: NDArray, params: RawBoostParams, rate: int, rng: np.random.RandomState
) -> NDArray:
    """Filtered white noise at a random signal-to-noise ratio."""
    white = rng.normal(0, 1, len(wav))
    noise = plain_filtering(white, plain_filter(params, rate, rng, (0, 0)))
    snr = rng.uniform(params.min_snr, params.max_snr)
    ratio = np.linalg.norm(wav) / np.linalg.norm(noise) / 10 ** (snr / 20)
    return wav + ratio * noise


def guard(wav: NDArray) -> NDArray:
    """Divide by the peak if it exceeds 1."""
    return wav / max(1.0, np.abs(wav).max())


PLAIN = {
    "convolutive": plain_convolutive,
    "impulsive": plain_impulsive,
    "stationary": plain_stationary,
}


def plain_rawboost(
    wav: NDArray[np.float32],
    rate: int,
    algorithm: int,
    params: RawBoostParams,
    rng: np.random.RandomState,
) -> NDArray[np.float32]:
    """RawBoost in the plain way, with the draws of the released code."""
    noises = [PLAIN[name] for name in ALGORITHMS[algorithm]]
    if algorithm == 8:
        out = guard(sum(noise(wav, params, rate, rng) for noise in noises))
    else:
        out = wav
        for noise in noises:
            out = noise(out, params, rate, rng)
    return out.astype(np.float32)


def make_speech(seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Something with the level and the spectral tilt of speech."""
    white = rng.standard_normal(int(seconds * RATE))
    tilted = signal.lfilter([1], [1, -0.95], white)
    return (0.5 * tilted / np.abs(tilted).max()).astype(np.float32)


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU time of one call, repeated to fill 50 ms if it is shorter."""
    calls, start = 0, time.process_time()
    while not calls or time.process_time() - start < 0.05:
        function()
        calls += 1
    return (time.process_time() - start) / calls


def check_equal(wav: NDArray, algorithm: int, params: RawBoostParams) -> None:
    """The comparison is void unless both ways give the same."""
    rngs = [np.random.RandomState(1) for _ in range(2)]
    plain = plain_rawboost(wav, RATE, algorithm, params, rngs[0])
    ours = rawboost(wav, RATE, algorithm, params, rngs[1])
    assert np.abs(plain - ours).max() < 1e-6
    assert rngs[0].random() == rngs[1].random()


def compare(seconds: int, algorithm: int) -> None:
    """Time the alternatives in turns and print one line of the table."""
    params, rng = RawBoostParams(), np.random.default_rng(0)
    wavs = [make_speech(seconds, rng) for _ in range(BATCH_SECONDS // seconds)]
    check_equal(wavs[0], algorithm, params)
    state, module = np.random.RandomState(0), RawBoost(algorithm)
    batch, another = torch.from_numpy(np.stack(wavs)), cycle(wavs).__next__
    ways = [
        (lambda: plain_rawboost(another(), RATE, algorithm, params, state), 1),
        (lambda: rawboost(another(), RATE, algorithm, params, state), 1),
        (lambda: rawboost(another(), RATE, algorithm, params, rng), 1),
        (lambda: module(batch), len(wavs)),
    ]
    times = np.array(
        [[cpu_seconds(way) / count for way, count in ways] for _ in range(ROUNDS)]
    )
    medians = 1e3 * np.median(times, axis=0)
    print(f"{algorithm:>4} {seconds:>3} s {medians[0]:>9.2f}", end="")
    for column in range(1, len(ways)):
        ratios = times[:, 0] / times[:, column]
        print(f"{medians[column]:>9.2f} x{np.median(ratios):>4.1f}", end="")
        print(f" [{ratios.min():4.1f}, {ratios.max():4.1f}]", end="")
    print(flush=True)


def main() -> None:
    """Print the table of times in ms and ratios."""
    torch.set_num_threads(1)
    print("algorithm, length, plain ms; ms and ratio of same, fast, batch:")
    loads = [os.getloadavg()[0]]
    for algorithm in ALGORITHMS:
        for seconds in SECONDS:
            compare(seconds, algorithm)
            loads.append(os.getloadavg()[0])
    print(
        f"{os.cpu_count()} processors, load {min(loads):.1f} to {max(loads):.1f} "
        "(1 is this benchmark)"
    )


if __name__ == "__main__":
    main()
