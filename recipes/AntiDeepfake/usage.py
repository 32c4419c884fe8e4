"""The manners that all commands share; light, for those that need no PyTorch."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

__all__ = ["UsageError", "command"]


class UsageError(ValueError):
    """The command was given something that it cannot work with."""


def command(usage: str, failures: tuple[type[Exception], ...] = ()) -> Callable:
    """Turn `main(arguments) -> exit code` into a command with the common manners.

    `--help` prints the usage and exits with 0. Without arguments the usage goes to
    standard error and the exit code is 2, as for a `UsageError`. Errors of the kinds
    in `failures` give their message, without a traceback, and exit code 1. Everything
    else is a defect and keeps its traceback.

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
            try:
                return main(arguments) or 0
            except UsageError as error:
                print(f"error: {error}", file=sys.stderr)
                return 2
            except failures as error:
                print(f"error: {_without_worker(error)}", file=sys.stderr)
                return 1

        return run

    return decorate


def _without_worker(error: Exception) -> str:
    """The message of an error; what a worker adds to it (a traceback) left out."""
    message = str(error)
    if not message.startswith("Caught "):
        return message
    return message.strip().splitlines()[-1].partition(": ")[2]
