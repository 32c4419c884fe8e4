"""Calibration: known answers, intervals, the command, and a detector that uses it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import new_detector

from recipes.AntiDeepfake.calibrate import calibrate, main
from recipes.AntiDeepfake.calibration import (
    CALIBRATION,
    Calibration,
    CalibrationError,
    OperatingPoint,
    read_calibration,
    write_calibration,
)
from recipes.AntiDeepfake.calibration_fit import (
    cross_validated_llrs,
    fit_affine,
    operating_point,
)
from recipes.AntiDeepfake.metrics import cllr, fnr_at_fpr, fpr_at_fnr

CPU = {"device": "cpu"}


def make_llrs(trials, seed=0, real_share=0.5, spread=2.0):
    """Scores that are log-likelihood ratios: normal, means +-spread^2 / 2."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(trials) < real_share).astype(np.int64)
    return rng.normal((labels - 0.5) * spread**2, spread), labels


def write_score_file(path, scores, labels, **columns):
    names = ["ID", "Label", "Score", *columns]
    lines = [",".join(names)]
    for i, (score, label) in enumerate(zip(scores, labels, strict=True)):
        more = [str(values[i]) for values in columns.values()]
        word = "real" if label else "fake"
        lines.append(",".join([f"t{i}", word, f"{score:.9g}", *more]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("prior", [0.5, 0.95], ids="prior {}".format)
@pytest.mark.parametrize("real_share", [0.5, 0.1], ids="{} real".format)
def test_a_known_distortion_is_undone(prior, real_share):
    llrs, labels = make_llrs(200_000, real_share=real_share)
    scale, offset = fit_affine((llrs - 1.5) / 0.25, labels, prior)
    assert scale == pytest.approx(0.25, rel=0.03)
    assert offset == pytest.approx(1.5, abs=0.06)


def test_the_fit_is_the_minimum():
    """No map nearby has a lower cost; at a prior of 0.5 the cost is Cllr."""
    llrs, labels = make_llrs(500, seed=1)
    scale, offset = fit_affine(llrs, labels)
    best = cllr(scale * llrs + offset, labels)
    for step in (-1e-3, 1e-3):
        assert cllr((scale + step) * llrs + offset, labels) > best
        assert cllr(scale * llrs + offset + step, labels) > best


def test_any_unit_of_the_scores_will_do():
    llrs, labels = make_llrs(1000)
    scale, offset = fit_affine(llrs, labels)
    other_scale, other_offset = fit_affine(1e4 * llrs + 1e6, labels)
    assert other_scale == pytest.approx(1e-4 * scale, rel=1e-6)
    assert other_offset + 1e6 * other_scale == pytest.approx(offset, abs=1e-5)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([3.0, 2.0, 1.0, 0.0], [1, 1, 0, 0], "do not overlap.*--smooth"),
        ([3.0, 2.0, 2.0, 0.0], [1, 1, 0, 0], "do not overlap"),
        ([0.0, 1.0, 2.0, 3.0], [1, 1, 0, 0], "do not overlap"),
        ([0.0, 2.0, 1.0, 3.0], [1, 1, 0, 0], "flipped"),
        ([1.0, 1.0, 1.0], [1, 1, 0], "all 3 scores are 1"),
        ([1.0, 2.0], [1, 1], "2 real and 0 fake"),
    ],
    ids=["separable", "touching", "reversed", "flipped", "constant", "one class"],
)
def test_scores_that_cannot_be_calibrated(scores, labels, message):
    with pytest.raises(CalibrationError, match=message):
        fit_affine(scores, labels)


def test_smooth_targets_bound_separable_scores_and_vanish_in_many_trials():
    scores, labels = [5.0, 4.0, 1.0, 0.0], [1, 1, 0, 0]
    scale, offset = fit_affine(scores, labels, smooth=True)
    # Platt's target for two trials of a class is 3/4, so log-odds of log 3.
    assert scale * 4.5 + offset == pytest.approx(np.log(3), abs=0.15)
    assert scale * 2.5 + offset == pytest.approx(0, abs=1e-6)
    llrs, labels = make_llrs(100_000)
    assert fit_affine(llrs, labels, smooth=True) == pytest.approx(
        fit_affine(llrs, labels), abs=0.01
    )


def test_cross_validation_keeps_groups_and_is_worse_than_the_fit():
    llrs, labels = make_llrs(60, seed=3)
    scale, offset = fit_affine(llrs, labels)
    fitted = cllr(scale * llrs + offset, labels)
    assert cllr(cross_validated_llrs(llrs, labels), labels) > fitted
    groups = np.arange(60) // 2
    held_out = cross_validated_llrs(llrs, labels, groups, folds=5)
    # Five maps were used, and both trials of a group had the same one.
    pairs = held_out.reshape(-1, 2), llrs.reshape(-1, 2)
    slopes = np.diff(pairs[0])[:, 0] / np.diff(pairs[1])[:, 0]
    assert len(np.unique(slopes.round(9))) == 5
    again = cross_validated_llrs(llrs, labels, groups, folds=5)
    assert np.array_equal(held_out, again)


@pytest.mark.parametrize(
    ("kind", "rate"), [("fpr", 0.05), ("fnr", 0.1)], ids=["fpr", "fnr"]
)
def test_intervals_are_those_of_drawing_trials(kind, rate):
    scores, labels = make_llrs(600, seed=2, real_share=0.4)
    point = operating_point(scores, labels, kind, rate, resamples=20_000)
    metric = fnr_at_fpr if kind == "fpr" else fpr_at_fnr
    other, threshold = metric(scores, labels, rate)
    assert point.threshold == threshold
    assert other == (point.fnr if kind == "fpr" else point.fpr)
    assert getattr(point, kind) <= rate
    rng = np.random.default_rng(1)
    classes = [np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)]
    drawn = []
    for _ in range(2000):
        chosen = np.concatenate([rng.choice(c, len(c)) for c in classes])
        drawn.append(metric(scores[chosen], labels[chosen], rate))
    others, thresholds = np.array(drawn).T
    # Of 2000 draws the ends of the interval are known to about a tenth of its width.
    for found, sample in (
        (point.threshold_interval, thresholds),
        (point.other_interval, others),
    ):
        low, high = np.quantile(sample, [0.025, 0.975])
        assert found == pytest.approx((low, high), abs=0.15 * (high - low))


@pytest.mark.parametrize(
    ("kind", "rate", "message"),
    [
        ("fpr", 0.001, r"fpr=0.001 cannot be measured on \d+ fake trials"),
        ("fnr", 1.0, "cannot be measured"),
        ("fnr", 0.0, "cannot be measured"),
    ],
    ids=["too few", "one", "zero"],
)
def test_rates_that_cannot_be_measured(kind, rate, message):
    scores, labels = make_llrs(200)
    with pytest.raises(CalibrationError, match=message):
        operating_point(scores, labels, kind, rate)


def test_accepting_everything_is_no_operating_point():
    scores, labels = [0.0, 1.0, 2.0, 5.0], [1, 1, 1, 0]
    with pytest.raises(CalibrationError, match="accepting everything"):
        operating_point(scores * 10, labels * 10, "fnr", 0.05)


def test_the_file_keeps_everything(tmp_path):
    point = OperatingPoint(1.5, (1.0, 2.0), 0.01, 0.2, (0.15, 0.25))
    calibration = Calibration(0.5, -1.0, 0.9, {"fpr=0.01": point}, [0.25, -0.5])
    write_calibration(tmp_path / "c.json", calibration)
    assert read_calibration(tmp_path / "c.json") == calibration
    assert calibration.threshold("fpr=0.01") == -0.25
    with pytest.raises(CalibrationError, match="'fpr=0.05'.*there are: fpr=0.01"):
        calibration.threshold("fpr=0.05")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"version": 0, "scale": 1, "offset": 0, "operating_points": {}}',
        '{"version": 1, "scale": -1, "offset": 0, "operating_points": {}}',
        '{"version": 1, "scale": "1", "offset": 0, "operating_points": {}}',
        '{"version": 1, "scale": 1, "operating_points": {}}',
    ],
    ids=["cut", "list", "empty", "version", "negative", "text", "no offset"],
)
def test_a_broken_file_is_refused(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(CalibrationError, match="c.json: no calibration"):
        read_calibration(tmp_path / "c.json")


def test_calibrate_measures_and_says_where_from(tmp_path):
    llrs, labels = make_llrs(4000)
    corpora = np.where(np.arange(4000) % 4, "big", "small")
    path = write_score_file(
        tmp_path / "dev.csv", (llrs + 3) / 0.5, labels, Corpus=corpora
    )
    found = calibrate(path, fpr=[0.05], fnr=[0.1])
    development, held_out = found.measured.values()
    assert list(found.measured) == ["development", "cross-validated"]
    assert development["cllr_raw"] > 1.5 > development["cllr"]
    assert development["cllr"] < held_out["cllr"] < development["cllr"] + 0.01
    assert development["min_cllr"] < development["cllr"]
    assert development["act_dcf"] < development["act_dcf_raw"]
    assert (
        development["rates"]["fpr=0.05"]["fpr"]
        == found.operating_points["fpr=0.05"].fpr
        == pytest.approx(0.05, abs=0.001)
    )
    assert found.fitted_on["file"] == "dev.csv"
    assert found.fitted_on["real"] == labels.sum()
    assert sum(found.fitted_on["corpora"]["small"].values()) == 1000
    assert len(found.fitted_on["sha256"]) == 64


def test_recordings_are_not_split(tmp_path):
    """Pieces that repeat their recording leak into a split by trials."""
    llrs, labels = make_llrs(40, seed=5)
    scores, labels = np.repeat(llrs, 10), np.repeat(labels, 10)
    names = np.repeat([f"r{i}" for i in range(40)], 10)
    path = write_score_file(tmp_path / "a.csv", scores, labels, Recording=names)
    by_recording = calibrate(path, fpr=[]).measured
    path = write_score_file(tmp_path / "b.csv", scores, labels)
    by_trial = calibrate(path, fpr=[]).measured
    assert by_recording["development"] == by_trial["development"]
    assert by_recording["cross-validated"]["cllr"] > by_trial["cross-validated"]["cllr"]


def test_flipped_scores_are_called_so(tmp_path):
    llrs, labels = make_llrs(400)
    path = write_score_file(tmp_path / "dev.csv", -llrs, labels)
    with pytest.raises(CalibrationError, match=r"the EER is 8\d.\d%. Flipped\?"):
        calibrate(path)


@pytest.fixture
def scores(tmp_path):
    llrs, labels = make_llrs(2000)
    return write_score_file(tmp_path / "dev.csv", (llrs + 3) / 0.5, labels)


def test_command_writes_the_same_file_each_time(scores, tmp_path, capsys):
    llrs, labels = make_llrs(1000, seed=9)
    test = write_score_file(tmp_path / "test.csv", (llrs + 4) / 0.5, labels)
    texts = []
    for name in ("one.json", "two.json"):
        arguments = [scores, "--out", tmp_path / name, "--test", test, "--fpr", 0.05]
        assert main(list(map(str, arguments))) == 0
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    out = capsys.readouterr().out
    assert "cross-validated" in out and "fpr=0.05" in out
    assert "on test.csv: FPR %, FNR %" in out
    measured = json.loads(texts[0])["measured"]["test.csv"]
    # The test scores lie higher by 2, so that the threshold lets more fakes through.
    assert measured["rates"]["fpr=0.05"]["fpr"] > 0.05


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Give the scores of a detector a meaning"),
        (["dev.csv"], 2, "nowhere to write to"),
        (["dev.csv", "--detector", "."], 2, "no detector folder, it has no hyper"),
        (["none.csv", "--out", "c.json"], 1, "none.csv: cannot be read"),
        (["dev.csv", "--out", "c.json", "--fpr", "1e-6"], 1, "cannot be measured"),
        (["dev.csv", "--out", "c.json", "--prior", "1"], 1, "the prior is 1.0"),
        (["dev.csv", "--out", "c.json", "--test", "a", "b/a"], 2, "rename some"),
    ],
    ids=["none", "no target", "no detector", "no file", "rate", "prior", "same name"],
)
def test_command_fails_clearly(scores, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(scores.parent)
    assert main(arguments) == code
    assert message in capsys.readouterr().err
    assert not (scores.parent / "c.json").exists()


@pytest.fixture(scope="module")
def folder(tiny_ssl, tmp_path_factory):
    from recipes.AntiDeepfake.export import export_detector

    folder = tmp_path_factory.mktemp("calibrated") / "detector"
    return export_detector(folder, new_detector(tiny_ssl), {"stage": "test"})


def load(folder):
    from recipes.AntiDeepfake.interface import DeepfakeDetector

    return DeepfakeDetector.from_hparams(folder, run_opts=CPU)


def test_without_a_calibration_the_score_is_the_llr(folder, corpus):
    detector = load(folder)
    path = corpus / "audio" / "test-000.flac"
    score = detector.score_file(path)
    assert detector.calibration is None
    assert detector.llr(1.25) == 1.25
    decision = detector.classify_file(path)
    assert (decision.llr, decision.threshold) == (score, 0.0)
    with pytest.raises(CalibrationError, match="'fpr=0.01'.*is not calibrated"):
        detector.classify_file(path, "fpr=0.01")


def test_a_calibrated_detector(folder, corpus, scores, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "detector")
    arguments = [scores, "--detector", copy, "--fpr", 0.05]
    for _ in range(2):  # the second one replaces the first
        assert main(list(map(str, arguments))) == 0
    card = (copy / "README.md").read_text()
    assert card.count("## Calibration") == 1 and "| `fpr=0.05` |" in card
    assert "## Lineage" in card and "## Use" in card

    raw, detector = load(folder), load(copy)
    calibration = read_calibration(copy / CALIBRATION)
    assert detector.calibration == calibration
    path = corpus / "audio" / "test-000.flac"
    score = detector.score_file(path)
    assert score == raw.score_file(path)
    llr = calibration.scale * score + calibration.offset
    decision = detector.classify_file(path)
    assert decision.llr == llr
    assert decision.probability == pytest.approx(1 / (1 + np.exp(-llr)))
    assert decision.label == ("real" if llr > 0 else "fake")
    assert detector.posterior(score, 0.9) == pytest.approx(1 / (1 + np.exp(-llr) / 9))
    named = detector.classify_file(path, threshold="fpr=0.05")
    threshold = calibration.operating_points["fpr=0.05"].threshold
    assert named.threshold == calibration.llr(threshold)
    assert named.label == ("real" if score > threshold else "fake")


def test_a_converted_folder_keeps_its_calibration(folder, scores, tmp_path):
    from recipes.AntiDeepfake.conversion import convert

    copy = shutil.copytree(folder, tmp_path / "detector")
    assert main([str(scores), "--detector", str(copy)]) == 0
    convert(str(copy), tmp_path / "anew")
    assert load(tmp_path / "anew").llr(1.5) == load(copy).llr(1.5) != 1.5
    assert "## Calibration" in (tmp_path / "anew/README.md").read_text()


def test_the_calibration_of_another_detector_is_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "detector")
    write_calibration(copy / CALIBRATION, Calibration(1.0, 0.0, canary=[0.0, 1.0]))
    with pytest.raises(CalibrationError, match="of another detector, whose canary"):
        load(copy)


FAR = """
from speechbrain.inference.interfaces import foreign_class
detector = foreign_class(
    source="detector",
    pymodule_file="custom_interface.py",
    classname="DeepfakeDetector",
    savedir="saved",
    run_opts={"device": "cpu"},
)
print(detector.calibration.scale, detector.classify_file("a.flac", "fpr=0.05").llr)
"""


@pytest.mark.slow
def test_it_is_used_where_this_repository_is_not(folder, corpus, scores, tmp_path):
    far = tmp_path / "far"
    far.mkdir()
    copy = shutil.copytree(folder, far / "detector")
    assert main([str(scores), "--detector", str(copy), "--fpr", "0.05"]) == 0
    shutil.copy(corpus / "audio" / "test-000.flac", far / "a.flac")
    (far / "far.py").write_text(FAR)
    done = subprocess.run(
        [sys.executable, "far.py"], cwd=far, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    scale, llr = map(float, done.stdout.split())
    assert scale == read_calibration(copy / CALIBRATION).scale
    here = load(copy).classify_file(far / "a.flac", "fpr=0.05")
    assert llr == pytest.approx(here.llr, abs=1e-6)


def test_a_hub_without_calibration_is_no_calibration(monkeypatch, tmp_path):
    """In the cache of a hub the file is either there or it is not."""
    from speechbrain.utils.fetching import FetchConfig

    from recipes.AntiDeepfake.weights import find_calibration

    snapshot = tmp_path / "models--me--detector" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("abc")
    config = FetchConfig(huggingface_cache_dir=str(tmp_path), allow_network=False)
    assert find_calibration("me/detector", config) is None
    write_calibration(snapshot / CALIBRATION, Calibration(0.5, 1.0))
    found = find_calibration("me/detector", config)
    assert read_calibration(found).scale == 0.5
