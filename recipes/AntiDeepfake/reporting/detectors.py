"""What is known of the detectors that made the scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from data_prep.lineage import trained_on
from recipes.AntiDeepfake.calibration import (
    CALIBRATION,
    Calibration,
    read_calibration,
)
from recipes.AntiDeepfake.usage import UsageError

__all__ = ["DetectorFacts", "detector_facts"]


@dataclass(frozen=True)
class DetectorFacts:
    """What a detector folder tells.

    Arguments
    ---------
    calibration : Calibration or None
        What its scores mean, if it was calibrated.
    trained_on : tuple of str
        Corpora that it heard in training, as far as is known.
    ssl_model : str or None
        The SSL model that it was trained from, a name of `lobes.models`.
    """

    calibration: Calibration | None = None
    trained_on: tuple[str, ...] = ()
    ssl_model: str | None = None

    @property
    def threshold(self) -> float:
        """The score of equal probability."""
        if self.calibration is None:
            return 0.0
        return -self.calibration.offset / self.calibration.scale

    def llr(self, scores: NDArray) -> NDArray:
        """Log-likelihood ratios; uncalibrated scores are taken for such as they are."""
        return scores if self.calibration is None else self.calibration.llr(scores)


def detector_facts(detector: str) -> DetectorFacts:
    """Look a detector up.

    Arguments
    ---------
    detector : str
        A detector folder, or the hub id of a released detector.

    Returns
    -------
    DetectorFacts

    Raises
    ------
    UsageError
        If it is neither a folder nor the id of a known detector.
    CalibrationError
        If its calibration cannot be read.
    """
    # Only here: it loads PyTorch, without which all else works.
    from recipes.AntiDeepfake.published import ssl_model_name
    from recipes.AntiDeepfake.training_data import lineage_of

    folder = Path(detector)
    model, heard = ssl_model_name(detector), trained_on(lineage_of(detector))
    if not folder.is_dir() and model is None and not heard:
        raise UsageError(
            f"{detector}: neither a detector folder nor the hub id of a released "
            "detector. Check the path, or leave --detector out."
        )
    path = folder / CALIBRATION
    calibration = read_calibration(path) if path.is_file() else None
    return DetectorFacts(calibration, heard, model)
