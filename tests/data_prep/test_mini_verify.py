"""The checks of a corpus: each planted defect must be found."""

import csv
import shutil

import numpy as np
import pytest
import soundfile
from mini_plan import TINY

from data_prep.mini import documents, state
from data_prep.mini.audio import SAMPLE_RATE, generator
from data_prep.mini.items import list_items
from data_prep.mini.state import (
    is_complete,
    open_work_folder,
    remove_leftovers,
    request_key,
    write_stamp,
)
from data_prep.mini.verify import verify_corpus
from recipes.AntiDeepfake.arrow_rows import open_manifest

ITEMS = list_items(TINY, seed=0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A corpus by the tiny plan, of noise."""
    out = tmp_path_factory.mktemp("whole")
    clips = {}
    for item in ITEMS:
        path = out / item.path
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = 0.05 * generator(item.name).standard_normal(SAMPLE_RATE // 2)
        soundfile.write(path, noise, SAMPLE_RATE, subtype="PCM_16")
        clips[item.name] = {
            "frames": len(noise),
            "origin": "flite: a | flite: b" if item.pool else "text",
            "transformations": "noise",
        }
        if item.source:
            clips[item.name]["origin"] = "flite: a"
    names = {
        **documents.DATA_PACKAGES,
        **documents.ENGINE_PACKAGES,
        **documents.PYPI_PACKAGES,
    }
    documents.write_documents(
        out / "manifests",
        ITEMS,
        clips,
        dict.fromkeys(names, "1.0"),
        TINY.subset_sizes,
        seed=0,
        sentences_left_out=0,
    )
    return out


@pytest.fixture
def corpus(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "corpus")


def problems(corpus):
    return verify_corpus(corpus, TINY, seed=0)


def edit_row(path, name, **changes):
    """Change columns of one row of a CSV file; None removes the row."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if row["ID"] != name or changes]
    for row in kept:
        if row["ID"] == name:
            row.update(changes)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)


def of(split, label="fake"):
    return next(i for i in ITEMS if i.split == split and i.label == label)


def test_a_whole_corpus_has_no_problem(whole):
    assert problems(whole) == []


@pytest.mark.parametrize("name", ["posttrain_train", "target_valid", "target_train_4"])
def test_a_missing_manifest(corpus, name):
    (corpus / "manifests" / f"{name}.csv").unlink()
    assert any(f"{name}.csv: cannot be read" in text for text in problems(corpus))


def test_a_missing_row(corpus):
    item = of("posttrain_train")
    edit_row(corpus / "manifests/posttrain_train.csv", item.name)
    (found,) = problems(corpus)
    assert "1 planned clips are missing" in found
    assert item.name in found


def test_an_unbalanced_split(corpus):
    path = corpus / "manifests/zeroshot_test.csv"
    for item in ITEMS:
        if item.split == "zeroshot_test" and item.label == "real":
            edit_row(path, item.name, Label="fake")
    assert any("0% of the clips are real" in text for text in problems(corpus))


def test_a_missing_file(corpus):
    item = of("target_valid")
    (corpus / item.path).unlink()
    (found,) = problems(corpus)
    assert "cannot be decoded" in found
    assert item.name in found


def test_a_truncated_file(corpus):
    path = corpus / of("target_valid").path
    path.write_bytes(path.read_bytes()[:60])
    assert any(path.name in text for text in problems(corpus))


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(SAMPLE_RATE // 2), SAMPLE_RATE, "is silent"),
        (np.full(SAMPLE_RATE // 4, 0.1), SAMPLE_RATE, "the manifest says"),
        (np.full(4000, 0.1), 8000, "8000 Hz"),
    ],
)
def test_wrong_audio(corpus, samples, rate, message):
    item = of("zeroshot_test")
    soundfile.write(corpus / item.path, samples, rate, subtype="PCM_16")
    (found,) = problems(corpus)
    assert message in found
    assert item.name in found


def test_samples_that_are_not_finite(corpus):
    item = of("posttrain_valid")
    samples = np.full(SAMPLE_RATE // 2, np.nan, np.float32)
    soundfile.write(
        corpus / item.path, samples, SAMPLE_RATE, format="WAV", subtype="FLOAT"
    )
    assert any("not finite" in text for text in problems(corpus))


def test_the_same_audio_twice(corpus):
    first, second = of("posttrain_train"), of("zeroshot_test")
    shutil.copy(corpus / first.path, corpus / second.path)
    (found,) = problems(corpus)
    assert "the same audio as" in found
    assert first.name in found
    assert second.name in found


def test_a_speaker_across_the_zero_shot_border(corpus):
    item = of("zeroshot_test", "real")
    edit_row(corpus / "manifests/zeroshot_test.csv", item.name, Speaker="carlo")
    (found,) = problems(corpus)
    assert found == "Speaker 'carlo' is both in posttrain and in zeroshot_test"


def test_a_pair_across_the_splits(corpus):
    item = of("posttrain_train", "real")
    valid = of("posttrain_valid")
    edit_row(corpus / "manifests/posttrain_valid.csv", valid.name, Recording=item.name)
    (found,) = problems(corpus)
    assert "Recording" in found


def test_an_unbalanced_or_foreign_subset(corpus):
    manifests = corpus / "manifests"
    shutil.copy(manifests / "target_valid.csv", manifests / "target_train_4.csv")
    found = problems(corpus)
    assert any("expected 4 clips" in text for text in found)
    assert any("next larger subset" in text for text in found)


@pytest.mark.parametrize("changes", [{}, {"Licence": ""}])
def test_an_incomplete_sidecar(corpus, changes):
    item = of("target_train")
    edit_row(corpus / "manifests/sources.csv", item.name, **changes)
    (found,) = problems(corpus)
    assert f"line for {item.name}" in found


def test_the_sidecar_names_package_version_and_licence(whole):
    with open(whole / "manifests/sources.csv", newline="") as file:
        lines = {line["ID"]: line for line in csv.DictReader(file)}
    diphone = next(item for item in ITEMS if item.attack == "diphone")
    line = lines[diphone.name]
    assert line["Source"].startswith("engine festival, voice czech_krb: festival 1.0")
    assert "festvox-czech-krb: GPL-2+" in line["Licence"]
    copy = next(item for item in ITEMS if item.attack == "lpc")
    assert f"vocoder lpc on {copy.source.name}" in lines[copy.name]["Source"]


def test_a_complete_folder_is_recognised_until_something_changes(corpus):
    key = request_key(TINY, 0, {"engine": "1"})
    assert not is_complete(corpus, key)
    write_stamp(corpus, key)
    assert is_complete(corpus, key)
    open_manifest(corpus / "manifests" / "zeroshot_test.csv")
    assert (corpus / "manifests" / "zeroshot_test.csv.arrow").exists()
    assert is_complete(corpus, key), "maps of manifests are no damage"
    assert not is_complete(corpus, request_key(TINY, 1, {"engine": "1"}))
    assert not is_complete(corpus, request_key(TINY, 0, {"engine": "2"}))
    (corpus / ITEMS[0].path).write_bytes(b"damaged")
    assert not is_complete(corpus, key)


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "mine.flac").write_bytes(b"mine")
    with pytest.raises(Exception, match="no mini corpus.*--out"):
        open_work_folder(tmp_path, "key")
    assert (tmp_path / "audio" / "mine.flac").exists()


def test_work_of_the_same_key_is_kept_and_of_another_removed(tmp_path):
    out = tmp_path / "out"
    (open_work_folder(out, "one") / "result").write_text("kept")
    (out / "audio").mkdir()
    (out / "audio" / "a.flac").write_text("old")
    assert (open_work_folder(out, "one") / "result").exists()
    assert (out / "audio" / "a.flac").exists()
    assert not list(open_work_folder(out, "two").iterdir())
    assert not (out / "audio").exists()
    assert not (out / ".work" / "one").exists()


def test_leftovers_of_killed_writers_are_removed(corpus):
    keep = {item.path for item in ITEMS}
    leftover = (corpus / ITEMS[0].path).with_name(".half.123.tmp.flac")
    leftover.write_bytes(b"half")
    remove_leftovers(corpus, keep)
    assert not leftover.exists()
    assert problems(corpus) == []


def test_a_kill_while_starting_afresh_does_not_lock_the_folder(corpus, monkeypatch):
    write_stamp(corpus, "one")
    remove = state._remove

    def remove_one_thing(path):
        remove(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(state, "_remove", remove_one_thing)
    with pytest.raises(KeyboardInterrupt):
        open_work_folder(corpus, "two")
    monkeypatch.setattr(state, "_remove", remove)
    assert not list(open_work_folder(corpus, "two").iterdir())
    assert not (corpus / "audio").exists()
