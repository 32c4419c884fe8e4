"""WORLD, the classic vocoder of statistical parametric synthesis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.vocoders.base import Vocoder

__all__ = ["World"]


class World(Vocoder):
    """Pitch, spectral envelope and aperiodicity, and speech again from the three.

    M. Morise et al., "WORLD: A Vocoder-Based High-Quality Speech Synthesis System for
    Real-Time Applications", 2016, https://doi.org/10.1587/transinf.2015EDP7457. The
    analysis is that of `pyworld.wav2world`: DIO with StoneMask, CheapTrick and D4C.
    """

    name = "world"
    summary = "WORLD (pitch, envelope, aperiodicity)"
    install = "pyworld-prebuilt"
    settings = {"frame_period": 5.0}  # ms

    def __init__(self, weights: Path | None = None, device: str = "cpu"):
        super().__init__(weights, device)
        import pyworld

        self.pyworld = pyworld

    def __call__(self, wav: NDArray, sample_rate: int, seed: int = 0) -> NDArray:
        """Make a copy, see `Vocoder`."""
        wav = np.ascontiguousarray(wav, np.float64)
        found = self.pyworld.wav2world(wav, sample_rate, **self.settings)
        return self.pyworld.synthesize(*found, sample_rate, **self.settings)
