"""Hear and see what each RawBoost algorithm does to a file.

    python -m recipes.AntiDeepfake.listen FILE --out DIR [--seed 0]

Writes the audio at 16 kHz, as it is and as algorithms 1 to 8 change it, to
`DIR/<algorithm>_<noises>.flac`, and their spectrograms to `DIR/spectrograms.png`.
All algorithms get the same seed. One that exceeds full scale is made quieter.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
import soundfile
import torch
import torchaudio
from numpy.typing import NDArray

from data_prep.audio_info import read_audio
from data_prep.files import atomic_path
from lobes.rawboost import ALGORITHMS, rawboost
from recipes.AntiDeepfake.command import command
from recipes.AntiDeepfake.dataio import SAMPLE_RATE

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (after the choice of the backend)

__all__ = ["make_variants", "main", "plot_spectrograms"]

WINDOW = 512
DYNAMIC_RANGE = 80  # dB


@command(usage=__doc__)
def main(arguments: list[str]) -> None:
    """Write the variants of a file and a picture of them."""
    parser = argparse.ArgumentParser("recipes.AntiDeepfake.listen")
    parser.add_argument("file")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    samples, rate = read_audio(options.file)
    wav = torch.from_numpy(samples.mean(axis=1))
    wav = torchaudio.functional.resample(wav, rate, SAMPLE_RATE).numpy()
    variants = make_variants(wav, options.seed)
    for name, variant in variants.items():
        with atomic_path(options.out / f"{name}.flac") as temporary:
            peak = max(1.0, np.abs(variant).max())
            soundfile.write(temporary, variant / peak, SAMPLE_RATE)
    plot_spectrograms(options.out / "spectrograms.png", variants)
    print(f"{len(variants)} files and spectrograms.png in {options.out}")


def make_variants(wav: NDArray[np.float32], seed: int) -> dict[str, NDArray]:
    """Apply each algorithm to a waveform.

    Arguments
    ---------
    wav : numpy.ndarray
        `[time]`, 16 kHz.
    seed : int
        Seed of every algorithm.

    Returns
    -------
    dict of str to numpy.ndarray
        Name to waveform `[time]`, the original first.

    Example
    -------
    >>> list(make_variants(np.ones(400, np.float32), 0))[:3]
    ['0_original', '1_convolutive', '2_impulsive']
    """
    variants = {"0_original": wav}
    for algorithm, noises in ALGORITHMS.items():
        rng = np.random.default_rng(seed)
        name = f"{algorithm}_{('_plus_' if algorithm == 8 else '_').join(noises)}"
        variants[name] = rawboost(wav, SAMPLE_RATE, algorithm, rng=rng)
    return variants


def plot_spectrograms(path: str | Path, variants: Mapping[str, NDArray]) -> None:
    """Draw the spectrograms of waveforms on one scale.

    Arguments
    ---------
    path : str or Path
        The picture, written atomically.
    variants : dict of str to numpy.ndarray
        Title to waveform `[time]`, 16 kHz, all of one length; the first one's
        loudest point is the top of the scale.
    """
    decibels = {name: _spectrogram(wav) for name, wav in variants.items()}
    top = next(iter(decibels.values())).max()
    rows = -(-len(variants) // 3)
    figure, axes = pyplot.subplots(
        rows,
        3,
        figsize=(13, 2.7 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for place, (name, levels) in zip(axes.flat, decibels.items(), strict=False):
        duration = len(variants[name]) / SAMPLE_RATE
        image = place.imshow(
            levels,
            origin="lower",
            aspect="auto",
            extent=(0, duration, 0, SAMPLE_RATE / 2000),
            vmin=top - DYNAMIC_RANGE,
            vmax=top,
        )
        place.set_title(name.replace("_", " "), fontsize=9)
    figure.supxlabel("s")
    figure.supylabel("kHz")
    figure.colorbar(image, ax=axes, label="dB")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)


def _spectrogram(wav: NDArray) -> NDArray:
    """Levels in dB, `[frequencies, frames]`."""
    spectra = torch.stft(
        torch.from_numpy(wav),
        WINDOW,
        hop_length=WINDOW // 4,
        window=torch.hann_window(WINDOW),
        pad_mode="constant",
        return_complex=True,
    )
    return 20 * np.log10(spectra.abs().numpy() + 1e-6)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
