"""The errors that a system is surest of, and their audio for a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from data_prep.audio_info import AudioError, audio_info, read_audio
from data_prep.manifest import UNKNOWN, ManifestError, resolve_path

__all__ = ["Clip", "Clips", "worst_errors"]

RATE = 16000  # Hz, what a detector hears
SECONDS = 10  # of a clip
BUDGET = 6_000_000  # bytes of all clips of a page, as text


def worst_errors(
    trials: pandas.DataFrame, threshold: float, number: int
) -> dict[str, pandas.DataFrame]:
    """The trials of each class that are farthest on the wrong side.

    Arguments
    ---------
    trials : pandas.DataFrame
        With `ID`, `Label` and `Score`.
    threshold : float
        A trial is taken for real when its score is above.
    number : int
        How many of each class at most.

    Returns
    -------
    dict of pandas.DataFrame
        `fake`, the fakes with the highest scores, and `real`, the genuine trials with
        the lowest; only errors. Of equal scores, the lower ID comes first.

    Example
    -------
    >>> trials = pandas.DataFrame(
    ...     {"ID": ["a", "b"], "Label": ["fake", "fake"], "Score": [3.0, 1.0]}
    ... )
    >>> found = worst_errors(trials, 0.0, 1)
    >>> found["fake"]["ID"].tolist(), len(found["real"])
    (['a'], 0)
    """
    accepted = trials["Score"] > threshold
    fakes = trials[(trials["Label"] == "fake") & accepted]
    reals = trials[(trials["Label"] == "real") & ~accepted]
    return {
        "fake": fakes.sort_values(["Score", "ID"], ascending=[False, True])[:number],
        "real": reals.sort_values(["Score", "ID"])[:number],
    }


class Clip(NamedTuple):
    """A piece of audio in a page.

    Arguments
    ---------
    number : int
        Counts the clips of the page; 0 if there is none.
    uri : str
        `data:` URI of a FLAC file; empty if the page has the clip already, or if there
        is none.
    note : str
        Why there is none, or that it is cut.
    """

    number: int
    uri: str
    note: str


class Clips:
    """Makes the clips of a page, each once, until there are too many.

    Arguments
    ---------
    data_folder : str or Path, optional
        What `$ROOT` stands for in paths.
    budget : int
        Bytes of all clips together, as text.
    """

    def __init__(self, data_folder: str | Path | None, budget: int = BUDGET):
        self.data_folder = data_folder
        self.budget = budget
        self.bytes = 0
        self.made: dict[tuple[str, ...], Clip] = {}

    def clip(self, trial: Mapping[str, str]) -> Clip:
        """The clip of a trial, 16 kHz, mono, its first seconds.

        Arguments
        ---------
        trial : dict
            With `Path`, `Start` and `Stop`.

        Returns
        -------
        Clip
        """
        key = tuple(trial[name] for name in ("Path", "Start", "Stop"))
        if key in self.made:
            return self.made[key]._replace(uri="")
        try:
            samples, cut = self._read(*key)
        except (AudioError, ManifestError) as error:
            clip = Clip(0, "", _short(error, key[0]))
        else:
            uri = _data_uri(samples)
            if self.bytes + len(uri) > self.budget:
                return Clip(0, "", "left out: the page has its limit of audio")
            self.bytes += len(uri)
            number = 1 + sum(1 for clip in self.made.values() if clip.number)
            clip = Clip(number, uri, f"first {SECONDS} s" if cut else "")
        self.made[key] = clip
        return clip

    def _read(self, path: str, start: str, stop: str) -> tuple[NDArray, bool]:
        """Samples of a piece, and whether it goes on after them."""
        if path == UNKNOWN:
            raise AudioError("the score file has no paths of audio")
        file = resolve_path(path, self.data_folder)
        if not Path(file).is_file():
            raise AudioError("no such file here")
        begin = 0.0 if start == UNKNOWN else float(start)
        end = audio_info(file).duration if stop == UNKNOWN else float(stop)
        cut = end - begin > SECONDS
        samples, rate = read_audio(file, begin, begin + SECONDS if cut else end)
        ratio = Fraction(RATE, rate)
        mono = samples.mean(axis=1)
        return resample_poly(mono, ratio.numerator, ratio.denominator), cut


def _data_uri(samples: NDArray) -> str:
    """FLAC as `data:` URI: lossless, because artifacts are what one listens for."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), RATE, "PCM_16", format="FLAC")
    return "data:audio/flac;base64," + base64.b64encode(file.getvalue()).decode()


def _short(error: Exception, path: str) -> str:
    """The message of an error for a cell of a table."""
    if isinstance(error, ManifestError):
        return "no data folder given (--data-folder)"
    return str(error).replace(f"{path}: ", "")
