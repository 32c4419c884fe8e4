"""Ctrl-C: no traceback, one line, exit code 130."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT, run_python, training_command

from recipes.AntiDeepfake.usage import command

WAIT = 120

# Runs a command of the project, and stops for good where the test wants to interrupt.
HOLD = """
import importlib, sys, time
place, script, *arguments = sys.argv[1:]
module, _, name = place.partition(":")
*owners, name = name.split(".")
owner = importlib.import_module(module)
for part in owners:
    owner = getattr(owner, part)
original, calls = getattr(owner, name), []

def held(*args, **kwargs):
    calls.append(1)
    if len(calls) == 2:
        print("here", flush=True)
        time.sleep(600)
    return original(*args, **kwargs)

setattr(owner, name, held)
sys.exit(importlib.import_module(script).main(arguments))
"""


def interrupted(place, script, *arguments):
    """Interrupt a command at the second call of a function, as a terminal does."""
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD, place, script, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert any(line == "here\n" for line in run.stdout), run.communicate()[1]
    # All processes of the terminal get it, those that read audio as well.
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=WAIT)
    return run.returncode, errors


def assert_one_line(errors, line):
    """One line that matches, and no traceback."""
    assert "Traceback" not in errors, errors
    found = [one for one in errors.splitlines() if one.startswith("interrupted")]
    assert len(found) == 1 and re.fullmatch(line, found[0]), errors


@pytest.mark.slow
def test_training_says_where_it_goes_on(corpus, tiny_ssl, tmp_path):
    options = {"num_workers": 2, "ckpt_interval_steps": 1}
    arguments = training_command(corpus, tiny_ssl, tmp_path, **options)
    code, errors = interrupted(
        "recipes.AntiDeepfake.brain:AntiDeepfakeBrain.fit_batch", "train", *arguments
    )
    assert code == 130
    assert_one_line(
        errors, rf"interrupted; the same command continues from {tmp_path}/save/CKPT.*"
    )


@pytest.mark.slow
def test_evaluation_goes_on_with_its_output_folder(trained, corpus, tmp_path):
    arguments = ["hparams/eval_mini.yaml", "--detector", trained / "detector"]
    arguments += ["--data_folder", corpus, "--test_csv", corpus / "test.csv"]
    arguments += ["--output_folder", tmp_path, "--device", "cpu"]
    arguments += ["--num_workers", 2, "--max_batch_length", 4.0]
    code, errors = interrupted(
        "recipes.AntiDeepfake.interface:DeepfakeDetector.logits", "evaluate", *arguments
    )
    assert code == 130
    assert_one_line(errors, "interrupted; the same command goes on from .*folder")
    run_python("evaluate.py", *arguments)


@pytest.mark.slow
def test_scoring_stops(trained, corpus):
    arguments = [trained / "detector", corpus / "audio", "--max_batch_length", 4.0]
    code, errors = interrupted(
        "recipes.AntiDeepfake.interface:DeepfakeDetector.logits",
        *("score", *arguments, "--num_workers", 2),
    )
    assert code == 130
    assert_one_line(errors, "interrupted.*")


@pytest.mark.slow
def test_processes_of_torchrun_say_it_once(corpus, tiny_ssl, tmp_path):
    options = {"ckpt_interval_steps": 1, "total_steps": 4000, "valid_interval": 4000}
    arguments = training_command(corpus, tiny_ssl, tmp_path, **options)
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    run = subprocess.Popen(
        [sys.executable, "-m", *launch, "train.py", *arguments]
        + ["--distributed_backend", "gloo"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + WAIT
    while not list(tmp_path.glob("save/CKPT*/CKPT.yaml")):
        assert run.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=WAIT)
    assert run.returncode
    found = [one for one in errors.splitlines() if one.startswith("interrupted")]
    assert len(found) == 1 and "continues from" in found[0], errors
    # What torchrun itself has to say of the signal is its own.
    assert "train.py" not in errors.partition("Traceback")[2], errors


# --- in this process -----------------------------------------------------------------


@pytest.fixture(autouse=True)
def handler():
    """The handler of Python; of an interrupted command its own stays."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    "stop, line",
    [
        (KeyboardInterrupt(), "interrupted\n"),
        (KeyboardInterrupt("go on so"), "interrupted; go on so\n"),
    ],
    ids=["alone", "with a message"],
)
def test_the_line_and_the_code(stop, line, handler, capsys):
    @command("usage")
    def main(arguments):
        raise stop

    assert main(["x"]) == 130
    assert capsys.readouterr().err == line
    assert signal.getsignal(signal.SIGINT) is handler


def test_only_the_first_process_says_it(capsys, monkeypatch):
    @command("usage")
    def main(arguments):
        raise KeyboardInterrupt

    monkeypatch.setenv("RANK", "1")
    assert main(["x"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_the_signal_is_for_the_process_that_was_started(capsys):
    @command("usage")
    def main(arguments):
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGINT)
            os._exit(3)  # still here
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 3
        os.kill(os.getpid(), signal.SIGINT)

    assert main(["x"]) == 130


def test_an_impatient_key_counts_once(capsys):
    @command("usage")
    def main(arguments):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:  # where processes are ended
            os.kill(os.getpid(), signal.SIGINT)
            print("ended")

    assert main(["x"]) == 130
    assert capsys.readouterr() == ("ended\n", "interrupted\n")


def test_an_ignored_signal_stays_ignored():
    @command("usage")
    def main(arguments):
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert main(["x"]) == 0
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
