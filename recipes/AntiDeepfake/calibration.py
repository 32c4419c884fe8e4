"""What the scores of a detector mean: `calibration.json` in its folder.

A detector ranks; its scores are on no scale. On development data that are like the
data to come, `calibrate` finds

    llr = scale * score + offset,

the logarithm of how much likelier the score is for real than for fake speech, and
thresholds that keep one kind of error rare. The file is optional: without it the score
itself is taken for the log-likelihood ratio, as training by cross-entropy on balanced
data would make it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from data_prep.files import atomic_path

__all__ = [
    "CALIBRATION",
    "Calibration",
    "CalibrationError",
    "OperatingPoint",
    "read_calibration",
    "write_calibration",
]

CALIBRATION = "calibration.json"
_VERSION = 1


class CalibrationError(ValueError):
    """A calibration that cannot be made or used; says why."""


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold that keeps one kind of error rare, and what it costs.

    Arguments
    ---------
    threshold : float
        On the raw score; what is above is called real.
    threshold_interval : (float, float)
        95 % bootstrap interval.
    fpr, fnr : float
        Shares of the fakes accepted and of genuine speech rejected, as measured.
    other_interval : (float, float)
        95 % bootstrap interval of the rate that was not asked for.
    """

    threshold: float
    threshold_interval: tuple[float, float]
    fpr: float
    fnr: float
    other_interval: tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """A calibration and where it comes from.

    Arguments
    ---------
    scale, offset : float
        `llr = scale * score + offset`.
    prior : float
        Probability of real that the fit was weighted for.
    operating_points : dict
        `OperatingPoint` by name, such as `fpr=0.01`.
    canary : list of float
        The canary logits of the detector that it is for.
    fitted_on : dict
        Score file: `file`, `sha256`, `real`, `fake`, `corpora`.
    measured : dict
        Figures of quality by data: on the data of the fit, cross-validated, on others.

    Example
    -------
    >>> Calibration(scale=0.5, offset=-1.0).llr(3.0)
    0.5
    """

    scale: float
    offset: float
    prior: float = 0.5
    operating_points: dict[str, OperatingPoint] = field(default_factory=dict)
    canary: Sequence[float] | None = None
    fitted_on: dict = field(default_factory=dict)
    measured: dict = field(default_factory=dict)

    def __post_init__(self):
        numbers = (self.scale, self.offset)
        if not all(map(math.isfinite, numbers)) or self.scale <= 0:
            raise CalibrationError(
                f"scale is {self.scale} and offset {self.offset}: both must be finite, "
                "and the scale above 0. Calibrate again."
            )

    def llr(self, score):
        """Log-likelihood ratio (natural) of a raw score, or of an array of them."""
        return self.scale * score + self.offset

    def formula(self) -> str:
        """How the log-likelihood ratio follows from the score, for people.

        Example
        -------
        >>> Calibration(scale=0.5, offset=-1.0).formula()
        '0.5 * score - 1'
        """
        sign = "-" if self.offset < 0 else "+"
        return f"{self.scale:.4g} * score {sign} {abs(self.offset):.4g}"

    def threshold(self, name: str) -> float:
        """The threshold of an operating point, on the log-likelihood ratio.

        Arguments
        ---------
        name : str
            Such as `fpr=0.01`.

        Returns
        -------
        float

        Raises
        ------
        CalibrationError
            If there is no such point; names those that there are.
        """
        if name not in self.operating_points:
            known = ", ".join(self.operating_points) or "none"
            raise CalibrationError(
                f"no operating point {name!r} in the calibration; there are: {known}. "
                "Choose one, or calibrate with it: "
                "python -m recipes.AntiDeepfake.calibrate --help"
            )
        return self.llr(self.operating_points[name].threshold)


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration as JSON, atomically."""
    text = json.dumps({"version": _VERSION, **asdict(calibration)}, indent=2)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration.

    Arguments
    ---------
    path : str or Path
        A file that `write_calibration` wrote.

    Returns
    -------
    Calibration

    Raises
    ------
    CalibrationError
        If it is missing or no such file.
    """
    try:
        values = json.loads(Path(path).read_text("utf-8"))
        if values.pop("version") != _VERSION:
            raise CalibrationError("made by another version of this code")
        points = {
            name: OperatingPoint(
                **point
                | {
                    "threshold_interval": tuple(point["threshold_interval"]),
                    "other_interval": tuple(point["other_interval"]),
                }
            )
            for name, point in values.pop("operating_points").items()
        }
        return Calibration(operating_points=points, **values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(
            f"{path}: no calibration ({error}). Remove the file, or calibrate again: "
            "python -m recipes.AntiDeepfake.calibrate --help"
        ) from None
