"""Give the scores of a detector a meaning: log-likelihood ratios and thresholds.

    python -m recipes.AntiDeepfake.calibrate SCORES --detector FOLDER
    python -m recipes.AntiDeepfake.calibrate SCORES --out calibration.json

SCORES is a score file of development data, which are like the data to come and are in
no training set: what `evaluate.py` writes, or a file of another toolkit with --key.
Fitted is llr = scale * score + offset (logistic regression, both classes weighted by
the prior) and, for each rate, the threshold that keeps it. Printed is what that is
worth on the same data, on the same data by cross-validation, and on the score files of
--test, whose labels take no part. Cllr is in bits: 1 is worth nothing, and the
difference to min Cllr is what poor calibration costs; DCF are those of ASVspoof 5.

    --key FILE ...      labels of SCORES, if it has none (a manifest, an ASVspoof key)
    --detector FOLDER   writes FOLDER/calibration.json, which the detector then uses,
                        and a section of its model card
    --out FILE          writes the calibration there
    --prior P           probability of real to weight the fit for (0.5)
    --fpr RATE ...      thresholds that accept so many fakes at most (0.01 0.05)
    --fnr RATE ...      thresholds that reject so much genuine speech at most (none)
    --test FILE ...     score files to measure on
    --test-key FILE ... their labels, one key for all
    --smooth            take Platt's targets: for classes that do not overlap
    --folds N           parts of the cross-validation (2)
    --seed N            of its parts and of the bootstrap (0)

Used so, in Python; `score.py` writes raw scores as ever:

    detector = DeepfakeDetector.from_hparams(FOLDER)
    detector.classify_file("speech.wav")                    # by the calibrated llr
    detector.classify_file("speech.wav", threshold="fpr=0.01")
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
from numpy.typing import NDArray

from data_prep.files import atomic_path, file_digest
from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.calibration import (
    CALIBRATION,
    Calibration,
    CalibrationError,
    write_calibration,
)
from recipes.AntiDeepfake.calibration_fit import (
    cross_validated_llrs,
    fit_affine,
    operating_point,
)
from recipes.AntiDeepfake.calibration_table import describe_calibration
from recipes.AntiDeepfake.metrics import (
    act_dcf,
    cllr,
    eer,
    looks_flipped,
    min_cllr,
    min_dcf,
    threshold_metrics,
)
from recipes.AntiDeepfake.score_file import (
    ScoreFileError,
    labels_as_numbers,
    read_scores,
)
from recipes.AntiDeepfake.usage import UsageError, command

__all__ = ["calibrate", "main", "quality"]


def quality(
    scores: NDArray, llrs: NDArray, labels: NDArray, calibration: Calibration
) -> dict:
    """What a calibration is worth on some trials.

    Arguments
    ---------
    scores : numpy.ndarray
        Raw scores, [trials].
    llrs : numpy.ndarray
        Calibrated ones, [trials].
    labels : numpy.ndarray
        [trials]; 1 is real, 0 is fake.
    calibration : Calibration
        Its operating points are taken to the trials.

    Returns
    -------
    dict
        `real`, `fake`, `eer`, `min_cllr`, `min_dcf` (these three of the raw scores),
        `cllr_raw`, `cllr`, `act_dcf_raw`, `act_dcf`, and `rates`, the `fpr` and `fnr`
        that each operating point has here.
    """
    rates = {}
    for name, point in calibration.operating_points.items():
        found = threshold_metrics(scores, labels, point.threshold)
        rates[name] = {"fpr": found["fpr"], "fnr": found["fnr"]}
    return {
        "real": int(labels.sum()),
        "fake": int((1 - labels).sum()),
        "eer": eer(scores, labels)[0],
        "min_cllr": min_cllr(scores, labels),
        "cllr_raw": cllr(scores, labels),
        "cllr": cllr(llrs, labels),
        "min_dcf": min_dcf(scores, labels)[0],
        "act_dcf_raw": act_dcf(scores, labels),
        "act_dcf": act_dcf(llrs, labels),
        "rates": rates,
    }


def calibrate(
    path: str | Path,
    key: str | Path | Sequence[str | Path] | None = None,
    prior: float = 0.5,
    fpr: Sequence[float] = (0.01, 0.05),
    fnr: Sequence[float] = (),
    smooth: bool = False,
    folds: int = 2,
    seed: int = 0,
) -> Calibration:
    """Fit a calibration to a score file and measure it.

    Arguments
    ---------
    path : str or Path
        Score file of development data.
    key : str, Path or list of them, optional
        Labels, see `score_file.read_scores`.
    prior : float
        Probability of real that the fit is weighted for.
    fpr, fnr : list of float
        Rates to find thresholds for.
    smooth : bool
        See `calibration_fit.fit_affine`.
    folds : int
        Parts of the cross-validation, in which pieces of a recording (the column
        `Recording`) stay together.
    seed : int
        Seed of the parts and the bootstrap.

    Returns
    -------
    Calibration
        `measured` has the `quality` on `development` and `cross-validated`. The
        operating points are the same in both: only the llr is cross-validated.

    Raises
    ------
    ScoreFileError, CalibrationError
        If the scores cannot be used; says why.
    """
    table = read_scores(path, key)
    labels = labels_as_numbers(path, table)
    scores = table["Score"].to_numpy()
    if looks_flipped(scores, labels):
        raise CalibrationError(
            f"{path}: the EER is {eer(scores, labels)[0]:.1%}. Flipped? A score is "
            "logit[real] - logit[fake]; check its sign and the labels."
        )
    settings = {"prior": prior, "smooth": smooth}
    try:
        scale, offset = fit_affine(scores, labels, **settings)
        points = {
            f"{kind}={rate:g}": operating_point(scores, labels, kind, rate, seed=seed)
            for kind, rates in (("fpr", fpr), ("fnr", fnr))
            for rate in rates
        }
        groups = _groups(table)
        held_out = cross_validated_llrs(scores, labels, groups, folds, seed, **settings)
    except CalibrationError as error:
        raise CalibrationError(f"{path}: {error}") from None
    calibration = Calibration(
        scale, offset, prior, points, fitted_on=_provenance(path, table)
    )
    measured = {
        "development": quality(scores, calibration.llr(scores), labels, calibration),
        "cross-validated": quality(scores, held_out, labels, calibration),
    }
    return replace(calibration, measured=measured)


def _groups(table: pandas.DataFrame) -> NDArray:
    """What the parts of a cross-validation must not split."""
    if "Recording" not in table:
        return table["ID"].to_numpy(object)
    alone = table["Recording"] == UNKNOWN
    return np.where(alone, table["ID"], table["Recording"])


def _provenance(path: str | Path, table: pandas.DataFrame) -> dict:
    """What a score file is, without when and where."""
    facts = {
        "file": Path(path).name,
        "sha256": file_digest(path),
        "real": int((table["Label"] == "real").sum()),
        "fake": int((table["Label"] == "fake").sum()),
    }
    if "Corpus" in table:
        counts = table.groupby(["Corpus", "Label"], sort=True).size()
        facts["corpora"] = {
            corpus: {label: int(n) for label, n in counts[corpus].items()}
            for corpus in dict.fromkeys(counts.index.get_level_values("Corpus"))
        }
    return facts


@command(__doc__, (ScoreFileError, CalibrationError))
def main(arguments: list[str]) -> int:
    """Calibrate by the arguments of the command line."""
    options = _parser().parse_args(arguments)
    if not options.detector and not options.out:
        raise UsageError("nowhere to write to: give --detector FOLDER or --out FILE.")
    names = [Path(path).name for path in options.test]
    if len({*names, "development", "cross-validated"}) < len(names) + 2:
        raise UsageError(f"--test: results go by the file names, {names}; rename some.")
    canary = _canary(options.detector) if options.detector else None
    calibration = calibrate(
        options.scores,
        options.key,
        options.prior,
        options.fpr,
        options.fnr,
        options.smooth,
        options.folds,
        options.seed,
    )
    measured = dict(calibration.measured)
    for path in options.test:
        table = read_scores(path, options.test_key)
        labels = labels_as_numbers(path, table)
        scores = table["Score"].to_numpy()
        llrs = calibration.llr(scores)
        measured[Path(path).name] = quality(scores, llrs, labels, calibration)
    calibration = replace(calibration, canary=canary, measured=measured)
    print(describe_calibration(calibration))
    for target in (options.out, options.detector and _in_folder(options.detector)):
        if target:
            write_calibration(target, calibration)
            print(f"written: {target}")
    if options.detector:
        _finish_folder(Path(options.detector), calibration)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("recipes.AntiDeepfake.calibrate")
    parser.add_argument("scores")
    parser.add_argument("--key", nargs="+")
    parser.add_argument("--detector")
    parser.add_argument("--out")
    parser.add_argument("--prior", type=float, default=0.5)
    parser.add_argument("--fpr", type=float, nargs="*", default=[0.01, 0.05])
    parser.add_argument("--fnr", type=float, nargs="*", default=[])
    parser.add_argument("--test", nargs="+", default=[])
    parser.add_argument("--test-key", nargs="+")
    parser.add_argument("--smooth", action="store_true")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def _in_folder(folder: str) -> Path:
    return Path(folder) / CALIBRATION


def _canary(folder: str) -> list[float]:
    """The canary logits in the hyper-parameters, which say what the detector is."""
    from recipes.AntiDeepfake.export import HYPERPARAMS  # needs PyTorch

    path = Path(folder) / HYPERPARAMS
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:
        raise UsageError(
            f"--detector {folder}: no detector folder, it has no {HYPERPARAMS}. Give a "
            "folder that train.py or convert.py wrote; of a detector on a hub, a copy."
        ) from None
    values = [line.partition(":")[2] for line in lines if line.startswith("canary:")]
    if not values:
        raise UsageError(f"--detector {path}: has no canary. Write it anew: convert.py")
    return json.loads(values[0])


def _finish_folder(folder: Path, calibration: Calibration) -> None:
    """Write the section of the model card; say if the folder's own code is too old."""
    from recipes.AntiDeepfake.card import CARD, calibrated_card
    from recipes.AntiDeepfake.export import INTERFACE_FILE

    card = folder / CARD
    if card.is_file():
        text = calibrated_card(card.read_text("utf-8"), calibration)
        with atomic_path(card) as temporary:
            temporary.write_text(text, encoding="utf-8")
    code = folder / INTERFACE_FILE
    if code.is_file() and CALIBRATION not in code.read_text("utf-8"):
        print(
            f"note: {code} is older than calibrations and will not use it outside of "
            "this repository. Write the detector anew (convert.py) and calibrate that."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
