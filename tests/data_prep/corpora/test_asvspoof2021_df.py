"""ASVspoof 2021 DF."""

import pytest
from corpus_checks import facts, left_out, mentions
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

A, V = "asvspoof", "vcc2020"
TRADITIONAL = "traditional_vocoder"
LINES = (
    f"LA_01 DF_E_3000001 low_mp3 {A} A14 spoof notrim eval {TRADITIONAL} - - - -    ",
    f"LA_02 DF_E_3000002 nocodec {A} - bonafide notrim progress bonafide - - - -",
    f"TGF1 DF_E_3000003 mp3m4a {V} Task2-team12 spoof notrim eval {TRADITIONAL} Task2 "
    "team12 FF G",
    f"TFM1 DF_E_3000004 nocodec {V} - bonafide notrim eval bonafide - - - F",
    f"TMF1 DF_E_3000005 nocodec {V} - bonafide trim hidden bonafide - - - -",
    "VCC2SF1 DF_E_3000006 oggm4a vcc2018 HUB-N10 spoof notrim eval unknown HUB N10 FF "
    "E",
)
KEY = "keys/DF/CM/trial_metadata.txt"


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data/ASVspoof2021-DF"
    write_text(folder / KEY, *LINES)
    for line in LINES:
        write_audio(folder / f"ASVspoof2021_DF_eval/flac/{line.split()[1]}.flac")
    return folder


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row_of_all_subsets(corpus, mode):
    rows, summary = prepare("asvspoof2021_df", corpus.parent, mode)
    expected = {
        "DF_E_3000001": ("fake", "A14", "LA_01", "test", "EN"),
        "DF_E_3000002": ("real", "-", "LA_02", "test", "EN"),
        # English words in a German voice.
        "DF_E_3000003": ("fake", "Task2-team12", "TGF1", "test", "EN"),
        "DF_E_3000004": ("real", "-", "TFM1", "test", "FI"),
        "DF_E_3000005": ("real", "-", "TMF1", "test", "-"),
        "DF_E_3000006": ("fake", "HUB-N10", "VCC2SF1", "test", "EN"),
    }
    root = "$ROOT/ASVspoof2021-DF/ASVspoof2021_DF_eval/flac"
    assert facts(rows) == {
        f"ASV21DF-{name}": (*values, f"{root}/{name}.flac")
        for name, values in expected.items()
    }
    assert summary["skipped"] == []


def test_subset_of_the_usual_benchmark(corpus):
    rows, summary = prepare("asvspoof2021_df", corpus.parent, trials="eval")
    numbers = {int(name[-1]) for name in rows}
    assert numbers == {1, 3, 4, 6}
    assert set(left_out(summary)) == {"subset hidden", "subset progress"}


def test_missing_file_is_not_silent(corpus):
    path = "ASVspoof2021_DF_eval/flac/DF_E_3000003.flac"
    (corpus / path).unlink()
    rows, summary = prepare("asvspoof2021_df", corpus.parent)
    assert "ASV21DF-DF_E_3000003" not in rows
    assert len(rows) == 5
    assert mentions(summary, path)


def test_missing_key_stops(corpus):
    (corpus / KEY).unlink()
    with pytest.raises(LayoutError, match="no key file ASVspoof2021-DF.txt or keys/DF"):
        prepare("asvspoof2021_df", corpus.parent)


def test_renamed_key(corpus):
    (corpus / KEY).rename(corpus / "ASVspoof2021-DF.txt")
    rows, _ = prepare("asvspoof2021_df", corpus.parent)
    assert len(rows) == 6


def test_unknown_language_stops(corpus):
    write_text(corpus / KEY, f"S DF_E_3000001 none {V} - bonafide t eval b - - - X")
    with pytest.raises(LayoutError, match="language is 'X'; known: E, F, G, M"):
        prepare("asvspoof2021_df", corpus.parent)
