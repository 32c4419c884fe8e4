"""Manifests of corpora on disk (verb `prepare`)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.corpora import corpus_keys, find_corpus
from data_prep.corpora.base import Corpus, LayoutError
from data_prep.options import (
    UsageError,
    add_data_root,
    add_noprogressbar,
    add_workers,
)
from data_prep.prepare import MODES, choose_options, find_folder, prepare_corpus
from data_prep.text import printable

__all__ = ["INCOMPLETE", "add_arguments", "is_whole", "report", "run"]

#: What to say of a corpus that is not `is_whole`.
INCOMPLETE = (
    "not everything could be used, see above. The manifests were written without it; "
    "summary.json has the full list."
)
_ALL = "all"
_SHOWN = 3  # of what was skipped or is missing; the summary has everything


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep prepare`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Write one manifest per corpus, language and split, and a summary of each "
        "corpus: rows and\nhours beside the published ones, and every file that was "
        "skipped, is missing or has no\nkey row. Only headers are read. A run that was "
        "interrupted goes on where it was."
    )
    parser.epilog = (
        "examples:\n"
        "  python -m data_prep prepare ljspeech wavefake --data-root /data --out "
        "manifests\n"
        "  python -m data_prep prepare all --data-root /data --out manifests\n"
        "  python -m data_prep prepare mls --data-root /data --out manifests --mode "
        "original\n"
        "  python -m data_prep list mls --layout   # folders and options\n\n"
        "The exit code is 1 if a corpus that was named is absent or not as expected, "
        "or anything\nwas skipped or is missing; the other corpora are prepared all "
        "the same. `all` means those\nthat are there; it lists the absent ones."
    )
    add = parser.add_argument
    add(
        "corpora",
        nargs="+",
        metavar="CORPUS",
        help=f"keys of corpora (`python -m data_prep list`), or `{_ALL}`",
    )
    add_data_root(
        parser,
        "folder that has the folders of the corpora in it; $ROOT in manifests",
        dest="data_root",
        required=True,
    )
    add("--out", required=True, metavar="DIR", help="folder for the manifests")
    add_workers(parser, "processes that read headers")
    add(
        "--mode",
        choices=MODES,
        default=MODES[0],
        help="complete: the whole corpus, correctly; original: the rows that the "
        "scripts of the paper give (default: %(default)s)",
    )
    add(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of a corpus; may be repeated",
    )
    add_noprogressbar(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prepare corpora and report; 1 if anything is wrong."""
    corpora = _find_corpora(arguments.corpora)
    options = _parse_options(arguments.option, corpora)
    present, absent = _look_for(corpora, arguments.data_root)
    if not present:
        raise LayoutError(_nothing_there(absent, arguments.data_root))
    failed = False
    for corpus in present:
        problem = _prepare(corpus, arguments, options[corpus.key])
        if problem:
            print(f"error: {corpus.key}: {problem}", file=sys.stderr)
            failed = True
    if _ALL in arguments.corpora and absent:
        print(f"absent: {', '.join(absent)}")
    elif absent:
        failed = True
        for message in absent.values():
            print(f"error: {message}", file=sys.stderr)
    return int(failed)


def _prepare(
    corpus: Corpus, arguments: argparse.Namespace, options: Mapping[str, str]
) -> str:
    """Prepare a corpus and report; give what is wrong, if anything."""
    try:
        summary = prepare_corpus(
            corpus,
            arguments.data_root,
            arguments.out,
            arguments.mode,
            options,
            arguments.workers,
            not arguments.noprogressbar,
        )
    except LayoutError as error:
        return printable(str(error))
    print(report(summary, Path(arguments.out) / corpus.name), end="\n\n", flush=True)
    return "" if is_whole(summary) else INCOMPLETE


def is_whole(summary: Mapping) -> bool:
    """Whether a corpus gave rows, and nothing that should be one is missing."""
    lost = summary["skipped"] or summary["missing"]
    return not lost and any(summary["rows"].values())


def report(summary: Mapping, folder: str | Path) -> str:
    """A summary in a few lines.

    Arguments
    ---------
    summary : dict
        What `prepare_corpus` gives.
    folder : str or Path
        Where the manifests are.

    Returns
    -------
    str
        Lines of text.
    """
    rows, hours = summary["rows"], summary["hours"]
    lines = [
        f"{summary['corpus']} ({summary['mode']}): {rows['real']:,} real and "
        f"{rows['fake']:,} fake rows, {hours['real']:,.2f} and {hours['fake']:,.2f} h",
        f"  manifests: {len(summary['manifests'])} in {folder}; languages: "
        f"{_some(list(summary['languages']), 12) or 'none'}",
    ]
    for split, total in summary["splits"].items():
        if split != "-":
            counts, length = total["rows"], total["hours"]
            lines.append(
                f"  {split}: {counts['real']:,} real, {counts['fake']:,} fake rows, "
                f"{length['real']:,.2f} and {length['fake']:,.2f} h"
            )
    lines += [
        _compared(entry)
        for entry in summary["published"]
        if entry["published"] or entry["found"]
    ]
    for name, meaning in (
        ("skipped", "skipped"),
        ("missing", "missing, key rows without file"),
        ("left_out", "left out on purpose"),
    ):
        lines += _list(
            meaning, [f"{entry['what']}: {entry['reason']}" for entry in summary[name]]
        )
    lines += _list("files without key row", summary["unlisted"]["files"])
    lines.append(f"  in full: {Path(folder) / 'summary.json'}")
    return "\n".join(lines)


def _compared(entry: Mapping) -> str:
    """What was published beside what was found."""
    if entry["difference"] is None:
        share = "more"
    else:
        share = f"{100 * entry['difference']:+.2f} %"
    word = "matches" if entry["matches"] else "DIFFERS"
    form = ",.2f" if entry["what"].startswith("hours") else ","
    found, published = (format(entry[key], form) for key in ("found", "published"))
    return f"  {entry['what']}: {found} found, {published} published ({share}), {word}"


def _list(meaning: str, texts: Sequence[str]) -> list[str]:
    if not texts:
        return []
    lines = [
        f"  {meaning}: {len(texts):,}",
        *(f"    {text}" for text in texts[:_SHOWN]),
    ]
    return lines + ["    ..."] * (len(texts) > _SHOWN)


def _some(names: Sequence[str], limit: int) -> str:
    shown = ", ".join(names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _find_corpora(keys: Sequence[str]) -> list[Corpus]:
    """The corpora that are meant, each once."""
    try:
        wanted = corpus_keys() if _ALL in keys else dict.fromkeys(keys)
        return [find_corpus(key) for key in wanted]
    except ValueError as error:
        raise UsageError(error) from None


def _parse_options(
    texts: Sequence[str], corpora: Sequence[Corpus]
) -> dict[str, dict[str, str]]:
    """Options for each corpus, those that it has."""
    given = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--option {text}: write it as NAME=VALUE.")
        given[name] = value
    found: dict[str, dict[str, str]] = {}
    for corpus in corpora:
        known = choose_options(corpus, {})
        found[corpus.key] = {key: given[key] for key in given if key in known}
        try:
            choose_options(corpus, found[corpus.key])
        except LayoutError as error:
            raise UsageError(error) from None
    for name in given:
        if not any(name in options for options in found.values()):
            raise UsageError(
                f"--option {name}: none of these corpora has it. Options are listed "
                "by `python -m data_prep list CORPUS --layout`."
            )
    return found


def _look_for(
    corpora: Sequence[Corpus], data_root: str
) -> tuple[list[Corpus], dict[str, str]]:
    """Corpora that are there, and messages for those that are not, by key."""
    if not os.path.isdir(data_root):
        raise LayoutError(
            f"{data_root}: no such folder. Name the folder that the corpora are in."
        )
    present, absent = [], {}
    for corpus in corpora:
        try:
            find_folder(corpus, data_root)
            present.append(corpus)
        except LayoutError as error:
            absent[corpus.key] = str(error)
    return present, absent


def _nothing_there(absent: Mapping[str, str], data_root: str) -> str:
    if len(absent) == 1:
        return next(iter(absent.values()))
    names = sorted(os.listdir(data_root))
    return (
        f"{data_root}: none of {_some(list(absent), 8)} is in it; there is "
        f"{printable(_some(names, 8)) or 'nothing'}. Name the folder that has the "
        "folders of the corpora in it (`python -m data_prep list --layout` names them)."
    )
