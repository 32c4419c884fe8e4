"""Tables as they are shown, in HTML and in Markdown alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Cell", "Table", "per_cent", "rate_interval", "to_markdown"]

NONE = "–"
_LAST = 1e300  # scripts of a page know no `inf`


class Cell(NamedTuple):
    """One cell.

    Arguments
    ---------
    text : str
        What is shown.
    order : float or None
        What the table is sorted by; by the text without it.
    heat : float
        How dark its background is, in [0, 1].
    uri : str
        Audio to be played.
    target : str
        Anchor of the cell.
    link : str
        Anchor that the text leads to.
    code : bool
        Whether it is one long word, which can be broken anywhere.
    """

    text: str
    order: float | None = None
    heat: float = 0.0
    uri: str = ""
    target: str = ""
    link: str = ""
    code: bool = False


@dataclass
class Table:
    """A table and what is said of it.

    Arguments
    ---------
    headings : list of str
        Of the columns.
    rows : list of list of Cell
        Each with one cell for each column.
    caption : str
        How to read it.
    text_columns, notes : int
        How many columns from the left, and from the right, are words; others are
        numbers.
    """

    headings: Sequence[str]
    rows: list[list[Cell]]
    caption: str = ""
    text_columns: int = 1
    notes: int = 0

    def is_text(self, column: int) -> bool:
        """Whether a column has words, not numbers."""
        return column < self.text_columns or column >= len(self.headings) - self.notes


def number(value: float, digits: int) -> Cell:
    """A number with so many decimals, or a dash for NaN, which comes last."""
    if math.isnan(value):
        return Cell(NONE, _LAST)
    return Cell(f"{value:.{digits}f}", max(-_LAST, min(_LAST, value)))


def per_cent(rate: float, digits: int = 2) -> Cell:
    """A rate in per cent, or a dash for NaN.

    Example
    -------
    >>> per_cent(0.1234).text
    '12.34'
    """
    return number(100 * rate, digits)


def rate_interval(rate: float, low: float, high: float) -> Cell:
    """A rate and its interval in per cent.

    Example
    -------
    >>> rate_interval(0.1, 0.05, 0.125).text
    '10.00 [5.00, 12.50]'
    """
    cell = per_cent(rate)
    if math.isnan(low) or math.isnan(rate):
        return cell
    return cell._replace(text=f"{cell.text} [{100 * low:.2f}, {100 * high:.2f}]")


def to_markdown(table: Table) -> str:
    """The table as GitHub-flavoured Markdown; audio is left out.

    Example
    -------
    >>> print(to_markdown(Table(["set", "EER %"], [[Cell("a|b"), Cell("5.0")]])))
    | set | EER % |
    |---|---:|
    | a\\|b | 5.0 |
    """
    marks = ["---" if table.is_text(i) else "---:" for i in range(len(table.headings))]
    lines = [
        "| " + " | ".join(map(escape, table.headings)) + " |",
        "|" + "|".join(marks) + "|",
    ]
    for row in table.rows:
        lines.append("| " + " | ".join(escape(cell.text) for cell in row) + " |")
    return "\n".join(lines)


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    text = re.sub(r"\s+", " ", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*|\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)
