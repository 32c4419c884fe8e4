"""DECRO."""

import pytest
from corpus_checks import facts, mentions
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

ARCHIVE = "petrichorwq-DECRO-dataset-6fc9884"
LINES = {
    "en_train": ["LA_0101 LA_T_1000001 - asv19 bonafide", "unknown x1 - fs2mtts spoof"],
    "en_dev": ["LA_0102 LA_E_1000002 - asv19 bonafide ", "p1 x1 - FastSpeech2 spoof"],
    "en_eval": ["LA_0103 x1 - Tacotron spoof", "LA_0104 x2 - baidu_en spoof"],
    "ch_train": ["G0019 T0055G0019S0420 - aidatatang bonafide", "s x1 - StarGAN spoof"],
    "ch_dev": ["unknown 20030001 - baidu spoof", "s x2 - nvcnet-cn spoof"],
    "ch_eval": ["unknown 20030002 - hifigan spoof"],
}
EXPECTED = {
    "train-EN-LA_T_1000001": ("real", "-", "LA_0101", "en_train"),
    "train-EN-x1": ("fake", "fastspeech2", "-", "en_train"),
    "valid-EN-LA_E_1000002": ("real", "-", "LA_0102", "en_dev"),
    "valid-EN-x1": ("fake", "fastspeech2", "p1", "en_dev"),
    "test-EN-x1": ("fake", "tacotron", "LA_0103", "en_eval"),
    "test-EN-x2": ("fake", "baidu", "LA_0104", "en_eval"),
    "train-ZH-T0055G0019S0420": ("real", "-", "G0019", "ch_train"),
    "train-ZH-x1": ("fake", "starganv2", "s", "ch_train"),
    "valid-ZH-20030001": ("fake", "baidu", "-", "ch_dev"),
    "valid-ZH-x2": ("fake", "nvcnet", "s", "ch_dev"),
    "test-ZH-20030002": ("fake", "hifigan", "-", "ch_eval"),
}


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data/DECRO" / ARCHIVE
    for name, lines in LINES.items():
        for line in lines:
            write_audio(folder / name / f"{line.split()[1]}.wav")
        # Without a newline at the end, as released.
        (folder / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row(corpus, mode):
    rows, summary = prepare("decro", corpus.parents[1], mode)
    assert facts(rows) == {
        f"DECRO-{name}": (
            *values[:3],
            *name.split("-")[:2],
            f"$ROOT/DECRO/{ARCHIVE}/{values[3]}/{name.split('-')[2]}.wav",
        )
        for name, values in EXPECTED.items()
    }
    assert {row["manifest"] for row in rows.values()} == {
        f"DECRO_{language}_{split}.csv"
        for language in ("EN", "ZH")
        for split in ("train", "valid", "test")
    }
    assert summary["skipped"] == []


def test_attack_has_one_name_in_all_splits(corpus):
    rows, _ = prepare("decro", corpus.parents[1])
    attacks = {rows[f"DECRO-{split}-EN-x1"]["Attack"] for split in ("train", "valid")}
    assert attacks == {"fastspeech2"}


@pytest.mark.parametrize("archive", ["DECRO-dataset-1.2", "someone-DECRO-dataset-0a1b"])
def test_name_of_a_commit_is_not_needed(corpus, archive):
    corpus.rename(corpus.with_name(archive))
    rows, _ = prepare("decro", corpus.parents[1])
    assert len(rows) == len(EXPECTED)


def test_archive_beside_its_folder_is_no_folder(corpus):
    (corpus.parent / "DECRO-dataset-v1.2.zip").write_bytes(b"PK")
    rows, _ = prepare("decro", corpus.parents[1])
    assert len(rows) == len(EXPECTED)


def test_two_releases_stop(corpus):
    (corpus.parent / "DECRO-dataset-1.1").mkdir()
    with pytest.raises(LayoutError, match="are both there. Keep the one to use"):
        prepare("decro", corpus.parents[1])


def test_without_the_folder_of_the_archive(corpus):
    for path in list(corpus.iterdir()):
        path.rename(corpus.parent / path.name)
    corpus.rmdir()
    rows, _ = prepare("decro", corpus.parents[1])
    assert len(rows) == len(EXPECTED)


def test_missing_key_file_stops(corpus):
    (corpus / "ch_eval.txt").unlink()
    with pytest.raises(LayoutError, match="ch_eval.txt: cannot be read"):
        prepare("decro", corpus.parents[1])


def test_missing_audio_folder_stops(corpus):
    (corpus / "en_dev").rename(corpus / "en_valid")
    with pytest.raises(LayoutError, match="no folder .*en_dev"):
        prepare("decro", corpus.parents[1])


def test_unknown_label_stops(corpus):
    (corpus / "en_dev.txt").write_text("s x1 - fs2 fake")
    with pytest.raises(LayoutError, match="key is 'fake'; known: bonafide, spoof"):
        prepare("decro", corpus.parents[1])


def test_file_without_key_row_is_listed(corpus):
    write_audio(corpus / "ch_eval/20039999.wav")
    rows, summary = prepare("decro", corpus.parents[1])
    assert len(rows) == len(EXPECTED)
    assert mentions(summary, f"{ARCHIVE}/ch_eval/20039999.wav")


def test_missing_and_unreadable_files_are_listed(corpus):
    (corpus / "en_train/x1.wav").unlink()
    (corpus / "ch_dev/20030001.wav").write_bytes(b"")
    rows, summary = prepare("decro", corpus.parents[1])
    assert set(EXPECTED) - {name[6:] for name in rows} == {
        "train-EN-x1",
        "valid-ZH-20030001",
    }
    assert mentions(summary, f"{ARCHIVE}/en_train/x1.wav")
    assert mentions(summary, f"{ARCHIVE}/ch_dev/20030001.wav")
