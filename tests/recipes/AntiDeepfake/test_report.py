import csv

import pytest
from helpers import manifest_row

from recipes.AntiDeepfake.report import format_table, metrics_table, write_table
from recipes.AntiDeepfake.scoring import Scored


def trials():
    """Two corpora; in the first one attack is easy and one is not."""
    rows, logits = [], {}
    plan = [
        ("one", "real", "-", "EN", [2.0, 1.0, 3.0, 0.5]),
        ("one", "fake", "easy", "EN", [-2.0, -1.0]),
        ("one", "fake", "hard", "CS", [2.5, -1.5]),
        ("two", "real", "-", "EN", [1.0, 2.0]),
        ("two", "fake", "easy", "EN", [-1.0, 1.5]),
    ]
    for corpus, label, attack, language, scores in plan:
        for score in scores:
            name = f"{len(rows)}"
            others = {"Attack": attack, "Corpus": corpus, "Language": language}
            rows.append(manifest_row(name, label, 1.0, "x.wav", **others))
            logits[name] = (0.0, score)
    return rows, Scored(logits)


def test_slices_and_their_trials():
    table = metrics_table(*trials())
    found = {(row["corpus"], row["slice"]): row for row in table}
    counts = {key: (row["real"], row["fake"]) for key, row in found.items()}
    assert counts == {
        ("one", "all"): (4, 4),
        ("one", "attack easy"): (4, 2),
        ("one", "attack hard"): (4, 2),
        ("one", "language CS"): (0, 2),
        ("one", "language EN"): (4, 2),
        ("two", "all"): (2, 2),
        ("two", "attack easy"): (2, 2),
        ("all pooled", "all"): (6, 6),
    }
    assert found["one", "attack easy"]["eer"] == 0.0
    assert found["one", "attack hard"]["eer"] == pytest.approx(0.5)
    assert found["one", "all"]["eer"] == pytest.approx(0.25)
    assert found["one", "all"]["eer_low"] <= 0.25 <= found["one", "all"]["eer_high"]


def test_one_class_is_reported_not_dropped():
    text = format_table(metrics_table(*trials()))
    (line,) = [line for line in text.splitlines() if "language CS" in line]
    assert "n/a" in line


def test_unscored_trials_are_left_out():
    rows, scored = trials()
    scored.failures[rows[0]["ID"]] = "gone"
    del scored.logits[rows[0]["ID"]]
    assert metrics_table(rows, scored)[0]["real"] == 3


def test_nothing_scored_gives_an_empty_table():
    rows, _ = trials()
    table = metrics_table(rows, Scored({}, {row["ID"]: "gone" for row in rows}))
    assert table == []
    assert format_table(table) == "no trial was scored"


def test_table_as_csv(tmp_path):
    table = metrics_table(*trials())
    write_table(tmp_path / "metrics.csv", table)
    with open(tmp_path / "metrics.csv") as file:
        found = list(csv.DictReader(file))
    assert [row["slice"] for row in found] == [row["slice"] for row in table]
    assert float(found[0]["eer"]) == table[0]["eer"]
