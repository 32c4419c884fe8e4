"""Options that the verbs of `python -m data_prep` have in common."""

from __future__ import annotations

import argparse
import os

__all__ = [
    "UsageError",
    "add_data_root",
    "add_noprogressbar",
    "add_workers",
    "positive",
]


class UsageError(ValueError):
    """A command that cannot be meant, which the parser alone cannot tell."""


def positive(text: str) -> int:
    """A whole number above 0, as `type` of an option."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def add_data_root(
    parser: argparse.ArgumentParser,
    help: str = "folder that $ROOT stands for",
    dest: str = "data_folder",
    required: bool = False,
) -> None:
    """Add `--data-root`, also under the name that it has in experiment files."""
    parser.add_argument(
        "--data-root",
        "--data_folder",
        dest=dest,
        required=required,
        metavar="DIR",
        help=help,
    )


def add_workers(parser: argparse.ArgumentParser, what: str = "processes") -> None:
    """Add `--workers`; by default as many as there are cores."""
    parser.add_argument(
        "--workers",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help=f"{what} (default: %(default)s)",
    )


def add_noprogressbar(parser: argparse.ArgumentParser) -> None:
    """Add `--noprogressbar`."""
    parser.add_argument(
        "--noprogressbar", action="store_true", help="show no progress bar"
    )
