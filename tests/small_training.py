"""Training of a tiny detector: in this process, or in one that can be killed."""

import functools
import importlib
import multiprocessing
import os
import re
import signal
from pathlib import Path

import pytest
import torch
from helpers import ROOT, new_detector
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataloader import LoopedLoader
from speechbrain.utils.epoch_loop import EpochCounter
from speechbrain.utils.train_logger import FileTrainLogger

from lobes.losses import CrossEntropyLoss
from recipes.AntiDeepfake.brain import AntiDeepfakeBrain
from recipes.AntiDeepfake.experiment import open_experiment
from recipes.AntiDeepfake.sampling import process_rank

LR = 0.01


def constant_rate(optimizer):
    """A schedule that sets the same learning rate always, in all groups."""
    for group in optimizer.param_groups:
        group["lr"] = LR


def make_brain(folder, ssl_source, run_opts=None, opt_class=None, **hparams):
    """A Brain with a tiny detector; `hparams` are added to what it needs."""
    return AntiDeepfakeBrain(
        modules={"detector": new_detector(ssl_source), "loss": CrossEntropyLoss()},
        opt_class=opt_class or functools.partial(torch.optim.AdamW, lr=LR),
        hparams={
            "lr_schedule": constant_rate,
            "epoch_counter": EpochCounter(1),
            "augment": None,
            "seed": 0,
            "train_logger": FileTrainLogger(folder / "train_log.txt"),
            "tensorboard_logger": None,
        }
        | hparams,
        run_opts={"device": "cpu", "noprogressbar": True} | (run_opts or {}),
        checkpointer=hparams.get("checkpointer"),
    )


def make_batches(count: int, first: int = 0) -> list[PaddedBatch]:
    """Batches of two utterances, named by their numbers."""
    batches = []
    for number in range(first, first + count):
        generator = torch.Generator().manual_seed(number)
        items = [
            {
                "id": f"{number}-{label}",
                "wav": torch.randn(3200 + 800 * label, generator=generator),
                "label": label,
            }
            for label in (0, 1)
        ]
        batches.append(PaddedBatch(items))
    return batches


def fit(brain, batches) -> None:
    """Train for one nominal epoch of these batches, and validate on three others."""
    loader = LoopedLoader(batches, len(batches))
    valid = LoopedLoader(make_batches(3, first=1000 + 3 * process_rank()[0]), 3)
    brain.fit(brain.hparams.epoch_counter, loader, valid)


def encoder_weights(brain) -> list[torch.Tensor]:
    """Copies of the weights of the encoder."""
    return [p.detach().clone() for p in brain.detector.encoder.parameters()]


def with_options(folder: Path, **options) -> Path:
    """The experiment of `helpers.training_command` with other values, or more keys."""
    text = open_experiment(ROOT / "hparams/posttrain_hubert.yaml").getvalue()
    for key, value in options.items():
        text = re.sub(rf"^{key}:.*\n", "", text, flags=re.MULTILINE)
        text += f"{key}: {value}\n"
    path = Path(folder) / "experiment.yaml"
    path.write_text(text)
    return path


def start_training(arguments: list[str], kill_at: str | None = None, call: int = 1):
    """Run train.py in a process that has PyTorch already; see `_train`."""
    return start_process(_train, arguments, kill_at, call)


def start_process(target, *arguments):
    """Call a function in a process that has imported what training needs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train", "small_training", "two_processes"])
    process = context.Process(target=target, args=arguments)
    with pytest.MonkeyPatch.context() as patch:  # only for the server that it starts
        places = [str(ROOT), str(ROOT / "tests")]
        patch.setenv("PYTHONPATH", os.pathsep.join(places))
        process.start()
    return process


def _train(arguments: list[str], kill_at: str | None, call: int) -> None:
    """Train; die at the start of the given call of `kill_at`, `module:function`."""
    # A group of its own, so that the processes that read audio can be killed as well.
    os.setpgrp()
    os.chdir(ROOT)
    if kill_at is not None:
        _die_at(kill_at, call)
    raise SystemExit(importlib.import_module("train").main(arguments))


def _die_at(place: str, call: int) -> None:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    original = getattr(owner, name)
    calls = iter(range(1, call + 1))

    @functools.wraps(original)
    def deadly(*args, **kwargs):
        if next(calls, call) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, deadly)
