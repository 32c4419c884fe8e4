import random
import re
import signal
from pathlib import Path

import pytest
import torch
from helpers import run_python, training_command
from safetensors.torch import load_file
from small_training import start_training, with_options

from recipes.AntiDeepfake.loaders import make_training_loader


def log_of(folder: Path) -> list[str]:
    """Lines of the log, without what depends on the time."""
    text = (folder / "train_log.txt").read_text()
    return re.sub(r", train hours per hour.*? - ", " - ", text).splitlines()


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "detector" / "model.safetensors")


def assert_same_outcome(one: Path, other: Path) -> None:
    assert log_of(one) == log_of(other)
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


EVERYTHING = {
    "head_only_steps": 2,
    "layer_decay": 0.7,
    "ema_decay": 0.8,
    "ckpt_interval_steps": 1,
    "grad_accumulation_factor": 2,
}
# Where a run is killed, and then, having been continued, the next time: in the first
# batches, while a checkpoint is written, when it has been written but is not yet
# logged, while others are deleted, in the validation, and before the detector is there.
DEATHS = [
    ("speechbrain.core:Brain.fit_batch", 4),
    ("torch:save", 3),
    ("recipes.AntiDeepfake.checkpoints:_finish", 1),
    ("recipes.AntiDeepfake.brain:write_log", 1),
    ("shutil:rmtree", 2),
    ("speechbrain.core:Brain.evaluate_batch", 2),
    ("train:export_detector", 1),
]


@pytest.mark.slow
def test_run_killed_at_many_places_ends_as_if_never_interrupted(
    corpus, tiny_ssl, tmp_path
):
    experiment = with_options(tmp_path, **EVERYTHING)
    commands = []
    for name in ("whole", "killed"):
        command = training_command(corpus, tiny_ssl, tmp_path / name)
        commands.append([str(experiment), *command[1:]])
    whole = start_training(commands[0])
    for place, call in DEATHS:
        run = start_training(commands[1], place, call)
        run.join()
        assert run.exitcode == -signal.SIGKILL, place
    run = start_training(commands[1])
    for process in (run, whole):
        process.join()
        assert process.exitcode == 0
    assert_same_outcome(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_run_killed_at_random_times_ends_as_if_never_interrupted(
    trained, corpus, tiny_ssl, tmp_path
):
    # Reproducible only as far as the machine is: the times are, what happens is not.
    times = random.Random(0)
    command = training_command(corpus, tiny_ssl, tmp_path, ckpt_interval_steps=1)
    for _ in range(5):
        run = start_training(command)
        run.join(times.uniform(0.2, 2.0))
        if run.exitcode is not None:
            break
        run.kill()
        run.join()
    run = start_training(command)
    run.join()
    assert run.exitcode == 0
    assert_same_outcome(trained, tmp_path)


@pytest.mark.slow
def test_bf16_runs(corpus, tiny_ssl, tmp_path):
    command = training_command(corpus, tiny_ssl, tmp_path, precision="bf16")
    run_python("train.py", *command)
    assert len(log_of(tmp_path)) == 3


def test_training_data_need_no_rawboost(corpus):
    loader = make_training_loader(
        {
            "train_csv": str(corpus / "train.csv"),
            "data_folder": str(corpus),
            "crop": [0.5, 0.9],
            "seed": 1,
            "train_loader": {
                "valid_interval": 1,
                "max_batch_length": 6.0,
                "longest": 0.9,
            },
        }
    )
    [batch] = loader
    assert len(batch.id) == len(batch.wav.data) > 0


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
