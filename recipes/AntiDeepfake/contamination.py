"""What the corpora of a test set share with those that a detector was trained on."""

from __future__ import annotations

from collections.abc import Iterable

from data_prep.lineage import contamination_notes, part_of
from data_prep.manifest import UNKNOWN

__all__ = ["notes_of_corpora"]


def notes_of_corpora(
    test_parts: Iterable[tuple[str, str]], training_corpora: Iterable[str]
) -> dict[str, str]:
    """A note for each test corpus that shares something with the training data.

    Arguments
    ---------
    test_parts : iterable of (str, str)
        Values of the columns `Corpus` and `Proportion` of the trials.
    training_corpora : iterable of str
        What `data_prep.lineage.trained_on` gives.

    Returns
    -------
    dict of str
        By corpus, as `tables.metrics_table` takes them.

    Example
    -------
    >>> list(notes_of_corpora([("FLEURS-R", "test"), ("WildSVDD", "-")], ["FLEURS"]))
    ['FLEURS-R']
    """
    names = {}
    for corpus, split in dict.fromkeys(test_parts):
        if corpus != UNKNOWN:
            # Without a split of its own, a test set may hold any part of its corpus.
            names[corpus if split == UNKNOWN else part_of(corpus, split)] = corpus
    notes: dict[str, list[str]] = {}
    for name, note in contamination_notes(names, training_corpora).items():
        notes.setdefault(names[name], []).append(f"training data: {note}")
    return {corpus: "; ".join(dict.fromkeys(found)) for corpus, found in notes.items()}
