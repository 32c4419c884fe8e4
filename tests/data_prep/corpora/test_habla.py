"""HABLA."""

import pytest
from corpus_checks import decided, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

BASE = "HABLA/FinalDataset_16khz"
REAL = "clf_00001_00000000001"
SOURCE = "vem_00002_00000000002"


def conversion(method):
    name = f"{method}-{SOURCE}-arm_00003_000000"
    return f"HABLA-fake-{name}", (
        f"{BASE}/{method}/Venezuela-Argentina/vem_00002-arm_00003/{name}.wav",
        *("fake", method, "arm_00003", "-", "ES", f"HABLA-real-{SOURCE}"),
    )


ROWS = dict(conversion(method) for method in ("CycleGAN", "Diff", "StarGAN")) | {
    f"HABLA-real-{REAL}": (
        f"{BASE}/Real/Chile/clf_00001/{REAL}.wav",
        *("real", "-", "clf_00001", "-", "ES", "-"),
    ),
    "HABLA-fake-TTS-pef_00004_0017": (
        f"{BASE}/TTS/Peru/TTS-pef_00004_0017.wav",
        *("fake", "TTS", "pef_00004", "-", "ES", "-"),
    ),
    "HABLA-fake-TTS-Diff-pef_00004_0017-pem_00005_0": (
        f"{BASE}/TTS-VC/TTS-Diff/Peru-Peru/TTS-Diff-pef_00004_0017-pem_00005_0.wav",
        *("fake", "TTS-Diff", "pem_00005", "-", "ES", "-"),
    ),
}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for path, *_ in ROWS.values():
        write_audio(root / path)
    write_text(root / BASE / "protocol.txt", "clf_00001 a - - bonafide")
    return root


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_rows(root, mode):
    rows, summary = prepare("habla", root, mode=mode)
    assert decided(rows) == ROWS
    assert summary["skipped"] == []


def test_archive_as_it_unpacks(tmp_path):
    root = tmp_path / "data"
    parent = "Latin_America_Spanish_anti_spoofing_dataset"
    path = f"{parent}/FinalDataset_16khz/Real/Chile/clf_00001/{REAL}.wav"
    write_audio(root / path)
    rows, _ = prepare("habla", root)
    assert rows[f"HABLA-real-{REAL}"]["Path"] == f"$ROOT/{path}"


@pytest.mark.parametrize(
    "path",
    [
        "TTS/Peru/TTS-0017.wav",
        "TTS-VC/TTS-Diff/Peru-Peru/TTS-Diff-pef_00004_0017.wav",
        "Diff/Peru-Peru/pef_00004/Diff-1.wav",
    ],
    ids=["synthesis", "no target", "no pair"],
)
def test_speaker_that_is_not_named_is_unknown(root, path):
    write_audio(root / BASE / path)
    rows, _ = prepare("habla", root)
    (row,) = (row for row in rows.values() if row["Path"].endswith(path))
    assert (row["Label"], row["Speaker"], row["Recording"]) == ("fake", "-", "-")


def test_unknown_method_is_skipped(root):
    write_audio(root / BASE / "Vocoded/Chile/clf_00001/a.wav")
    rows, summary = prepare("habla", root)
    assert decided(rows) == ROWS
    assert list(skipped(summary)) == ["FinalDataset_16khz/Vocoded"]


@pytest.mark.parametrize(
    "path",
    ["Real/clf_00001/a.wav", "TTS/Peru/pef_00004/a.wav", "TTS-VC/Peru-Peru/a.wav"],
    ids=["too short", "too long", "no method"],
)
def test_file_at_another_depth_is_skipped(root, path):
    write_audio(root / BASE / path)
    rows, summary = prepare("habla", root)
    assert decided(rows) == ROWS
    assert list(skipped(summary)) == [f"FinalDataset_16khz/{path}"]


def test_unreadable_file_is_listed_and_stops_nothing(root):
    write_broken(root / BASE / "Real/Chile/clf_00001/a.wav")
    rows, summary = prepare("habla", root)
    assert decided(rows) == ROWS
    assert mentions(summary, "Real/Chile/clf_00001/a.wav")


def test_missing_folder_is_refused(tmp_path):
    (tmp_path / "data/HABLA").mkdir(parents=True)
    with pytest.raises(LayoutError, match="FinalDataset_16khz"):
        prepare("habla", tmp_path / "data")
