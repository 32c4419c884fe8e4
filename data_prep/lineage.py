"""What corpora share: which is made from which, and what a detector has heard.

A test corpus whose recordings a detector heard in training measures memory, not
detection. The facts are in `lineage.yaml`; this module answers questions about them.

A corpus is named as in the column `Corpus`, or by its key (`asvspoof2019_la`), with or
without a split: `DECRO`, `DECRO:train`, `decro:train`. Without one, any of its rows may
be meant. Corpora that `lineage.yaml` does not list, such as your own, share only with
themselves; `Lineage.unknown` names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from data_prep.lineage_facts import KINDS, SPLITS, Node, read_facts

__all__ = [
    "SAME_AUDIO",
    "SHARED_SOURCE",
    "Lineage",
    "Overlap",
    "contamination_notes",
    "load_lineage",
    "overlaps",
    "part_of",
    "sources",
    "trained_on",
]

#: The severity of an overlap: recordings are in both, or only relatives of them.
SAME_AUDIO = "same audio"
SHARED_SOURCE = "shared source"
#: Kinds of overlaps besides those of `KINDS`: it is not documented for which files, or
#: it is between different splits of one corpus.
POSSIBLY = "possibly same audio"
OTHER_SPLIT = "other split"
_DOMAIN = KINDS[-1]
_CLOSEST_FIRST = (SAME_AUDIO, POSSIBLY, KINDS[1], OTHER_SPLIT, _DOMAIN)

_FILE = Path(__file__).with_name("lineage.yaml")


class Overlap(NamedTuple):
    """What a test corpus and a training corpus share.

    Arguments
    ---------
    test : str
        The test corpus, as it was named.
    train : str
        The training corpus, as it was named.
    via : str
        The corpus or source that both come from; may be one of the two.
    kind : str
        The loosest relation on the way: one of `KINDS`, `possibly same audio`, or
        `other split` (of one corpus). Through a pool it is `same domain`.
    severity : str
        `same audio` or `shared source`.
    note : str
        What is known about it.
    """

    test: str
    train: str
    via: str
    kind: str
    severity: str
    note: str

    @property
    def of_one_corpus(self) -> bool:
        """Whether both are parts of one corpus: then their rows can be compared."""
        names = (name.partition(":")[0] for name in (self.test, self.train))
        return len(set(names)) == 1


class _Step(NamedTuple):
    """A node that a corpus goes back to, and how."""

    name: str
    splits: frozenset[str]
    rank: int  # index of the loosest kind on the way
    possible: bool
    before: tuple[str, ...]  # nodes on the way, the corpus first
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Lineage:
    """The content of `lineage.yaml`.

    Arguments
    ---------
    nodes : mapping
        Every corpus and source by its name.
    lists : mapping
        Lists that were used in training: name to corpora with their splits, written
        `corpus:split`.
    detectors : mapping
        Name of a published detector to the names of its lists, by `train` and `valid`.
    """

    nodes: Mapping[str, Node]
    lists: Mapping[str, tuple[str, ...]]
    detectors: Mapping[str, Mapping[str, str]]

    def find(self, reference: str) -> tuple[str, frozenset[str]]:
        """Name and splits that a reference such as `decro:train` means.

        Raises
        ------
        ValueError
            If the split is not one.
        """
        name, _, split = reference.partition(":")
        if split and split not in SPLITS:
            raise ValueError(
                f"{reference!r}: {split!r} is no split; known: train, valid, test, -"
            )
        wanted = name.casefold()
        for node in self.nodes.values():
            if wanted in (node.name.casefold(), node.key):
                name = node.name
        return name, frozenset((split,)) if split else SPLITS

    def unknown(self, references: Iterable[str]) -> list[str]:
        """Those of some corpora about whose origin nothing is known, sorted."""
        names = {self.find(reference)[0] for reference in references}
        return sorted(names - set(self.nodes))

    def steps(self, reference: str) -> Iterator[_Step]:
        """Walk from a corpus to everything that it goes back to.

        Arguments
        ---------
        reference : str
            A corpus, with or without a split.

        Yields
        ------
        _Step
            The corpus itself, then its sources, the nearest first.
        """
        name, splits = self.find(reference)
        waiting = [_Step(name, splits, 0, False, (), ())]
        while waiting:
            step = waiting.pop(0)
            yield step
            node = self.nodes.get(step.name)
            for made in node.derivations if node else ():
                if not step.splits & made.splits or made.source in step.before:
                    continue
                reached = made.source_splits
                waiting.append(
                    _Step(
                        made.source,
                        step.splits & made.splits if reached is None else reached,
                        max(step.rank, KINDS.index(made.kind)),
                        step.possible or made.possible,
                        (*step.before, step.name),
                        (*step.notes, f"{step.name} < {made.source}: {made.note}"),
                    )
                )

    def overlap(self, test: str, train: str) -> Overlap | None:
        """The closest thing that two corpora share, None if nothing is known.

        Arguments
        ---------
        test : str
            A corpus, with or without a split.
        train : str
            Likewise.

        Returns
        -------
        Overlap or None
        """
        if {test.partition(":")[0], train.partition(":")[0]} & {"", "-"}:
            return None  # a corpus without name may be any
        found = [
            self._meeting(test, train, left, right)
            for left in self.steps(test)
            for right in self.steps(train)
            if left.name == right.name
            # What lies behind a common ancestor says nothing more about the two.
            and not set(left.before) & set(right.before)
        ]
        return min(found, key=_closeness, default=None)

    def _meeting(self, test: str, train: str, left: _Step, right: _Step) -> Overlap:
        """What it means that two corpora go back to one node."""
        kind = KINDS[max(left.rank, right.rank)]
        if left.name in self.nodes and self.nodes[left.name].pool:
            kind = _DOMAIN
        elif not left.splits & right.splits:
            kind = OTHER_SPLIT
        elif kind == SAME_AUDIO and (left.possible or right.possible):
            kind = POSSIBLY
        severity = SAME_AUDIO if kind == SAME_AUDIO else SHARED_SOURCE
        note = "; ".join((*left.notes, *right.notes)) or "the same corpus"
        return Overlap(test, train, left.name, kind, severity, note)


def _closeness(overlap: Overlap) -> int:
    return _CLOSEST_FIRST.index(overlap.kind)


@lru_cache
def load_lineage(path: str | Path = _FILE) -> Lineage:
    """Read and check a lineage file.

    Arguments
    ---------
    path : str or Path
        By default the one that comes with the package.

    Returns
    -------
    Lineage

    Raises
    ------
    ValueError
        If a name, a kind or a split is not known.

    Example
    -------
    >>> sorted(load_lineage().nodes["WaveFake"].derivations)[1].source
    'LJSpeech'
    """
    return Lineage(*read_facts(path))


def part_of(corpus: str, split: str) -> str:
    """How a part of a corpus is named here, from two columns of its manifest.

    Example
    -------
    >>> part_of("DECRO", "train"), part_of("MyData", "fold 3")
    ('DECRO:train', 'MyData')
    """
    return f"{corpus}:{split}" if split in SPLITS else corpus


def sources(corpus: str) -> list[str]:
    """Everything that a corpus goes back to, the nearest first.

    Arguments
    ---------
    corpus : str
        Name or key, with or without a split.

    Returns
    -------
    list of str

    Example
    -------
    >>> sources("LibriTTS-R:valid")
    ['LibriTTS', 'LibriSpeech', 'LibriVox']
    """
    steps = [step.name for step in load_lineage().steps(corpus)]
    return [name for name in dict.fromkeys(steps) if name != steps[0]]


def overlaps(test: Iterable[str], train: Iterable[str]) -> list[Overlap]:
    """What test corpora and training corpora share.

    Arguments
    ---------
    test : iterable of str
        Corpora, with or without their splits.
    train : iterable of str
        Likewise.

    Returns
    -------
    list of Overlap
        For each pair that shares something its closest overlap, in the order of the
        test corpora, the closest first.

    Raises
    ------
    ValueError
        If a split is not one.

    Example
    -------
    >>> shared = overlaps(["ASVspoof2019-LA:valid"], ["DECRO:train", "DECRO:test"])
    >>> [(overlap.train, overlap.severity) for overlap in shared]
    [('DECRO:train', 'same audio'), ('DECRO:test', 'shared source')]
    """
    lineage = load_lineage()
    train = list(dict.fromkeys(train))
    found = []
    for name in dict.fromkeys(test):
        pairs = filter(None, (lineage.overlap(name, other) for other in train))
        found += sorted(pairs, key=_closeness)
    return found


def trained_on(detector: str | Mapping) -> tuple[str, ...]:
    """Corpora that a detector heard in training, as far as it is known.

    Arguments
    ---------
    detector : str or mapping
        Name of a published detector, such as
        `nii-yamagishilab/mms-300m-anti-deepfake`, with or without its owner; or the
        lineage that a detector folder keeps: `training_data` (corpus to splits) and
        `started_from`, the name or the lineage of the detector it was started from.

    Returns
    -------
    tuple of str
        Corpora with their splits, `corpus:split`; empty if nothing is known.

    Example
    -------
    >>> trained_on({"training_data": {"LJSpeech": {"-": {"real": 13100}}}})
    ('LJSpeech:-',)
    >>> len(trained_on("mms-300m-anti-deepfake-nda"))
    44
    """
    if isinstance(detector, str):
        lineage = load_lineage()
        wanted = detector.casefold().rstrip("/")
        for name, used in lineage.detectors.items():
            if wanted in (name, name.partition("/")[2]):
                return lineage.lists[used["train"]]
        return ()
    heard = [
        f"{corpus}:{split}"
        for corpus, splits in (detector.get("training_data") or {}).items()
        for split in splits
    ]
    if detector.get("started_from"):
        heard += trained_on(detector["started_from"])
    return tuple(dict.fromkeys(heard))


def contamination_notes(
    test_corpora: Iterable[str], training_corpora: Iterable[str]
) -> dict[str, str]:
    """One sentence for each test corpus that shares something with the training data.

    Arguments
    ---------
    test_corpora : iterable of str
        Corpora, with or without their splits.
    training_corpora : iterable of str
        For example from `trained_on`.

    Returns
    -------
    dict of str
        By test corpus, as it was named. A note starts with the severity of the closest
        overlap. Corpora that share nothing are not in it, nor those of which only the
        domain is the same, as of nearly all recordings from the web.

    Example
    -------
    >>> notes = contamination_notes(["FLEURS-R:test", "WildSVDD"], ["FLEURS:test"])
    >>> notes
    {'FLEURS-R:test': 'shared source: FLEURS:test (re-synthesised via FLEURS)'}
    """
    found: dict[str, list[Overlap]] = {}
    for overlap in overlaps(test_corpora, training_corpora):
        if overlap.kind != _DOMAIN:
            found.setdefault(overlap.test, []).append(overlap)
    notes = {}
    for name, shared in found.items():
        severity = shared[0].severity
        closest = [overlap for overlap in shared if overlap.severity == severity]
        listed = (f"{o.train} ({o.kind} via {o.via})" for o in closest)
        notes[name] = f"{severity}: {', '.join(listed)}"
    return notes
