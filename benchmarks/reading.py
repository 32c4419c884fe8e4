"""What a random crop of a ten-minute file costs, against decoding all of it.

Run from the root of the repository (half a minute):

    OMP_NUM_THREADS=1 python -m benchmarks.reading

`whole` decodes the file and cuts the crop out, as the original implementation does;
`crop` is `data_prep.audio_info.read_audio`, which decodes the crop alone. The samples
must be the same to the bit.

Times are CPU time, medians over rounds in which the two take turns with the same crops
of 10 to 13 s; a ratio is the median over the rounds, with its lowest and highest value.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal

from data_prep.audio_info import read_audio

SECONDS = 600
CROP = (10.0, 13.0)
ROUNDS, CROPS = 7, 5
# Name of the row: sample rate, channels, file name extension.
FILES = {
    "flac 16 kHz mono": (16000, 1, "flac"),
    "wav 16 kHz mono": (16000, 1, "wav"),
    "flac 48 kHz stereo": (48000, 2, "flac"),
}


def write_file(path: Path, rate: int, channels: int) -> None:
    """Write noise with the spectral tilt of speech."""
    rng = np.random.default_rng(0)
    white = rng.standard_normal((SECONDS * rate, channels))
    tilted = signal.lfilter([1], [1, -0.95], white, axis=0)
    soundfile.write(path, 0.3 * tilted / np.abs(tilted).max(), rate)


def whole(path: Path, start: float, stop: float) -> NDArray[np.float32]:
    """Decode the file, then cut."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return samples[round(start * rate) : round(stop * rate)]


def crop(path: Path, start: float, stop: float) -> NDArray[np.float32]:
    """Decode what is wanted."""
    return read_audio(path, start, stop)[0]


def compare(name: str, path: Path) -> None:
    """Time both in turns and print one line of the table."""
    rng = np.random.default_rng(1)
    times = np.empty((ROUNDS, 2))
    for round_number in range(ROUNDS):
        lengths = rng.uniform(*CROP, CROPS)
        starts = rng.uniform(0.0, SECONDS - lengths)
        pieces = list(zip(starts, starts + lengths, strict=True))
        for start, stop in pieces:
            assert np.array_equal(whole(path, start, stop), crop(path, start, stop))
        for column, function in enumerate((whole, crop)):
            begin = time.process_time()
            for start, stop in pieces:
                function(path, start, stop)
            times[round_number, column] = (time.process_time() - begin) / CROPS
    slow, fast = 1e3 * np.median(times, axis=0)
    ratios = times[:, 0] / times[:, 1]
    span = f"[{ratios.min():.0f}, {ratios.max():.0f}]"
    print(
        f"{name:20} {slow:>9.1f} {fast:>8.2f} {np.median(ratios):>7.1f} {span:>12}",
        flush=True,
    )


def main() -> None:
    """Print the table of times and ratios."""
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'file':20} {'whole ms':>9} {'crop ms':>8} {'ratio':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for name, (rate, channels, extension) in FILES.items():
            path = Path(folder) / f"{rate}-{channels}.{extension}"
            write_file(path, rate, channels)
            compare(name, path)


if __name__ == "__main__":
    main()
