"""Reading `lineage.yaml`: what is made from what, as it is written there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from data_prep import manifest

__all__ = ["KINDS", "SPLITS", "Derivation", "Node", "read_facts"]

#: How a corpus may be related to its source, the closest first.
KINDS = ("same audio", "re-synthesised", "same domain")
SPLITS = frozenset(manifest.SPLITS)
_SAME = "same"


class Derivation(NamedTuple):
    """That a corpus is made from something.

    Arguments
    ---------
    source : str
        Name of the corpus or source.
    kind : str
        One of `KINDS`.
    splits : frozenset of str
        Splits of the corpus that this is about.
    source_splits : frozenset of str or None
        Splits of the source that went into them; None: those of the same names.
    possible : bool
        Whether it is likely only, or not known for which files.
    note : str
        What is known about it.
    """

    source: str
    kind: str
    splits: frozenset[str]
    source_splits: frozenset[str] | None
    possible: bool
    note: str


class Node(NamedTuple):
    """A corpus of this package, or a source of some.

    Arguments
    ---------
    name : str
        As in the column `Corpus`.
    key : str
        Its module in `data_prep.corpora`; empty for a source.
    pool : bool
        Whether two corpora made from it need not share audio.
    derivations : tuple of Derivation
        What it is made from.
    """

    name: str
    key: str
    pool: bool
    derivations: tuple[Derivation, ...]


def read_facts(
    path: str | Path,
) -> tuple[dict[str, Node], dict[str, tuple[str, ...]], dict[str, dict[str, str]]]:
    """Read and check a lineage file.

    Arguments
    ---------
    path : str or Path
        The YAML file.

    Returns
    -------
    nodes : dict of Node
        Corpora and sources by name.
    lists : dict of tuple
        Lists that were used in training, `corpus:split`.
    detectors : dict of dict
        Names of published detectors to those of their lists.

    Raises
    ------
    ValueError
        If a name, a kind or a split is not known.
    """
    content = yaml.safe_load(Path(path).read_text("utf-8"))
    entries = content["sources"] | content["corpora"]
    nodes = {name: _node(name, entry, entries) for name, entry in entries.items()}
    lists = {
        name: tuple(
            f"{corpus}:{split}"
            for corpus, splits in corpora.items()
            for split in sorted(_splits(splits, f"lists, {name}, {corpus}"))
        )
        for name, corpora in content["lists"].items()
    }
    for name, members in lists.items():
        _known(
            {member.partition(":")[0] for member in members}, content["corpora"], name
        )
    for name, used in content["detectors"].items():
        _known(used.values(), lists, name)
    return nodes, lists, content["detectors"]


def _node(name: str, entry: Mapping, known: Iterable[str]) -> Node:
    """Make a node from its entry."""
    derivations = []
    for made in entry.get("from", ()):
        place = f"{name}, from {made['source']}"
        _known([made["source"]], known, place)
        _known([made["kind"]], KINDS, place)
        reached = made.get("source_splits", SPLITS)
        derivations.append(
            Derivation(
                made["source"],
                made["kind"],
                _splits(made.get("splits", SPLITS), place),
                None if reached == _SAME else _splits(reached, place),
                made.get("possible", False),
                made["note"],
            )
        )
    return Node(name, entry.get("key", ""), entry.get("pool", False), (*derivations,))


def _splits(values: Iterable[str], place: str) -> frozenset[str]:
    _known(values, SPLITS, place)
    return frozenset(values)


def _known(values: Iterable[str], known: Iterable[str], place: str) -> None:
    """Raise ValueError for what is not known."""
    strange = sorted(set(values) - set(known))
    if strange:
        raise ValueError(
            f"lineage.yaml, {place}: {', '.join(strange)} is not known. Correct it or "
            "add it."
        )
