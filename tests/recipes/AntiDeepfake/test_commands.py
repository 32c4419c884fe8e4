"""The commands as users run them: train -> evaluate -> score -> pretrained."""

import csv

import pytest
from helpers import run_python, training_command

from recipes.AntiDeepfake.interface import DeepfakeDetector


@pytest.fixture(scope="module")
def evaluated(trained, corpus, tmp_path_factory):
    """Output folder of evaluate.py and what it printed."""
    folder = tmp_path_factory.mktemp("evaluated")
    done = run_python("evaluate.py", *evaluation(trained, corpus, folder))
    return folder, done


def evaluation(trained, corpus, folder, manifest="test.csv"):
    return [
        "hparams/eval_mini.yaml",
        *("--detector", trained / "detector"),
        *("--data_folder", corpus),
        *("--test_csv", corpus / manifest),
        *("--output_folder", folder),
        *("--device", "cpu"),
    ]


def test_evaluate_prints_and_writes_metrics(evaluated):
    folder, done = evaluated
    with open(folder / "metrics.csv") as file:
        first = next(csv.DictReader(file))
    assert (first["corpus"], first["slice"]) == ("voices", "all")
    assert (first["real"], first["fake"]) == ("9", "8")
    for name in ("EER %", "AUC", "acc", "prec", "recall", "F1", "FPR", "FNR"):
        assert name in done.stdout
    assert "attack smooth" in done.stdout and "language CS" in done.stdout
    assert (folder / "test/scores.png").stat().st_size > 10_000


def test_interface_gives_the_evaluated_scores(evaluated, trained, corpus):
    detector = DeepfakeDetector.from_hparams(
        trained / "detector", run_opts={"device": "cpu"}
    )
    with open(evaluated[0] / "test/scores.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 17
    for row in rows:
        path = row["Path"].replace("$ROOT", str(corpus))
        assert detector.score_file(path) == pytest.approx(float(row["Score"]), abs=1e-5)


def test_score_command_agrees(evaluated, trained, corpus, tmp_path):
    out = tmp_path / "scores.csv"
    audio = corpus / "audio"
    run_python("score.py", trained / "detector", audio, "--out", out)
    with open(out) as file:
        found = {row["ID"]: row["Score"] for row in csv.DictReader(file)}
    assert len(found) == 73
    with open(evaluated[0] / "test/scores.csv") as file:
        for row in csv.DictReader(file):
            path = row["Path"].replace("$ROOT", str(corpus))
            assert float(found[path]) == pytest.approx(float(row["Score"]), abs=1e-5)


def test_score_lists_what_it_cannot_score(trained, corpus, tmp_path):
    (tmp_path / "empty.wav").touch()
    good = corpus / "audio" / "test-000.flac"
    done = run_python(
        "score.py", trained / "detector", good, tmp_path, "nowhere.wav", check=False
    )
    assert done.returncode == 1
    assert done.stdout.startswith("ID,Score,LogitFake,LogitReal\n")
    assert len(done.stdout.splitlines()) == 2
    assert "empty.wav" in done.stderr and "nowhere.wav" in done.stderr


def test_evaluate_lists_what_it_cannot_score(trained, corpus, tmp_path):
    text = (corpus / "test.csv").read_text()
    (corpus / "broken.csv").write_text(text.replace("test-002.flac", "gone.flac"))
    command = evaluation(trained, corpus, tmp_path, "broken.csv")
    done = run_python("evaluate.py", *command, check=False)
    assert done.returncode == 1
    assert "test-002" in done.stderr and "1 of 17 not scored" in done.stderr
    assert len((tmp_path / "broken/scores.csv").read_text().splitlines()) == 17


def test_fine_tuning_starts_from_a_detector(trained, corpus, tiny_ssl, tmp_path):

    command = training_command(
        corpus, tiny_ssl, tmp_path, init_from=trained / "detector", lr=1e-9
    )
    run_python("train.py", *command)
    before, after = (
        DeepfakeDetector.from_hparams(folder / "detector", run_opts={"device": "cpu"})
        for folder in (trained, tmp_path)
    )
    path = corpus / "audio" / "test-000.flac"
    assert after.score_file(path) == pytest.approx(before.score_file(path), abs=1e-4)


@pytest.mark.parametrize("script", ["train.py", "evaluate.py", "score.py"])
def test_help_teaches(script):
    done = run_python(script, "--help")
    assert f"python {script}" in done.stdout


def test_wrong_ssl_source_is_explained(corpus, tmp_path):
    command = training_command(corpus, "no/such-model", tmp_path)
    done = run_python("train.py", *command, check=False)
    assert done.returncode == 2
    assert "no/such-model" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("source", ["nowhere/at/all", "lobes"])
def test_missing_detector_is_explained(source, corpus):
    audio = corpus / "audio" / "test-000.flac"
    done = run_python("score.py", source, audio, check=False)
    assert done.returncode == 2
    assert f"error: {source}" in done.stderr and "Traceback" not in done.stderr


def test_missing_class_is_explained(corpus, tiny_ssl, tmp_path):
    lines = (corpus / "valid.csv").read_text().splitlines()
    only_real = [line for line in lines if ",fake," not in line]
    (tmp_path / "real.csv").write_text("\n".join(only_real) + "\n")
    command = training_command(
        corpus, tiny_ssl, tmp_path / "out", valid_csv=tmp_path / "real.csv"
    )
    done = run_python("train.py", *command, check=False)
    assert done.returncode == 1
    assert "real.csv" in done.stderr and "'fake'" in done.stderr
