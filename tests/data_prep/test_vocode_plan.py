"""Where copies go, what their rows say, and what is remembered of them."""

import json
import os

import pytest
from helpers import manifest_row

from data_prep.manifest import ManifestError, write_manifest
from data_prep.vocoders.plan import copy_id, copy_row, plan_copies
from data_prep.vocoders.state import Journal, Made, request_key


def source_row(name, path, **others):
    row = manifest_row(name, "real", 1.0, path, **others)
    return {key: str(value) for key, value in row.items()}


LIBRI = source_row(
    "Libri-1001_2001_000007_000001",
    "$ROOT/LibriTTS/dev-clean/1001/2001/1001_2001_000007_000001.wav",
    Corpus="LibriTTS",
    Speaker="1001",
    Proportion="valid",
)
VOX = source_row(
    "VoxCeleb2-id00001-AAAA-BBB_CC-00146",
    "$ROOT/VoxCeleb2/dev/aac/id00001/AAAA-BBB_CC/00146.m4a",
    Corpus="VoxCeleb2",
    Speaker="id00001",
    Language="-",
)


@pytest.mark.parametrize(
    ("row", "corpus", "path"),
    [
        (LIBRI, "LibriTTS", "dev-clean/1001/2001/1001_2001_000007_000001"),
        (VOX, "VoxCeleb2", "dev/aac/id00001/AAAA-BBB_CC/00146"),
    ],
    ids=["LibriTTS", "VoxCeleb2"],
)
def test_layout_of_the_vocoded_corpora(row, corpus, path):
    out = f"/data/{corpus}-Vocoded"
    (copy,) = plan_copies(
        [row], "/data", out, "hifigan", audio_format="wav", relative_to=corpus
    )
    assert copy.output == f"{out}/hifigan/{path}.wav"
    found = copy_row(copy, "/data", "hifigan", 61611, 24000)
    assert found["Path"] == f"$ROOT/{corpus}-Vocoded/hifigan/{path}.wav"
    assert found["ID"] == f"{corpus}-Vo-hifigan-{row['ID']}"
    assert found["Corpus"] == f"{corpus}-Vocoded"
    assert found["Recording"] == row["ID"]
    assert (found["AudioEncoding"], found["AudioBitSample"]) == ("PCM_S", "16")


def test_a_copy_is_tied_to_its_source(tmp_path):
    row = LIBRI | {"Recording": "book-7", "Start": "0.5", "Stop": "2.25"}
    (copy,) = plan_copies([row], "/data", "/data/out", "world")
    assert copy.piece == (0.5, 2.25)
    assert copy.file == f"world/{row['Path'][6:-4]}_0.5-2.25.flac"
    found = copy_row(copy, "/data", "world", 42000, 24000)
    assert (found["Label"], found["Attack"]) == ("fake", "world")
    kept = ("Speaker", "Language", "Proportion", "Recording")
    assert {key: found[key] for key in kept} == {key: row[key] for key in kept}
    assert (found["Start"], found["Stop"], found["Duration"]) == ("-", "-", "1.75")
    assert write_manifest(tmp_path / "world.csv", [found]) == 1


def test_an_unknown_corpus_stays_unknown():
    row = LIBRI | {"Corpus": "-"}
    (copy,) = plan_copies([row], "/data", "/data/out", "world")
    found = copy_row(copy, "/data", "world", 100, 100)
    assert (found["Corpus"], found["ID"]) == ("-", f"Vo-world-{row['ID']}")


def test_copies_elsewhere_have_absolute_paths():
    (copy,) = plan_copies([LIBRI], "/data", "/elsewhere", "world")
    assert copy_row(copy, "/data", "world", 1, 1)["Path"] == copy.output
    assert copy.output.startswith("/elsewhere/world/LibriTTS/dev-clean/")


def test_seeds_depend_on_id_vocoder_and_seed_alone():
    def seeds(rows, **others):
        options = {"vocoder": "world"} | others
        return {
            copy.row["ID"]: copy.seed
            for copy in plan_copies(rows, "/data", "/out", **options)
        }

    both = seeds([LIBRI, VOX])
    assert both == seeds([VOX, LIBRI])
    assert len(set(both.values())) == 2
    assert both != seeds([LIBRI, VOX], seed=1)
    assert both != seeds([LIBRI, VOX], vocoder="griffin_lim")


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([LIBRI, VOX], {"relative_to": "LibriTTS"}, "is not below /data/LibriTTS"),
        ([LIBRI | {"Path": "/other/a.wav"}], {}, "a.wav is not below /data"),
        (
            [LIBRI, LIBRI | {"ID": "b", "Path": LIBRI["Path"][:-3] + "mp3"}],
            {},
            "ID b: its copy would be .* and so would that of ID Libri-1001",
        ),
        (
            [LIBRI | {"Path": "$ROOT/world/a.flac"}],
            {"out": "/data", "relative_to": "world"},
            "would replace the source /data/world/a.flac",
        ),
    ],
    ids=["below another", "absolute", "same file", "own source"],
)
def test_paths_that_cannot_be(rows, options, message):
    options = {"out": "/out"} | options
    with pytest.raises(ManifestError, match=message):
        plan_copies(rows, "/data", vocoder="world", **options)


def test_ids_stay_unique():
    rows = [LIBRI, VOX, LIBRI | {"ID": "x"}]
    names = {copy_id(row, name) for row in rows for name in ("hifigan", "hifigan_22k")}
    assert len(names) == 6


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"source")
    row = source_row("a", "$ROOT/a.wav")
    return plan_copies([row], tmp_path, tmp_path / "out", "world")[0]


def test_key_follows_source_and_settings(copy):
    key = request_key(copy, {"x": (1, 2)})
    assert key == request_key(copy, {"x": (1, 2)}) != request_key(copy, {"x": (1, 3)})
    os.utime(copy.source, ns=(0, 0))
    assert request_key(copy, {"x": (1, 2)}) != key
    os.remove(copy.source)
    assert request_key(copy, {}) is None


def test_journal_forgets_what_is_not_whole(tmp_path):
    path = tmp_path / "state.jsonl"
    names = ("a", "b", "c")
    with Journal(path, tmp_path) as journal:
        for name in names:
            (tmp_path / name).write_bytes(b"1234")
            journal.add(Made(name, "key", 4, 10, 8000))
    (tmp_path / "b").write_bytes(b"12")
    text = path.read_text()
    path.write_text(text[:-9])  # killed while it wrote the line of c
    with Journal(path, tmp_path) as journal:
        found = [journal.find(name, "key") is not None for name in names]
        assert found == [True, False, False]
        journal.add(Made("c", "new", 4, 10, 8000))
    lines = path.read_text().splitlines()
    assert json.loads(lines[-1])["key"] == "new"
    with Journal(path, tmp_path) as journal:
        assert journal.find("c", "new") and journal.find("a", "key")
