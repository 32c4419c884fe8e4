"""ASVspoof 2019 LA."""

import pytest
from corpus_checks import facts, mentions
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

KEYS = {
    "train": "ASVspoof2019.LA.cm.train.trn.txt",
    "dev": "ASVspoof2019.LA.cm.dev.trl.txt",
    "eval": "ASVspoof2019.LA.cm.eval.trl.txt",
}
LINES = {
    "train": ["LA_0101 LA_T_1000001 - - bonafide", "LA_0101 LA_T_1000002 - A01 spoof"],
    "dev": ["LA_0102 LA_D_1000002 - A04 spoof "],
    "eval": ["LA_0103 LA_E_1000003 - A19 spoof", "LA_0104 LA_E_1000004 - - bonafide"],
}


def build(folder, audio=True):
    for part, lines in LINES.items():
        write_text(folder / "ASVspoof2019_LA_cm_protocols" / KEYS[part], *lines)
        for line in lines if audio else []:
            name = f"ASVspoof2019_LA_{part}/flac/{line.split()[1]}.flac"
            write_audio(folder / name)
    return folder


@pytest.fixture
def corpus(tmp_path):
    return build(tmp_path / "data/ASVspoof2019-LA/LA")


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row(corpus, mode):
    rows, summary = prepare("asvspoof2019_la", corpus.parents[1], mode)
    root = "$ROOT/ASVspoof2019-LA/LA/ASVspoof2019_LA"
    expected = {
        "LA_T_1000001": ("real", "-", "LA_0101", "train"),
        "LA_T_1000002": ("fake", "A01", "LA_0101", "train"),
        "LA_D_1000002": ("fake", "A04", "LA_0102", "valid"),
        "LA_E_1000003": ("fake", "A19", "LA_0103", "test"),
        "LA_E_1000004": ("real", "-", "LA_0104", "test"),
    }
    parts = {"T": "train", "D": "dev", "E": "eval"}
    assert facts(rows) == {
        f"ASV19LA-{name}": (
            *values,
            "EN",
            f"{root}_{parts[name[3]]}/flac/{name}.flac",
        )
        for name, values in expected.items()
    }
    assert summary["skipped"] == []


@pytest.mark.parametrize("top", ["LA", "ASVspoof2019", "LA/LA"])
def test_other_places(tmp_path, top):
    build(tmp_path / "data" / top)
    rows, _ = prepare("asvspoof2019_la", tmp_path / "data")
    assert len(rows) == 5


def test_keys_beside_the_audio_folder(corpus):
    name = "ASVspoof2019_LA_cm_protocols"
    (corpus / name).rename(corpus.parent / name)
    rows, _ = prepare("asvspoof2019_la", corpus.parents[1])
    assert len(rows) == 5


def test_missing_file_neither_stops_nor_leaves_a_row(corpus):
    path = "ASVspoof2019_LA_dev/flac/LA_D_1000002.flac"
    (corpus / path).unlink()
    rows, summary = prepare("asvspoof2019_la", corpus.parents[1])
    assert len(rows) == 4
    assert "ASV19LA-LA_D_1000002" not in rows
    assert mentions(summary, path)


def test_unreadable_file_is_listed(corpus):
    path = "ASVspoof2019_LA_train/flac/LA_T_1000002.flac"
    (corpus / path).write_bytes(b"fLaC")
    rows, summary = prepare("asvspoof2019_la", corpus.parents[1])
    assert "ASV19LA-LA_T_1000002" not in rows
    assert mentions(summary, path)


def test_enrolment_speech_gets_no_label(corpus):
    path = "ASVspoof2019_LA_dev/flac/LA_D_9999999.flac"
    write_audio(corpus / path)
    rows, summary = prepare("asvspoof2019_la", corpus.parents[1])
    assert len(rows) == 5
    assert mentions(summary, path)


@pytest.mark.parametrize("part", KEYS)
def test_missing_key_file_stops(corpus, part):
    (corpus / "ASVspoof2019_LA_cm_protocols" / KEYS[part]).unlink()
    with pytest.raises(LayoutError, match=KEYS[part]):
        prepare("asvspoof2019_la", corpus.parents[1])


def test_unknown_label_stops(corpus):
    key = corpus / "ASVspoof2019_LA_cm_protocols" / KEYS["dev"]
    write_text(key, "LA_0102 LA_D_1000002 - A04 fake")
    with pytest.raises(LayoutError, match="line 1: key is 'fake'; known: bonafide"):
        prepare("asvspoof2019_la", corpus.parents[1])


def test_key_of_another_task_stops(corpus):
    key = corpus / "ASVspoof2019_LA_cm_protocols" / KEYS["eval"]
    write_text(key, "LA_0103 LA_E_1000003 A19 spoof")
    with pytest.raises(LayoutError, match="4 columns instead of 5"):
        prepare("asvspoof2019_la", corpus.parents[1])


def test_byte_order_mark_is_no_part_of_the_speaker(corpus):
    key = corpus / "ASVspoof2019_LA_cm_protocols" / KEYS["train"]
    write_text(key, *LINES["train"], encoding="utf-8-sig")
    rows, _ = prepare("asvspoof2019_la", corpus.parents[1])
    assert rows["ASV19LA-LA_T_1000001"]["Speaker"] == "LA_0101"
