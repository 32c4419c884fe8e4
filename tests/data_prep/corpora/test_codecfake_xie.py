"""Codecfake of Xie et al."""

from collections import Counter

import pytest
from corpus_checks import facts, left_out, mentions, recordings
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora import corpus_keys, find_corpus
from data_prep.corpora.base import LayoutError
from data_prep.corpora.codecfake_wu import CODECS
from data_prep.corpora.codecfake_xie import PARTS

LINES = {
    "train": [
        "SSB01010007.wav real 0",
        "F03_p101_001.wav fake 3 ",
        "F06_unknown-1.wav fake 6",
    ],
    "dev": ["p102_002.wav real 0", "F01_SSB01020003.wav fake 1"],
    "C7": ["SSB01010007.wav real 0", "F07_p102_002.wav fake 7"],
    "C1": ["F01_s5_001.wav fake 1"],
    "A1": ["p104_001.wav real 0", "L1_p104_001.wav fake 1"],
    "A3": ["Y2ix2vJVgICk.wav real 0", "10001.wav fake 3"],
}
PAPER = ("train", "dev", "C7")
# Files whose rows are the first of their label files.
FIRST = {
    "Codecf-train-SSB01010007",
    "Codecf-dev-p102_002",
    "Codecf-C7-SSB01010007",
}


def build(folder, parts=PAPER):
    for part in parts:
        # Without a newline at the end, as released.
        text = "\n".join(LINES[part])
        label = write_text(folder / f"label/{part}.txt")
        label.write_text(text, encoding="utf-8")
        inner = part if part in PAPER else f"test/{part}"
        for line in LINES[part]:
            write_audio(folder / inner / line.split()[0])
    return folder


@pytest.fixture
def corpus(tmp_path):
    return build(tmp_path / "data/Codecfake")


def test_every_row(corpus):
    rows, summary = prepare("codecfake_xie", corpus.parent)
    expected = {
        "train/SSB01010007": ("real", "-", "SSB0101", "train", "ZH"),
        "train/F03_p101_001": ("fake", "F03", "p101", "train", "EN"),
        "train/F06_unknown-1": ("fake", "F06", "-", "train", "-"),
        "dev/p102_002": ("real", "-", "p102", "valid", "EN"),
        "dev/F01_SSB01020003": ("fake", "F01", "SSB0102", "valid", "ZH"),
        "C7/SSB01010007": ("real", "-", "SSB0101", "test", "ZH"),
        "C7/F07_p102_002": ("fake", "F07", "p102", "test", "EN"),
    }
    assert facts(rows) == {
        f"Codecf-{path.replace('/', '-')}": (*values, f"$ROOT/Codecfake/{path}.wav")
        for path, values in expected.items()
    }
    assert summary["skipped"] == []


def test_first_row_of_each_label_file_is_there(corpus):
    rows, _ = prepare("codecfake_xie", corpus.parent)
    assert set(rows) > FIRST


def test_original_loses_the_first_row_of_each_label_file(corpus):
    complete, _ = prepare("codecfake_xie", corpus.parent)
    rows, summary = prepare("codecfake_xie", corpus.parent, "original")
    assert set(rows) == set(complete) - FIRST
    paths = {complete[name]["Path"].removeprefix("$ROOT/Codecfake/") for name in FIRST}
    assert left_out(summary) == dict.fromkeys(paths, "first row of its label file")
    assert facts(rows) == {name: facts(complete)[name] for name in rows}


def test_utterance_of_two_parts_has_two_ids(corpus):
    rows, _ = prepare("codecfake_xie", corpus.parent)
    source = recordings(rows)
    assert source["Codecf-train-SSB01010007"] == source["Codecf-C7-SSB01010007"]
    assert source["Codecf-C7-F07_p102_002"] == source["Codecf-dev-p102_002"]


def test_copies_share_the_recording(corpus):
    source = recordings(prepare("codecfake_xie", corpus.parent)[0])
    assert source["Codecf-dev-p102_002"] == "p102_002"
    assert source["Codecf-C7-F07_p102_002"] == "p102_002"


def test_other_parts(tmp_path):
    corpus = build(tmp_path / "data/Codecfake", ("C1", "A1", "A3"))
    rows, _ = prepare("codecfake_xie", corpus.parent, parts="C1,A1,A3")
    values = {name: row[:5] for name, row in facts(rows).items()}
    assert values == {
        "Codecf-C1-F01_s5_001": ("fake", "F01", "s5", "test", "EN"),
        "Codecf-A1-p104_001": ("real", "-", "p104", "test", "EN"),
        "Codecf-A1-L1_p104_001": ("fake", "A1", "p104", "test", "EN"),
        "Codecf-A3-Y2ix2vJVgICk": ("real", "-", "-", "test", "-"),
        "Codecf-A3-10001": ("fake", "A3", "-", "test", "-"),
    }


@pytest.mark.parametrize("parts", ["train,C8", "", "train, dev"])
def test_unknown_part_stops(corpus, parts):
    with pytest.raises(LayoutError, match=r"option parts: .* is not one of train, dev"):
        prepare("codecfake_xie", corpus.parent, parts=parts)


@pytest.mark.parametrize("mode", ["complete", "original"])
@pytest.mark.parametrize("part", PAPER)
def test_missing_label_file_stops(corpus, part, mode):
    (corpus / f"label/{part}.txt").unlink()
    with pytest.raises(LayoutError, match=f"label/{part}.txt"):
        prepare("codecfake_xie", corpus.parent, mode)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.wav bonafide 0", "label is 'bonafide'; known: real, fake"),
        ("a.wav fake 8", "codec is '8'; known: 1, 2"),
        ("a.wav fake 0", "codec is '0'"),
        ("a.wav real 3", "codec is '3'; known: 0"),
        ("a.wav real", "2 columns instead of 3"),
    ],
    ids=["label", "codec", "fake of no codec", "real of a codec", "columns"],
)
def test_label_file_that_is_not_understood_stops(corpus, line, message):
    write_text(corpus / "label/dev.txt", line)
    with pytest.raises(LayoutError, match=message):
        prepare("codecfake_xie", corpus.parent)


def test_file_without_label_is_listed(corpus):
    write_audio(corpus / "dev/F02_p102_009.wav")
    rows, summary = prepare("codecfake_xie", corpus.parent)
    assert len(rows) == 7
    assert mentions(summary, "dev/F02_p102_009.wav")


def test_missing_and_unreadable_files_are_listed(corpus):
    (corpus / "train/F03_p101_001.wav").unlink()
    (corpus / "dev/p102_002.wav").write_bytes(b"")
    rows, summary = prepare("codecfake_xie", corpus.parent)
    assert len(rows) == 5
    assert mentions(summary, "train/F03_p101_001.wav")
    assert mentions(summary, "dev/p102_002.wav")


def test_corpus_and_its_twin_differ_on_every_file_system():
    twins = [find_corpus("codecfake_wu"), find_corpus("codecfake_xie")]
    names = {corpus.name.lower() for corpus in twins}
    assert len(names) == 2


def test_ids_of_the_twins_differ_by_more_than_case():
    """Their prefixes do not, so what follows must: `<codec>+...` and `<part>-...`."""
    prefixes = Counter(find_corpus(key).prefix.casefold() for key in corpus_keys())
    assert [name for name, count in prefixes.items() if count > 1] == ["codecf"]
    starts = tuple(f"{part}-".casefold() for part in PARTS)
    assert not [codec for codec in CODECS if codec.casefold().startswith(starts)]
