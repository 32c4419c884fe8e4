"""The rules of `data_prep.manifest.check_row` for many rows at once."""

from __future__ import annotations

import numpy as np
import pyarrow
import pyarrow.compute as compute
from numpy.typing import NDArray

from data_prep.manifest import LABELS, ROOT, UNKNOWN

__all__ = ["Doubtful", "check_block", "row_seconds"]


class Doubtful(ValueError):
    """A row that may break a rule; which one, a look at each row will tell."""


def check_block(rows: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Check rows, which are texts.

    Arguments
    ---------
    rows : pyarrow.RecordBatch
        With all columns of a manifest.

    Returns
    -------
    pyarrow.RecordBatch
        The same.

    Raises
    ------
    Doubtful
        If `check_row` would refuse one of them.
    """
    empty_id = compute.equal(rows["ID"], "")
    other_label = compute.invert(_is_in(rows["Label"], LABELS))
    no_path = _is_in(rows["Path"], ("", UNKNOWN, ROOT))
    if _any(empty_id) or _any(other_label) or _any(no_path) or _has_dollar(rows):
        raise Doubtful
    try:
        numbers = [_numbers(rows[name]) for name in ("Duration", "SampleRate")]
        starts, stops = _pieces(rows)[1:]
    except ValueError:
        raise Doubtful from None
    if not all((np.isfinite(values) & (values > 0)).all() for values in numbers):
        raise Doubtful
    if not ((starts >= 0) & (starts < stops) & np.isfinite(stops)).all():
        raise Doubtful
    return rows


def row_seconds(rows: pyarrow.RecordBatch | pyarrow.Table) -> NDArray[np.float64]:
    """How much audio each row stands for, as `dataio.row_seconds`.

    Arguments
    ---------
    rows : pyarrow.RecordBatch or pyarrow.Table
        Checked rows, texts.

    Returns
    -------
    numpy.ndarray
        [rows], seconds.
    """
    seconds = _numbers(rows["Duration"]).copy()
    is_piece, starts, stops = _pieces(rows)
    seconds[is_piece] = stops - starts
    return seconds


def _pieces(rows) -> tuple[NDArray[np.bool_], NDArray, NDArray]:
    """Which rows are pieces of files, and where these start and stop."""
    whole = compute.and_(
        compute.equal(rows["Start"], UNKNOWN), compute.equal(rows["Stop"], UNKNOWN)
    )
    is_piece = compute.invert(whole)
    starts = _numbers(rows["Start"].filter(is_piece))
    stops = _numbers(rows["Stop"].filter(is_piece))
    return is_piece.to_numpy(zero_copy_only=False), starts, stops


def _has_dollar(rows: pyarrow.RecordBatch) -> bool:
    """Whether there is a dollar sign but in a leading `$ROOT/` of a path."""
    for name in rows.schema.names:
        found = compute.count_substring(rows[name], "$")
        if name == "Path":
            rooted = compute.starts_with(rows[name], ROOT)
            found = compute.subtract(found, rooted.cast(found.type))
        if _any(compute.greater(found, 0)):
            return True
    return False


def _numbers(texts: pyarrow.Array | pyarrow.ChunkedArray) -> NDArray[np.float64]:
    """The numbers in a column; raises ValueError if there is something else."""
    try:
        return texts.cast(pyarrow.float64()).to_numpy()
    except pyarrow.ArrowInvalid:
        # Python takes a little more, such as blanks around a number.
        return np.array([float(text) for text in texts.to_pylist()])


def _is_in(texts: pyarrow.Array, values: tuple[str, ...]) -> pyarrow.Array:
    return compute.is_in(texts, pyarrow.array(values, pyarrow.string()))


def _any(found: pyarrow.Array) -> bool:
    # Of no rows it is null.
    return bool(compute.any(found).as_py())
