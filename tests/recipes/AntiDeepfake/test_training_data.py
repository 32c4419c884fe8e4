"""What a detector folder knows about its training data, as data."""

from pathlib import Path

import pytest
from helpers import manifest_row, new_detector

from data_prep.lineage import contamination_notes, load_lineage, trained_on
from data_prep.manifest import write_manifest
from recipes.AntiDeepfake.card import released_card
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.training_data import (
    corpora_of,
    public_name,
    training_lineage,
)


@pytest.fixture
def manifests(tmp_path):
    rows = [
        manifest_row("a", "real", 36.0, "$ROOT/a", Corpus="DECRO", Proportion="train"),
        manifest_row("b", "fake", 9.0, "$ROOT/b", Corpus="DECRO", Proportion="train"),
        manifest_row("c", "fake", 18.0, "$ROOT/c", Corpus="DECRO", Proportion="test"),
    ]
    write_manifest(tmp_path / "one.csv", rows)
    other = [manifest_row("d", "real", 1.0, "$ROOT/d", Corpus="-")]
    write_manifest(tmp_path / "two.csv", other)
    return [tmp_path / "one.csv", tmp_path / "two.csv"]


def test_rows_and_hours_by_corpus_and_split(manifests):
    assert corpora_of(manifests) == {
        "DECRO": {
            "train": {"real": 1, "fake": 1, "real_hours": 0.01, "fake_hours": 0.0025},
            "test": {"real": 0, "fake": 1, "real_hours": 0.0, "fake_hours": 0.005},
        },
        "-": {"-": {"real": 1, "fake": 0, "real_hours": 0.0003, "fake_hours": 0.0}},
    }
    assert corpora_of(manifests[0]).keys() == {"DECRO"}
    assert corpora_of("voices") == {}


def test_a_loaded_detector_knows_it_and_what_it_was_started_from(
    tiny_ssl, tmp_path, manifests
):
    first, second = tmp_path / "first", tmp_path / "second"
    export_detector(first, new_detector(tiny_ssl), {"training data": manifests[0]})
    facts = {"training data": manifests[1], "started from": first}
    export_detector(second, new_detector(tiny_ssl), facts)
    detector = DeepfakeDetector.from_hparams(second, run_opts={"device": "cpu"})
    lineage = detector.hparams.lineage
    assert lineage["started_from"]["training_data"] == corpora_of(manifests[0])
    heard = trained_on(lineage)
    assert heard == ("-:-", "DECRO:train", "DECRO:test")
    notes = contamination_notes(["ASVspoof2019-LA:valid"], heard)
    assert notes["ASVspoof2019-LA:valid"].startswith("same audio: DECRO:train")


def test_released_detectors_heard_the_training_list_of_the_paper():
    lineage = training_lineage(released_card("mms_300m.ckpt", None))
    assert trained_on(lineage) == load_lineage().lists["paper train"]


def test_a_detector_that_is_no_folder_is_named(tmp_path):
    assert training_lineage({}) == {}
    assert training_lineage({"started from": ""}) == {}
    name = "nii-yamagishilab/mms-300m-anti-deepfake"
    assert trained_on(training_lineage({"started from": name})) == trained_on(name)
    (tmp_path / "hyperparams.yaml").write_text("canary: [0, 0]\n")
    lineage = training_lineage({"started from": tmp_path})
    assert lineage == {"started_from": tmp_path.name}


def test_a_copy_has_the_lineage_of_its_original(tiny_ssl, tmp_path, manifests):
    facts = {"training data": manifests[0], "started from": "some/detector"}
    export_detector(tmp_path / "first", new_detector(tiny_ssl), facts)
    found = training_lineage({"copy of": tmp_path / "first"})
    assert found == training_lineage(facts)
    assert training_lineage({"copy of": tmp_path / "nowhere"}) == {}


PUBLIC = {
    "hub id": ("facebook/mms-300m", "facebook/mms-300m"),
    "relative": ("results/a/detector", "results/a/detector"),
    "elsewhere": (Path("/home/someone/lists/train.csv"), "train.csv"),
    "here": (Path.cwd() / "results" / "a", "results/a"),
    "several": (["/home/someone/a.csv", "lists/b.csv"], "a.csv, lists/b.csv"),
    "no path": (None, "None"),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_others_are_not_told_where_files_are(name):
    value, told = PUBLIC[name]
    assert public_name(value) == told
