"""Two processes (gloo) train together and score every trial once."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT, run_python, training_command
from safetensors.torch import load_file

LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
GLOO = ["--distributed_backend", "gloo"]


@pytest.fixture(scope="module")
def trained_by_two(corpus, tiny_ssl, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    command = training_command(corpus, tiny_ssl, folder, ckpt_interval_steps=1)
    run_python(*LAUNCH, "train.py", *command, *GLOO)
    return folder


def lines(folder):
    return (folder / "train_log.txt").read_text().splitlines()


@pytest.mark.slow
def test_two_processes_train(trained_by_two):
    assert len(lines(trained_by_two)) == 3
    assert (trained_by_two / "detector" / "model.safetensors").exists()


@pytest.mark.slow
def test_two_processes_score_what_one_scores(trained_by_two, corpus, tmp_path):
    command = ["hparams/eval_mini.yaml", "--detector", trained_by_two / "detector"]
    command += ["--data_folder", corpus, "--test_csv", corpus / "test.csv"]
    command += ["--device", "cpu", "--output_folder"]
    run_python("evaluate.py", *command, tmp_path / "one")
    run_python(*LAUNCH, "evaluate.py", *command, tmp_path / "two", *GLOO)
    tables = []
    for folder in ("one", "two"):
        with open(tmp_path / folder / "scores.csv") as file:
            tables.append({row["ID"]: row["Score"] for row in csv.DictReader(file)})
    # 17 trials, so the two shares differ in size.
    assert len(tables[0]) == 17 and tables[0].keys() == tables[1].keys()
    for name, score in tables[0].items():
        assert float(tables[1][name]) == pytest.approx(float(score), abs=1e-5)
    metrics = [(tmp_path / f / "metrics.csv").read_text() for f in ("one", "two")]
    assert metrics[0].splitlines()[1][:40] == metrics[1].splitlines()[1][:40]


@pytest.mark.slow
def test_killed_processes_resume(trained_by_two, corpus, tiny_ssl, tmp_path):
    command = training_command(corpus, tiny_ssl, tmp_path, ckpt_interval_steps=1)
    run = subprocess.Popen(
        [sys.executable, *LAUNCH, "train.py", *command, *GLOO],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    log = tmp_path / "train_log.txt"
    deadline = time.monotonic() + 120
    while not log.exists() and time.monotonic() < deadline:
        assert run.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    run_python(*LAUNCH, "train.py", *command, *GLOO)
    assert set(lines(tmp_path)) == set(lines(trained_by_two))
    expected = load_file(trained_by_two / "detector" / "model.safetensors")
    found = load_file(tmp_path / "detector" / "model.safetensors")
    assert all(expected[name].equal(found[name]) for name in expected)
