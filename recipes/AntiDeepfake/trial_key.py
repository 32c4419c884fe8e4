"""Keys: which trials there are, which of them are real, and what else is known.

Read are manifests of this recipe, other tables with a header that names the columns
as in `ALIASES` (such as `filename<TAB>cm-label` of ASVspoof 5 and the protocols
`file_name,label` of the Speech DF Arena), and the key tables of ASVspoof 5, ten columns
without a header (https://zenodo.org/records/14498691).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas

from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.text_table import (
    TableError,
    first_line,
    parse_table,
    read_text,
)

__all__ = [
    "ALIASES",
    "LABEL_WORDS",
    "ScoreFileError",
    "check_unique",
    "read_key",
    "rename",
    "separator_of",
    "words_to_labels",
]

#: Our name of a column: the names that it has in one toolkit or another.
ALIASES = {
    "ID": ("ID", "filename", "file_name", "utterance_id"),
    "Score": ("Score", "cm-score", "cm_score", "score"),
    "Label": ("Label", "cm-label", "label"),
}
#: Words for the classes. 0 and 1 are not among them: they mean one thing in one
#: toolkit and the opposite in another.
LABEL_WORDS = {"real": "real", "bonafide": "real", "fake": "fake", "spoof": "fake"}

# The columns of the key tables of ASVspoof 5; the last one is not used there.
ASVSPOOF5_KEY = (
    "Speaker",
    "ID",
    "Gender",
    "Codec",
    "CodecQuality",
    "CodecSeed",
    "AttackTag",
    "Attack",
    "Label",
    "Unused",
)


class ScoreFileError(ValueError):
    """A score file or a key that cannot be used; names the file and the trial."""


def read_key(paths: str | Path | Sequence[str | Path]) -> pandas.DataFrame:
    """Read one or several keys.

    Arguments
    ---------
    paths : str, Path or list of them
        The keys; see above.

    Returns
    -------
    pandas.DataFrame
        `ID`, `Label` (real or fake) and what else the keys say, as text; `-` where
        one key does not have the column of another.

    Raises
    ------
    ScoreFileError
        If a file is no key, has an unknown label, or an ID occurs twice.
    """
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    try:
        tables = [_read_one(path) for path in paths]
    except TableError as error:
        raise ScoreFileError(str(error)) from None
    table = tables[0]
    if len(tables) > 1:
        table = pandas.concat(tables, ignore_index=True).fillna(UNKNOWN)
    check_unique(", ".join(map(str, paths)), table["ID"])
    return table


def _read_one(path: str | Path) -> pandas.DataFrame:
    text = read_text(path)
    header = first_line(text)
    separator = separator_of(header)
    fields = header.split(separator)
    if len(fields) == len(ASVSPOOF5_KEY) and fields[8] in LABEL_WORDS:
        table = parse_table(path, text, separator, ASVSPOOF5_KEY)
        table["Attack"] = table["Attack"].replace("bonafide", UNKNOWN)
        table = table.drop(columns="Unused")
    elif {*fields} & {*ALIASES["ID"]} and {*fields} & {*ALIASES["Label"]}:
        table = rename(path, parse_table(path, text, separator))
    else:
        raise ScoreFileError(
            f"{path}, line 1: {header[:80]!r} does not begin a key. Give a manifest, a "
            "table with the columns ID,Label or filename,cm-label or file_name,label, "
            "or a key table of ASVspoof 5."
        )
    table["Label"] = words_to_labels(path, table, LABEL_WORDS)
    return table


def separator_of(line: str) -> str:
    r"""The separator of the columns: tab, comma or blank, the first that is there.

    Example
    -------
    >>> separator_of("filename\tcm-score"), separator_of("name 1.5")
    ('\t', ' ')
    """
    return next((character for character in "\t," if character in line), " ")


def rename(path: str | Path, table: pandas.DataFrame) -> pandas.DataFrame:
    """Give the columns of `ALIASES` our names.

    Raises
    ------
    ScoreFileError
        If two columns would have one name.
    """
    names = {}
    for ours, theirs in ALIASES.items():
        found = [name for name in theirs if name in table]
        if len(found) > 1:
            raise ScoreFileError(
                f"{path}, line 1: both {found[0]} and {found[1]} could be the {ours}. "
                "Remove the one that is not."
            )
        names |= dict.fromkeys(found, ours)
    return table.rename(columns=names)


def words_to_labels(
    path: str | Path, table: pandas.DataFrame, known: Mapping[str, str]
) -> pandas.Series:
    """The labels of a table, `real` and `fake`.

    Arguments
    ---------
    path : str or Path
        Where the table is from, for messages.
    table : pandas.DataFrame
        With the columns `ID` and `Label`.
    known : dict
        What the words for the labels mean.

    Returns
    -------
    pandas.Series

    Raises
    ------
    ScoreFileError
        If there is another word.
    """
    codes, words = pandas.factorize(table["Label"])
    for number, word in enumerate(words):
        if word.lower() not in known:
            first = table["ID"][int((codes == number).argmax())]
            raise ScoreFileError(
                f"{path} (ID {first}): the label is {word!r}, none of "
                f"{', '.join(known)}. Write one of these; what numbers mean differs "
                "between toolkits."
            )
    meant = pandas.Index([known[word.lower()] for word in words], dtype="str")
    return pandas.Series(meant.take(codes), index=table.index)


def check_unique(path: str | Path, ids: pandas.Series) -> None:
    """Raise ScoreFileError if a trial is there twice."""
    names = ids.array
    # In ascending order, as many files are, a look at the neighbours is enough.
    if not (names[:-1] < names[1:]).all() and not ids.is_unique:
        again = ids[ids.duplicated()]
        raise ScoreFileError(
            f"{path}: {len(again)} IDs occur again, the first is {again.iloc[0]!r}. A "
            "trial has one line: remove the others."
        )
