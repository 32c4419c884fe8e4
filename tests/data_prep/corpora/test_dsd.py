"""DSD."""

import pytest
from corpus_checks import decided, left_out, mentions, write_broken
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

HEADER = (
    "Utterence name (file name),TTS or VC,Is multi-speaker?,Language,Noise type 1,"
    "Source link,utt,group,Speaker name,Gender,Age,label,Model,subset,duration"
)
KOREAN = (
    "01MKIS0001_00001.wav,-,No,Korean,-,-,01MKIS0001_00001,AIHUB,01MKIS0001,Male,"
    "Adult,bonafide,-,train,6.25"
)
VITS = (
    "02MWKH0002_000014.wav,TTS,No,Korean,-,-,02MWKH0002_000014,VITS-AIHUB,02MWKH0002,"
    "Male,Adult,spoof,VITS,eval,1.6"
)
ENGLISH = (
    'p225_001.wav,VC,Yes,English,-,"https://example.org/a,b",p225_001,VCTK,p225,'
    "Female,Adult,spoof,FreeVC,dev,2.0"
)
JAPANESE = "j_1.wav,-,No,Japanese,-,-,j_1,JSUT,jsut,Female,Adult,bonafide,-,dev,1.0"
ROWS = {
    "DSD-01MKIS0001_00001": (
        "DSD/01MKIS0001_00001.wav",
        *("real", "-", "01MKIS0001", "train", "KO", "-"),
    ),
    "DSD-02MWKH0002_000014": (
        "DSD/02MWKH0002_000014.wav",
        *("fake", "VITS", "02MWKH0002", "test", "KO", "-"),
    ),
    "DSD-p225_001": (
        "DSD/p225_001.wav",
        *("fake", "FreeVC", "p225", "valid", "EN", "-"),
    ),
    "DSD-j_1": ("DSD/j_1.wav", "real", "-", "jsut", "valid", "JA", "-"),
}


def write_key(root, *rows, **settings):
    write_text(root / "DSD/DSD_corpus_v1.csv", HEADER, *rows, **settings)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    write_key(root, KOREAN, VITS, ENGLISH, JAPANESE)
    for path, *_ in ROWS.values():
        write_audio(root / path)
    return root


def test_rows(root):
    rows, summary = prepare("dsd", root)
    assert decided(rows) == ROWS
    assert summary["skipped"] == []


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_file_without_key_row_is_listed(root, mode):
    write_audio(root / "DSD/03.wav")
    rows, summary = prepare("dsd", root, mode=mode)
    assert set(rows) <= set(ROWS)
    assert mentions(summary, "03.wav")


def test_byte_order_mark_is_not_part_of_the_header(root):
    write_key(root, KOREAN, VITS, ENGLISH, JAPANESE, encoding="utf-8-sig")
    assert decided(prepare("dsd", root)[0]) == ROWS


def test_original_loses_the_first_row(root):
    rows, summary = prepare("dsd", root, mode="original")
    assert set(ROWS) - set(rows) == {"DSD-01MKIS0001_00001"}
    assert len(rows) == 3
    assert list(left_out(summary)) == ["01MKIS0001_00001.wav"]
    assert not summary["unlisted"]["files"]


@pytest.mark.parametrize("folder", ["wavs", "wavs_2"])
def test_audio_in_the_folder_of_the_archive(tmp_path, folder):
    root = tmp_path / "data"
    write_key(root, KOREAN)
    write_audio(root / "DSD" / folder / "01MKIS0001_00001.wav")
    rows, _ = prepare("dsd", root)
    row = rows["DSD-01MKIS0001_00001"]
    assert row["Path"] == f"$ROOT/DSD/{folder}/01MKIS0001_00001.wav"


def test_genuine_rows_have_no_attack(root):
    write_key(root, KOREAN.replace("bonafide,-", "bonafide,VITS"))
    rows, _ = prepare("dsd", root)
    assert rows["DSD-01MKIS0001_00001"]["Attack"] == "-"


@pytest.mark.parametrize(
    ("known", "unknown", "column"),
    [
        ("bonafide", "genuine", "label"),
        ("Korean", "Klingon", "Language"),
        (",train,", ",holdout,", "subset"),
    ],
    ids=["label", "language", "split"],
)
def test_unknown_value_is_refused_with_its_line(root, known, unknown, column):
    write_key(root, VITS, KOREAN.replace(known, unknown))
    with pytest.raises(LayoutError, match=rf"line 3: {column} is"):
        prepare("dsd", root)


def test_missing_key_file_is_refused(root):
    (root / "DSD/DSD_corpus_v1.csv").unlink()
    with pytest.raises(LayoutError, match=r"DSD_corpus_v1\.csv"):
        prepare("dsd", root)


def test_missing_column_is_refused(root):
    write_text(root / "DSD/DSD_corpus_v1.csv", HEADER.replace("subset", "split"))
    with pytest.raises(LayoutError, match="lacks subset"):
        prepare("dsd", root)


@pytest.mark.parametrize("broken", [False, True], ids=["missing", "unreadable"])
def test_file_that_cannot_be_used_is_listed(root, broken):
    path = root / "DSD/j_1.wav"
    path.unlink()
    if broken:
        write_broken(path)
    rows, summary = prepare("dsd", root)
    assert set(ROWS) - set(rows) == {"DSD-j_1"}
    assert mentions(summary, "j_1.wav")
