import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers import ROOT, run_python, training_command
from safetensors.torch import load_file


def log_of(folder: Path) -> list[str]:
    return (folder / "train_log.txt").read_text().splitlines()


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "detector" / "model.safetensors")


def assert_same_outcome(one: Path, other: Path) -> None:
    assert set(log_of(one)) == set(log_of(other))
    expected, found = weights_of(one), weights_of(other)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


def test_training_leaves_log_curves_and_detector(trained):
    assert len(log_of(trained)) == 3
    assert "valid EER" in log_of(trained)[0]
    assert list((trained / "tensorboard").glob("events*"))
    names = {file.name for file in (trained / "detector").iterdir()}
    assert names == {
        "hyperparams.yaml",
        "model.safetensors",
        "custom_interface.py",
        "README.md",
    }


def test_losses_fall(trained):
    losses = [
        float(line.split("train loss: ")[1].split(" ")[0].strip(","))
        for line in log_of(trained)
    ]
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_same_seed_same_run(trained, corpus, tiny_ssl, tmp_path):
    # Other numbers of workers must not matter either.
    command = training_command(corpus, tiny_ssl, tmp_path, num_workers=2)
    run_python("train.py", *command)
    assert_same_outcome(trained, tmp_path)


@pytest.mark.slow
def test_other_seed_other_run(trained, corpus, tiny_ssl, tmp_path):
    run_python("train.py", *training_command(corpus, tiny_ssl, tmp_path, seed=7))
    assert log_of(trained) != log_of(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("lines_logged", [0, 1, 2])
def test_killed_run_ends_as_if_never_interrupted(
    trained, corpus, tiny_ssl, tmp_path, lines_logged
):
    command = training_command(corpus, tiny_ssl, tmp_path, ckpt_interval_steps=1)
    kill(command, tmp_path, lines_logged)
    run_python("train.py", *command)
    assert_same_outcome(trained, tmp_path)


@pytest.mark.slow
def test_killed_between_accumulated_batches(corpus, tiny_ssl, tmp_path):
    options = {"ckpt_interval_steps": 1, "grad_accumulation_factor": 2}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_python("train.py", *training_command(corpus, tiny_ssl, whole, **options))
    command = training_command(corpus, tiny_ssl, killed, **options)
    kill(command, killed, 1)
    run_python("train.py", *command)
    assert_same_outcome(whole, killed)


def kill(command: list[str], folder: Path, lines_logged: int) -> None:
    """Start a training run and kill it after so many validations."""
    run = subprocess.Popen(
        [sys.executable, "train.py", *command],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(run, folder, lines_logged)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (folder / "detector").exists()


def wait_for(run, folder: Path, lines: int) -> None:
    """Wait until the log has so many lines and there is a checkpoint after it."""
    log = folder / "train_log.txt"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert run.poll() is None, "the run ended before it could be killed"
        found = len(log.read_text().splitlines()) if log.exists() else 0
        saved = list((folder / "save").glob("CKPT*/CKPT.yaml"))
        if found >= lines and saved:
            return
        time.sleep(0.005)
    raise AssertionError("nothing happened in two minutes")


@pytest.mark.slow
def test_bf16_runs(corpus, tiny_ssl, tmp_path):
    command = training_command(corpus, tiny_ssl, tmp_path, precision="bf16")
    run_python("train.py", *command)
    assert len(log_of(tmp_path)) == 3


def test_missing_data_folder_is_explained():
    done = run_python("train.py", "hparams/posttrain_hubert.yaml", check=False)
    assert done.returncode == 2
    assert "data_folder" in done.stderr and "Traceback" not in done.stderr


def test_missing_manifest_is_explained(corpus, tiny_ssl, tmp_path):
    command = training_command(corpus, tiny_ssl, tmp_path, train_csv="nowhere.csv")
    done = run_python("train.py", *command, check=False)
    assert done.returncode == 1
    assert "nowhere.csv" in done.stderr and "Traceback" not in done.stderr


def test_no_arguments_gives_the_usage():
    done = run_python("train.py", check=False)
    assert done.returncode == 2
    assert "posttrain_mini.yaml" in done.stderr
