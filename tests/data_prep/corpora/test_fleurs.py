"""FLEURS, and the table of folders that it shares with FLEURS-R."""

import pytest
from corpus_checks import decided, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio

from data_prep.corpora._fleurs import FOLDERS
from data_prep.languages import is_language

DATA = "FLEURS/fleurs/data"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    write_audio(root / DATA / "ceb_ph/audio/train/10000000000000000001.wav")
    write_audio(root / DATA / "cmn_hans_cn/audio/dev/20000000000000000002.wav")
    write_audio(root / DATA / "yue_hant_hk/audio/test/00000000000000000003.wav")
    return root


def test_rows(root):
    rows, summary = prepare("fleurs", root)
    assert decided(rows) == {
        "FLEURS-CEB-10000000000000000001": (
            f"{DATA}/ceb_ph/audio/train/10000000000000000001.wav",
            *("real", "-", "-", "train", "CEB", "-"),
        ),
        "FLEURS-ZH-20000000000000000002": (
            f"{DATA}/cmn_hans_cn/audio/dev/20000000000000000002.wav",
            *("real", "-", "-", "valid", "ZH", "-"),
        ),
        "FLEURS-YUE-00000000000000000003": (
            f"{DATA}/yue_hant_hk/audio/test/00000000000000000003.wav",
            *("real", "-", "-", "test", "YUE", "-"),
        ),
    }
    assert summary["skipped"] == []


def test_both_modes_have_the_same_rows(root):
    assert decided(prepare("fleurs", root)[0]) == decided(
        prepare("fleurs", root, mode="original")[0]
    )


def test_the_table_has_all_languages():
    assert len(FOLDERS) == len(set(FOLDERS.values())) == 102
    assert all(map(is_language, FOLDERS.values()))
    assert FOLDERS["es_419"] == "ES"
    assert FOLDERS["nso_za"] == "NSO"


@pytest.mark.parametrize("folder", ["fleurs", "FLEURS/fleurs"], ids=["flat", "nested"])
def test_folders_of_the_corpus(tmp_path, folder):
    root = tmp_path / "data"
    write_audio(root / folder / "data/af_za/audio/dev/1.wav")
    rows, _ = prepare("fleurs", root)
    assert rows["FLEURS-AF-1"]["Path"] == f"$ROOT/{folder}/data/af_za/audio/dev/1.wav"


def test_restored_copies_beside_it_are_not_genuine(root):
    write_audio(root / "FLEURS/fleurs-r/data/ceb_ph/audio/train/1.wav")
    rows, _ = prepare("fleurs", root)
    assert len(rows) == 3
    assert all("fleurs-r" not in row["Path"] for row in rows.values())


def test_unknown_language_is_skipped_once_and_never_inherits_one(root):
    for name in ("1.wav", "2.wav"):
        write_audio(root / DATA / "tlh_qo/audio/train" / name)
    rows, summary = prepare("fleurs", root)
    assert len(rows) == 3
    assert list(skipped(summary)) == ["data/tlh_qo"]
    assert "'tlh_qo' is not one of af_za" in skipped(summary)["data/tlh_qo"]


def test_unknown_split_is_skipped(root):
    write_audio(root / DATA / "ceb_ph/audio/validation/1.wav")
    rows, summary = prepare("fleurs", root)
    assert len(rows) == 3
    assert list(skipped(summary)) == ["data/ceb_ph/audio/validation"]


def test_archives_that_were_not_unpacked_are_named(root):
    (root / DATA / "af_za").mkdir()
    _, summary = prepare("fleurs", root)
    assert "unpack" in skipped(summary)["data/af_za"]


def test_other_formats_are_found(root):
    write_audio(root / DATA / "ceb_ph/audio/train/4.FLAC")
    rows, _ = prepare("fleurs", root)
    assert rows["FLEURS-CEB-4"]["AudioEncoding"] == "FLAC"


def test_unreadable_file_is_listed(root):
    write_broken(root / DATA / "ceb_ph/audio/train/5.wav")
    rows, summary = prepare("fleurs", root)
    assert "FLEURS-CEB-5" not in rows
    assert mentions(summary, "data/ceb_ph/audio/train/5.wav")
