"""The manners that all commands share; light, for those that need no PyTorch."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["UsageError", "command"]


# Exit code after Ctrl-C, as shells have it: 128 and the number of the signal.
_INTERRUPTED = 128 + signal.SIGINT
# Seconds in which a second Ctrl-C changes nothing.
_TIME_TO_END = 10.0


class UsageError(ValueError):
    """The command was given something that it cannot work with."""


def command(usage: str, failures: tuple[type[Exception], ...] = ()) -> Callable:
    """Turn `main(arguments) -> exit code` into a command with the common manners.

    `--help` prints the usage and exits with 0. Without arguments the usage goes to
    standard error and the exit code is 2, as for a `UsageError`. Errors of the kinds
    in `failures` give their message, without a traceback, and exit code 1. Ctrl-C gives
    one line, with the message of the `KeyboardInterrupt` if it has one, and exit code
    130. Everything else is a defect and keeps its traceback.

    Arguments
    ---------
    usage : str
        What `--help` prints.
    failures : tuple of type
        What can be wrong with the files that the command is given.

    Returns
    -------
    callable
        The decorator.

    Example
    -------
    >>> @command("double N: print twice N")
    ... def main(arguments):
    ...     print(2 * int(arguments[0]))
    >>> main(["4"])
    8
    0
    >>> main(["--help"])
    double N: print twice N
    0
    """

    def decorate(main: Callable[[list[str]], int | None]) -> Callable:
        @functools.wraps(main)
        def run(arguments: list[str]) -> int:
            if not arguments or {"-h", "--help"} & set(arguments):
                asked = bool(arguments)
                print(usage.strip(), file=sys.stdout if asked else sys.stderr)
                return 0 if asked else 2
            with _interrupted_alone():
                return _run(main, arguments, failures)

        return run

    return decorate


def _run(main: Callable, arguments: list[str], failures: tuple) -> int:
    """Call `main`; the exit code, also of what it raises."""
    try:
        return main(arguments) or 0
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except failures as error:
        print(f"error: {_without_worker(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        # Printed when this clause has ended, and with it the processes that read audio.
        message = f"interrupted; {stop}" if str(stop) else "interrupted"
    if os.environ.get("RANK", "0") == "0":
        print(message, file=sys.stderr)
    return _INTERRUPTED


@contextlib.contextmanager
def _interrupted_alone() -> Iterator[None]:
    """Let Ctrl-C, which reaches all processes of a terminal, stop this one only.

    Those that were forked from it end when it does; they would print tracebacks. So
    would this one if it were interrupted again while it ends them: an impatient key,
    or torchrun, which hands on what it has got, counts once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals do not come here
        return
    before, owner = signal.getsignal(signal.SIGINT), os.getpid()
    again = 0.0

    def interrupt(number, frame):
        nonlocal again
        if os.getpid() == owner and time.monotonic() >= again:
            again = time.monotonic() + _TIME_TO_END
            signal.default_int_handler(number, frame)

    # Another handler stays: nohup ignores the signal, and notebooks have their own.
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if not again:  # otherwise the interpreter is about to end, which takes time
            signal.signal(signal.SIGINT, before)


def _without_worker(error: Exception) -> str:
    """The message of an error; what a worker adds to it (a traceback) left out."""
    message = str(error)
    if not message.startswith("Caught "):
        return message
    return message.strip().splitlines()[-1].partition(": ")[2]
