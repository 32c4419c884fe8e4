"""Rows of manifests, from an utterance and the facts of its file."""

from __future__ import annotations

import re
from typing import NamedTuple

from data_prep.corpora.base import Corpus, LayoutError, Utterance
from data_prep.headers import Facts
from data_prep.languages import is_language
from data_prep.manifest import COLUMNS, LABELS, ROOT, SPLITS, UNKNOWN
from data_prep.text import printable

__all__ = ["Group", "Record", "RowError", "RowMaker"]

# What cannot stand in a manifest: control characters and line ends, `$`, which
# SpeechBrain replaces, and what is left of names that are not UTF-8.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029$\ud800-\udfff]")
_FILE_NAME = re.compile(r"[\w.+-]+", re.ASCII)
_SEPARATOR = "\0"  # cannot occur in a value, and sorts before everything


class RowError(ValueError):
    """An utterance that gives no row, and why."""


class Group(NamedTuple):
    """What has a manifest of its own.

    Arguments
    ---------
    part : str
        Part of the corpus, or nothing.
    language : str
        Code of the language.
    split : str
        `train`, `valid`, `test` or `-`.
    """

    part: str
    language: str
    split: str

    def name(self, corpus: str) -> str:
        """Name of the manifest: `<corpus>[_<part>][_<language>][_<split>].csv`."""
        words = (corpus, self.part, self.language, self.split)
        return "_".join(word for word in words if word not in ("", UNKNOWN)) + ".csv"


class Record(NamedTuple):
    """A finished row as text that sorts by ID, and what it adds to the sums.

    Arguments
    ---------
    text : str
        ID, number of the group, columns of every manifest, `Start` and `Stop` or
        nothing, and further columns, separated by NUL.
    group : int
        Number of its `Group`.
    label : str
        `real` or `fake`.
    rate : int
        Sample rate in Hz.
    frames : int
        Length.
    """

    text: str
    group: int
    label: str
    rate: int
    frames: int


class RowMaker:
    """Makes the rows of a corpus.

    Arguments
    ---------
    corpus : Corpus
        Whose rows.
    folder : str
        Its folder relative to the data root, with `/`.
    min_duration : float
        Shorter pieces are refused, in seconds.
    """

    def __init__(self, corpus: Corpus, folder: str, min_duration: float):
        self.corpus = corpus
        self.min_duration = min_duration
        self.groups: dict[tuple[str, str, str], int] = {}
        #: Numbers of groups with rows that are pieces of files.
        self.with_pieces: set[int] = set()
        self._path = f"{ROOT}{folder}/" if folder else ROOT
        # Values that recur are checked once.
        self._kinds: set[tuple[str, str, str, str]] = set()

    def make(self, utterance: Utterance, facts: Facts) -> Record:
        """The row of an utterance.

        Arguments
        ---------
        utterance : Utterance
            What the module of the corpus says.
        facts : tuple
            What the file says.

        Returns
        -------
        Record

        Raises
        ------
        RowError
            If this utterance cannot have a row.
        LayoutError
            If the module of the corpus breaks its contract.
        """
        (
            path,
            label,
            key,
            attack,
            speaker,
            split,
            language,
            start,
            stop,
            recording,
            part,
        ) = utterance
        kind = (label, attack, split, language)
        if kind not in self._kinds:
            self._check_kind(utterance)
            self._kinds.add(kind)
        if not key or "/" in key:
            raise LayoutError(
                f"{path}: key {key!r} of {self.corpus.key}; a key is not empty and "
                "has no '/'. This is a defect of the corpus module: report it."
            )
        frames, rate, channels, encoding, bits = facts
        piece = ""
        if start is not None or stop is not None:
            start, stop, frames = _piece(start, stop, frames, rate)
            piece = f"{start},{stop}"
            seconds = round(stop - start, 6)
        else:
            seconds = frames / rate
        if seconds < self.min_duration:
            raise RowError(
                f"too short, {seconds:.4f} s (option min_duration: {self.min_duration})"
            )
        row = (
            f"{self.corpus.prefix}-{key}",
            label,
            str(round(seconds, 2)),
            str(rate),
            self._path + path,
            attack or UNKNOWN,
            speaker or UNKNOWN,
            split,
            str(channels),
            encoding,
            str(bits),
            language,
        )
        number = self.groups.get((part, language, split))
        if number is None:
            number = self._add_group(Group(part, language, split))
        if piece:
            self.with_pieces.add(number)
        more = (self.corpus.name, recording or UNKNOWN)
        joined = f"{row[0]}{_SEPARATOR}{number}{_SEPARATOR}{_csv(row)}"
        text = f"{joined}{_SEPARATOR}{piece}{_SEPARATOR}{_csv(more)}"
        if _is_odd(text):
            _explain(row, recording)
        return Record(text, number, label, rate, frames)

    def names(self) -> list[str]:
        """Names of the manifests, in the order of the numbers of their groups."""
        return [group.name(self.corpus.name) for group in self.groups]

    def _add_group(self, group: Group) -> int:
        name = group.name(self.corpus.name)
        if name in self.names() or not _FILE_NAME.fullmatch(name):
            raise LayoutError(
                f"part {group.part!r} of {self.corpus.key}: {name!r} cannot be the "
                "name of another manifest. This is a defect of the corpus module: "
                "report it."
            )
        self.groups[group] = len(self.groups)
        return self.groups[group]

    def _check_kind(self, utterance: Utterance) -> None:
        """Raise for a label, attack, split or language that cannot be."""
        found = ""
        if utterance.label not in LABELS:
            found = f"label {utterance.label!r}; known: {', '.join(LABELS)}"
        elif utterance.label == "real" and utterance.attack != UNKNOWN:
            found = f"attack {utterance.attack!r} of genuine speech; it must be '-'"
        elif utterance.split not in SPLITS:
            found = f"split {utterance.split!r}; known: {', '.join(SPLITS)}"
        if found:
            raise LayoutError(
                f"{utterance.path}: {found}. This is a defect of the corpus module "
                f"{self.corpus.key}: report it."
            )
        if utterance.language != UNKNOWN and not is_language(utterance.language):
            raise RowError(
                f"language {utterance.language!r} is not known. If the code is right, "
                "add it to data_prep/languages.py."
            )


def _piece(
    start: float | None, stop: float | None, frames: int, rate: int
) -> tuple[float, float, int]:
    """Start, stop and number of frames of a piece that lies inside its file."""
    start = 0.0 if start is None else start
    stop = round(frames / rate, 6) if stop is None else stop
    first, last = round(start * rate), round(stop * rate)
    # One frame past the end is what a time written with few decimals may give.
    if not 0 <= first < last <= frames + 1:
        raise RowError(
            f"the piece from {start} s to {stop} s is not inside the file, which has "
            f"{frames / rate:.3f} s. Get the whole file, or the key of its release."
        )
    return start, stop, min(last, frames) - first


def _csv(values: tuple[str, ...]) -> str:
    """Values as fields of a CSV line, quoted where that is needed."""
    line = ",".join(values)
    if '"' not in line and line.count(",") == len(values) - 1:
        return line
    return ",".join(
        '"' + value.replace('"', '""') + '"' if "," in value or '"' in value else value
        for value in values
    )


def _is_odd(text: str) -> bool:
    """Whether more is in it than the separators and the `$` that every row has."""
    return len(_FORBIDDEN.findall(text)) != 5


def _explain(row: tuple[str, ...], recording: str) -> None:
    """Raise RowError for the value that cannot stand in a manifest, if any."""
    values = dict(zip(COLUMNS, row, strict=True)) | {"Recording": recording}
    for name, value in values.items():
        found = _FORBIDDEN.search(value.removeprefix(ROOT) if name == "Path" else value)
        if found:
            mark = found.group()
            if "\ud800" <= mark <= "\udfff":
                what = "is not UTF-8"
            else:
                what = f"has the character {mark!r}"
            raise RowError(
                f"{name} {what}, which a manifest cannot hold: {printable(value)}. "
                "Rename the file."
            )
