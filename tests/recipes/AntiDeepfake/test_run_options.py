"""Devices, precisions and processes that this machine does not have."""

import logging
import os
import signal
import subprocess
import sys

import pytest
import torch
from helpers import ROOT, run_python, training_command

import evaluate
import score
import train
from recipes.AntiDeepfake.run_options import check_run_options
from recipes.AntiDeepfake.usage import UsageError


@pytest.fixture
def gpus(monkeypatch):
    """Let PyTorch find so many GPUs."""
    return lambda count: monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.fixture
def launched(monkeypatch):
    """Variables of a process that torchrun has started."""

    def launch(processes, rank=0):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))

    return launch


@pytest.mark.parametrize("device", [None, "cpu", "cpu:0"])
def test_the_cpu_is_always_there(device):
    check_run_options({"device": device, "precision": "bf16"}, training=True)


@pytest.mark.parametrize("count, device", [(1, "cuda"), (1, "cuda:0"), (8, "cuda:7")])
def test_a_gpu_that_is_there(gpus, count, device):
    gpus(count)
    check_run_options({"device": device, "precision": "fp16"}, training=True)


@pytest.mark.parametrize(
    "device, count, message",
    [
        ("gpu", 0, "'gpu', which PyTorch does not know. Give --device cpu."),
        ("cuda", 0, "(?s)'cuda', which is not there .*0 GPUs.*Give --device cpu."),
        ("cuda:2", 2, "(?s)2 GPUs of CUDA.*Give --device cpu or cuda:0 or cuda:1."),
        ("xpu", 0, "'xpu', which is not there"),
    ],
)
def test_a_device_that_is_not_there(gpus, device, count, message):
    gpus(count)
    with pytest.raises(UsageError, match=message):
        check_run_options({"device": device})


@pytest.mark.parametrize("key", ["precision", "eval_precision"])
def test_half_precision_needs_a_gpu_in_training(key):
    options = {"device": "cpu", key: "fp16"}
    check_run_options(options)
    with pytest.raises(UsageError, match=f"{key} is fp16.*Give --{key} fp32 or bf16"):
        check_run_options(options, training=True)


@pytest.mark.parametrize(
    "count, remedy",
    [
        (0, r"there are 0\. Give --distributed_backend gloo --device cpu"),
        (2, r"there are 2\. Give --nproc_per_node=2, or --distributed_backend gloo"),
    ],
)
def test_more_processes_than_gpus(gpus, launched, count, remedy):
    gpus(count)
    launched(4)
    with pytest.raises(UsageError, match=f"4 processes.*{remedy}"):
        check_run_options({})
    check_run_options({"distributed_backend": "gloo", "device": "cpu"})


def test_as_many_processes_as_gpus(gpus, launched):
    gpus(4)
    launched(4)
    check_run_options({"device": "cpu"})


def test_an_unknown_backend():
    with pytest.raises(UsageError, match="'tcp'; give one of nccl, gloo, mpi"):
        check_run_options({"distributed_backend": "tcp"})


# --- the commands ------------------------------------------------------------------


@pytest.mark.parametrize(
    "option, message",
    [
        ("--device=gpu", "device is 'gpu'"),
        ("--max_batch_length=-5.0", "max_batch_length is -5.0"),
        ("--max_batch_length=0.0", "max_batch_length is 0.0"),
        ("--num_workers=-1", "num_workers is -1"),
    ],
)
@pytest.mark.parametrize("command", ["train", "evaluate", "score"])
def test_commands_check_before_they_begin(command, option, message, corpus, capsys):
    name, _, value = option.strip("-").partition("=")
    main, arguments = {
        "train": (
            train.main,
            training_command(corpus, "no/model", "no", **{name: value}),
        ),
        "evaluate": (evaluate.main, ["hparams/eval_mini.yaml", option]),
        "score": (score.main, ["no/x", "nothing.wav", option]),
    }[command]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_half_precision_of_the_experiment_is_seen(corpus, capsys):
    command = training_command(corpus, "no/model", "nowhere")
    at = command.index("--precision")
    del command[at : at + 2]
    assert train.main(command) == 2
    assert "--precision fp32 or bf16" in capsys.readouterr().err


def test_nothing_is_said_of_pictures():
    logger = logging.getLogger("speechbrain.utils.train_logger")
    texts = ("torchvision is not available - cannot save figures", "something else")
    records = [
        logger.makeRecord(logger.name, logging.WARNING, "f", 1, text, (), None)
        for text in texts
    ]
    assert [bool(logger.filter(record)) for record in records] == [False, True]
    done = run_python(
        "train.py", "hparams/posttrain_mini.yaml", "--lr", "0", check=False
    )
    assert done.stderr == "error: lr is 0; give a number above 0.\n"


@pytest.mark.slow
def test_several_processes_say_it_once(corpus, tmp_path):
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = training_command(corpus, "no/model", tmp_path)
    done = run_python(
        *[*launch, "train.py", *command],
        check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode
    errors = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
    (error,) = errors
    assert "2 processes" in error and "gloo --device cpu" in error
    assert 'File "/' not in done.stderr.split("torch/distributed")[0]


@pytest.mark.slow
def test_the_other_processes_wait_to_be_ended(corpus, tmp_path):
    command = training_command(corpus, "no/model", tmp_path, lr=0)
    variables = {"RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    run = subprocess.Popen(
        [sys.executable, "train.py", *map(str, command)],
        cwd=ROOT,
        env=os.environ | variables,
        stderr=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(30)
    run.send_signal(signal.SIGTERM)
    assert run.communicate(timeout=30)[1] == "" and run.returncode == 2
