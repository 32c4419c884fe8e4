"""The command `python -m data_prep VERB ...`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from data_prep.audio_info import AudioError
from data_prep.corpora.base import LayoutError
from data_prep.files import explain_refusal
from data_prep.manifest import ManifestError
from data_prep.options import UsageError
from data_prep.workers import WorkerError

__all__ = ["VERBS", "main"]

# Verb: the module that has its `add_arguments(parser)` and `run(arguments)`, and what
# it does. The module is imported only when the verb is used.
VERBS = {
    "list": (
        "data_prep.list_corpora",
        "the corpora: hours, licences, folders, options",
    ),
    "prepare": ("data_prep.prepare_cli", "write the manifests of corpora on disk"),
    "folders": ("data_prep.folders", "write manifests of two folders: real and fake"),
    "check": ("data_prep.check", "check manifests and the audio that they name"),
    "merge": ("data_prep.merge", "make training and test lists from manifests"),
    "vocode": ("data_prep.vocode", "copies of genuine speech by vocoders"),
    "shard": ("data_prep.shard", "pack audio into WebDataset shards"),
    "mini": ("data_prep.mini.cli", "build the embedded mini corpus"),
    "audit": (
        "data_prep.audit",
        "how well trivial facts of the audio tell the classes",
    ),
}

EXAMPLES = """\
examples:
  python -m data_prep list
  python -m data_prep prepare ljspeech wavefake --data-root /data --out manifests
  python -m data_prep mini --out data/mini
  python -m data_prep audit data/mini/valid.csv --data-root data/mini
  python -m data_prep audit --help

A manifest is a CSV file with one row for each piece of audio. Paths in it start with
$ROOT/, which stands for the data folder. The exit code is 0 on success, 1 if
something failed and 2 if the command was not understood; Ctrl-C makes it 130.
"""
_FAILURES = (AudioError, LayoutError, ManifestError, WorkerError)
_INTERRUPTED = 130  # as shells count: 128 and the number of the signal


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of the command.

    Arguments
    ---------
    verb : str, optional
        The verb whose own options are to be known; its module is imported.

    Returns
    -------
    argparse.ArgumentParser
        The parser; what it parses has `run`, the function of the verb.
    """
    parser = argparse.ArgumentParser(
        prog="python -m data_prep",
        description="From corpora on disk to manifests, and checks of both.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, (module_name, summary) in VERBS.items():
        subparser = verbs.add_parser(name, help=summary)
        if name == verb:
            module = import_module(module_name)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Arguments
    ---------
    arguments : list of str, optional
        What follows `python -m data_prep`; by default from the command line.

    Returns
    -------
    int
        0 on success, 1 if something failed, 2 if options contradict one another, 130
        after Ctrl-C. The message is on standard error.

    Raises
    ------
    SystemExit
        With 2 if the arguments are not understood, with 0 after `--help`.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # Names of files need not be UTF-8, nor need the terminal have all of it.
    sys.stdout.reconfigure(errors="backslashreplace")
    # The main parser has no options with values, so the verb is the first argument.
    verb = arguments[0] if arguments else None
    try:
        parsed = build_parser(verb).parse_args(arguments)
        code = parsed.run(parsed)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except _FAILURES as error:
        print(f"error: {error}", file=sys.stderr)
    except BrokenPipeError:
        # Whoever read the output has seen enough. At exit Python would try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"error: {explain_refusal(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print(
            f"interrupted: {verb} has replaced no file by half of one; give the "
            "same command again to finish",
            file=sys.stderr,
        )
        return _INTERRUPTED
    return 1


if __name__ == "__main__":
    sys.exit(main())
