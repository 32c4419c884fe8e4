"""What a report is made of, for any way of writing it down."""

from __future__ import annotations

from dataclasses import dataclass, field

from recipes.AntiDeepfake.reporting.cells import Table
from recipes.AntiDeepfake.reporting.svg import Picture

__all__ = ["Details", "Section"]


@dataclass(frozen=True)
class Details:
    """A table that is folded at first.

    Arguments
    ---------
    summary : str
        What is shown of it.
    table : Table
        The table.
    """

    summary: str
    table: Table


@dataclass
class Section:
    """A section of a report.

    Arguments
    ---------
    title, anchor : str
        Its heading and its place.
    texts : list of str
        Paragraphs that come first.
    warnings : list of str
        What has to be known.
    content : list
        `Table`, `Picture`, `Details`, or text, which is a heading.
    """

    title: str
    anchor: str
    texts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    content: list[Table | Picture | Details | str] = field(default_factory=list)
