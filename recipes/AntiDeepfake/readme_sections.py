"""Parts of a README that are made from code, and how they are put in.

A part stands between two comments, which Markdown does not show:

    <!-- begin: NAME (made by ...) -->
    <!-- end: NAME -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.corpora import corpus_keys, find_corpus
from data_prep.corpora.base import ROLES, Corpus

__all__ = ["SectionError", "corpora_table", "markdown_table", "replace_sections"]

# An address ends before the punctuation of the sentence that it stands in.
_ADDRESS = re.compile(r"https?://[^\s,;)]+")


class SectionError(ValueError):
    """A file without the markers or the tables that it should have."""


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], aligned: str
) -> str:
    """Write a table.

    Arguments
    ---------
    head : list of str
        Names of the columns.
    rows : list of list of str
        Cells.
    aligned : str
        `l` or `r` for each column.

    Returns
    -------
    str
        Markdown.

    Example
    -------
    >>> print(markdown_table(["a", "b"], [["x|y", "1"]], "lr"))
    | a | b |
    | :-- | --: |
    | x\\|y | 1 |
    """
    rules = [":--" if side == "l" else "--:" for side in aligned]
    lines = [head, rules, *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
        for line in lines
    )


def corpora_table() -> str:
    """All corpora: what for, how much, under which licence, where from.

    Returns
    -------
    str
        Markdown; the order is that of `python -m data_prep list`.
    """
    corpora = [find_corpus(key) for key in corpus_keys()]
    corpora.sort(key=lambda corpus: (ROLES.index(corpus.role), corpus.key))
    head = ["key", "corpus", "hours real", "hours fake", "licence", "where"]
    parts = []
    for role in ROLES:
        mine = [corpus for corpus in corpora if corpus.role == role]
        table = markdown_table(head, [_cells(corpus) for corpus in mine], "llrrll")
        parts.append(f"{role.capitalize()}{_total(mine)}:\n\n{table}")
    return "\n\n".join(parts)


def _cells(corpus: Corpus) -> list[str]:
    hours = ["-", "-"]
    if corpus.hours is not None:
        hours = [f"{value:,.2f}" for value in corpus.hours]
    source = _ADDRESS.sub(r"<\g<0>>", corpus.source)
    return [f"`{corpus.key}`", corpus.name, *hours, corpus.licence, source]


def _total(corpora: Sequence[Corpus]) -> str:
    """Number and hours, where those of all are known."""
    count = f"{len(corpora)} corpus" if len(corpora) == 1 else f"{len(corpora)} corpora"
    if not corpora or any(corpus.hours is None for corpus in corpora):
        return f" ({count})"
    real, fake = (
        sum(column) for column in zip(*(c.hours for c in corpora), strict=True)
    )
    return f" ({count}, {real:,.0f} hours of real and {fake:,.0f} of fake speech)"


def replace_sections(path: str | Path, sections: Mapping[str, str]) -> str:
    """Put new text between the markers of a file.

    Arguments
    ---------
    path : str or Path
        The file; it is not changed.
    sections : dict of str
        Text by the name in the markers.

    Returns
    -------
    str
        The new text of the file.

    Raises
    ------
    SectionError
        If a marker is not there exactly once.
    """
    text = Path(path).read_text(encoding="utf-8")
    for name, new in sections.items():
        pattern = rf"(<!-- begin: {name}\b[^\n]*-->\n).*?(<!-- end: {name} -->)"
        count = len(re.findall(pattern, text, re.DOTALL))
        if count != 1:
            raise SectionError(
                f"{path}: {count} sections between `<!-- begin: {name} -->` and "
                f"`<!-- end: {name} -->`. Put the two markers where it belongs, once."
            )
        # A function: backslashes in the new text are to stay what they are.
        text = re.sub(
            pattern,
            lambda found, new=new: f"{found[1]}\n{new}\n\n{found[2]}",
            text,
            flags=re.DOTALL,
        )
    return text
