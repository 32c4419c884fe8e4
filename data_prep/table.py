"""Millions of manifest rows as one table on disk, in bounded memory.

`check_file` passes every row by the rules of `data_prep.manifest`, one at a time.
`ManifestTable` then holds the rows in a temporary DuckDB database, where duplicates,
sums, samples and orders of more rows than fit into memory are a query each.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import duckdb
from tqdm import tqdm

from data_prep.files import file_digest
from data_prep.manifest import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    UNKNOWN,
    ManifestError,
    check_row,
    iter_rows,
)
from data_prep.text import printable
from data_prep.workers import open_map

__all__ = [
    "FileCheck",
    "ManifestTable",
    "check_file",
    "check_files",
    "identifier",
    "literal",
    "require_sound",
]

#: What DuckDB may keep in memory; beyond, it writes to its folder. The process needs
#: about 150 MB more.
MEMORY_LIMIT = "400MB"
#: So many problems of one file are told one by one; the others are counted.
MOST_PROBLEMS = 10_000
_EXAMPLES = 5  # problems in a message


class FileCheck(NamedTuple):
    """What is in a manifest and what is wrong with it.

    Arguments
    ---------
    path : Path
        The file.
    columns : tuple of str
        Its header; empty if it cannot be read.
    rows : int
        Number of rows that were read.
    problems : list of str
        Messages, with file and line; at most `MOST_PROBLEMS`.
    more : int
        Number of problems that are not in the list.
    readable : bool
        Whether all of the file is a table with the columns of a manifest.
    sha256 : str
        Of the file; empty if it cannot be read.
    """

    path: Path
    columns: tuple[str, ...]
    rows: int
    problems: list[str]
    more: int
    readable: bool
    sha256: str


def check_file(path: str | Path) -> FileCheck:
    """Check the columns and every row of a manifest, one row in memory at a time.

    Arguments
    ---------
    path : str or Path
        The manifest.

    Returns
    -------
    FileCheck
        IDs that repeat are not in it: they are a matter of all files together.
    """
    path = Path(path)
    columns: tuple[str, ...] = ()
    problems: list[str] = []
    rows, more, readable, digest = 0, 0, True, ""
    try:
        for place, row in iter_rows(path):
            rows += 1
            try:
                check_row(row, place)
            except ManifestError as error:
                if len(problems) < MOST_PROBLEMS:
                    problems.append(str(error))
                else:
                    more += 1
    except ManifestError as error:
        problems.append(str(error))
        readable = False
    if readable:
        columns, digest = _header(path), file_digest(path)
        if "" in columns:  # as pandas calls its index
            problems.append(
                f"{path}: a column of the header has no name. Name it, or remove it."
            )
            readable = False
    return FileCheck(path, columns, rows, problems, more, readable, digest)


def check_files(
    paths: Sequence[Path], workers: int = 1, progressbar: bool = False
) -> Iterator[FileCheck]:
    """`check_file` of several files, in their order, in several processes.

    Arguments
    ---------
    paths : list of Path
        Manifests.
    workers : int
        Number of processes; 1 stays in this one.
    progressbar : bool
        Whether to show one, if standard error is a terminal.

    Yields
    ------
    FileCheck
    """
    with open_map(min(workers, len(paths))) as apply:
        found = apply(check_file, paths)
        # `disable=None` leaves the bar out where there is no terminal.
        off = None if progressbar else True
        yield from tqdm(found, "manifests", len(paths), disable=off)


def require_sound(checks: Sequence[FileCheck], remedy: str) -> None:
    """Raise ManifestError if rows of manifests cannot be used.

    Arguments
    ---------
    checks : list of FileCheck
        What was found in the manifests.
    remedy : str
        What to do, as the message says it.
    """
    problems = [problem for check in checks for problem in check.problems]
    if problems:
        count = len(problems) + sum(check.more for check in checks)
        raise ManifestError(
            "\n  ".join([f"{count} rows cannot be used:", *problems[:_EXAMPLES]])
            + ("\n  ..." if count > _EXAMPLES else "")
            + f"\n{remedy}; `python -m data_prep check` lists all."
        )


def identifier(name: str) -> str:
    """A name as SQL quotes it.

    Example
    -------
    >>> print(identifier('a "b" c'))
    "a ""b"" c"
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL quotes it.

    Example
    -------
    >>> print(literal("it's"))
    'it''s'
    """
    return "'" + text.replace("'", "''") + "'"


class ManifestTable:
    """The rows of manifests as the table `rows` of a temporary database.

    Its columns are text as in the files, with `-` for optional columns that a file does
    not have; `file` is the number of the file, and `rowid` follows the order of the
    files and of the rows in them. Use it in a `with` statement: it goes with it.

    Arguments
    ---------
    folder : str or Path
        Where a temporary folder is made for the database.
    checks : list of FileCheck
        The files; they must be readable.
    corpora : list of str, optional
        For each file what stands for `-` in the column `Corpus`.
    threads : int
        Threads of the database.
    """

    def __init__(
        self,
        folder: str | Path,
        checks: Sequence[FileCheck],
        corpora: Sequence[str] | None = None,
        threads: int = 2,
    ):
        self.folder = Path(folder) / f".table.{os.getpid()}"
        self.checks = list(checks)
        self.corpora = list(corpora or [UNKNOWN] * len(self.checks))
        self.threads = threads
        found = dict.fromkeys(name for check in checks for name in check.columns)
        known = (*COLUMNS, *OPTIONAL_COLUMNS)
        others = tuple(name for name in found if name not in known)
        self._require_distinct(others)
        #: All columns of the table, in the order of a manifest.
        self.columns = known + others
        #: Those that some file has, and the corpus.
        self.found = tuple(name for name in self.columns if name in {*found, "Corpus"})

    def __enter__(self) -> ManifestTable:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        try:
            self._load()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if hasattr(self, "database"):
            self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def query(self, sql: str, values: Sequence = ()) -> list[tuple]:
        """Run a query and give all rows of its result.

        Arguments
        ---------
        sql : str
            The query.
        values : list
            For its question marks.

        Returns
        -------
        list of tuple
        """
        with _explained(self.folder):
            return self.database.execute(sql, list(values)).fetchall()

    def batches(self, sql: str, size: int = 4096) -> Iterator[list[tuple]]:
        """Run a query and yield its result in pieces.

        Arguments
        ---------
        sql : str
            The query.
        size : int
            Rows in a piece.

        Yields
        ------
        list of tuple
        """
        with _explained(self.folder):
            result = self.database.cursor().execute(sql)
            while batch := result.fetchmany(size):
                yield batch

    def write_csv(self, path: str | Path, sql: str) -> None:
        """Write the result of a query as CSV, without atomicity.

        Arguments
        ---------
        path : str or Path
            The file.
        sql : str
            The query.
        """
        form = "FORMAT csv, HEADER, DELIMITER ',', QUOTE '\"', ESCAPE '\"'"
        self.query(f"COPY ({sql}) TO {literal(_encodable(path))} ({form})")

    def _require_distinct(self, names: Sequence[str]) -> None:
        """Raise ManifestError for columns that differ by case in different files."""
        for name in names:
            twin = next(one for one in names if one.casefold() == name.casefold())
            if twin != name:
                files = [
                    next(str(c.path) for c in self.checks if column in c.columns)
                    for column in (twin, name)
                ]
                raise ManifestError(
                    f"{files[0]} has the column {twin!r}, {files[1]} has {name!r}: "
                    "they differ in upper and lower case only. Rename one."
                )

    def _load(self) -> None:
        """Make the database and read all files."""
        self.database = duckdb.connect(
            _encodable(self.folder / "rows.duckdb"),
            config={
                "memory_limit": MEMORY_LIMIT,
                "threads": self.threads,
                "temp_directory": str(self.folder / "spilled"),
            },
        )
        # A bar of its own would be drawn on standard output.
        self.query("SET enable_progress_bar = false")
        texts = ", ".join(f"{identifier(name)} VARCHAR" for name in self.columns)
        self.query(f"CREATE TABLE rows (file INTEGER, {texts})")
        for number, check in enumerate(self.checks):
            if check.rows:
                self._load_file(number, check)

    def _load_file(self, number: int, check: FileCheck) -> None:
        """Append the rows of a file."""
        values = ", ".join(
            self._value(name, check.columns, number) for name in self.columns
        )
        types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in check.columns)
        try:
            source = literal(_encodable(check.path))
            (count,) = self.query(
                f"INSERT INTO rows SELECT {number}, {values} FROM read_csv("
                f"{source}, columns = {{{types}}}, header = true, "
                "auto_detect = false, delim = ',', quote = '\"', escape = '\"')"
            )[0]
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            raise ManifestError(
                f"{check.path}: programs disagree about how to read it ({reason}). "
                "Write it again, with one kind of line end and whole fields in quotes."
            ) from None
        if count != check.rows:
            raise ManifestError(
                f"{check.path}: {count} rows instead of the {check.rows} that were "
                "checked. Was it changed in between? Run the command again."
            )

    def _value(self, name: str, header: Iterable[str], number: int) -> str:
        """SQL for the value of a column."""
        if name not in header:
            value = literal(UNKNOWN)
        else:
            value = f"coalesce({identifier(name)}, '')"
        if name == "Corpus":
            own = literal(self.corpora[number])
            return f"CASE WHEN {value} IN ('', '-') THEN {own} ELSE {value} END"
        return value


def _encodable(path: str | Path) -> str:
    """A path as text for the database, which knows UTF-8 only."""
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ManifestError(
            f"{printable(text)}: the name is not UTF-8. Rename the file or folder."
        ) from None
    return text


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Raise ManifestError where the database lacks room, on disk or in memory."""
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        reason = str(error).partition("\n")[0]
        raise ManifestError(
            f"{folder.parent}: the rows cannot be worked on there ({reason}). Make "
            "room, or name another folder with --out or, for `check`, in $TMPDIR."
        ) from None
    except RuntimeError as error:
        if str(error) == "Query interrupted":  # which is what Ctrl-C becomes there
            raise KeyboardInterrupt from None
        raise


def _header(path: Path) -> tuple[str, ...]:
    """The columns that are in a file, in its order."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        return tuple(next(csv.reader(file)))
