"""Trials of an audit, and a logistic regression on their trivial features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from data_prep.manifest import UNKNOWN

__all__ = ["AuditData", "can_hold_out", "combine", "group_rows"]

FOLDS = 5
_L2 = 1.0  # strength of the penalty on standardised weights, in units of one trial
_CLIP = 5.0  # standard deviations; keeps one odd file from ruling the regression


class AuditData(NamedTuple):
    """Features of a list of trials.

    Arguments
    ---------
    features : numpy.ndarray
        [trials, features], without NaN.
    labels : numpy.ndarray
        [trials]; 1 is real, 0 is fake.
    groups : numpy.ndarray
        [trials]; what must not be split between the folds of a cross-validation.
    attacks : numpy.ndarray, optional
        [trials]; names, for `audit_slices`.
    languages : numpy.ndarray, optional
        [trials]; codes, for `audit_slices`.
    """

    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: NDArray
    attacks: NDArray | None = None
    languages: NDArray | None = None


def group_rows(rows: Sequence[Mapping[str, str]]) -> NDArray:
    """What a cross-validation must not split, for each row of a manifest.

    A recording, its pieces and all copies of it belong together. The rows of a copy
    name it in the column `Recording`: by the recording of their source or, if that has
    none, by its ID. Other rows belong to their speaker, unless all genuine or all fake
    ones would then be of one speaker.

    Arguments
    ---------
    rows : list of dict
        Manifest rows.

    Returns
    -------
    numpy.ndarray
        Names, [rows].

    Example
    -------
    >>> known = {"Label": "real", "Corpus": "c", "Speaker": "s", "Recording": "-"}
    >>> copy = {"ID": "v", "Label": "fake", "Corpus": "c-Vocoded", "Speaker": "s"}
    >>> group_rows([known | {"ID": "a"}, copy | {"Recording": "a"}]).tolist()
    ['recording a', 'recording a']
    """
    sources = {row["Recording"] for row in rows}

    def group(row: Mapping[str, str], by_speaker: bool) -> str:
        if row["Recording"] != UNKNOWN:
            return f"recording {row['Recording']}"
        if by_speaker and row["Speaker"] != UNKNOWN and row["ID"] not in sources:
            return f"speaker {row['Corpus']} {row['Speaker']}"
        return f"recording {row['ID']}"

    labels = np.array([row["Label"] for row in rows])
    groups = np.array([group(row, True) for row in rows])
    if can_hold_out(labels, groups):
        return groups
    return np.array([group(row, False) for row in rows])


def can_hold_out(labels: NDArray, groups: NDArray) -> bool:
    """Whether each class is left when any one group is taken away."""
    return all(
        len(np.unique(groups[labels == label])) > 1 for label in np.unique(labels)
    )


def combine(test: AuditData, train: AuditData | None) -> NDArray:
    """Log-odds of a regression on all features, [trials].

    Arguments
    ---------
    test : AuditData
        The trials.
    train : AuditData, optional
        Where the weights are learned; by default in the test trials themselves, each
        time without the groups that are scored.

    Returns
    -------
    numpy.ndarray
        Zeros if no group of `test` can be held out.
    """
    if train is None:
        return _cross_validate(test)
    return _predict(_fit(train.features, train.labels), test.features)


class _Model(NamedTuple):
    """A logistic regression of standardised features."""

    mean: NDArray
    scale: NDArray
    weights: NDArray  # the last one is the bias


def _fit(features: NDArray, labels: NDArray) -> _Model:
    """Fit a logistic regression with an L2 penalty (not on the bias)."""
    scale = features.std(axis=0)
    scale[scale == 0] = 1.0
    model = _Model(features.mean(axis=0), scale, np.zeros(features.shape[1] + 1))
    inputs = _standardise(model, features)
    signs = 2.0 * labels - 1
    penalty = np.append(np.full(features.shape[1], _L2), 0.0)

    def loss(weights: NDArray) -> tuple[float, NDArray]:
        margins = signs * (inputs @ weights)
        value = np.logaddexp(0, -margins).sum() + 0.5 * penalty @ weights**2
        # The derivative of log(1 + exp(-m)) is -1 / (1 + exp(m)).
        slopes = -signs * np.exp(-np.logaddexp(0, margins))
        return value, inputs.T @ slopes + penalty * weights

    found = minimize(loss, model.weights, jac=True, method="L-BFGS-B")
    return model._replace(weights=found.x)


def _predict(model: _Model, features: NDArray) -> NDArray:
    """Log-odds of real, [trials]."""
    return _standardise(model, features) @ model.weights


def _standardise(model: _Model, features: NDArray) -> NDArray:
    """Features of mean 0 and deviation 1 within limits, and a column of ones."""
    inputs = np.clip((features - model.mean) / model.scale, -_CLIP, _CLIP)
    return np.column_stack([inputs, np.ones(len(inputs))])


def _cross_validate(data: AuditData) -> NDArray:
    """Log-odds from regressions that have not seen the group of the trial, [trials]."""
    scores = np.zeros(len(data.labels))
    if not can_hold_out(data.labels, data.groups):
        return scores
    folds = _folds(data)
    for fold in np.unique(folds):
        held_out = folds == fold
        model = _fit(data.features[~held_out], data.labels[~held_out])
        scores[held_out] = _predict(model, data.features[held_out])
    return scores


def _folds(data: AuditData, seed: int = 0) -> NDArray[np.int64]:
    """Number of the fold of each trial, [trials]; groups stay together."""
    _, group, sizes = np.unique(data.groups, return_inverse=True, return_counts=True)
    share_real = np.bincount(group, weights=data.labels) / sizes
    # Groups in random order, but sorted by class, are dealt out like cards: every
    # fold then has about the same share of each class, and none has all of one.
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    ordered = shuffled[np.argsort(share_real[shuffled], kind="stable")]
    fold_of_group = np.empty(len(sizes), np.int64)
    fold_of_group[ordered] = np.arange(len(sizes)) % FOLDS
    return fold_of_group[group]
