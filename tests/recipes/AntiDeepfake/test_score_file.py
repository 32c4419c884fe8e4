"""Score files of every kind: what is read, and what is refused and why."""

import math

import numpy as np
import pytest

from recipes.AntiDeepfake import text_table
from recipes.AntiDeepfake.score_file import (
    ScoreFileError,
    has_labels,
    labels_as_numbers,
    read_scores,
)
from recipes.AntiDeepfake.scoring import Scored, write_scores
from recipes.AntiDeepfake.trial_key import read_key

OURS = (
    "ID,Label,Score,LogitFake,LogitReal,Speaker\n"
    "001,real,3.5,-1.5,2,007\nb,fake,-1,1,0,NA\n"
)
KEY5 = (
    "T_0101 T_0000000101 F C05 3 - AC1 A05 spoof -\n"
    "E_0202 E_0000000202 M - - - - bonafide bonafide -\n"
)


@pytest.fixture(params=["pandas", "pyarrow"], autouse=True)
def engine(request, monkeypatch):
    """Both ways to parse a table."""
    if request.param == "pyarrow":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(text_table, "HAS_PYARROW", request.param == "pyarrow")


@pytest.fixture
def write(tmp_path):
    def write(text, name="scores.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        OURS,
        OURS.replace("\n", "\r\n"),
        "\ufeff" + OURS,
        OURS.rstrip("\n"),
        OURS.replace("real,", '"real",'),
        OURS + "\n\n",
    ],
    ids=["plain", "CRLF", "BOM", "no last newline", "quoted", "blank lines"],
)
def test_ours(write, text):
    table = read_scores(write(text))
    assert table.to_dict("list") == {
        "ID": ["001", "b"],
        "Label": ["real", "fake"],
        "Score": [3.5, -1.0],
        "LogitFake": [-1.5, 1.0],
        "LogitReal": [2.0, 0.0],
        "Speaker": ["007", "NA"],
    }
    assert table["Score"].dtype == np.float64
    assert has_labels(table)
    assert labels_as_numbers("-", table).tolist() == [1, 0]


def test_what_scoring_writes_is_read_exactly(tmp_path):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(500, 2)).astype(np.float32)
    rows = [{"ID": f"{i}", "Label": "real", "Corpus": "c"} for i in range(500)]
    scored = Scored({f"{i}": tuple(pair) for i, pair in enumerate(logits.tolist())})
    write_scores(tmp_path / "scores.csv", rows, scored)
    table = read_scores(tmp_path / "scores.csv")
    found = table[["LogitFake", "LogitReal"]].to_numpy(np.float32)
    assert np.array_equal(found, logits)
    expected = [scored.score(row["ID"]) for row in rows]
    np.testing.assert_allclose(table["Score"], expected, rtol=1e-8)
    assert table["Corpus"].tolist() == ["c"] * 500


@pytest.mark.parametrize("labels", [("1", "0"), ("real", "fake")], ids=str)
def test_original(write, labels):
    first, second = labels
    text = (
        f'ID,Score,Label\na-1,"[-1.5, 2.25]",{first}\n"b,2","[1e-3, -0.5]",{second}\n'
    )
    table = read_scores(write(text))
    assert table["ID"].tolist() == ["a-1", "b,2"]
    assert table["Label"].tolist() == ["real", "fake"]
    assert table["Score"].tolist() == [3.75, -0.501]
    assert table["LogitFake"].tolist() == [-1.5, 0.001]


def test_asvspoof5_with_its_key(write):
    scores = write("filename\tcm-score\nE_1\t2.5\nE_2\t-1e-7\n", "scores.tsv")
    assert not has_labels(read_scores(scores))
    key = write("filename\tcm-label\nE_2\tspoof\nE_1\tbonafide\n", "key.tsv")
    table = read_scores(scores, key)
    assert table["Label"].tolist() == ["real", "fake"]
    assert table["Score"].tolist() == [2.5, -1e-7]


def test_asvspoof5_with_the_whole_key_table(write):
    scores = write("filename\tcm-score\nE_0000000202\t2.5\nT_0000000101\t-1\n", "s.tsv")
    table = read_scores(scores, write(KEY5, "ASVspoof5.eval.track_1.tsv"))
    assert table["Label"].tolist() == ["real", "fake"]
    assert table["Attack"].tolist() == ["-", "A05"]
    assert table["Codec"].tolist() == ["-", "C05"]
    assert table["Speaker"].tolist() == ["E_0202", "T_0101"]
    assert "Unused" not in table


def test_arena_with_a_protocol(write):
    scores = write("/d/a.wav 1.25\n/d/b.wav -3\n", "scores.txt")
    assert read_scores(scores)["Score"].tolist() == [1.25, -3.0]
    key = write("file_name,label\n/d/a.wav,bonafide\n/d/b.wav,spoof\n", "protocol.csv")
    assert read_scores(scores, key)["Label"].tolist() == ["real", "fake"]


def test_several_manifests_are_one_key(write, corpus):
    keys = [corpus / "valid.csv", corpus / "test.csv"]
    ids = read_key(keys)["ID"].tolist()
    lines = "".join(f"{name} {i / 7}\n" for i, name in enumerate(reversed(ids)))
    table = read_scores(write(lines, "scores.txt"), keys)
    assert table["ID"].tolist() == ids[::-1]
    assert table["Score"].tolist() == [i / 7 for i in range(len(ids))]
    row = table[table["ID"] == "test-001"].iloc[0]
    assert (row["Label"], row["Attack"], row["Language"]) == ("fake", "smooth", "EN")
    assert row["SampleRate"] == "16000"


def test_labels_of_the_key_count(write):
    key = write("ID,Label,Attack\nb,fake,A1\n001,real,-\n", "key.csv")
    swapped = OURS.replace("real", "x").replace("fake", "real").replace("x", "fake")
    table = read_scores(write(swapped), key)
    assert table["Label"].tolist() == ["real", "fake"]
    assert table["Attack"].tolist() == ["-", "A1"]
    assert table["Speaker"].tolist() == ["007", "NA"]


REFUSED = {
    "empty": ("", "scores.csv: an empty file"),
    "blank": ("\n \n", "an empty file"),
    "no lines": ("ID,Score\n", "a header without lines"),
    "unknown header": ("name,value\na,1\n", "'name,value' does not begin a score file"),
    "column twice": ("ID,Score,Score\na,1,1\n", "column Score is there twice"),
    "two columns for one": ("ID,Score,score\na,1,1\n", "both Score and score"),
    "NaN": ("ID,Score\na,1\nb,nan\n", r"line 3 \(ID b\): Score is 'nan'"),
    "infinite": ("ID,Score\na,1\nb,-inf\n", r"line 3 \(ID b\): Score is '-inf'"),
    "too large": ("ID,Score\na,1e999\n", r"line 2 \(ID a\): Score is '1e999'"),
    "no number": ("ID,Score\na,high\n", "Score is 'high', which is not a finite"),
    "missing number": ("ID,Score\na,\n", "Score is '', which is not a finite"),
    "short line": ("ID,Score,Label\na,1\n", "line 2: 2 fields, but there are 3"),
    "long first line": ("ID,Score\na,1,x\nb,2\n", "line 2: 3 fields, but there are 2"),
    "long and short": ("ID,Score,Label\na,1,-,-\nb,2\n", "line 2: 4 fields"),
    "long line": ("ID,Score\na,1\nb,2,y\n", "line 3: 3 fields, but there are 2"),
    "short quoted": ('ID,Label,Score\n"a,b",real,1\nb,2\n', "line 3: 2 fields"),
    "duplicate": ("ID,Score\na,1\nb,2\na,3\n", "1 IDs occur again, the first is 'a'"),
    "label": ("ID,Score,Label\na,1,genuine\n", r"\(ID a\): the label is 'genuine'"),
    "ambiguous label": ("ID,Score,Label\na,1,1\n", "the label is '1'.*differs between"),
    "not UTF-8": (b"ID,Score\n\xff,1\n", "not UTF-8 near byte 9"),
    "original, one logit": (
        'ID,Score,Label\na,"[1.0, 2]",1\nb,"[1]",0\n',
        r"\(ID b\): Score is '\[1\]'; it must be the logits",
    ),
    "original, NaN": (
        'ID,Score,Label\na,"[1, 2]",1\nb,"[nan, 1]",0\n',
        r"\(ID b\): Score is '\[nan, 1\]'",
    ),
    "original, no logits": (
        'ID,Score,Label\na,"[1, 2]",1\nb,,0\nc,"[1, 2]",0\n',
        r"\(ID b\): Score is ''; it must be the logits",
    ),
    "original, label": ('ID,Score,Label\na,"[1, 2]",2\n', "the label is '2'"),
    "arena, NaN": ("a 1\nb nan\n", r"line 2 \(ID b\): Score is 'nan'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(write, case):
    text, message = REFUSED[case]
    with pytest.raises(ScoreFileError, match=message):
        read_scores(write(text))


def test_no_file(tmp_path):
    with pytest.raises(ScoreFileError, match="nowhere.csv: cannot be read"):
        read_scores(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("ID,Label\n001,real\n", "1 of 2 scores are of no trial of the key.*'b'"),
        (
            "ID,Label\n001,real\nb,fake\nc,fake\n",
            "1 of the 3 trials of the key have no score, the first is 'c'",
        ),
        ("ID,Label\n1,real\nb,fake\n", "no score, the first is '1'; 1 of 2 scores"),
        ("ID,Label\n001,real\nb,1\n", "the label is '1'"),
        ("ID,Label\n001,real\n001,real\nb,fake\n", "occur again, the first is '001'"),
        ("a,b\n1,2\n", "'a,b' does not begin a key"),
    ],
    ids=["surplus", "missing", "other names", "label", "duplicate", "no key"],
)
def test_scores_against_a_key(write, key, message):
    with pytest.raises(ScoreFileError, match=message):
        read_scores(write(OURS), write(key, "key.csv"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID,Score\na,1\n", "1 of 1 trials have no label, the first is 'a'"),
        ("ID,Score,Label\na,1,fake\n", "all 1 trials are fake"),
    ],
    ids=["none", "one class"],
)
def test_labels_that_are_not_enough(write, text, message):
    with pytest.raises(ScoreFileError, match=message):
        labels_as_numbers("-", read_scores(write(text)))


def test_numbers_are_read_to_the_last_bit(write):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=2000) * 10.0 ** rng.integers(-30, 30, 2000)
    lines = "".join(f"{i} {value!r}\n" for i, value in enumerate(numbers.tolist()))
    table = read_scores(write(lines, "scores.txt"))
    assert table["Score"].tolist() == numbers.tolist()
    assert all(map(math.isfinite, table["Score"]))
