"""Score files of every kind in, one table out.

    ID       text, unique
    Label    real, fake, or - if the file does not say and no key was given
    Score    float64; the higher, the more genuine
    LogitFake, LogitReal   float64, where the file has them
    ...      all else that the file or the key knows of a trial, as text

Read are, told apart by their first lines:

- score files of this recipe (`scoring.write_scores`);
- `evaluation_score.csv` of the original implementation, `ID,Score,Label`, with both
  logits as text in Score (`"[fake, real]"`) and 1 for real
  (https://github.com/nii-yamagishilab/AntiDeepfake);
- ASVspoof 5: `filename<TAB>cm-score`
  (https://github.com/asvspoof-challenge/asvspoof5/tree/main/evaluation-package);
- the Speech Anti-Spoofing Arena and the Speech DF Arena: lines of `<name> <score>`
  without a header (https://github.com/lab260ru/speech_spoof_bench,
  https://github.com/Speech-Arena/speech_df_arena);
- other tables with one of the names in `ALIASES` for each of these columns.

Neither PyTorch nor SpeechBrain is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas

from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.text_table import (
    TableError,
    first_line,
    parse_table,
    read_text,
)
from recipes.AntiDeepfake.trial_key import (
    ALIASES,
    LABEL_WORDS,
    ScoreFileError,
    check_unique,
    read_key,
    rename,
    separator_of,
    words_to_labels,
)

__all__ = ["ScoreFileError", "has_labels", "labels_as_numbers", "read_scores"]

NUMBERS = (*ALIASES["Score"], "LogitFake", "LogitReal")
_FIRST = ("ID", "Label", "Score", "LogitFake", "LogitReal")


def read_scores(
    path: str | Path, key: str | Path | Sequence[str | Path] | None = None
) -> pandas.DataFrame:
    """Read a score file of any kind, and check it.

    Arguments
    ---------
    path : str or Path
        The score file.
    key : str, Path or list of them, optional
        What says which trials are real: manifests, or other keys as for `read_key`.
        Its labels and columns count where the score file has the same ones; the
        trials of both must be the same.

    Returns
    -------
    pandas.DataFrame
        `ID`, `Label`, `Score` and more, see above; one row for each trial, in the
        order of the score file.

    Raises
    ------
    ScoreFileError
        If the file is of no known kind, a score is no finite number, a label is
        unknown, an ID occurs twice, or the trials are not those of the key.
    """
    try:
        table = _read(path)
    except TableError as error:
        raise ScoreFileError(str(error)) from None
    check_unique(path, table["ID"])
    if key is not None:
        table = _with_key(path, table, key)
    if "Label" not in table:
        table["Label"] = UNKNOWN
    first = [name for name in _FIRST if name in table]
    return table[[*first, *(name for name in table if name not in first)]]


def has_labels(table: pandas.DataFrame) -> bool:
    """Whether every trial of `read_scores` is known to be real or fake."""
    return not (table["Label"] == UNKNOWN).any()


def labels_as_numbers(path: str | Path, table: pandas.DataFrame) -> np.ndarray:
    """Labels for `metrics`, where both classes are needed.

    Arguments
    ---------
    path : str or Path
        Where the table is from, for messages.
    table : pandas.DataFrame
        What `read_scores` gave.

    Returns
    -------
    numpy.ndarray
        [trials]; 1 is real, 0 is fake.

    Raises
    ------
    ScoreFileError
        If a trial has no label, or all have the same one.
    """
    unknown = table["Label"] == UNKNOWN
    if unknown.any():
        raise ScoreFileError(
            f"{path}: {unknown.sum()} of {len(table)} trials have no label, the first "
            f"is {table['ID'][unknown.idxmax()]!r}. Give a key that has them."
        )
    labels = (table["Label"] == "real").to_numpy(np.int64)
    if labels.min() == labels.max():
        only = "real" if labels[0] else "fake"
        raise ScoreFileError(
            f"{path}: all {len(table)} trials are {only}. Both classes are needed: "
            "score trials of the other one, too."
        )
    return labels


def _read(path: str | Path) -> pandas.DataFrame:
    """The table of a score file, with our names for the columns."""
    text = read_text(path)
    header = first_line(text)
    separator = separator_of(header)
    fields = header.split(separator)
    if len(fields) == 2 and _is_number(fields[1]):
        return parse_table(path, text, separator, ["ID", "Score"], ["Score"])
    if not (set(fields) & {*ALIASES["ID"]} and set(fields) & {*ALIASES["Score"]}):
        raise ScoreFileError(
            f"{path}, line 1: {header[:80]!r} does not begin a score file. It may be "
            "ID,Label,Score,... (this recipe), ID,Score,Label (the original "
            "implementation), filename<TAB>cm-score (ASVspoof 5), or lines of a name "
            "and a score (Arena). Give such a file, or correct its header."
        )
    if _has_logits_as_text(text):
        return _read_original(path, text, separator)
    table = rename(path, parse_table(path, text, separator, numbers=NUMBERS))
    if "Label" in table:
        known = LABEL_WORDS | {UNKNOWN: UNKNOWN}
        table["Label"] = words_to_labels(path, table, known)
    return table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _has_logits_as_text(text: bytes) -> bool:
    """Whether the second line has a list of numbers in it."""
    start = text.find(b"\n") + 1
    return (
        re.search(r'"\[[^\]]*\]"', first_line(text[start : start + 1000])) is not None
    )


def _read_original(path, text, separator) -> pandas.DataFrame:
    """`evaluation_score.csv` of the original implementation."""
    table = rename(path, parse_table(path, text, separator))
    column = "\n".join(table["Score"]).replace("[", "").replace("]", "")
    names = ["LogitFake", "LogitReal"]
    try:
        logits = parse_table(
            path, column.replace(" ", "").encode(), ",", names, numbers=names
        )
        if len(logits) < len(table):  # an empty line is passed over
            raise TableError(path)
    except TableError:
        shape = r"\[[^,]+,[^,]+\]"
        bad = ~table["Score"].str.fullmatch(shape) | _not_finite(table["Score"])
        raise ScoreFileError(
            f"{path} (ID {table['ID'][bad.idxmax()]}): Score is "
            f"{table['Score'][bad.idxmax()]!r}; it must be the logits of fake and of "
            'real, "[-1.5, 2.0]", both finite. Score the trial again.'
        ) from None
    table["Score"] = logits["LogitReal"] - logits["LogitFake"]
    table[names] = logits
    if "Label" in table:
        known = LABEL_WORDS | {"1": "real", "0": "fake"}
        table["Label"] = words_to_labels(path, table, known)
    return table


def _not_finite(scores: pandas.Series) -> pandas.Series:
    """Which lists of two numbers hold one that is none, or is not finite."""
    parts = scores.str.strip("[] ").str.split(",", expand=True).iloc[:, :2]
    numbers = parts.apply(pandas.to_numeric, errors="coerce")
    return ~np.isfinite(numbers).all(axis=1)


def _with_key(path, table, key) -> pandas.DataFrame:
    """Join what the key knows to the scores."""
    facts = read_key(key)
    place = pandas.Index(facts["ID"]).get_indexer(table["ID"])
    surplus = table["ID"][place < 0]
    found = np.zeros(len(facts), bool)
    found[place[place >= 0]] = True
    missing = facts["ID"][~found]
    complaints = []
    if len(missing):
        complaints.append(
            f"{len(missing)} of the {len(facts)} trials of the key have no score, the "
            f"first is {missing.iloc[0]!r}"
        )
    if len(surplus):
        complaints.append(
            f"{len(surplus)} of {len(table)} scores are of no trial of the key, the "
            f"first is {surplus.iloc[0]!r}"
        )
    if complaints:
        raise ScoreFileError(
            f"{path} against {key}: {'; '.join(complaints)}. Score the missing trials, "
            "or give the key of these trials, with the same names."
        )
    facts = facts.drop(columns="ID").iloc[place].reset_index(drop=True)
    scores = ("Score", "LogitFake", "LogitReal")
    facts = facts.drop(columns=[name for name in scores if name in facts])
    kept = [name for name in table if name not in facts]
    return pandas.concat([table[kept], facts], axis=1)
