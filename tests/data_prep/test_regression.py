"""Folds keep together what belongs together, and the regression is the right one."""

import numpy as np
import pytest

from data_prep.regression import AuditData, _fit, _folds, group_rows


def row(name, label="real", speaker="-", recording="-", corpus="c"):
    columns = ("ID", "Label", "Speaker", "Recording", "Corpus")
    return dict(zip(columns, (name, label, speaker, recording, corpus), strict=True))


def test_regression_is_the_optimum_of_its_loss():
    rng = np.random.default_rng(1)
    features = rng.normal(3, 2, size=(200, 2))
    labels = (features @ [1.0, -0.5] + rng.normal(size=200) > 1.5).astype(int)
    model = _fit(features, labels)
    inputs = np.column_stack(
        [(features - features.mean(0)) / features.std(0), np.ones(200)]
    )
    error = 1 / (1 + np.exp(-inputs @ model.weights)) - labels
    gradient = inputs.T @ error + np.append(model.weights[:2], 0)
    assert np.abs(gradient).max() < 0.01
    assert model.weights[0] > 1 and model.weights[1] < -0.5


def test_groups_are_not_split_and_classes_are_spread():
    rng = np.random.default_rng(2)
    groups = np.append(np.arange(60), rng.integers(0, 60, 600))
    labels = (groups % 3 == 0).astype(int)
    folds = _folds(AuditData(np.zeros((660, 1)), labels, groups))
    assert all(len(set(folds[groups == group])) == 1 for group in range(60))
    real_groups = [
        len(set(groups[(folds == fold) & (labels == 1)])) for fold in range(5)
    ]
    assert real_groups == [4] * 5


OTHERS = [row(f"{label}{i}", label) for label in ("real", "fake") for i in range(2)]


@pytest.mark.parametrize(
    ("of_row", "others", "group"),
    [
        pytest.param(row("a"), [], "recording a", id="nothing known"),
        pytest.param(row("a", speaker="7"), [], "speaker c 7", id="speaker"),
        pytest.param(row("a", "fake", "7", "r"), [], "recording r", id="recording"),
        pytest.param(
            row("a", speaker="7"),
            [row("v", "fake", "7", "a", "c-Vocoded")],
            "recording a",
            id="source of a copy",
        ),
        pytest.param(
            row("a", speaker="7", recording="r"),
            [row("v", "fake", "7", "r", "c-Vocoded")],
            "recording r",
            id="piece of a recording with a copy",
        ),
    ],
)
def test_groups(of_row, others, group):
    found = group_rows([of_row, *others, *OTHERS])
    assert found[0] == group
    assert all(found[1 : len(others) + 1] == group)


def test_speakers_are_not_held_out_if_a_class_has_one():
    rows = [row(f"a{i}", "real", "LJ") for i in range(3)]
    rows += [row(f"b{i}", "fake", str(i)) for i in range(3)]
    assert len(set(group_rows(rows))) == 6
