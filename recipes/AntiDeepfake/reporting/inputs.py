"""Which score files a report is of: their systems, their test sets and their trials."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from data_prep.files import file_digest
from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.score_file import ScoreFileError, has_labels, read_scores
from recipes.AntiDeepfake.tables import SLICES
from recipes.AntiDeepfake.usage import UsageError

__all__ = ["ScoreSet", "Source", "find_sources", "named_path", "read_sets"]

_STANDARD_NAME = "scores.csv"  # what evaluate.py calls its score files
# What other keys call the columns of the manifest.
_OTHER_NAMES = {"Codec": "AudioEncoding"}


class Source(NamedTuple):
    """A score file, and what it is of.

    Arguments
    ---------
    system : str
        Name of the detector.
    test_set : str
        Name of the test set.
    path : Path
        The score file.
    """

    system: str
    test_set: str
    path: Path


@dataclass(frozen=True)
class ScoreSet:
    """The trials of a test set with the scores of one system.

    Arguments
    ---------
    system, test_set : str
        As for `Source`.
    path : Path
        The score file.
    sha256 : str
        Of its bytes.
    trials : pandas.DataFrame
        What `read_scores` gave, with every column that slices are told by.
    """

    system: str
    test_set: str
    path: Path
    sha256: str
    trials: pandas.DataFrame

    @property
    def scores(self) -> NDArray[np.float64]:
        """Score of each trial, float64, [trials]."""
        return self.trials["Score"].to_numpy()

    @property
    def labels(self) -> NDArray[np.int64]:
        """Label of each trial, 1 is real and 0 is fake, [trials]."""
        return (self.trials["Label"] == "real").to_numpy(np.int64)

    @property
    def has_both(self) -> bool:
        """Whether there are trials of both classes."""
        return self.trials["Label"].nunique() == 2


def named_path(argument: str) -> tuple[str, Path]:
    """Split `NAME=PATH`; the name is empty if there is none.

    Example
    -------
    >>> named_path("ours=a/scores.csv")[0], named_path("a/scores.csv")[0]
    ('ours', '')
    """
    name, equals, path = argument.partition("=")
    if not equals or Path(argument).exists():
        return "", Path(argument)
    if not name or not path:
        raise UsageError(f"{argument!r}: give NAME=PATH, or the path alone.")
    return name, Path(path)


def find_sources(arguments: Sequence[str]) -> list[Source]:
    """Score files that a command line names.

    Arguments
    ---------
    arguments : list of str
        `PATH`, `SYSTEM=PATH` or `SYSTEM:SET=PATH`. A path is a score file, or a folder
        that `evaluate.py` wrote, which stands for each `scores.csv` in it or one
        level below.

    Returns
    -------
    list of Source
        Without a name, the test set is the folder of a `scores.csv`, or the stem of
        another file; the system is the folder that the test set is in.

    Raises
    ------
    UsageError
        If there is no such file, or two are of one system and one test set.

    Example
    -------
    >>> find_sources(["results/xlsr/in_the_wild/scores.csv"])  # doctest: +SKIP
    [Source(system='xlsr', test_set='in_the_wild', path=...)]
    """
    sources: list[Source] = []
    for argument in arguments:
        name, path = named_path(argument)
        system, _, test_set = name.partition(":")
        files = _files(path)
        if test_set and len(files) > 1:
            raise UsageError(
                f"{argument}: {len(files)} score files, but one name of a test set. "
                "Give them one by one, or leave the name of the test set out."
            )
        for file in files:
            own_system, own_set = _names_of(file)
            sources.append(Source(system or own_system, test_set or own_set, file))
    first: dict[tuple[str, str], Path] = {}
    for system, test_set, path in sources:
        if (system, test_set) in first:
            raise UsageError(
                f"{first[system, test_set]} and {path} are both system {system!r} on "
                f"test set {test_set!r}. Name them: SYSTEM=PATH or SYSTEM:SET=PATH."
            )
        first[system, test_set] = path
    return sources


def _files(path: Path) -> list[Path]:
    """The score files that a path stands for."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder. Check the path.")
    if (path / _STANDARD_NAME).is_file():
        return [path / _STANDARD_NAME]
    found = sorted(path.glob(f"*/{_STANDARD_NAME}"))
    if not found:
        raise UsageError(
            f"{path}: no {_STANDARD_NAME} in this folder or one level below. Give the "
            "output folder of evaluate.py, or score files."
        )
    return found


def _names_of(file: Path) -> tuple[str, str]:
    """System and test set of a score file without a name."""
    file = Path(os.path.abspath(file))  # a link keeps the name that it was given
    if file.name == _STANDARD_NAME:
        return file.parent.parent.name, file.parent.name
    return file.parent.name, file.stem


def read_sets(
    sources: Sequence[Source], keys: Mapping[str, Sequence[Path]] | None = None
) -> list[ScoreSet]:
    """Read the score files, each with the keys of its test set.

    Arguments
    ---------
    sources : list of Source
        What to read.
    keys : dict, optional
        Keys by test set; those of the set `""` are for every set without its own.

    Returns
    -------
    list of ScoreSet
        Those of one test set follow one another.

    Raises
    ------
    UsageError
        If there are keys of a test set that is not there.
    ScoreFileError
        As `read_scores`; if a trial has no label; if two systems have another label
        for a trial.
    """
    keys = dict(keys or {})
    unknown = set(keys) - {"", *(source.test_set for source in sources)}
    if unknown:
        raise UsageError(
            f"--key: no test set is called {sorted(unknown)[0]!r}; there are: "
            f"{', '.join(sorted({source.test_set for source in sources}))}."
        )
    sets = [
        _read(source, keys.get(source.test_set, keys.get(""))) for source in sources
    ]
    _check_labels_agree(sets)
    order = list(dict.fromkeys(one.test_set for one in sets))
    return sorted(sets, key=lambda one: order.index(one.test_set))


def _read(source: Source, key: Sequence[Path] | None) -> ScoreSet:
    trials = read_scores(source.path, key)
    if not has_labels(trials):
        first = trials["ID"][(trials["Label"] == UNKNOWN).idxmax()]
        raise ScoreFileError(
            f"{source.path}: trials without a label, the first is {first!r}. Give the "
            f"key of the test set: --key {source.test_set}=FILE (a manifest, an "
            "ASVspoof key, or a table ID,Label)."
        )
    names = {
        other: ours
        for other, ours in _OTHER_NAMES.items()
        if other in trials and ours not in trials
    }
    trials = trials.rename(columns=names)
    wanted = ("Corpus", "Recording", "Start", "Stop", "Proportion", "Path")
    missing = {*wanted, *SLICES.values()} - {*trials}
    trials = trials.assign(**dict.fromkeys(sorted(missing), UNKNOWN))
    digest = file_digest(source.path)
    return ScoreSet(*source, digest, trials)


def _check_labels_agree(sets: Sequence[ScoreSet]) -> None:
    """Raise ScoreFileError if a trial of a test set has two labels."""
    first: dict[str, ScoreSet] = {}
    for mine in sets:
        other = first.setdefault(mine.test_set, mine)
        if other is mine:
            continue
        theirs = other.trials.set_index("ID")["Label"].reindex(mine.trials["ID"])
        differ = theirs.notna().to_numpy() & (
            theirs.to_numpy() != mine.trials["Label"].to_numpy()
        )
        if differ.any():
            trial = mine.trials["ID"].iloc[int(differ.argmax())]
            raise ScoreFileError(
                f"{mine.path} and {other.path}: {differ.sum()} trials of test set "
                f"{mine.test_set!r} have different labels, the first is {trial!r}. "
                "Give the right labels by --key, or name the test sets differently."
            )
