"""Reading big text tables fast, exactly, and with errors that name the line.

PyArrow reads them if it is installed, pandas otherwise. By themselves
they would guess the types of columns and fill up lines that are too short; here every
column is text unless it is said to hold numbers, numbers are read exactly, and every
line has all its fields. Only when that fails is the table gone through line by line,
to say where.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import math
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas

__all__ = ["HAS_PYARROW", "TableError", "first_line", "parse_table", "read_text"]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: Whether tables are read by PyArrow.
HAS_PYARROW = importlib.util.find_spec("pyarrow") is not None
# From 3.1 on pandas reads numbers exactly by default, and warns of the option.
_EXACT = {}
if tuple(map(int, pandas.__version__.split(".")[:2])) < (3, 1):
    _EXACT = {"float_precision": "round_trip"}


class TableError(ValueError):
    """A table that cannot be read; names the file, the line and the remedy."""


def read_text(path: str | Path) -> bytes:
    """Read a file that is not empty, without the byte order mark of spreadsheets.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    bytes

    Raises
    ------
    TableError
        If it cannot be read or has nothing in it.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise TableError(
            f"{path}: cannot be read ({error.strerror}). Check the path."
        ) from None
    text = text.removeprefix(_BYTE_ORDER_MARK)
    if not text or text.isspace():
        raise TableError(f"{path}: an empty file. Make it again.")
    return text


def first_line(text: bytes) -> str:
    r"""The first line of a text.

    Arguments
    ---------
    text : bytes
        UTF-8; what is not becomes a replacement character.

    Returns
    -------
    str

    Example
    -------
    >>> first_line(b"ID,Score\r\na,1\r\n")
    'ID,Score'
    """
    stop = text.find(b"\n")
    return text[: stop if stop >= 0 else None].decode("utf-8", "replace").rstrip("\r")


def parse_table(
    path: str | Path,
    text: bytes,
    separator: str,
    names: Sequence[str] | None = None,
    numbers: Collection[str] = (),
) -> pandas.DataFrame:
    r"""Parse a table.

    Arguments
    ---------
    path : str or Path
        Where it is from, for messages.
    text : bytes
        The table, UTF-8. Only one that is separated by commas can have quoted fields.
    separator : str
        One character.
    names : list of str, optional
        Names of the columns; by default the first line has them.
    numbers : collection of str
        Columns of numbers, for float64; all others are text.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    TableError
        If a line has too many or too few fields, a number is none or not finite, or
        there are no lines; names the first such line.

    Example
    -------
    >>> table = parse_table("-", b"ID,Score\n007,1.5\n", ",", numbers=["Score"])
    >>> table.to_dict("list")
    {'ID': ['007'], 'Score': [1.5]}
    """
    quoted = separator == "," and b'"' in text
    header = names is None
    if header:
        names = _header(path, text, separator)
    numbers = [name for name in names if name in numbers]
    how = (text, separator, names, numbers, header, quoted)
    table = _parse_with_pyarrow(*how) if HAS_PYARROW else None
    if table is None and _is_even(text, separator, len(names)):
        table = _parse_with_pandas(*how)
    if table is None or not np.isfinite(table[numbers]).all(axis=None):
        raise _complaint(path, text, separator, names, numbers, header)
    if not len(table):
        raise TableError(f"{path}: a header without lines. Make the file again.")
    return table


def _header(path: str | Path, text: bytes, separator: str) -> list[str]:
    """The names in the first line."""
    line = first_line(text)
    names = next(csv.reader([line], delimiter=separator))
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise TableError(
            f"{path}, line 1: column {', '.join(sorted(twice))} is there twice. Remove "
            "one of the two."
        )
    return names


def _is_even(text: bytes, separator: str, width: int) -> bool:
    """Whether there are as many separators as the lines need.

    pandas finds lines that are too long, but not those that are too short.
    """
    if separator == "," and b'"' in text:
        text = b"".join(text.split(b'"')[::2])  # what is not within quotes
    characters = np.frombuffer(text, np.uint8)  # counts much faster than bytes
    lines = np.count_nonzero(characters == ord("\n")) + (not text.endswith(b"\n"))
    if text.startswith((b"\n", b"\r")) or b"\n\n" in text or b"\n\r" in text:
        lines = sum(1 for line in text.splitlines() if line)
    return np.count_nonzero(characters == ord(separator)) == lines * (width - 1)


def _parse_with_pandas(text, separator, names, numbers, header, quoted):
    """The table, or None if something is wrong with it."""
    types = dict.fromkeys(names, str) | dict.fromkeys(numbers, "float64")
    try:
        with warnings.catch_warnings():
            # It cuts lines that are too long if the first one is, and only warns.
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            return pandas.read_csv(
                io.BytesIO(text),
                sep=separator,
                names=names,
                skiprows=1 if header else 0,
                dtype=types,
                index_col=False,
                na_filter=False,
                quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
                encoding="utf-8",
                **_EXACT,
            )
    except (ValueError, pandas.errors.ParserWarning):  # what it raises is the first
        return None


def _parse_with_pyarrow(text, separator, names, numbers, header, quoted):
    """The table, or None if something is wrong with it; finds all ragged lines."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    types = dict.fromkeys(names, pyarrow.string())
    types |= dict.fromkeys(numbers, pyarrow.float64())
    try:
        table = arrow_csv.read_csv(
            pyarrow.BufferReader(text),
            arrow_csv.ReadOptions(column_names=names, skip_rows=1 if header else 0),
            arrow_csv.ParseOptions(
                delimiter=separator,
                quote_char='"' if quoted else False,
                newlines_in_values=quoted,
            ),
            arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False),
        )
    except pyarrow.ArrowInvalid:
        return None
    return table.to_pandas()


def _complaint(path, text, separator, names, numbers, header) -> TableError:
    """What is wrong with a table, and where."""
    try:
        lines = io.StringIO(text.decode(), newline="")
    except UnicodeDecodeError as error:
        return TableError(f"{path}: not UTF-8 near byte {error.start}. Convert it.")
    quoting = csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE
    rows = csv.reader(lines, delimiter=separator, quoting=quoting)
    for row in rows:
        if not row or (header and rows.line_num == 1):
            continue
        place = f"{path}, line {rows.line_num}"
        if len(row) != len(names):
            return TableError(
                f"{place}: {len(row)} fields, but there are {len(names)} columns "
                f"({', '.join(names)}). Correct the line, or make the file again."
            )
        values = dict(zip(names, row, strict=True))
        for name in numbers:
            if not _is_finite(values[name]):
                return TableError(
                    f"{place} ({names[0]} {row[0]}): {name} is {values[name]!r}, which "
                    "is not a finite number. Find out what made it, and score again."
                )
    return TableError(f"{path}: not a table that can be read. Make the file again.")


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
