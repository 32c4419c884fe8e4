"""Options that the verbs of `python -m data_prep` have in common."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

__all__ = ["add_data_root", "add_noprogressbar", "add_workers", "positive"]


def positive(text: str) -> int:
    """A whole number above 0, as `type` of an option."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
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


def add_workers(
    parser: argparse.ArgumentParser,
    what: str = "processes",
    type: Callable[[str], int] = int,
) -> None:
    """Add `--workers`; by default as many as there are cores."""
    parser.add_argument(
        "--workers",
        type=type,
        default=os.cpu_count() or 1,
        metavar="N",
        help=f"{what} (default: %(default)s)",
    )


def add_noprogressbar(parser: argparse.ArgumentParser) -> None:
    """Add `--noprogressbar`."""
    parser.add_argument(
        "--noprogressbar", action="store_true", help="show no progress bar"
    )
