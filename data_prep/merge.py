"""Manifests of many corpora become the lists for training and testing (verb `merge`).

A YAML spec says which rows of which corpora go to which list (`data_prep.merge_spec`).
Samples and orders depend on the seed and on the IDs alone, so a corpus that is added
changes neither the rows that are taken of the others nor their order. Rows are kept on
disk, so lists of many millions of rows need no more memory than small ones.

Test lists that share audio with training lists, by the lineage of their corpora
(`data_prep.lineage`), are refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from data_prep.files import atomic_path, file_digest
from data_prep.lineage import SAME_AUDIO, load_lineage, overlaps, part_of
from data_prep.manifest import ManifestError
from data_prep.merge_rows import (
    MICROSECONDS,
    PER_HOUR,
    choose,
    drop_duplicates,
    require_apart,
)
from data_prep.merge_spec import ListSpec, MergeSpec, find_spec, read_spec
from data_prep.options import add_noprogressbar, add_workers
from data_prep.table import (
    FileCheck,
    ManifestTable,
    check_files,
    identifier,
    require_sound,
)

__all__ = ["add_arguments", "merge", "run"]

SUMMARY = "summary.json"
_EXAMPLES = 5


def merge(
    spec: MergeSpec,
    manifests: str | Path,
    out: str | Path,
    seed: int | None = None,
    allow_missing: bool = False,
    allow_contamination: bool = False,
    workers: int = 1,
    progressbar: bool = False,
) -> dict:
    """Write the lists of a spec and `summary.json`, all of them or nothing.

    Arguments
    ---------
    spec : MergeSpec
        What to make.
    manifests : str or Path
        Folder with a folder of manifests for each corpus, as `prepare` makes it.
    out : str or Path
        Folder for the lists.
    seed : int, optional
        Instead of the one of the spec.
    allow_missing : bool
        Whether to go on without corpora that have no manifests.
    allow_contamination : bool
        Whether to go on if a test list shares audio with a training list, or lists of
        different purposes share rows.
    workers : int
        Processes that check manifests, and threads that sort.
    progressbar : bool
        Whether to show progress.

    Returns
    -------
    dict
        The content of `summary.json`.

    Raises
    ------
    ManifestError
        If corpora are missing, a manifest has an error, rows of one ID differ, a list
        stays empty, or lists share what they must not. Nothing is written then.
    """
    seed = spec.seed if seed is None else seed
    files, missing = _find_manifests(spec.corpora, Path(manifests), allow_missing)
    paths = [path for found in files.values() for path in found]
    corpora = [corpus for corpus, found in files.items() for _ in found]
    checks = list(check_files(paths, workers, progressbar))
    require_sound(checks, "Prepare these corpora again, or correct the files")
    with ManifestTable(out, checks, corpora, workers) as table:
        repeated = drop_duplicates(table)
        lists = choose(table, spec, corpora, seed, missing)
        require_apart(table, lists, allow_contamination)
        contamination = _contamination(table, lists)
        if not allow_contamination:
            _require_clean(contamination)
        summary = {
            "seed": seed,
            "spec": json.loads(json.dumps(asdict(spec))),
            "missing_corpora": missing,
            "duplicates_removed": repeated,
            "lists": {},
            "contamination": contamination,
            "inputs": [_input(check, manifests) for check in checks],
        }
        _write(table, lists, Path(out), seed, summary, progressbar)
    return summary


def _input(check: FileCheck, folder: str | Path) -> dict:
    """What the summary says of a manifest."""
    file = check.path.relative_to(folder).as_posix()
    return {"file": file, "rows": check.rows, "sha256": check.sha256}


def _find_manifests(
    corpora: Sequence[str], folder: Path, allow_missing: bool
) -> tuple[dict[str, list[Path]], list[str]]:
    """The manifests of each corpus, and the corpora without."""
    files = {corpus: _manifests_of(corpus, folder / corpus) for corpus in corpora}
    missing = [corpus for corpus, found in files.items() if not found]
    if missing and (not allow_missing or len(missing) == len(files)):
        raise ManifestError(
            f"{folder}: no finished manifests of {', '.join(missing)}. Prepare them "
            "(`python -m data_prep prepare`), take them out of the spec, or go on "
            "without them: --allow-missing."
        )
    return {corpus: found for corpus, found in files.items() if found}, missing


def _manifests_of(corpus: str, folder: Path) -> list[Path]:
    """The manifests in the folder of a corpus; its summary knows which they are."""
    if (folder / SUMMARY).is_file():
        try:
            listed = json.loads((folder / SUMMARY).read_text("utf-8"))["manifests"]
            paths = [folder / entry["file"] for entry in listed]
        except (ValueError, KeyError, TypeError):
            raise ManifestError(
                f"{folder / SUMMARY}: does not list the manifests, as `prepare` writes "
                "it. Prepare the corpus again."
            ) from None
        gone = [path.name for path in paths if not path.is_file()]
        if gone:
            raise ManifestError(
                f"{folder}: {', '.join(gone[:_EXAMPLES])} of its {SUMMARY} is not "
                "there. Prepare the corpus again."
            )
        return paths
    # A known corpus without summary is one whose preparation was not finished.
    if corpus in load_lineage().nodes:
        return []
    return sorted(path for path in folder.glob("*.csv") if path.is_file())


def _contamination(table: ManifestTable, lists: Sequence[ListSpec]) -> dict[str, list]:
    """What the valid and test lists share with the training lists, by lineage."""
    members: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for number, corpus, split in table.query(
        "SELECT list, Corpus, Proportion FROM chosen JOIN rows ON rows.rowid = row "
        "GROUP BY ALL ORDER BY ALL"
    ):
        name = part_of(corpus, split)
        members[lists[number].purpose].append(name)
    return {
        purpose: [
            overlap._asdict()
            for overlap in overlaps(members[purpose], members["train"])
            # Of one corpus, the rows themselves have been compared.
            if not overlap.of_one_corpus
        ]
        for purpose in ("test", "valid")
    }


def _require_clean(contamination: Mapping[str, Sequence[Mapping]]) -> None:
    """Raise ManifestError if test lists share audio with training lists."""
    shared = [o for o in contamination["test"] if o["severity"] == SAME_AUDIO]
    if shared:
        lines = [f"{o['test']} and {o['train']}: {o['note']}" for o in shared]
        raise ManifestError(
            "\n  ".join(["test lists share audio with training lists:", *lines])
            + "\nTake these corpora out of one side, or allow it and say so with each "
            "result: --allow-contamination."
        )


def _write(
    table: ManifestTable,
    lists: Sequence[ListSpec],
    out: Path,
    seed: int,
    summary: dict,
    progressbar: bool,
) -> None:
    """Write all lists and the summary, which gets to know them."""
    columns = ", ".join(f"rows.{identifier(name)}" for name in table.found)
    with ExitStack() as stack:
        # Entered first, so put in place last: a summary tells that the lists are whole.
        summary_path = stack.enter_context(atomic_path(out / SUMMARY))
        off = None if progressbar else True
        for number, wanted in enumerate(tqdm(lists, "lists", disable=off)):
            path = stack.enter_context(atomic_path(out / f"{wanted.name}.csv"))
            turn = f"md5_number_lower('{seed} order ' || rows.ID), " * wanted.shuffled
            rows = f"FROM chosen JOIN rows ON rows.rowid = row WHERE list = {number}"
            table.write_csv(path, f"SELECT {columns} {rows} ORDER BY {turn}row")
            summary["lists"][wanted.name] = {
                "file": f"{wanted.name}.csv",
                "purpose": wanted.purpose,
                "sha256": file_digest(path),
                **_totals(table, rows),
            }
        text = json.dumps(summary, indent=2, ensure_ascii=False)
        summary_path.write_text(text + "\n", encoding="utf-8")


def _totals(table: ManifestTable, rows: str) -> dict:
    """Rows and hours of a list, and of each corpus, language, split and label in it."""
    groups = table.query(
        "SELECT Corpus, Language, Proportion, Label, count(*), "
        f"CAST(sum({MICROSECONDS}) AS BIGINT) {rows} GROUP BY ALL ORDER BY ALL"
    )
    totals: dict = {"rows": sum(count for *_, count, _ in groups)}
    for label in ("real", "fake"):
        of_label = [group for group in groups if group[3] == label]
        totals[label] = {
            "rows": sum(group[4] for group in of_label),
            "hours": _hours(sum(group[5] for group in of_label)),
        }
    names = ("corpus", "language", "split", "label", "rows", "hours")
    totals["parts"] = [
        dict(zip(names, (*group[:5], _hours(group[5])), strict=True))
        for group in groups
    ]
    return totals


def _hours(microseconds: int) -> float:
    return round(microseconds / PER_HOUR, 4)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep merge`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__.partition("\n\n")[2].strip()
    parser.epilog = (
        "examples:\n"
        "  python -m data_prep merge paper --manifests manifests --out lists\n"
        "  python -m data_prep merge my.yaml --manifests manifests --out b --seed 2\n"
        "\nspecs that come with the package (copy one to start your own): paper, "
        "df2024,\nown_data. How a spec is written is told at the top of "
        "data_prep/merge_spec.py."
    )
    add = parser.add_argument
    add("spec", metavar="SPEC", help="YAML file, or `paper`, `df2024` or `own_data`")
    add("--manifests", required=True, metavar="DIR", help="what `prepare` wrote")
    add("--out", required=True, metavar="DIR", help="folder for the lists")
    add("--seed", type=int, metavar="N", help="instead of the one in the spec")
    add("--allow-missing", action="store_true", help="go on without missing corpora")
    add(
        "--allow-contamination",
        action="store_true",
        help="go on though test lists share audio with training lists",
    )
    add_workers(parser)
    add_noprogressbar(parser)


def run(arguments: argparse.Namespace) -> int:
    """Merge, and print a table of the lists; warnings go to standard error."""
    summary = merge(
        read_spec(find_spec(arguments.spec)),
        arguments.manifests,
        arguments.out,
        arguments.seed,
        arguments.allow_missing,
        arguments.allow_contamination,
        arguments.workers,
        not arguments.noprogressbar,
    )
    print(_format(summary))
    print(f"\nlists and {SUMMARY}: {arguments.out}")
    for warning in _warnings(summary):
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _format(summary: Mapping) -> str:
    """The lists as a table."""
    lists = summary["lists"]
    width = max(len("list"), *map(len, lists))
    lines = [f"{'list':{width}}  {'rows':>10}  {'real h':>10}  {'fake h':>10}"]
    for name, made in lists.items():
        lines.append(
            f"{name:{width}}  {made['rows']:>10}  {made['real']['hours']:>10.2f}  "
            f"{made['fake']['hours']:>10.2f}"
        )
    return "\n".join(lines)


def _warnings(summary: Mapping) -> list[str]:
    """What the user should know about lists that were made."""
    warnings = []
    if summary["missing_corpora"]:
        warnings.append(f"without {', '.join(summary['missing_corpora'])}")
    if summary["duplicates_removed"]:
        warnings.append(f"{summary['duplicates_removed']} identical rows left out")
    for purpose, shared in summary["contamination"].items():
        for overlap in shared:
            if overlap["severity"] == SAME_AUDIO:
                warnings.append(
                    f"{purpose} shares audio with train: {overlap['test']} and "
                    f"{overlap['train']} ({overlap['note']})"
                )
        others = sum(overlap["severity"] != SAME_AUDIO for overlap in shared)
        if others:
            warnings.append(
                f"{purpose}: {others} more pairs of corpora share a source with train, "
                f"see contamination in {SUMMARY}"
            )
    return warnings
