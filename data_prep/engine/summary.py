"""What a run found, as the content of `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from data_prep.corpora.base import Corpus
from data_prep.engine.rows import Group
from data_prep.text import printable

__all__ = ["FORMAT", "TOLERANCE", "Totals", "compare", "listed"]

FORMAT = 1  # of the summary and of the manifests that it describes
#: Relative difference up to which what was found matches what was published.
TOLERANCE = 0.01
_LABELS = ("real", "fake")


class Totals:
    """Rows and hours by group and label, as exact sums."""

    def __init__(self) -> None:
        # (group, label, sample rate): [rows, frames]. Integers, so that the order in
        # which rows come makes no difference.
        self._sums: dict[tuple[int, str, int], list[int]] = {}

    def add(self, group: int, label: str, rate: int, frames: int) -> None:
        """Count a row."""
        sums = self._sums.setdefault((group, label, rate), [0, 0])
        sums[0] += 1
        sums[1] += frames

    def of(self, groups: Iterable[int]) -> dict[str, dict[str, float]]:
        """Rows and hours of some groups together.

        Arguments
        ---------
        groups : iterable of int
            Their numbers.

        Returns
        -------
        dict
            `rows` and `hours`, each with `real` and `fake`.
        """
        wanted = set(groups)
        rows = dict.fromkeys(_LABELS, 0)
        seconds: dict[str, list[float]] = {label: [] for label in _LABELS}
        for (group, label, rate), (count, frames) in sorted(self._sums.items()):
            if group in wanted:
                rows[label] += count
                seconds[label].append(frames / rate)
        hours = {label: round(math.fsum(seconds[label]) / 3600, 6) for label in _LABELS}
        return {"rows": rows, "hours": hours}

    def by(self, groups: Mapping[Group, int], field: str) -> dict[str, dict]:
        """`of` for each value of a field of the groups, sorted."""
        values = sorted({getattr(group, field) for group in groups})
        return {
            value: self.of(
                number
                for group, number in groups.items()
                if getattr(group, field) == value
            )
            for value in values
        }


def compare(
    corpus: Corpus, total: Mapping, splits: Mapping[str, Mapping]
) -> list[dict]:
    """What was published beside what was found.

    Arguments
    ---------
    corpus : Corpus
        Has the published hours and rows.
    total : dict
        `Totals.of` all groups.
    splits : dict
        `Totals.by` split.

    Returns
    -------
    list of dict
        `what`, `published`, `found`, `difference` (relative, None if nothing was
        published but something found) and `matches` (within `TOLERANCE`).
    """
    pairs = []
    if corpus.hours is not None:
        for label, published in zip(_LABELS, corpus.hours, strict=True):
            pairs.append((f"hours {label}", published, total["hours"][label]))
    nothing = {"rows": dict.fromkeys(_LABELS, 0)}
    for split, counts in corpus.rows.items():
        found = total if split == "all" else splits.get(split, nothing)
        for label, published in zip(_LABELS, counts, strict=True):
            what = f"rows {label}" + ("" if split == "all" else f" {split}")
            pairs.append((what, published, found["rows"][label]))
    return [_compared(*pair) for pair in pairs]


def _compared(what: str, published: float, found: float) -> dict:
    if published:
        difference = round((found - published) / published, 6)
    else:
        difference = None if found else 0.0
    return {
        "what": what,
        "published": published,
        "found": found,
        "difference": difference,
        "matches": difference is not None and abs(difference) <= TOLERANCE,
    }


def listed(entries: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Things with their reasons, each once, sorted, as text that can be printed."""
    texts = {(printable(what), printable(reason)) for what, reason in entries}
    return [{"what": what, "reason": reason} for what, reason in sorted(texts)]
