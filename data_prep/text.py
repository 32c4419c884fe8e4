"""Text for people: tables, and names that cannot be printed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["align", "printable"]


def align(lines: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Lines of cells with the columns below one another.

    Arguments
    ---------
    lines : list of list of str
        As many cells in each.
    right : collection of int
        Columns, counted from 0, whose cells end below one another, as numbers do.

    Returns
    -------
    str

    Example
    -------
    >>> print(align([["name", "rows"], ["a", "10"]], right=[1]))
    name  rows
    a       10
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = []
    for line in lines:
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        texts.append("  ".join(cells).rstrip())
    return "\n".join(texts)


def printable(text: str) -> str:
    r"""Text with control characters and undecodable bytes written out.

    Example
    -------
    >>> printable("a\n\udcff")
    'a\\n\\xff'
    """
    return "".join(
        character
        if character.isprintable()
        else f"\\x{ord(character) - 0xDC00:02x}"
        if "\udc80" <= character <= "\udcff"
        else character.encode("unicode_escape").decode()
        for character in text
    )
