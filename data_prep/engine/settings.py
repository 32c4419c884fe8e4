"""What a run is asked for: where the corpus is, its mode, its options."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from data_prep.corpora.base import Corpus, LayoutError, Option

__all__ = ["COMMON_OPTIONS", "MODES", "choose_options", "find_folder"]

MODES = ("complete", "original")
#: Options that every corpus has.
COMMON_OPTIONS = {
    "min_duration": Option(
        "0.025",
        "shorter pieces are skipped, in seconds; the default is one frame of wav2vec "
        "2.0 and its relatives, below which they give no output",
    )
}
_LEAST = 0.005  # s; a shorter duration would be written as 0.0


def choose_options(corpus: Corpus, given: Mapping[str, str]) -> dict[str, str]:
    """Options of a corpus: those that are given, defaults for the others.

    Arguments
    ---------
    corpus : Corpus
        Whose options, besides `COMMON_OPTIONS`.
    given : mapping
        Values by name.

    Returns
    -------
    dict
        A value for each option.

    Raises
    ------
    LayoutError
        If an option does not exist, or not with this value.
    """
    known = COMMON_OPTIONS | dict(corpus.options)
    chosen = {name: option.default for name, option in known.items()}
    for name, value in given.items():
        if name not in known:
            raise LayoutError(
                f"{corpus.key} has no option {name!r}; it has {', '.join(known)}."
            )
        choices = known[name].choices
        if choices and str(value) not in choices:
            raise LayoutError(
                f"option {name} of {corpus.key} is {value!r}; it can be "
                f"{', '.join(choices)}."
            )
        chosen[name] = str(value)
    try:
        usable = _LEAST <= float(chosen["min_duration"]) < math.inf
    except ValueError:
        usable = False
    if not usable:
        raise LayoutError(
            f"option min_duration is {chosen['min_duration']!r}; it must be a number "
            f"of seconds, {_LEAST} or more."
        )
    return chosen


def find_folder(corpus: Corpus, data_root: str | Path) -> str:
    """The folder of a corpus relative to the data root.

    Arguments
    ---------
    corpus : Corpus
        Has the names that its folder may have.
    data_root : str or Path
        Where to look.

    Returns
    -------
    str
        The first of these names that is there, in exactly this spelling: corpora
        exist whose names differ in upper and lower case only.

    Raises
    ------
    LayoutError
        If there is none.
    """
    data_root = Path(data_root)
    if not data_root.is_dir():
        raise LayoutError(
            f"{data_root}: no such folder. Name the folder that the corpora are in."
        )
    for name in corpus.folders:
        if _has_folder(data_root, name):
            return name
    hint = "Name the folder that has it in it, or rename the folder."
    if data_root.name in corpus.folders:
        hint = f"Name the folder above it: {data_root.absolute().parent}"
    raise LayoutError(
        f"{data_root}: no folder {' or '.join(corpus.folders)}, where {corpus.name} "
        f"would be. {hint}"
    )


def _has_folder(place: Path, name: str) -> bool:
    for part in name.split("/"):
        if not place.is_dir() or part not in os.listdir(place):
            return False
        place = place / part
    return place.is_dir()
