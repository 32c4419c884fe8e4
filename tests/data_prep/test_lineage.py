"""The lineage of corpora: the facts hold together, and the answers follow from them."""

from importlib import import_module

import pytest

from data_prep.corpora import corpus_keys
from data_prep.lineage import (
    contamination_notes,
    load_lineage,
    overlaps,
    sources,
    trained_on,
)
from data_prep.lineage_facts import KINDS
from data_prep.merge_spec import find_spec, read_spec


def test_every_corpus_module_has_an_entry_under_its_name():
    entries = {
        node.key: node.name for node in load_lineage().nodes.values() if node.key
    }
    names = {
        key: import_module(f"data_prep.corpora.{key}").CORPUS.name
        for key in corpus_keys()
    }
    assert {key: entries.get(key) for key in names} == names


def test_names_and_keys_are_unique_without_regard_to_case():
    nodes = load_lineage().nodes.values()
    words = [word.casefold() for node in nodes for word in {node.name, node.key} - {""}]
    doubled = {word for word in words if words.count(word) > 1}
    # A name and its own key may be one word.
    assert doubled <= {node.key for node in nodes if node.key == node.name.casefold()}


def test_every_derivation_says_what_is_known():
    for node in load_lineage().nodes.values():
        for made in node.derivations:
            assert made.kind in KINDS and made.note.strip(), node.name


def test_the_lists_are_those_of_the_spec_of_the_paper():
    lineage, spec = load_lineage(), read_spec(find_spec("paper"))
    train, valid = spec.lists[:2]
    listed = {
        name: {member.partition(":")[0] for member in lineage.lists[f"paper {name}"]}
        for name in ("train", "valid")
    }
    assert listed["train"] == set(train.selections[0].corpora)
    assert (
        listed["valid"] < set(valid.selections[0].corpora)
        and len(listed["valid"]) == 14
    )
    assert {member.partition(":")[2] for member in lineage.lists["paper valid"]} == {
        "valid"
    }


def test_sources_are_transitive():
    assert sources("CodecFake-Wu2024") == ["VCTK"]
    assert sources("asvspoof5") == ["MLS", "LibriVox"]
    assert sources("DECRO:test")[:2] == ["ASVspoof2019-LA", "AISHELL-1"]
    assert sources("ToY_example")[0] == "ASVspoof2019-LA"
    assert sources("AISHELL-3") == sources("my own corpus") == []


@pytest.mark.parametrize(
    "test, train, kind, via",
    [
        ("DECRO:valid", "ASVspoof2019-LA:test", "same audio", "ASVspoof2019-LA"),
        ("ASVspoof2019-LA:valid", "DECRO:train", "same audio", "ASVspoof2019-LA"),
        ("ASVspoof2019-LA:test", "DECRO:train", "other split", "ASVspoof2019-LA"),
        ("ASVspoof2021-LA", "ASVspoof2019-LA:test", "same audio", "ASVspoof2019-LA"),
        ("ASVspoof2021-LA", "ASVspoof2019-LA:train", "other split", "ASVspoof2019-LA"),
        ("ASVspoof2021-LA", "ASVspoof2021-DF", "same audio", "ASVspoof2019-LA"),
        ("DFADD:test", "ASVspoof2019-LA:train", "same audio", "VCTK"),
        ("DFADD:test", "CodecFake-Wu2024", "re-synthesised", "VCTK"),
        ("LibriTTS-R:test", "LibriTTS:test", "re-synthesised", "LibriTTS"),
        ("LibriTTS-R:test", "LibriTTS:train", "other split", "LibriTTS"),
        ("LibriTTS-R:valid", "LibriTTS-Vocoded:valid", "re-synthesised", "LibriTTS"),
        ("WaveFake", "DiffSSD", "re-synthesised", "LJSpeech"),
        ("FoR-norm:test", "LJSpeech", "possibly same audio", "LJSpeech"),
        ("FoR-norm:test", "FoR-original:test", "same audio", "FoR-original"),
        ("LJSpeech", "MLS:train", "same domain", "LibriVox"),
        ("In-the-Wild", "VoxCeleb2", "same domain", "public video"),
        ("aishell3", "AISHELL-3:train", "same audio", "AISHELL-3"),
        ("own:test", "own:train", "other split", "own"),
        ("own", "own", "same audio", "own"),
    ],
)
def test_overlaps(test, train, kind, via):
    (overlap,) = overlaps([test], [train])
    assert (overlap.kind, overlap.via) == (kind, via)
    expected = "same audio" if kind == "same audio" else "shared source"
    assert overlap.severity == expected
    assert (overlap.test, overlap.train) == (test, train) and overlap.note


@pytest.mark.parametrize(
    "test, train",
    [
        ("HABLA", "MLS:train"),
        ("ADD2023", "LJSpeech"),
        ("own", "other"),
        ("-", "-:train"),
    ],
)
def test_nothing_in_common(test, train):
    assert overlaps([test], [train]) == []
    assert contamination_notes([test], [train]) == {}


def test_unknown_splits_are_refused():
    with pytest.raises(ValueError, match="'dev' is no split"):
        overlaps(["DECRO:dev"], ["LJSpeech"])


def test_unknown_corpora_are_named():
    assert load_lineage().unknown(["decro:train", "own:test", "VCTK"]) == ["own"]


@pytest.mark.parametrize(
    "name",
    [
        "nii-yamagishilab/mms-300m-anti-deepfake",
        "mms-300m-anti-deepfake",
        "NII-Yamagishilab/XLS-R-2B-Anti-Deepfake-NDA/",
    ],
)
def test_what_published_detectors_were_trained_on(name):
    assert trained_on(name) == load_lineage().lists["paper train"]


def test_all_published_detectors_are_listed():
    models = (
        "hubert-xlarge wav2vec-small wav2vec-large mms-300m mms-1b xls-r-1b xls-r-2b"
    )
    expected = {
        f"nii-yamagishilab/{model}-anti-deepfake{variant}"
        for model in models.split()
        for variant in ("", "-nda")
    }
    assert set(load_lineage().detectors) == expected


def test_what_a_detector_of_ours_was_trained_on():
    lineage = {
        "training_data": {"Deepfake-Eval-2024": {"train": {"real": 3, "fake": 4}}},
        "started_from": {"started_from": "mms-300m-anti-deepfake"},
    }
    heard = trained_on(lineage)
    assert heard[0] == "Deepfake-Eval-2024:train" and "DECRO:train" in heard
    assert trained_on({}) == trained_on("facebook/mms-300m") == ()


def test_notes_for_the_test_sets_of_the_paper():
    tests = ["ADD2023", "DEEP-VOICE", "FoR-norm:test", "In-the-Wild"]
    notes = contamination_notes(tests, trained_on("mms-300m-anti-deepfake"))
    assert set(notes) == {"ADD2023", "FoR-norm:test"}
    assert "LJSpeech:- (possibly same audio via LJSpeech)" in notes["FoR-norm:test"]
    assert all(note.startswith("shared source: ") for note in notes.values())


def test_a_note_says_the_worst():
    (note,) = contamination_notes(
        ["ASVspoof2019-LA:test"], ["CodecFake-Wu2024", "ASVspoof2021-LA:test"]
    ).values()
    assert note == "same audio: ASVspoof2021-LA:test (same audio via ASVspoof2019-LA)"


@pytest.mark.parametrize(
    "text, message",
    [
        ("corpora: {A: {from: [{source: B, kind: same audio, note: x}]}}", "B is not"),
        ("corpora: {A: {from: [{source: A, kind: copy, note: x}]}}", "copy is not"),
        ("corpora: {}\nlists: {l: {A: [train]}}", "lists|A is not"),
        ("corpora: {A: {}}\nlists: {l: {A: [dev]}}", "dev is not"),
        ("corpora: {}\ndetectors: {d: {train: l}}", "l is not"),
    ],
)
def test_files_that_do_not_hold_together(tmp_path, text, message):
    parts = {"sources": "{}", "corpora": "{}", "lists": "{}", "detectors": "{}"}
    given = [line.partition(":")[0] for line in text.splitlines()]
    rest = [f"{name}: {empty}" for name, empty in parts.items() if name not in given]
    path = tmp_path / "lineage.yaml"
    path.write_text("\n".join([text, *rest]))
    with pytest.raises(ValueError, match=message):
        load_lineage(path)
