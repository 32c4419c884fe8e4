"""How often each corpus, language or class is heard in training.

A group is made of the rows that have the same values in some columns. With `n_i` rows
in group i, of N in all, an item is drawn from it with probability

    p_i = n_i^alpha / sum_j n_j^alpha

and each row of a group is as likely as any other. alpha = 1 takes the data as they are,
alpha = 0 every group equally often; in between, small groups are repeated and large
ones thinned out. Multilingual models weigh languages like that: mBERT with alpha = 0.7
(https://github.com/google-research/bert/blob/master/multilingual.md), XLS-R with 0.5
(https://arxiv.org/abs/2111.09296; n_i is the amount of audio there). As a sampling
temperature it is T = 1 / alpha.

A pass is N draws with replacement: as long as the data, but not every row is in it, and
some are several times. The pass p of `PassDataset`, on which crops and augmentation
depend, is then `p * N + k` for the (k + 1)-th time in pass p: a row that is repeated is
cropped and augmented anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recipes.AntiDeepfake.rows import StoredRows

__all__ = ["Balance", "group_probabilities", "group_rows"]


def group_probabilities(counts: NDArray, alpha: float) -> NDArray[np.float64]:
    """How likely each group is, by the formula above.

    Arguments
    ---------
    counts : numpy.ndarray
        Rows of each group, [groups].
    alpha : float
        From 0, all the same, to 1, as the rows.

    Returns
    -------
    numpy.ndarray
        [groups]; the sum is 1.

    Raises
    ------
    ValueError
        If alpha is something else.

    Example
    -------
    >>> group_probabilities(np.array([900, 100]), 0.5)
    array([0.75, 0.25])
    """
    if not 0 <= alpha <= 1:
        raise ValueError(
            f"balance: alpha is {alpha}; it must be from 0 (all groups equally often) "
            "to 1 (as the data are). A sampling temperature T is alpha = 1 / T."
        )
    weights = np.asarray(counts, np.float64) ** alpha
    return weights / weights.sum()


def group_rows(
    rows: StoredRows, columns: Sequence[str]
) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
    """Group rows by the values of columns.

    Arguments
    ---------
    rows : StoredRows
        The rows.
    columns : list of str
        Their values together name a group, such as `Corpus` and `Label`.

    Returns
    -------
    groups : numpy.ndarray
        [rows], index of the group of each row.
    names : list of tuple of str
        The values of each group.

    Raises
    ------
    ValueError
        If there is no column, or none of that name.
    """
    if not columns:
        raise ValueError(
            "balance: columns is empty; name some, such as [Corpus, Label]."
        )
    groups, names = np.zeros(len(rows), np.int64), [()]
    for column in columns:
        try:
            codes, values = rows.codes(column)
        except KeyError:
            raise ValueError(
                f"balance: the manifests have no column {column!r}. Their columns are "
                f"{', '.join(rows[0])}."
            ) from None
        found, groups = np.unique(groups * len(values) + codes, return_inverse=True)
        pairs = [divmod(code, len(values)) for code in found.tolist()]
        names = [(*names[before], values[value]) for before, value in pairs]
    return groups, names


class Balance:
    """Draws the items of a pass from groups.

    Arguments
    ---------
    groups : numpy.ndarray
        Index of the group of each item, [items].
    alpha : float
        See `group_probabilities`.

    Example
    -------
    >>> balance = Balance(np.array([0] * 90 + [1] * 10), alpha=0.0)
    >>> indices = balance.draw(seed=0, pass_number=0)
    >>> len(indices), int((indices % 100 >= 90).sum())
    (100, 56)
    """

    def __init__(self, groups: NDArray[np.int64], alpha: float):
        # Items of one group stand together.
        self.items = np.argsort(groups, kind="stable")
        self.counts = np.bincount(groups)
        self.firsts = np.cumsum(self.counts) - self.counts
        self.limits = np.cumsum(group_probabilities(self.counts, alpha))

    def draw(self, seed: int, pass_number: int) -> NDArray[np.int64]:
        """Draw the items of a pass.

        Arguments
        ---------
        seed : int
            Seed of the draws.
        pass_number : int
            The pass; each has draws of its own.

        Returns
        -------
        numpy.ndarray
            [items], indices of `PassDataset`, in the order in which they were drawn.
        """
        rng = np.random.default_rng([seed, pass_number])
        count = len(self.items)
        # Rounding may leave the last limit a little below 1.
        groups = np.searchsorted(self.limits[:-1], rng.random(count), "right")
        places = (rng.random(count) * self.counts[groups]).astype(np.int64)
        items = self.items[self.firsts[groups] + places]
        return (pass_number * count + _repeats(items)) * count + items


def _repeats(items: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many equal values are before each one.

    >>> _repeats(np.array([5, 3, 5, 5]))
    array([0, 0, 1, 2])
    """
    order = np.argsort(items, kind="stable")
    in_order = items[order]
    is_first = np.append(True, in_order[1:] != in_order[:-1])
    firsts = np.maximum.accumulate(np.where(is_first, np.arange(len(items)), 0))
    repeats = np.empty_like(items)
    repeats[order] = np.arange(len(items)) - firsts
    return repeats
