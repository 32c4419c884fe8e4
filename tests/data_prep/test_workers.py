"""Several processes: order, a killed one, and Ctrl-C while they start."""

import os
import signal
import subprocess
import sys
from contextlib import nullcontext

import pytest

from data_prep.workers import WorkerError, choose_interrupt, open_map, shield_start


def give_up(number):
    os._exit(number)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_order(workers):
    with open_map(workers) as apply:
        assert list(apply(abs, range(-50, 0), chunksize=3)) == [*range(50, 0, -1)]


def test_a_killed_process_is_explained():
    with pytest.raises(WorkerError, match="one of 2 worker .* fewer --workers"):
        with open_map(2) as apply:
            list(apply(give_up, [9, 9]))


def test_errors_of_the_caller_pass():
    with pytest.raises(KeyError):
        with open_map(2):
            raise KeyError


@pytest.mark.parametrize("shielded", [True, False])
def test_processes_start_without_ctrl_c(shielded):
    code = "import signal as s; print(s.SIGINT in s.pthread_sigmask(s.SIG_BLOCK, ()))"
    with shield_start() if shielded else nullcontext():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.stdout.decode().strip() == str(shielded)


@pytest.mark.parametrize(
    ("finish", "handler"), [(True, signal.SIG_IGN), (False, signal.SIG_DFL)]
)
def test_a_worker_ends_or_finishes(finish, handler):
    before = signal.getsignal(signal.SIGINT)
    try:
        with shield_start():
            choose_interrupt(finish)
            assert signal.getsignal(signal.SIGINT) is handler
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            assert signal.SIGINT not in blocked
    finally:
        signal.signal(signal.SIGINT, before)
