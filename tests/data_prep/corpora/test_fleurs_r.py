"""FLEURS-R."""

import pytest
from corpus_checks import decided, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio

DATA = "FLEURS/fleurs-r/data"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    write_audio(root / DATA / "ceb_ph/audio/train/10000000000000000001.wav", 0.2, 24000)
    write_audio(root / DATA / "da_dk/audio/test/30000000000000000003.wav", 0.2, 24000)
    write_audio(root / DATA / "cmn_hans_cn/audio/dev/40000000000000000004.wav")
    return root


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_rows(root, mode):
    rows, summary = prepare("fleurs_r", root, mode=mode)
    expected = {
        "CEB-10000000000000000001": ("ceb_ph/audio/train", "train"),
        "DA-30000000000000000003": ("da_dk/audio/test", "test"),
        "ZH-40000000000000000004": ("cmn_hans_cn/audio/dev", "valid"),
    }
    assert decided(rows) == {
        f"FLEURS-R-{key}": (
            f"{DATA}/{folder}/{key.split('-')[1]}.wav",
            *("fake", "Miipher", "-", split, key.split("-")[0], f"FLEURS-{key}"),
        )
        for key, (folder, split) in expected.items()
    }
    assert summary["skipped"] == []
    assert rows["FLEURS-R-DA-30000000000000000003"]["SampleRate"] == "24000"


def test_recording_is_the_id_of_the_genuine_row(root):
    write_audio(root / "FLEURS/fleurs/data/ceb_ph/audio/train/10000000000000000001.wav")
    restored, _ = prepare("fleurs_r", root)
    genuine, _ = prepare("fleurs", root)
    row = restored["FLEURS-R-CEB-10000000000000000001"]
    assert list(genuine) == [row["Recording"]]
    assert genuine[row["Recording"]]["Corpus"] != row["Corpus"]


def test_unknown_language_is_skipped(root):
    write_audio(root / DATA / "xx_yy/audio/train/1.wav")
    rows, summary = prepare("fleurs_r", root)
    assert len(rows) == 3
    assert list(skipped(summary)) == ["data/xx_yy"]


def test_unreadable_file_is_listed(root):
    write_broken(root / DATA / "da_dk/audio/test/5.wav")
    rows, summary = prepare("fleurs_r", root)
    assert "FLEURS-R-DA-5" not in rows
    assert mentions(summary, "data/da_dk/audio/test/5.wav")
