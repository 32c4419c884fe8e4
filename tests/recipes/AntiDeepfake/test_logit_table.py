"""Logits by ID: a dictionary to look at, for rows in a list and on disk."""

import numpy as np
import pandas
import pytest

from data_prep.manifest import read_manifest
from recipes.AntiDeepfake.logit_table import LogitTable, RowFinder
from recipes.AntiDeepfake.manifests import manifest_rows


@pytest.fixture(params=["listed", "stored"])
def rows(request, corpus):
    read = {"listed": read_manifest, "stored": manifest_rows}[request.param]
    return read(corpus / "test.csv")


def test_it_is_a_dictionary_in_the_order_of_coming(rows):
    logits = np.random.default_rng(0).normal(size=(17, 2)).astype(np.float32)
    ids = [row["ID"] for row in rows][::-1]
    table = LogitTable(rows)
    for first in range(0, 15, 5):
        table.add(ids[first : first + 5], logits[first : first + 5])
    expected = dict(zip(ids, map(tuple, logits[:15].tolist()), strict=False))
    assert table == expected and expected == table
    assert list(table) == list(expected) and list(table.items()) == list(
        expected.items()
    )
    assert ids[16] not in table and len(table) == 15
    assert np.flatnonzero(table.missing).tolist() == [0, 1]
    asked = [ids[16], ids[0], "none"]
    assert table.get_many(asked) == [None, expected[ids[0]], None]
    with pytest.raises(KeyError):
        table["none"]


def test_entries_go_from_one_table_to_another(rows):
    ids = [row["ID"] for row in rows]
    part, whole = LogitTable(rows), LogitTable(rows)
    part.add(ids[:3], np.zeros((3, 2)))
    part.add(ids[9:12], np.ones((3, 2)))
    whole.put(*part.entries(3))
    assert list(whole) == ids[9:12] and whole[ids[9]] == (1.0, 1.0)


@pytest.mark.parametrize(
    "again, message",
    [([3], "scored twice"), ([5, 5], "scored twice"), ([None], "not among")],
    ids=["before", "at once", "unknown"],
)
def test_a_trial_is_added_once(rows, again, message):
    ids = [row["ID"] for row in rows]
    table = LogitTable(rows)
    table.add([ids[3]], [[0.0, 1.0]])
    names = ["another" if i is None else ids[i] for i in again]
    with pytest.raises(RuntimeError, match=message):
        table.add(names, np.zeros((len(names), 2)))


def test_every_trial_has_two_logits(rows):
    with pytest.raises(RuntimeError, match=r"logits \(1, 2\) for 2 trials"):
        LogitTable(rows).put(np.array([0, 1]), [[0.0, 1.0]])


def test_ids_of_one_hash_are_told_apart(corpus, monkeypatch):
    rows = manifest_rows(corpus / "test.csv")
    ids = list(rows.texts("ID"))
    # All IDs have the hash that the fifth really has.
    same = rows.id_hashes[4]
    monkeypatch.setattr(type(rows), "id_hashes", np.full(17, same))
    monkeypatch.setattr(
        pandas.util, "hash_array", lambda values: np.full(len(values), same)
    )
    found = RowFinder(rows)([ids[4], ids[9], "none"])
    assert found.tolist() == [4, 9, -1]
