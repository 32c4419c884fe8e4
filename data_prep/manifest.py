"""The manifest: one CSV row for each piece of audio.

This module is the only place that knows the columns. Everything in a row is
text until a reader that knows the column converts it; unknown is `-`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from data_prep.files import atomic_path

__all__ = [
    "COLUMNS",
    "OPTIONAL_COLUMNS",
    "ROOT",
    "SPLITS",
    "UNKNOWN",
    "VOCODED",
    "ManifestError",
    "check_row",
    "iter_rows",
    "read_manifest",
    "resolve_path",
    "write_manifest",
]

COLUMNS = (
    "ID",
    "Label",
    "Duration",
    "SampleRate",
    "Path",
    "Attack",
    "Speaker",
    "Proportion",
    "AudioChannel",
    "AudioEncoding",
    "AudioBitSample",
    "Language",
)
OPTIONAL_COLUMNS = ("Start", "Stop", "Corpus", "Recording")
LABELS = ("real", "fake")
UNKNOWN = "-"
SPLITS = ("train", "valid", "test", UNKNOWN)  # of the column Proportion
ROOT = "$ROOT/"
VOCODED = "-Vocoded"  # behind the name of a corpus: that of copies of it by vocoders


class ManifestError(ValueError):
    """A manifest that cannot be used; names the file, the row and the key."""


def read_manifest(paths: str | Path | Sequence[str | Path]) -> list[dict[str, str]]:
    """Read one or several manifests and check every row.

    Arguments
    ---------
    paths : str, Path or list of them
        Manifests; their rows follow one another in the given order.

    Returns
    -------
    list of dict
        One dictionary of strings for each row, with the columns of the file and
        with `-` for each optional column that the file does not have.

    Raises
    ------
    ManifestError
        If a column is missing, a value cannot be used, an ID occurs twice (in
        all the files together) or there are no rows.
    """
    if isinstance(paths, (str, Path)):
        paths = [paths]
    rows: list[dict[str, str]] = []
    first_seen: dict[str, str] = {}
    for path in paths:
        for place, row in iter_rows(Path(path)):
            check_row(row, place)
            if row["ID"] in first_seen:
                raise ManifestError(
                    f"{place}: ID {row['ID']!r} occurs a second time, first at "
                    f"{first_seen[row['ID']]}. IDs must be unique: remove one of "
                    "the rows or rename it."
                )
            first_seen[row["ID"]] = place
            rows.append(row)
    if not rows:
        raise ManifestError(
            f"no rows in {', '.join(map(str, paths))}: prepare the corpus again "
            "(`python -m data_prep --help`) or name other manifests."
        )
    return rows


def write_manifest(path: str | Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Check rows and write them as one CSV, atomically.

    Arguments
    ---------
    path : str or Path
        The manifest to write.
    rows : iterable of dict
        Each with all of `COLUMNS`; an optional column is written when the first
        row has it, with `-` for later rows without it.

    Returns
    -------
    int
        The number of rows written.

    Raises
    ------
    ManifestError
        As `read_manifest`; nothing is written then.
    """
    texts = [{key: str(value) for key, value in row.items()} for row in rows]
    columns = list(COLUMNS)
    if texts:
        columns += [name for name in OPTIONAL_COLUMNS if name in texts[0]]
    _check_columns(texts, path)
    with atomic_path(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, UNKNOWN, lineterminator="\n")
            writer.writeheader()
            try:
                writer.writerows(texts)
            except ValueError as error:
                raise ManifestError(f"{path}: {error}; known: {columns}") from None
        try:
            read_manifest(temporary)
        except ManifestError as error:
            message = str(error).replace(str(temporary), str(path))
            raise ManifestError(message) from None
    return len(texts)


def resolve_path(path: str, data_folder: str | Path | None) -> str:
    """Replace a leading `$ROOT/` by the data folder.

    Example
    -------
    >>> resolve_path("$ROOT/a/b.flac", "/data")
    '/data/a/b.flac'
    """
    if not path.startswith(ROOT):
        return path
    if data_folder is None:
        raise ManifestError(
            f"Path {path!r} is relative to the data folder, but none was given: "
            "set data_folder (on the command line: --data_folder DIR)."
        )
    return str(Path(data_folder) / path[len(ROOT) :])


def _check_columns(rows: Iterable[Mapping[str, str]], path: str | Path) -> None:
    """Raise ManifestError for the first row that lacks one of `COLUMNS`."""
    for number, row in enumerate(rows, start=1):
        missing = [name for name in COLUMNS if name not in row]
        if missing:
            raise ManifestError(
                f"{path}: row {number} (ID {row.get('ID')}) lacks "
                f"{', '.join(missing)}. Give every column a value, {UNKNOWN!r} for "
                "unknown."
            )


def iter_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Read one manifest row by row, without checking the values.

    Arguments
    ---------
    path : Path
        The manifest.

    Yields
    ------
    tuple of (str, dict)
        File and line for messages, and the row as `read_manifest` gives it.

    Raises
    ------
    ManifestError
        If the file cannot be read, lacks a column, or a row has other fields.
    """
    try:
        # A byte order mark, as spreadsheets write it, is not part of the first name.
        with open(path, newline="", encoding="utf-8-sig") as file:
            yield from _parse(path, csv.DictReader(file))
    except OSError as error:
        raise ManifestError(
            f"{path}: cannot be read ({error.strerror}). Make it first "
            "(`python -m data_prep --help`) or name another manifest."
        ) from None
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{path}: not UTF-8 near byte {error.start}. Convert the file."
        ) from None
    except csv.Error as error:
        raise ManifestError(
            f"{path}: not a CSV file ({error}). Make it again."
        ) from None


def _parse(path: Path, reader: csv.DictReader) -> Iterator[tuple[str, dict[str, str]]]:
    """Check the header and the number of fields; yield (place, row)."""
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ManifestError(
            f"{path}: the header lacks {', '.join(missing)}. A manifest starts "
            f"with the line {','.join(COLUMNS)}"
        )
    absent = [name for name in OPTIONAL_COLUMNS if name not in reader.fieldnames]
    _require_distinct([*reader.fieldnames, *absent], path)
    defaults = dict.fromkeys(absent, UNKNOWN)
    for row in reader:
        place = f"{path}, line {reader.line_num}"
        # DictReader files surplus fields under None, and None for missing ones.
        if None in row or None in row.values():
            raise ManifestError(
                f"{place}: {'more' if None in row else 'fewer'} fields than "
                "the header has. Quote fields that contain commas."
            )
        yield place, row | defaults


def _require_distinct(columns: Iterable[str], path: Path) -> None:
    """Raise ManifestError if two columns have one name; case makes no difference."""
    known: dict[str, str] = {}
    for name in columns:
        other = known.get(name.casefold())
        if other is not None:
            raise ManifestError(
                f"{path}: the header has the columns {other!r} and {name!r}. Names "
                "must differ, and not in upper and lower case alone: rename one."
            )
        known[name.casefold()] = name


def check_row(row: Mapping[str, str], place: str) -> None:
    """Raise ManifestError for the first value in a row that cannot be used.

    Arguments
    ---------
    row : dict
        With the compulsory columns and `Start` and `Stop`.
    place : str
        File and line, for the message.
    """
    if not row["ID"]:
        raise ManifestError(f"{place}: ID is empty. Give every row a unique ID.")
    place = f"{place} (ID {row['ID']})"
    if row["Label"] not in LABELS:
        raise ManifestError(
            f"{place}: Label is {row['Label']!r}; it must be 'real' or 'fake'."
        )
    if row["Path"] in ("", UNKNOWN, ROOT):
        raise ManifestError(
            f"{place}: Path is {row['Path']!r}; it must name an audio file, such as "
            f"{ROOT}corpus/a.flac."
        )
    for key, value in row.items():
        body = value[len(ROOT) :] if key == "Path" and value.startswith(ROOT) else value
        if "$" in body:
            raise ManifestError(
                f"{place}: {key} is {value!r}; '$' is allowed only in the leading "
                f"{ROOT!r} of Path."
            )
        if "\0" in value:
            raise ManifestError(
                f"{place}: {key} is {value!r}; it has a NUL, which is no text. Write "
                "the file again."
            )
    _positive_number(row, "Duration", place)
    _positive_number(row, "SampleRate", place)
    if row["Start"] != UNKNOWN or row["Stop"] != UNKNOWN:
        start = _number(row, "Start", place)
        if not 0 <= start < _number(row, "Stop", place):
            raise ManifestError(
                f"{place}: Start {row['Start']} and Stop {row['Stop']} are not a "
                "piece of a file. Both are seconds, 0 <= Start < Stop."
            )


def _number(row: Mapping[str, str], key: str, place: str) -> float:
    """The finite number in a column."""
    try:
        value = float(row[key])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ManifestError(f"{place}: {key} is {row[key]!r}; it must be a number.")
    return value


def _positive_number(row: Mapping[str, str], key: str, place: str) -> float:
    """The positive number in a column."""
    value = _number(row, key, place)
    if value <= 0:
        raise ManifestError(f"{place}: {key} is {row[key]}; it must be above 0.")
    return value
