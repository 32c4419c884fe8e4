"""Results of finished steps as files, so that an interrupted build can go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.files import atomic_path

__all__ = ["Clip", "read_clips", "store_path", "write_clips"]


@dataclass(frozen=True)
class Clip:
    """A waveform and where it comes from.

    Arguments
    ---------
    waveform : numpy.ndarray
        One channel, 16 kHz, float32.
    origin : str
        Source file or spoken text, for the sidecar.
    """

    waveform: np.ndarray
    origin: str


def store_path(work: Path, name: str) -> Path:
    """The file for the clips of a step."""
    return work / f"{name}.npz"


def write_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Write clips to one file, atomically."""
    samples = [np.asarray(clip.waveform, np.float32) for clip in clips]
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            lengths=np.array([len(waveform) for waveform in samples], np.int64),
            samples=np.concatenate([np.zeros(0, np.float32), *samples]),
            origins=np.array(json.dumps([clip.origin for clip in clips])),
        )


def read_clips(path: Path) -> list[Clip]:
    """Read what `write_clips` wrote."""
    with np.load(path) as content:
        stops = np.cumsum(content["lengths"])
        waveforms = np.split(content["samples"], stops[:-1]) if len(stops) else []
        origins = json.loads(str(content["origins"]))
    return [Clip(*pair) for pair in zip(waveforms, origins, strict=True)]
