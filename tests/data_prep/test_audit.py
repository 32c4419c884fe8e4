"""The audit finds leaks that were put in, and none where there are none."""

import csv

import numpy as np
import pytest
import soundfile

from data_prep import audit as module
from data_prep import regression
from data_prep.__main__ import main
from data_prep.audio_info import AudioError
from data_prep.audit import COMBINED, AuditData, audit, audit_data, audit_slices
from data_prep.features import FEATURES
from data_prep.manifest import ManifestError, write_manifest

RATE = 8000


def row(name, label, **changes):
    values = {
        "ID": name,
        "Label": label,
        "Duration": 1,
        "SampleRate": RATE,
        "Path": f"$ROOT/{name}.wav",
        "Attack": "-",
        "Speaker": "-",
        "Proportion": "-",
        "AudioChannel": 1,
        "AudioEncoding": "PCM_S",
        "AudioBitSample": 16,
        "Language": "EN",
        "Start": "-",
        "Stop": "-",
        "Corpus": "c",
        "Recording": "-",
    }
    return {key: str(value) for key, value in (values | changes).items()}


def make_corpus(folder, name, count=40, seed=0, fake_seconds=1.0, order="mixed"):
    """Noise of random length, level and colour; fakes are `fake_seconds` as long."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        label = "real" if index % 2 else "fake"
        seconds = rng.uniform(0.2, 0.3) * (fake_seconds if label == "fake" else 1)
        noise = rng.standard_normal(round(seconds * RATE))
        noise = np.convolve(noise, rng.uniform(0, 1, 3), "same") * rng.uniform(
            0.01, 0.1
        )
        rows.append(row(f"{name}{index}", label))
        soundfile.write(folder / f"{name}{index}.wav", noise, RATE)
    if order != "mixed":
        rows.sort(key=lambda row: row["Label"], reverse=order == "real first")
    return rows


def by_feature(table):
    return {row["feature"]: row for row in table}


def test_shorter_fakes_are_found(tmp_path):
    found = by_feature(
        audit(make_corpus(tmp_path, "a", fake_seconds=0.5), None, tmp_path)
    )
    assert list(found) == [*FEATURES, COMBINED]
    duration = found["duration"]
    assert (duration["eer"], duration["real_when"]) == (0.0, "higher")
    assert (duration["low"], duration["high"]) == (0.0, 0.0)
    assert (duration["real"], duration["fake"]) == (20, 20)
    assert duration["fitted_on"] == "itself"
    assert found[COMBINED]["eer"] < 0.1
    assert found[COMBINED]["fitted_on"] == "cross-validation"


@pytest.mark.parametrize("order", ["mixed", "real first", "fake first"])
def test_no_leak_is_found_where_there_is_none(tmp_path, order):
    rows = make_corpus(tmp_path, "a", 120, order=order)
    train = make_corpus(tmp_path, "b", 120, seed=1)
    found = by_feature(audit(rows, train, tmp_path, resamples=200))
    # All files have the same rate: useless, however the rows are ordered.
    assert found["sample_rate"]["eer"] == 0.5
    for name, result in found.items():
        assert 0.3 < result["eer"] < 0.7, name
        assert result["low"] <= result["eer"] <= result["high"]


def test_directions_come_from_the_training_rows(tmp_path):
    shorter = make_corpus(tmp_path, "a", fake_seconds=0.5)
    longer = make_corpus(tmp_path, "b", fake_seconds=2.0)
    found = by_feature(audit(shorter, longer, tmp_path, resamples=10))
    assert found["duration"]["real_when"] == "lower"
    assert found["duration"]["eer"] == 1.0
    assert found[COMBINED]["eer"] > 0.9
    assert {result["fitted_on"] for result in found.values()} == {"train"}


def test_combination_sees_what_single_features_do_not():
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([1, 0], 300))
    hidden = rng.normal(size=600)
    features = np.column_stack([hidden, hidden + 0.1 * labels, np.zeros(600)])
    data = AuditData(features, labels, np.arange(600))
    found = by_feature(audit_data("abc", data, resamples=10))
    assert min(found[name]["eer"] for name in "abc") > 0.4
    assert found[COMBINED]["eer"] < 0.05


def test_speakers_do_not_leak_through_the_cross_validation():
    # Features tell the speaker, speakers have one class, classes have no pattern.
    rng = np.random.default_rng(3)
    speaker = np.repeat(np.arange(60), 20)
    features = rng.normal(size=(60, 30))[speaker] + 0.01 * rng.normal(size=(1200, 30))
    labels = rng.permutation(np.arange(60) % 2)[speaker]
    grouped = audit_data(
        map(str, range(30)), AuditData(features, labels, speaker), None, 1
    )
    split = AuditData(features, labels, np.arange(1200))
    leaking = audit_data([*map(str, range(30))], split, None, 1)
    assert grouped[-1]["eer"] > 0.3 > leaking[-1]["eer"]


def test_a_copy_is_held_out_with_its_source():
    # Every clip has features of its own, and its copy has exactly the same: what was
    # learned of a clip would tell its copy wrongly.
    rng = np.random.default_rng(4)
    rows = [row(f"a{index}", "real", Speaker=str(index % 4)) for index in range(60)]
    copies = [
        source
        | {"ID": f"Vo-{source['ID']}", "Label": "fake"}
        | {"Corpus": "c-Vocoded", "Recording": source["ID"]}
        for source in rows
    ]
    features = np.tile(rng.normal(size=(60, 30)), (2, 1))
    found = module._data([*rows, *copies], features)
    folds = regression._folds(found)
    assert (folds[:60] == folds[60:]).all()
    combined = audit_data(map(str, range(30)), found, None, 1)[-1]
    assert combined["eer"] == 0.5


def test_speakers_of_one_class_do_not_hide_a_leak():
    # One genuine reader: her clips cannot all be held out, so they are one by one.
    rows = [row(f"a{i}", "real", Speaker="LJ") for i in range(30)]
    rows += [row(f"b{i}", "fake", Speaker=str(i % 3)) for i in range(30)]
    duration = np.repeat([2.0, 1.0], 30) + 0.1 * np.random.default_rng(5).normal(
        size=60
    )
    combined = audit_data(["d"], module._data(rows, duration[:, None]), None, 10)[-1]
    assert (combined["eer"], combined["fitted_on"]) == (0.0, "cross-validation")


def test_one_recording_of_a_class_cannot_be_cross_validated():
    rows = [row(f"a{i}", "real", Recording="r") for i in range(9)]
    rows += [row(f"b{i}", "fake") for i in range(9)]
    found = module._data(rows, np.arange(18.0)[:, None])
    duration, combined = audit_data(["duration"], found, None, 10)
    assert (duration["eer"], duration["fitted_on"]) == (0.0, "itself")
    assert (combined["eer"], combined["fitted_on"]) == (0.5, "-")


def test_one_class_is_refused(tmp_path):
    rows = [row for row in make_corpus(tmp_path, "a", 6) if row["Label"] == "fake"]
    with pytest.raises(ManifestError, match="0 real and 3 fake rows"):
        audit(rows, None, tmp_path)


def test_unusable_audio_raises(tmp_path):
    rows = make_corpus(tmp_path, "a", 6)
    (tmp_path / "a3.wav").unlink()
    with pytest.raises(AudioError, match=r"a3\.wav: no such file"):
        audit(rows, None, tmp_path)


@pytest.fixture
def corpus(tmp_path):
    """A leaking corpus with its manifests, and what to call the verb with."""
    for name, seed in (("train", 0), ("test", 1)):
        rows = make_corpus(tmp_path, name, 20, seed, fake_seconds=0.5)
        write_manifest(tmp_path / f"{name}.csv", rows)
    return tmp_path


def test_verb_prints_and_writes(corpus, capsys):
    arguments = ["audit", f"{corpus}/test.csv", f"{corpus}/train.csv"]
    arguments += ["--data-root", str(corpus), "--train", f"{corpus}/train.csv"]
    arguments += ["--workers", "2", "--out", f"{corpus}/out/audit.csv"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].endswith("test.csv: 10 real, 10 fake")
    assert lines[2].startswith(COMBINED)
    worst = lines[3].split()
    assert worst == ["duration", "0.0", "[0.0,", "0.0]", "higher", "train"]
    assert printed.err == "", "no progress bar without a terminal"
    with open(corpus / "out" / "audit.csv", newline="") as file:
        table = list(csv.DictReader(file))
    # Every feature, the combination, its one attack and its one language.
    assert len(table) == 2 * (len(FEATURES) + 3)
    assert table[0]["manifest"].endswith("test.csv")
    assert (table[0]["feature"], float(table[0]["eer"])) == ("duration", 0.0)


def test_verb_lists_unusable_audio_and_fails(corpus, capsys):
    (corpus / "test3.wav").write_bytes(b"")
    code = main(["audit", f"{corpus}/test.csv", "--data_folder", str(corpus)])
    printed = capsys.readouterr()
    assert code == 1
    assert "9 real, 10 fake" in printed.out
    assert printed.err.startswith("left out: ID test3: ")
    assert "test3.wav: the file is empty" in printed.err


def test_verb_names_the_manifest_with_one_class(corpus, capsys):
    write_manifest(corpus / "one.csv", [row("train0", "fake")])
    assert main(["audit", f"{corpus}/one.csv", "--data-root", str(corpus)]) == 1
    assert "one.csv: 0 real and 1 fake rows" in capsys.readouterr().err


def test_slices_of_the_combination():
    """One attack is as short as can be, the other is like the genuine trials."""
    lengths = np.array([9.0, 8, 7, 6, 9.5, 8.5, 7.5, 6.5, 1, 2, 1.5, 2.5])
    labels = np.array([1] * 4 + [0] * 8)
    attacks = np.array(["-"] * 4 + ["good"] * 4 + ["short"] * 4)
    languages = np.array(["EN"] * 6 + ["CS"] * 6)
    test = AuditData(lengths[:, None], labels, np.arange(12), attacks, languages)
    train = AuditData(np.array([[9.0], [8], [1], [2]]), np.array([1, 1, 0, 0]), [0] * 4)
    rows = {row["slice"]: row for row in audit_slices(test, train, resamples=10)}
    assert list(rows) == ["attack good", "attack short", "language CS", "language EN"]
    assert rows["attack short"]["eer"] == 0.0
    assert rows["attack good"]["eer"] >= 0.5
    assert (rows["attack good"]["real"], rows["attack good"]["fake"]) == (4, 4)
    assert np.isnan(rows["language CS"]["eer"])
