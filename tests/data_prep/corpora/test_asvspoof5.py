"""ASVspoof 5, track 1."""

import pytest
from corpus_checks import facts, left_out, mentions, recordings
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

KEYS = {
    "train": "ASVspoof5.train.tsv",
    "dev": "ASVspoof5.dev.track_1.tsv",
    "eval": "ASVspoof5.eval.track_1.tsv",
}
FOLDERS = {
    "train": "ASVspoof5_train/flac_T",
    "dev": "ASVspoof5_dev/flac_D",
    "eval": "ASVspoof5_eval/flac_E_eval",
}
LINES = {
    "train": [
        "T_0101 T_0000000101 F - - - AC1 A05 spoof -",
        "T_0102 T_0000000102 M - - - - bonafide bonafide -",
    ],
    "dev": [
        "D_0101 D_0000000101 F - - - AC2 A11 spoof -",
        "D_0102 D_0000000102 F - - - - bonafide bonafide -",
    ],
    "eval": [
        "E_0202 E_0000000303 M - 0 - - bonafide bonafide -",
        "E_0202 E_0000000202 M C05 3 E_0000000303 - bonafide bonafide -",
        "E_0203 E_0000000203 F C02 5 E_0000000999 AC3 A28 spoof -",
    ],
}
FIRST = {"ASV5-A05-T_0000000101", "ASV5-A11-D_0000000101"} | {
    "ASV5-bonafide-E_0000000303"
}


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data/ASVspoof5"
    for part, lines in LINES.items():
        write_text(folder / KEYS[part], *lines)
        for line in lines:
            write_audio(folder / FOLDERS[part] / f"{line.split()[1]}.flac")
    return folder


EXPECTED = {
    "A05-T_0000000101": ("fake", "A05", "T_0101", "train"),
    "bonafide-T_0000000102": ("real", "-", "T_0102", "train"),
    "A11-D_0000000101": ("fake", "A11", "D_0101", "valid"),
    "bonafide-D_0000000102": ("real", "-", "D_0102", "valid"),
    "bonafide-E_0000000303": ("real", "-", "E_0202", "test"),
    "bonafide-E_0000000202": ("real", "-", "E_0202", "test"),
    "A28-E_0000000203": ("fake", "A28", "E_0203", "test"),
}


def test_every_row(corpus):
    rows, summary = prepare("asvspoof5", corpus.parent)
    folders = {"train": FOLDERS["train"], "valid": FOLDERS["dev"]}
    assert facts(rows) == {
        f"ASV5-{name}": (
            *values,
            "EN",
            f"$ROOT/ASVspoof5/{folders.get(values[3], FOLDERS['eval'])}/"
            f"{name.partition('-')[2]}.flac",
        )
        for name, values in EXPECTED.items()
    }
    assert summary["skipped"] == []


def test_first_row_of_each_key_is_there(corpus):
    rows, _ = prepare("asvspoof5", corpus.parent)
    assert set(rows) > FIRST


def test_original_loses_the_first_row_of_each_key(corpus):
    complete, _ = prepare("asvspoof5", corpus.parent)
    rows, summary = prepare("asvspoof5", corpus.parent, "original")
    assert set(rows) == set(complete) - FIRST
    paths = {complete[name]["Path"].removeprefix("$ROOT/ASVspoof5/") for name in FIRST}
    assert left_out(summary) == dict.fromkeys(paths, "first row of its key file")
    assert facts(rows) == {name: facts(complete)[name] for name in rows}


def test_copies_in_codecs_name_their_source(corpus):
    rows, _ = prepare("asvspoof5", corpus.parent)
    source = recordings(rows)
    assert source["ASV5-bonafide-E_0000000202"] == "E_0000000303"
    assert source["ASV5-bonafide-E_0000000303"] == "E_0000000303"
    assert source["ASV5-A05-T_0000000101"] == "T_0000000101"


def test_archives_as_they_are(corpus):
    for part, folder in FOLDERS.items():
        (corpus / folder).rename(corpus / folder.partition("/")[2])
        (corpus / "ASVspoof5_protocols").mkdir(exist_ok=True)
        (corpus / KEYS[part]).rename(corpus / "ASVspoof5_protocols" / KEYS[part])
    rows, _ = prepare("asvspoof5", corpus.parent)
    assert len(rows) == 7
    assert rows["ASV5-A28-E_0000000203"]["Path"] == (
        "$ROOT/ASVspoof5/flac_E_eval/E_0000000203.flac"
    )


def test_enrolment_speech_of_track_2_gets_no_label(corpus):
    path = f"{FOLDERS['dev']}/D_A0000000001.flac"
    write_audio(corpus / path)
    rows, summary = prepare("asvspoof5", corpus.parent)
    assert len(rows) == 7
    assert mentions(summary, path)


@pytest.mark.parametrize("mode", ["complete", "original"])
@pytest.mark.parametrize("part", KEYS)
def test_missing_key_stops(corpus, part, mode):
    (corpus / KEYS[part]).unlink()
    with pytest.raises(LayoutError, match=f"no key file {KEYS[part]}"):
        prepare("asvspoof5", corpus.parent, mode)


def test_key_of_track_2_stops(corpus):
    write_text(corpus / KEYS["dev"], "D_0101 D_0000000101 F target")
    with pytest.raises(LayoutError, match="4 columns instead of 10"):
        prepare("asvspoof5", corpus.parent)


def test_unknown_label_stops(corpus):
    line = LINES["dev"][0].replace("spoof", "fake")
    write_text(corpus / KEYS["dev"], line)
    with pytest.raises(LayoutError, match="key is 'fake'"):
        prepare("asvspoof5", corpus.parent)


def test_missing_and_unreadable_files_are_listed(corpus):
    missing = f"{FOLDERS['train']}/T_0000000102.flac"
    broken = f"{FOLDERS['eval']}/E_0000000203.flac"
    (corpus / missing).unlink()
    (corpus / broken).write_bytes(b"")
    rows, summary = prepare("asvspoof5", corpus.parent)
    assert len(rows) == 5
    assert mentions(summary, missing)
    assert mentions(summary, broken)
