"""The command `python -m data_prep mini`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from data_prep.mini.errors import MiniError
from data_prep.mini.plan import Plan

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = """\
Make a small corpus of genuine and synthetic speech, and a pre-trained encoder,
so that the whole recipe can be run without any corpus or model hub.

Genuine speech comes from games and telephone prompts in Debian packages,
synthetic speech from about ten engines and vocoders. Needs a Debian or Ubuntu
system (x86-64) but no root, and: pip install -r requirements-demo.txt
The first run downloads about 520 MB into the cache folder. The build takes about
five minutes on two cores. Interrupted, it goes on where it was when run again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        The parser of the command.
    """
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="corpus folder, new or from an earlier run; name it as data_folder in "
        "a YAML. Manifests are in DIR/manifests, the encoder is DIR/ssl/"
        "whisper-tiny.en",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="number of processes (default: all cores, here %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="seed of all random choices; the same seed gives the same bytes on one "
        "kind of machine with the same packages (default: %(default)s)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=_default_cache(),
        metavar="DIR",
        help="folder for downloads, about 1.5 GB (default: %(default)s)",
    )
    parser.add_argument(
        "--noprogressbar", action="store_true", help="print one line for each step"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Arguments
    ---------
    arguments : argparse.Namespace
        With the options of `add_arguments`.

    Returns
    -------
    int
        0 if the corpus is there, 1 if something failed, 2 for a wrong option.
    """
    if arguments.workers < 1:
        print(
            f"--workers is {arguments.workers}; it must be at least 1.", file=sys.stderr
        )
        return 2
    # Imported here, because the build needs packages that the rest does not.
    try:
        from data_prep.mini.build import build_corpus
        from data_prep.mini.settings import Settings
    except ModuleNotFoundError as error:
        print(
            f"the mini corpus needs the package {error.name}: "
            "pip install -r requirements-demo.txt",
            file=sys.stderr,
        )
        return 1
    show_bar = sys.stderr.isatty() and not arguments.noprogressbar
    settings = Settings(
        out=arguments.out,
        cache=arguments.cache,
        plan=Plan(),
        seed=arguments.seed,
        workers=arguments.workers,
        progress=_Bar() if show_bar else _Lines(),
    )
    start = time.monotonic()
    try:
        built = build_corpus(settings)
    except (MiniError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    minutes = (time.monotonic() - start) / 60
    print(
        f"{arguments.out}: built and checked in {minutes:.1f} minutes; see "
        "manifests/summary.json"
        if built
        else f"{arguments.out}: complete and undamaged, nothing to do."
    )
    return 0


def _default_cache() -> Path:
    """Where downloads go by the conventions of the desktop."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "antideepfake-mini"


class _Lines:
    """Reports the end of each step on a line."""

    def __call__(self, step: str, done: int, total: int) -> None:
        if done == total:
            print(f"{step}: done", file=sys.stderr)


class _Bar:
    """Reports progress as one bar for each step."""

    def __init__(self):
        self.bar = None
        self.step = ""

    def __call__(self, step: str, done: int, total: int) -> None:
        from tqdm import tqdm

        if self.bar is None or self.step != step:
            self.bar = tqdm(desc=step, total=total)
            self.step = step
        self.bar.update(done - self.bar.n)
        if done == total:
            self.bar.close()
            self.bar = None
