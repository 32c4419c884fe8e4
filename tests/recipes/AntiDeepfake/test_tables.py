import csv

import numpy
import pandas
import pytest
from helpers import manifest_row

from recipes.AntiDeepfake.tables import (
    MOST_SLICES,
    by_recording,
    format_table,
    metrics_table,
    write_table,
)


def trials(*plan, **others):
    """A table of trials: (corpus, label, attack, language, scores)."""
    rows = []
    for corpus, label, attack, language, scores in plan:
        for score in scores:
            name = f"{len(rows)}"
            values = {"Attack": attack, "Corpus": corpus, "Language": language}
            row = manifest_row(name, label, 1.0, "x.wav", **values, **others)
            rows.append(row | {"Score": score})
    return pandas.DataFrame(rows)


@pytest.fixture
def two_corpora():
    """In the first one attack is easy and one is not."""
    return trials(
        ("one", "real", "-", "EN", [2.0, 1.0, 3.0, 0.5]),
        ("one", "fake", "easy", "EN", [-2.0, -1.0]),
        ("one", "fake", "hard", "CS", [2.5, -1.5]),
        ("two", "real", "-", "EN", [1.0, 2.0]),
        ("two", "fake", "easy", "EN", [-1.0, 1.5]),
    )


def test_slices_and_their_trials(two_corpora):
    table = metrics_table(two_corpora)
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


def test_slices_of_one_class_are_counted_not_printed(two_corpora):
    table = metrics_table(two_corpora)
    (row,) = [row for row in table if row["slice"] == "language CS"]
    assert row["note"] == "one class only"
    text = format_table(table, "out/metrics.csv")
    assert "language CS" not in text and "language EN" in text
    assert text.endswith(
        "\nslices with one class only: 1, not here but in out/metrics.csv"
    )
    assert "n/a" not in text


@pytest.mark.parametrize("label", ["real", "fake"])
def test_a_test_set_of_one_class_has_no_numbers_that_need_both(label):
    table = metrics_table(trials(("a", label, "-", "EN", [1.0, 2.0, -1.0])))
    (row,) = table
    both = ("eer", "auc", "min_dcf", "precision", "f1", "balanced_accuracy")
    assert all(numpy.isnan(row[name]) for name in both)
    assert row["recall" if label == "real" else "fpr"] == pytest.approx(2 / 3)
    assert "one class only" in format_table(table)


def test_min_dcf_is_printed_as_it_is(two_corpora):
    table = metrics_table(two_corpora, kinds=[])
    head, first, *_ = format_table(table).splitlines()
    assert "minDCF" in head
    assert f" {table[0]['min_dcf']:.3f} " in first


@pytest.mark.parametrize("kind, column", [("speaker", "Speaker"), ("attack", "Attack")])
def test_a_kind_with_too_many_values_is_said_to_be_left_out(kind, column):
    count = MOST_SLICES + 1
    table = trials(
        ("a", "real", "-", "EN", [1.0] * count), ("a", "fake", "x", "EN", [0.0] * count)
    )
    table[column] = [f"v{i}" for i in range(count)] * 2
    rows = metrics_table(table, kinds=[kind])
    assert [row["slice"] for row in rows] == ["all"]
    assert rows[0]["note"] == f"no rows by {kind} ({count} values, at most 200)"
    fewer = metrics_table(table[table[column] != "v0"], kinds=[kind])
    assert len(fewer) == 1 + MOST_SLICES and fewer[0]["note"] == ""


def test_few_trials_are_marked_and_many_are_not():
    few = trials(("a", "real", "-", "EN", [1.0] * 50), ("a", "fake", "x", "EN", [0.0]))
    assert "few trials" in metrics_table(few)[0]["note"]
    plan = [("a", "real", "-", "EN", [1.0] * 50), ("a", "fake", "x", "EN", [0.0] * 50)]
    assert metrics_table(trials(*plan))[0]["note"] == ""


def test_notes_of_corpora_are_in_every_row(two_corpora):
    table = metrics_table(two_corpora, notes={"one": "seen in training"})
    marked = [row["corpus"] for row in table if "seen in training" in row["note"]]
    assert set(marked) == {"one"} and len(marked) == 5


def test_slices_by_codec_speaker_and_duration():
    table = trials(
        ("a", "real", "-", "EN", [1.0] * 4), ("a", "fake", "x", "EN", [0.0] * 4)
    )
    table["AudioEncoding"] = ["MP3", "FLAC"] * 4
    table["Speaker"] = ["s1", "s1", "s2", "s2"] * 2
    table["Duration"] = ["1.5", "12.0", "2.0", "100"] * 2
    found = [row["slice"] for row in metrics_table(table, kinds=["codec", "speaker"])]
    assert found == ["all", "codec FLAC", "codec MP3", "speaker s1", "speaker s2"]
    rows = metrics_table(table, kinds=["duration"])
    counts = {row["slice"]: (row["real"], row["fake"]) for row in rows}
    assert counts == {
        "all": (4, 4),
        "duration 0-2 s": (2, 2),
        "duration 10-30 s": (1, 1),
        "duration 60- s": (1, 1),
    }


def test_trials_that_share_recordings_give_wider_intervals():
    """Ten recordings of ten equal pieces each are ten trials, not a hundred."""
    rng = numpy.random.default_rng(0)
    real, fake = rng.normal(1, 1, 10).repeat(10), rng.normal(-1, 1, 10).repeat(10)
    table = trials(("a", "real", "-", "EN", real), ("a", "fake", "x", "EN", fake))
    alone = metrics_table(table, kinds=[])[0]
    table["Recording"] = [f"r{i // 10}" for i in range(200)]
    shared = metrics_table(table, kinds=[])[0]
    assert (alone["interval"], shared["interval"]) == ("trials", "recordings")
    assert alone["eer"] == shared["eer"]
    width = shared["eer_high"] - shared["eer_low"]
    assert width > 1.5 * (alone["eer_high"] - alone["eer_low"])


def test_one_recording_of_a_class_has_no_interval():
    table = trials(
        ("a", "real", "-", "EN", [1.0, 2.0]), ("a", "fake", "x", "EN", [0.0])
    )
    table["Recording"] = ["r1", "r1", "r2"]
    row = metrics_table(table, kinds=[])[0]
    assert row["eer"] == 0.0 and numpy.isnan(row["eer_low"])
    assert "one recording only" in row["note"]


def pieces():
    """Two recordings of three and two pieces, and a file that is no piece."""
    table = trials(
        ("a", "real", "-", "EN", [1.0, 2.0, 6.0]),
        ("a", "fake", "x", "EN", [-1.0, 0.0, 9.0]),
    )
    table["Recording"] = ["r1"] * 3 + ["r2"] * 2 + ["whole"]
    table["Start"] = ["0", "1", "2", "0", "1", "-"]
    return table


@pytest.mark.parametrize(
    "aggregate, scores",
    [("mean", [3.0, -0.5]), ("median", [2.0, -0.5]), ("min", [1, -1]), ("max", [6, 0])],
)
def test_scores_of_recordings(aggregate, scores):
    found = by_recording(pieces(), aggregate)
    assert found["ID"].tolist() == ["r1", "r2"]
    assert found["Score"].tolist() == scores
    assert found["Duration"].tolist() == ["3.00", "2.00"]


def test_a_recording_of_both_classes_has_no_score():
    table = pieces()
    table["Recording"] = "r1"
    with pytest.raises(ValueError, match="'r1'.*real and fake"):
        by_recording(table)


def test_files_that_are_no_pieces_give_no_recordings(two_corpora):
    assert by_recording(two_corpora).empty


def test_table_as_csv(tmp_path, two_corpora):
    table = metrics_table(two_corpora)
    write_table(tmp_path / "metrics.csv", table)
    with open(tmp_path / "metrics.csv") as file:
        found = list(csv.DictReader(file))
    assert [row["slice"] for row in found] == [row["slice"] for row in table]
    assert float(found[0]["eer"]) == table[0]["eer"]
