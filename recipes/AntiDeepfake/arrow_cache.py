"""Manifests as Arrow files, which are mapped into memory instead of being read.

The Arrow file of `train.csv` is `train.csv.arrow` beside it or, where that cannot be
written, a file in `$XDG_CACHE_HOME/antideepfake` (by default in `~/.cache`). It is made
when a manifest is opened for the first time, in a temporary folder and then renamed, so
that it is whole or not there, however many processes make it at once.

It belongs to the very content of the CSV, whose size and SHA-256 it holds. Its time of
modification is set to that of the CSV: while size and time agree it is taken as it is.
With another time the SHA-256 decides; with another content it is made again.

The values are the texts of the CSV. Columns with few different values (all but IDs and
paths, as a rule) are dictionary-encoded. Two columns of numbers come on top: `SECONDS`,
the audio that a row stands for, and `ID_HASH`, by which repeated IDs are found.

Conversion keeps some hundred thousand rows in memory, and 8 bytes of every row.
"""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
import pyarrow
import pyarrow.csv
from numpy.typing import NDArray

from data_prep.manifest import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    UNKNOWN,
    ManifestError,
    check_row,
    iter_rows,
)
from recipes.AntiDeepfake.arrow_checks import Doubtful, check_block, row_seconds
from recipes.AntiDeepfake.rows import SECONDS

__all__ = ["ID_HASH", "ArrowFile", "arrow_files", "require_unique"]

ID_HASH = "#id"

# Part of the metadata: files of another version are made again.
VERSION = b"1"
BATCH_ROWS = 1 << 18
# More different values than a 16-bit index can tell apart are stored as plain text.
MOST_VALUES = 1 << 15
_CSV_BLOCK = 1 << 24  # bytes
_ROWS_BLOCK = 1 << 14  # rows that are read one by one, if they have to be


class ArrowFile(NamedTuple):
    """The Arrow file of a manifest.

    Arguments
    ---------
    path : Path
        Where it is.
    manifest : Path
        The CSV.
    digest : str
        SHA-256 of the CSV.
    """

    path: Path
    manifest: Path
    digest: str


def arrow_files(manifests: str | Path | Sequence[str | Path]) -> list[ArrowFile]:
    """Find the Arrow files of manifests, and make those that are not there.

    Arguments
    ---------
    manifests : str, Path or list of them
        The manifests.

    Returns
    -------
    list of ArrowFile
        In the same order.

    Raises
    ------
    ManifestError
        As `data_prep.manifest.read_manifest`, but for IDs that two manifests share
        (`require_unique`) and manifests without rows. In a manifest with several
        errors, repeated IDs are told last.
    """
    if isinstance(manifests, (str, Path)):
        manifests = [manifests]
    return [_arrow_file(Path(manifest)) for manifest in manifests]


def require_unique(manifests: Sequence[Path], hashes: Sequence[NDArray]) -> None:
    """Raise ManifestError for the first ID that occurs a second time.

    Arguments
    ---------
    manifests : list of Path
        The manifests.
    hashes : list of numpy.ndarray
        `ID_HASH` of the rows of each.
    """
    ordered = np.sort(np.concatenate([*hashes, np.empty(0, np.uint64)]))
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return
    # Different IDs may have one hash, so the texts decide.
    first_seen: dict[str, str] = {}
    for manifest, own in zip(manifests, hashes, strict=True):
        suspects = np.isin(own, repeated).tolist()
        for suspect, (place, row) in zip(suspects, iter_rows(manifest), strict=True):
            if suspect and row["ID"] in first_seen:
                raise ManifestError(
                    f"{place}: ID {row['ID']!r} occurs a second time, first at "
                    f"{first_seen[row['ID']]}. IDs must be unique: remove one of "
                    "the rows or rename it."
                )
            if suspect:
                first_seen[row["ID"]] = place


def _arrow_file(manifest: Path) -> ArrowFile:
    """The Arrow file of one manifest."""
    _require_readable(manifest)
    places = (manifest.with_name(f"{manifest.name}.arrow"), _cached(manifest))
    for place in places:
        digest = _current_digest(place, manifest)
        if digest:
            return ArrowFile(place, manifest, digest)
    reasons = []
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            # The name is random: processes on several machines may share the folder.
            with tempfile.TemporaryDirectory(dir=place.parent, prefix=".arrow-") as own:
                digest = _convert(manifest, Path(own) / place.name)
                os.replace(Path(own) / place.name, place)
            return ArrowFile(place, manifest, digest)
        except OSError as error:
            reasons.append(f"{place} ({error.strerror or error})")
    raise ManifestError(
        f"{manifest}: its Arrow file could not be written, {' nor '.join(reasons)}. "
        "Make one of these folders writable, or set XDG_CACHE_HOME to another one."
    )


def _require_readable(manifest: Path) -> None:
    """Raise ManifestError if a manifest is no file that can be read."""
    try:
        with open(manifest, "rb"):
            return
    except OSError:
        next(iter_rows(manifest), None)


def _cached(manifest: Path) -> Path:
    """Where the Arrow file is if the folder of the manifest is not writable."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    tag = hashlib.sha256(os.fsencode(manifest.resolve())).hexdigest()[:16]
    return Path(base) / "antideepfake" / f"{tag}-{manifest.name}.arrow"


def _current_digest(place: Path, manifest: Path) -> str:
    """SHA-256 of a manifest if the file at a place is its Arrow file, else nothing."""
    try:
        with pyarrow.memory_map(str(place)) as source:
            about = pyarrow.ipc.open_file(source).schema.metadata or {}
        made, now = place.stat(), manifest.stat()
    except (OSError, pyarrow.ArrowInvalid):
        return ""
    if about.get(b"version") != VERSION or about[b"size"] != b"%d" % now.st_size:
        return ""
    digest = about[b"sha256"].decode()
    if made.st_mtime_ns != now.st_mtime_ns:
        if _scan(manifest)[0] != digest:
            return ""
        _set_time(place, now.st_mtime_ns)
    return digest


def _set_time(place: Path, nanoseconds: int) -> None:
    """Note that a file is as new as its manifest, if it may be noted."""
    try:
        os.utime(place, ns=(nanoseconds, nanoseconds))
    except PermissionError:
        pass  # of another user; the digest is computed again next time


def _scan(manifest: Path) -> tuple[str, bool]:
    """SHA-256 of a file, and whether there is a quotation mark in it."""
    digest, quoted = hashlib.sha256(), False
    with open(manifest, "rb") as file:
        while block := file.read(_CSV_BLOCK):
            digest.update(block)
            quoted = quoted or b'"' in block
    return digest.hexdigest(), quoted


def _convert(manifest: Path, target: Path) -> str:
    """Check a manifest and write its Arrow file; give the SHA-256 of the manifest."""
    before = manifest.stat()
    digest, quoted = _scan(manifest)
    blocks = partial(_parsed_blocks, manifest, quoted)
    try:
        dictionaries, hashes = _survey(map(check_block, blocks()))
    except (Doubtful, pyarrow.ArrowInvalid):
        # Row by row it either passes or is refused with file and line.
        blocks = partial(_row_blocks, manifest)
        dictionaries, hashes = _survey(blocks())
    require_unique([manifest], [hashes])
    about = {"version": VERSION, "size": str(before.st_size), "sha256": digest}
    _write(target, blocks(), dictionaries, about)
    after = manifest.stat()
    if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
        raise ManifestError(
            f"{manifest}: changed while it was read. Start again when it is complete."
        )
    _set_time(target, before.st_mtime_ns)
    return digest


def _parsed_blocks(manifest: Path, quoted: bool) -> Iterator[pyarrow.RecordBatch]:
    """Unchecked rows of a manifest as texts, parsed by Arrow."""
    try:
        with open(manifest, newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error):
        raise Doubtful from None
    if len(set(names)) < len(names) or not {*COLUMNS} <= {*names}:
        raise Doubtful
    text = pyarrow.string()
    reader = pyarrow.csv.open_csv(
        manifest,
        pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK),
        # Only where it is needed: it makes parsing slower.
        pyarrow.csv.ParseOptions(newlines_in_values=quoted),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, text), strings_can_be_null=False
        ),
    )
    for batch in reader:
        for name in OPTIONAL_COLUMNS:
            if name not in names:
                unknown = pyarrow.repeat(pyarrow.scalar(UNKNOWN), len(batch))
                batch = batch.append_column(name, unknown)
        yield batch


def _row_blocks(manifest: Path) -> Iterator[pyarrow.RecordBatch]:
    """Checked rows of a manifest as texts, parsed one by one."""
    rows: list[dict[str, str]] = []
    for place, row in iter_rows(manifest):
        check_row(row, place)
        rows.append(row)
        if len(rows) == _ROWS_BLOCK:
            yield pyarrow.RecordBatch.from_pylist(rows)
            rows = []
    if rows:
        yield pyarrow.RecordBatch.from_pylist(rows)


def _survey(
    blocks: Iterable[pyarrow.RecordBatch],
) -> tuple[dict[str, pyarrow.Array], NDArray[np.uint64]]:
    """Different values of each column that has few, and hashes of the IDs."""
    hashes = [np.empty(0, np.uint64)]
    values: dict[str, dict[str, None]] = {}
    too_many = {"ID", "Path"}  # by their nature
    for block in blocks:
        hashes.append(_id_hash(block["ID"]))
        for name in block.schema.names:
            if name in too_many:
                continue
            found = values.setdefault(name, {})
            found.update(dict.fromkeys(block[name].unique().to_pylist()))
            if len(found) > MOST_VALUES:
                too_many.add(name)
                del values[name]
    texts = {
        name: pyarrow.array(found, pyarrow.string()) for name, found in values.items()
    }
    return texts, np.concatenate(hashes)


def _id_hash(ids: pyarrow.Array) -> NDArray[np.uint64]:
    texts = ids.to_numpy(zero_copy_only=False)
    return pandas.util.hash_array(texts, categorize=False)


def _write(
    target: Path,
    blocks: Iterable[pyarrow.RecordBatch],
    dictionaries: dict[str, pyarrow.Array],
    about: dict[str, str | bytes],
) -> None:
    """Write the Arrow file."""
    writer = None
    try:
        for table in _regrouped(blocks):
            columns = {
                name: _encoded(table[name], dictionaries.get(name))
                for name in table.schema.names
            }
            columns[SECONDS] = pyarrow.array(row_seconds(table))
            columns[ID_HASH] = pyarrow.array(_id_hash(table["ID"]))
            batch = pyarrow.RecordBatch.from_pydict(columns)
            batch = batch.replace_schema_metadata(about)
            if writer is None:
                writer = pyarrow.ipc.new_file(str(target), batch.schema)
            writer.write(batch)
        if writer is None:
            empty = pyarrow.schema([], metadata=about)
            writer = pyarrow.ipc.new_file(str(target), empty)
    finally:
        if writer is not None:
            writer.close()


def _regrouped(blocks: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.Table]:
    """The same rows, `BATCH_ROWS` at a time."""
    waiting: list[pyarrow.RecordBatch] = []
    for block in blocks:
        waiting.append(block)
        while sum(map(len, waiting)) >= BATCH_ROWS:
            table = pyarrow.Table.from_batches(waiting)
            yield table.slice(0, BATCH_ROWS)
            waiting = table.slice(BATCH_ROWS).to_batches()
    if any(map(len, waiting)):
        yield pyarrow.Table.from_batches(waiting)


def _encoded(
    column: pyarrow.ChunkedArray, values: pyarrow.Array | None
) -> pyarrow.Array:
    """A column as one array, of numbers for the values if these are given."""
    texts = pyarrow.concat_arrays(column.chunks)
    if values is None:
        return texts
    indices = pyarrow.compute.index_in(texts, values).cast(pyarrow.int16())
    return pyarrow.DictionaryArray.from_arrays(indices, values)
