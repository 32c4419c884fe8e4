"""Whether manifests can be relied on (verb `check`).

Every row is checked by itself (columns, values), against all others (repeated IDs,
leaks between lists), and, if wanted, against its audio file. Lists leak if one for
training and one for validation or testing share an ID, audio, a recording or a speaker,
or if the one was made from the other by the lineage of their corpora. What a list is
for is read off its name (`train.csv`, `A_EN_valid.csv`, `test_B.csv`, also `dev` and
`eval`). Files that are named, and those that lie in one folder, belong together.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from data_prep.audio_check import AudioCheck
from data_prep.files import atomic_path
from data_prep.findings import ERROR, WARNING, Finding, Report
from data_prep.leaks import (
    Member,
    add_members,
    lineage_findings,
    repeated_findings,
    shared_findings,
)
from data_prep.manifest import UNKNOWN, ManifestError
from data_prep.options import (
    UsageError,
    add_data_root,
    add_noprogressbar,
    add_workers,
)
from data_prep.table import FileCheck, ManifestTable, check_files

__all__ = ["add_arguments", "check", "purpose_of", "run"]

_SYNONYMS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "development": "valid",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}


def check(
    paths: Sequence[str | Path],
    report: Report,
    data_folder: str | None = None,
    decode: str = "none",
    fingerprints: bool = False,
    workers: int = 1,
    progressbar: bool = False,
) -> list[dict]:
    """Check manifests.

    Arguments
    ---------
    paths : list of str or Path
        Manifests, and folders that are searched through for them.
    report : Report
        Takes what is found.
    data_folder : str, optional
        What `$ROOT` stands for.
    decode : str
        `none`; `headers`, compare the headers of all audio with the rows; `all`,
        decode it as well.
    fingerprints : bool
        Whether to look for the same audio under different names; all audio is decoded
        for that, whatever `decode` is.
    workers : int
        Number of processes.
    progressbar : bool
        Whether to show progress.

    Returns
    -------
    list of dict
        For each file `file`, `purpose`, `rows`, and hours of `real` and `fake`.

    Raises
    ------
    ManifestError
        If there is no manifest, or one is no proper CSV file.
    """
    files = _find_files(paths, report)
    checks = list(check_files(list(files), workers, progressbar))
    for found in checks:
        _report_rows(found, report)
    usable = [found for found in checks if found.readable]
    with tempfile.TemporaryDirectory() as folder:
        with ManifestTable(folder, usable, threads=workers) as table:
            members = [
                Member(purpose_of(found.path), files[found.path]) for found in usable
            ]
            add_members(table, members)
            for findings in (repeated_findings, shared_findings, lineage_findings):
                for finding in findings(table):
                    report.add(finding)
            if decode != "none" or fingerprints:
                audio = AudioCheck(table, members, report, data_folder, workers)
                audio.run(decode == "all" or fingerprints, fingerprints, progressbar)
            return _totals(table, members)


def purpose_of(path: Path) -> str:
    """What a list is for, by its name: `train`, `valid`, `test` or `-`.

    Example
    -------
    >>> [purpose_of(Path(name)) for name in ("test_A.csv", "A_EN_dev.csv", "A.csv")]
    ['test', 'valid', '-']
    """
    words = [word.lower() for word in re.split(r"[^A-Za-z]+", path.stem) if word]
    for word in (words[:1] + words[-1:]) if words else ():
        if word in _SYNONYMS:
            return _SYNONYMS[word]
    return UNKNOWN


def _find_files(paths: Sequence[str | Path], report: Report) -> dict[Path, int]:
    """The manifests, and for each the number of its group."""
    files: dict[Path, int] = {}
    folders: dict[Path, int] = {}
    for path in map(Path, paths):
        if not path.is_dir():
            files.setdefault(path, 0)
            continue
        inside = [file for file in sorted(path.rglob("*.csv")) if not file.is_dir()]
        for file in inside:
            if not _is_manifest(file):
                detail = "its header is not that of a manifest; left out"
                report.add(Finding(WARNING, "other file", str(file), UNKNOWN, detail))
                continue
            files.setdefault(file, folders.setdefault(file.parent, len(folders) + 1))
        if not any(file in files for file in inside):
            raise ManifestError(
                f"{path}: no manifest in this folder. Name a folder that "
                "`python -m data_prep prepare` or `merge` wrote."
            )
    return files


def _is_manifest(path: Path) -> bool:
    """Whether a file in a folder is meant to be a manifest; hidden files are not."""
    if path.name.startswith("."):
        return False
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return {"ID", "Label", "Path"} <= set(file.readline().strip().split(","))
    except OSError:
        return True  # which it is, will be told when it is read


def _report_rows(found: FileCheck, report: Report) -> None:
    """Tell what is wrong with the rows of a file, each by itself."""
    for problem in found.problems:
        detail = problem.removeprefix(f"{found.path}: ")
        report.add(Finding(ERROR, "row", str(found.path), UNKNOWN, detail))
    if found.more:
        detail = f"{found.more} more rows with errors, not listed"
        report.add(Finding(ERROR, "row", str(found.path), UNKNOWN, detail))
    if found.readable and not found.rows:
        report.add(Finding(ERROR, "row", str(found.path), UNKNOWN, "no rows"))


def _totals(table: ManifestTable, members: Sequence[Member]) -> list[dict]:
    """Rows and hours of each file."""
    totals = []
    sums = {
        file: numbers
        for file, *numbers in table.query(
            "SELECT file, count(*), "
            "sum(TRY_CAST(Duration AS DOUBLE)) FILTER (Label = 'real') / 3600, "
            "sum(TRY_CAST(Duration AS DOUBLE)) FILTER (Label = 'fake') / 3600 "
            "FROM rows GROUP BY file"
        )
    }
    for number, (found, member) in enumerate(zip(table.checks, members, strict=True)):
        rows, real, fake = sums.get(number, (0, 0, 0))
        totals.append(
            {
                "file": str(found.path),
                "purpose": member.purpose,
                "rows": rows,
                "real": real or 0.0,
                "fake": fake or 0.0,
            }
        )
    return totals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep check`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__.partition("\n\n")[2].strip()
    parser.epilog = (
        "examples:\n"
        "  python -m data_prep check lists --data-root /data --out check.csv\n"
        "  python -m data_prep check train.csv test.csv --data-root /data "
        "--fingerprints\n"
        "\nErrors make the exit code 1, warnings and notes do not. --fingerprints "
        "finds audio of one\nlist in another under another name, in another format, at "
        "another rate or level, or cut;\nit decodes all audio, as --decode all does. "
        "Temporary files go to the folder $TMPDIR."
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="manifest, or folder of manifests")
    add_data_root(parser)
    add(
        "--decode",
        choices=("none", "headers", "all"),
        help="what to read of the audio (default: all with --fingerprints, else "
        "headers with --data-root, else none)",
    )
    add("--fingerprints", action="store_true", help="compare what lists sound like")
    add_workers(parser)
    add("--out", metavar="CSV", help="write all findings here")
    add_noprogressbar(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check, print a table of the files and what was found; 1 if there are errors."""
    decode = _choose_decode(arguments)
    with ExitStack() as stack:
        report = Report()
        if arguments.out:
            path = stack.enter_context(atomic_path(arguments.out))
            # Names of files need not be UTF-8.
            form = {"newline": "", "encoding": "utf-8", "errors": "backslashreplace"}
            file = stack.enter_context(open(path, "w", **form))
            report.writer = csv.writer(file, lineterminator="\n")
            report.writer.writerow(Finding._fields)
        totals = check(
            arguments.paths,
            report,
            arguments.data_folder,
            decode,
            arguments.fingerprints,
            arguments.workers,
            not arguments.noprogressbar,
        )
    print(_format(totals))
    read = {"none": "rows", "headers": "rows and headers", "all": "rows and audio"}
    verdict = [f"nothing wrong in the {read[decode]}"] if report.is_clean else []
    print("", *filter(None, [report.text(), *verdict]), sep="\n")
    if report.errors:
        where = f"; all are in {arguments.out}" if arguments.out else ""
        print(f"{report.errors} errors{where}", file=sys.stderr)
    return 1 if report.errors else 0


def _choose_decode(arguments: argparse.Namespace) -> str:
    """What to read of the audio; raise UsageError for what contradicts itself."""
    if not arguments.fingerprints:
        return arguments.decode or ("headers" if arguments.data_folder else "none")
    if arguments.decode not in (None, "all"):
        raise UsageError(
            "--fingerprints decodes all audio, which is what --decode "
            f"{arguments.decode} forbids: leave one of the two out"
        )
    return "all"


def _format(totals: Sequence[dict]) -> str:
    """The files as a table."""
    width = max([len("manifest"), *(len(row["file"]) for row in totals)])
    lines = [
        f"{'manifest':{width}}  for    {'rows':>10}  {'real h':>10}  {'fake h':>10}"
    ]
    for row in totals:
        lines.append(
            f"{row['file']:{width}}  {row['purpose']:5}  {row['rows']:>10}  "
            f"{row['real']:>10.2f}  {row['fake']:>10.2f}"
        )
    return "\n".join(lines)
