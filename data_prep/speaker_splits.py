"""Draw files for training, validation and test so that no speaker is in two of them."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence

from data_prep.corpora.base import LayoutError

__all__ = ["draw_splits"]


def draw_splits(
    files: Sequence[tuple[str, str]], valid_share: float, test_share: float = 0.0
) -> dict[str, str]:
    """Draw the split of each group of files.

    Validation takes groups in the order of the hashes of their names until each class
    has enough, the test in the opposite order, and training has the others. So new
    files move few others, and a change of one share leaves the other part as it is,
    unless the two meet.

    Arguments
    ---------
    files : sequence of (str, str)
        Label and group of each file; a group, such as a speaker, is never divided.
    valid_share, test_share : float
        How much of the files of each class is for validation and test, at least; 0
        for the test means that there is none.

    Returns
    -------
    dict
        `train`, `valid` or `test` by group.

    Raises
    ------
    LayoutError
        If a class has too few groups to be in each part.

    Example
    -------
    >>> files = [("real", "a"), ("fake", "a"), ("real", "b"), ("fake", "b")]
    >>> sorted(draw_splits(files, valid_share=0.1).values())
    ['train', 'valid']
    """
    counts = Counter((group, label) for label, group in files)
    totals = Counter(label for label, _ in files)
    order = sorted({group for _, group in files}, key=_hash)
    splits = dict.fromkeys(order, "train")
    parts = (("valid", valid_share, order), ("test", test_share, order[::-1]))
    for split, share, candidates in parts:
        for label in totals:
            taken = sum(counts[one, label] for one in order if splits[one] == split)
            for group in candidates:
                if taken >= share * totals[label]:
                    break
                if splits[group] == "train" and counts[group, label]:
                    splits[group] = split
                    taken += counts[group, label]
    wanted = ("training", "validation", "test")[: 3 if test_share else 2]
    for label, total in totals.items():
        groups = [group for group in order if counts[group, label]]
        if len({splits[group] for group in groups}) < len(wanted):
            raise LayoutError(
                f"{total} {label} files of {len(groups)} speakers (a file that lies in "
                "no folder counts as one): too few to have some for each of "
                f"{', '.join(wanted)}. Sort the files into folders by speaker, or put "
                "them in no folder at all to split file by file. For a test set from "
                "other folders there is --split test."
            )
    return splits


def _hash(group: str) -> bytes:
    return hashlib.blake2b(os.fsencode(group), digest_size=16).digest()
