"""Training runs that several tests look at."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def training_command(corpus, ssl_source, output, **others) -> list[str]:
    """Arguments of train.py for a few steps of the paper's YAML on a tiny model."""
    values = {
        "data_folder": corpus,
        "train_csv": corpus / "train.csv",
        "valid_csv": corpus / "valid.csv",
        "ssl_source": ssl_source,
        "output_folder": output,
        "total_steps": 12,
        "valid_interval": 4,
        "warmup_steps": 2,
        "lr": 0.003,
        "max_batch_length": 6.0,
        "num_buckets": 4,
        "num_workers": 0,
        "crop": "[0.5, 0.9]",
        "longest_crop": 0.9,
        "precision": "fp32",
        "device": "cpu",
    } | others
    options = [text for key, value in values.items() for text in (f"--{key}", value)]
    return ["hparams/posttrain_hubert.yaml", *map(str, options)]


def run_python(*arguments, check=True, **kwargs) -> subprocess.CompletedProcess:
    """Run a command of the project as a user does."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        **kwargs,
    )
    if check and done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done


@pytest.fixture(scope="session")
def trained(corpus, tiny_ssl, tmp_path_factory) -> Path:
    """The output folder of an uninterrupted training run."""
    output = tmp_path_factory.mktemp("trained")
    run_python("train.py", *training_command(corpus, tiny_ssl, output))
    return output
