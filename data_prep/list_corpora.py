"""The corpora that can be prepared (verb `list`)."""

from __future__ import annotations

import argparse
import csv
import sys
import textwrap
from collections.abc import Sequence

from data_prep.corpora import corpus_keys, find_corpus
from data_prep.corpora.base import ROLES, Corpus
from data_prep.options import UsageError
from data_prep.prepare import COMMON_OPTIONS
from data_prep.text import align

__all__ = ["add_arguments", "run"]

_FIELDS = (
    "key",
    "name",
    "role",
    "licence",
    "hours_real",
    "hours_fake",
    "source",
    "versions",
    "citation",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep list`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "What the corpora are called, what the paper uses them for, their licences, "
        "the hours of\ngenuine and fake speech that the paper has of them, and where "
        "to get them. No corpus is\ndownloaded by this project."
    )
    parser.epilog = (
        "examples:\n"
        "  python -m data_prep list\n"
        "  python -m data_prep list asvspoof5 mls --layout\n"
        "  python -m data_prep list --csv > corpora.csv\n"
    )
    add = parser.add_argument
    add("corpora", nargs="*", metavar="CORPUS", help="key of a corpus (default: all)")
    add(
        "--layout",
        action="store_true",
        help="also folders, options, and what the mode `original` does otherwise",
    )
    add("--csv", action="store_true", help="all fields as CSV")


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    try:
        corpora = [find_corpus(key) for key in arguments.corpora or corpus_keys()]
    except ValueError as error:
        raise UsageError(error) from None
    corpora.sort(key=lambda corpus: (ROLES.index(corpus.role), corpus.key))
    if arguments.csv:
        _print_csv(corpora)
    elif arguments.layout:
        print("\n\n".join(_describe(corpus) for corpus in corpora))
    else:
        _print_table(corpora)
    return 0


def _hours(corpus: Corpus) -> tuple[str, str]:
    if corpus.hours is None:
        return "-", "-"
    real, fake = corpus.hours
    return f"{real:.2f}", f"{fake:.2f}"


def _print_csv(corpora: Sequence[Corpus]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_FIELDS)
    for corpus in corpora:
        described = (corpus.key, corpus.name, corpus.role, corpus.licence)
        origin = (corpus.source, corpus.versions or "-", corpus.citation)
        writer.writerow((*described, *_hours(corpus), *origin))


def _print_table(corpora: Sequence[Corpus]) -> None:
    rows = [("KEY", "NAME", "ROLE", "HOURS REAL", "HOURS FAKE", "LICENCE", "WHERE")]
    for corpus in corpora:
        named = (corpus.key, corpus.name, corpus.role, *_hours(corpus))
        rows.append((*named, _short(corpus.licence, 24), _short(corpus.source, 60)))
    print(align(rows, right=(3, 4)))  # the hours
    print(
        "\nHours as the model card of the paper states them. In full, with folders and "
        "options:\npython -m data_prep list CORPUS --layout"
    )


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."


def _describe(corpus: Corpus) -> str:
    """Everything about a corpus, as text."""
    real, fake = _hours(corpus)
    lines = [f"{corpus.key}: {corpus.name} ({corpus.role})", _wrap(corpus.description)]
    if corpus.versions:
        lines.append(_wrap(f"version: {corpus.versions}"))
    lines += [
        _wrap(f"hours: {real} real, {fake} fake"),
        _wrap(f"licence: {corpus.licence}"),
        _wrap(f"where: {corpus.source}"),
        _wrap(f"cite: {corpus.citation}"),
        _wrap(f"folder below the data root: {' or '.join(corpus.folders)}"),
        "  in it:",
        textwrap.indent(corpus.layout, "    "),
        "  options (--option NAME=VALUE):",
    ]
    for name, option in (COMMON_OPTIONS | dict(corpus.options)).items():
        choices = f", one of {', '.join(option.choices)}" if option.choices else ""
        text = f"{name}: {option.help} (default: {option.default}{choices})"
        lines.append(_wrap(text, 4))
    if corpus.deviations:
        lines.append("  modes, and differences from the scripts of the paper:")
        lines += [_wrap(f"- {text}", 4) for text in corpus.deviations]
    return "\n".join(lines)


def _wrap(text: str, indent: int = 2) -> str:
    start = " " * indent
    return textwrap.fill(
        text,
        88,
        initial_indent=start,
        subsequent_indent=start + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
