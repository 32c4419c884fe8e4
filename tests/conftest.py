"""Real audio, a tiny SSL model and a training run, made once for all tests."""

import os

# Before torch is imported: the tests run beside one another on few cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing may depend on a network; without this the hub is tried again and again.
os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path

import pytest
from helpers import build_corpus, run_python, tiny_ssl_folder, training_command


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """A folder with `train.csv`, `valid.csv`, `test.csv` and their audio."""
    folder = tmp_path_factory.mktemp("corpus")
    for seed, (split, count) in enumerate([("train", 40), ("valid", 16), ("test", 17)]):
        build_corpus(folder, split, count, seed)
    return folder


@pytest.fixture(scope="session")
def tiny_ssl(tmp_path_factory) -> Path:
    """A tiny random HuBERT with layer norm in Hugging Face layout."""
    return tiny_ssl_folder(tmp_path_factory.mktemp("hubert"))


@pytest.fixture(scope="session")
def tiny_ssl_group_norm(tmp_path_factory) -> Path:
    """A tiny random wav2vec 2.0 with group norm in Hugging Face layout."""
    return tiny_ssl_folder(tmp_path_factory.mktemp("wav2vec2"), "wav2vec2", "group")


@pytest.fixture(scope="session")
def trained(corpus, tiny_ssl, tmp_path_factory) -> Path:
    """The output folder of an uninterrupted training run."""
    output = tmp_path_factory.mktemp("trained")
    run_python("train.py", *training_command(corpus, tiny_ssl, output))
    return output
