"""What a merge is to make: lists of rows, described in YAML.

seed: 42                        # optional; --seed goes before it
groups:                         # optional: names for several corpora
  english: [LibriTTS, LJSpeech]
lists:                          # each becomes <name>.csv
  train:
    take:                       # a row is taken by the first that matches it
      - corpora: [english, WaveFake]
        splits: [train, '-']    # column Proportion; without: all
        parts: [4s]             # of a corpus that has parts; without: all of them
        labels: [real, fake]    # likewise languages, attacks
        hours: 100              # at most, all together, or of
        each: [corpus, label]   # each combination of these
      - {corpora: MLS, share: 0.1}   # about a tenth of the rows, of any kind
  valid:
    purpose: valid              # train, valid or test; by default from the name
    order: file                 # or shuffled; by default only train is shuffled
    take:
      - {corpora: english, splits: [valid]}
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_prep.manifest import ManifestError

__all__ = ["PURPOSES", "ListSpec", "MergeSpec", "Selection", "find_spec", "read_spec"]

PURPOSES = ("train", "valid", "test")
#: Keys of a selection that filter, and the columns that they filter by.
FILTERS = {
    "splits": "Proportion",
    "labels": "Label",
    "languages": "Language",
    "attacks": "Attack",
}
#: Words of `each`, and the columns that they stand for.
EACH = {
    "corpus": "Corpus",
    "label": "Label",
    "language": "Language",
    "split": "Proportion",
    "attack": "Attack",
    "speaker": "Speaker",
}
_ORDERS = ("shuffled", "file")
_SPECS = Path(__file__).with_name("specs")


@dataclass(frozen=True)
class Selection:
    """Rows of some corpora.

    Arguments
    ---------
    corpora : tuple of str
        Names of the corpora.
    parts : tuple of str
        Parts of the corpora, as they stand in the names of manifests; none: all.
    filters : mapping
        From a column to the values that are taken.
    share : float, optional
        About this share of the rows is taken.
    hours : float, optional
        At most so many hours are taken.
    each : tuple of str
        Columns: the hours hold for each combination of their values.
    """

    corpora: tuple[str, ...]
    parts: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]
    share: float | None
    hours: float | None
    each: tuple[str, ...]


@dataclass(frozen=True)
class ListSpec:
    """A list that is to be written.

    Arguments
    ---------
    name : str
        Of the file, without `.csv`.
    purpose : str
        One of `PURPOSES`.
    shuffled : bool
        Whether the rows are shuffled.
    selections : tuple of Selection
        What is in it.
    """

    name: str
    purpose: str
    shuffled: bool
    selections: tuple[Selection, ...]


@dataclass(frozen=True)
class MergeSpec:
    """What a merge is to make.

    Arguments
    ---------
    lists : tuple of ListSpec
        In the order of the file.
    seed : int
        For samples and orders.
    """

    lists: tuple[ListSpec, ...]
    seed: int

    @property
    def corpora(self) -> list[str]:
        """All corpora, in the order in which they are named first."""
        names = (
            name
            for wanted in self.lists
            for selection in wanted.selections
            for name in selection.corpora
        )
        return list(dict.fromkeys(names))


def find_spec(name: str | Path) -> Path:
    """A spec by its path, or by its name if it comes with the package.

    Example
    -------
    >>> find_spec("paper").name
    'paper.yaml'
    """
    shipped = _SPECS / f"{name}.yaml"
    return shipped if not Path(name).exists() and shipped.is_file() else Path(name)


def read_spec(path: str | Path) -> MergeSpec:
    """Read and check a spec.

    Arguments
    ---------
    path : str or Path
        A YAML file, see the module.

    Returns
    -------
    MergeSpec

    Raises
    ------
    ManifestError
        If it cannot be read, or has keys or values that are not understood.
    """
    try:
        content = yaml.safe_load(Path(path).read_text("utf-8"))
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in _SPECS.glob("*.yaml")))
        raise ManifestError(
            f"{path}: cannot be read ({error.strerror}). Name a YAML file, or one that "
            f"comes with the package: {known}."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: not YAML ({error}). Correct it.") from None
    return _Reader(str(path)).spec(content)


class _Reader:
    """Turns the content of a YAML file into a spec; knows where it is for messages."""

    def __init__(self, path: str):
        self.path = path
        self.groups: dict[str, list[str]] = {}

    def spec(self, content: Any) -> MergeSpec:
        entries = self.mapping(content, "the file", {"seed", "groups", "lists"})
        groups = self.mapping(entries.get("groups", {}), "groups")
        for name, members in groups.items():
            self.groups[name] = self.texts(members, f"groups, {name}")
        lists = self.mapping(entries.get("lists"), "lists")
        if not lists:
            self.fail("lists", "is empty", "name at least one list, such as train")
        seed = entries.get("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool):
            self.fail("seed", f"is {seed!r}", "give a whole number")
        names = [str(name).casefold() for name in lists]
        if len(set(names)) < len(names):
            self.fail(
                "lists",
                f"has {', '.join(map(str, lists))}, of which two are one file where "
                "upper and lower case do not count",
                "rename one",
            )
        return MergeSpec(tuple(self.list(*item) for item in lists.items()), seed)

    def list(self, name: str, content: Any) -> ListSpec:
        place = f"lists, {name}"
        if not re.fullmatch(r"[\w.+-]*\w", str(name)):
            self.fail(place, "is no name for a file", "use letters, digits, _ and -")
        entry = self.mapping(content, place, {"purpose", "order", "take"})
        purpose = entry.get("purpose", re.split(r"[^a-z]", str(name))[0])
        if purpose not in PURPOSES:
            self.fail(
                f"{place}, purpose", f"is {purpose!r}", f"say one of {_or(PURPOSES)}"
            )
        order = entry.get("order", "shuffled" if purpose == "train" else "file")
        if order not in _ORDERS:
            self.fail(f"{place}, order", f"is {order!r}", f"say {_or(_ORDERS)}")
        taken = entry.get("take")
        if not isinstance(taken, list) or not taken:
            self.fail(f"{place}, take", "is no list", "say which corpora it takes")
        selections = tuple(
            self.selection(item, f"{place}, take {number}")
            for number, item in enumerate(taken, start=1)
        )
        return ListSpec(str(name), purpose, order == "shuffled", selections)

    def selection(self, content: Any, place: str) -> Selection:
        known = {"corpora", "parts", "share", "hours", "each", *FILTERS}
        entry = self.mapping(content, place, known)
        corpora = self.corpora(entry.get("corpora"), f"{place}, corpora")
        filters = {
            column: tuple(self.texts(entry[key], f"{place}, {key}"))
            for key, column in FILTERS.items()
            if key in entry
        }
        parts = self.texts(entry.get("parts", []), f"{place}, parts", may_be_empty=True)
        each = self.texts(entry.get("each", []), f"{place}, each", may_be_empty=True)
        for word in each:
            if word not in EACH:
                self.fail(f"{place}, each", f"has {word!r}", f"say {_or(EACH)}")
        share, hours = (self.amount(entry, key, place) for key in ("share", "hours"))
        if share is not None and (hours is not None or share > 1):
            self.fail(place, "has no single limit", "give hours, or a share up to 1")
        if each and hours is None:
            self.fail(f"{place}, each", "stands alone", "say how many `hours` of each")
        columns = tuple(EACH[word] for word in each)
        return Selection(corpora, tuple(parts), filters, share, hours, columns)

    def corpora(self, value: Any, place: str) -> tuple[str, ...]:
        names = [
            corpus
            for name in self.texts(value, place)
            for corpus in self.groups.get(name, [name])
        ]
        for name in names:
            if name in ("", ".", "..") or "/" in name:
                self.fail(place, f"has {name!r}", "give the names of folders")
        return tuple(dict.fromkeys(names))

    def amount(self, entry: Mapping, key: str, place: str) -> float | None:
        value = entry.get(key)
        if value is None:
            return None
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 < value < math.inf:
            self.fail(f"{place}, {key}", f"is {value!r}", "give a number above 0")
        return float(value)

    def texts(self, value: Any, place: str, may_be_empty: bool = False) -> list[str]:
        values = value if isinstance(value, list) else [value]
        for item in values:
            # YAML reads the language code NO as false, and 001 as a number.
            if not isinstance(item, str):
                self.fail(place, f"has {item!r}", "give text, in quotes if in doubt")
        if not values and not may_be_empty:
            self.fail(place, "is empty", "name at least one")
        return values

    def mapping(
        self, value: Any, place: str, known: Iterable[str] | None = None
    ) -> dict:
        if not isinstance(value, dict):
            self.fail(place, "is no mapping", "write `key: value` lines")
        strange = [key for key in value if known is not None and key not in known]
        if strange:
            self.fail(
                place, f"has the key {strange[0]!r}", f"known are {_or(sorted(known))}"
            )
        return value

    def fail(self, place: str, found: str, remedy: str) -> None:
        raise ManifestError(f"{self.path}: {place} {found}; {remedy}.")


def _or(words: Iterable[str]) -> str:
    return ", ".join(words)
