"""ASVspoof 2021 LA."""

import pytest
from corpus_checks import facts, left_out, mentions
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

LINES = (
    "LA_0101 LA_E_2000001 alaw ita_tx A07 spoof notrim eval",
    "LA_0102 LA_E_2000002 none none bonafide bonafide notrim progress",
    "LA_0103 LA_E_2000003 gsm loc_tx A19 spoof trim hidden",
    "LA_0104 LA_E_2000004 opus sin_tx bonafide bonafide notrim eval",
)
KEY = "keys/LA/CM/trial_metadata.txt"


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data/ASVspoof2021-LA"
    write_text(folder / KEY, *LINES)
    for line in LINES:
        write_audio(folder / f"ASVspoof2021_LA_eval/flac/{line.split()[1]}.flac")
    return folder


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row_of_all_subsets(corpus, mode):
    rows, summary = prepare("asvspoof2021_la", corpus.parent, mode)
    expected = {
        "LA_E_2000001": ("fake", "A07", "LA_0101"),
        "LA_E_2000002": ("real", "-", "LA_0102"),
        "LA_E_2000003": ("fake", "A19", "LA_0103"),
        "LA_E_2000004": ("real", "-", "LA_0104"),
    }
    root = "$ROOT/ASVspoof2021-LA/ASVspoof2021_LA_eval/flac"
    assert facts(rows) == {
        f"ASV21LA-{name}": (*values, "test", "EN", f"{root}/{name}.flac")
        for name, values in expected.items()
    }
    assert {row["manifest"] for row in rows.values()} == {"ASVspoof2021-LA_EN_test.csv"}
    assert summary["skipped"] == []


def test_subset_of_the_usual_benchmark(corpus):
    rows, summary = prepare("asvspoof2021_la", corpus.parent, trials="eval")
    assert set(rows) == {"ASV21LA-LA_E_2000001", "ASV21LA-LA_E_2000004"}
    assert left_out(summary) == {
        "subset progress": "1 trials; option trials is eval",
        "subset hidden": "1 trials; option trials is eval",
    }
    assert not mentions(summary, "LA_E_2000002")


def test_file_without_key_row_is_listed(corpus):
    path = "ASVspoof2021_LA_eval/flac/LA_E_9999999.flac"
    write_audio(corpus / path)
    rows, summary = prepare("asvspoof2021_la", corpus.parent)
    assert len(rows) == 4
    assert mentions(summary, path)


@pytest.mark.parametrize("place", ["ASVspoof2021-LA.txt", f"LA-keys-full/{KEY}"])
def test_other_places_of_the_key(corpus, place):
    (corpus / place).parent.mkdir(parents=True, exist_ok=True)
    (corpus / KEY).rename(corpus / place)
    rows, _ = prepare("asvspoof2021_la", corpus.parent)
    assert len(rows) == 4


def test_archive_directly_in_the_data_folder(corpus):
    (corpus / "ASVspoof2021_LA_eval").rename(corpus.parent / "ASVspoof2021_LA_eval")
    (corpus / "keys").rename(corpus.parent / "ASVspoof2021_LA_eval/keys")
    corpus.rmdir()
    rows, _ = prepare("asvspoof2021_la", corpus.parent)
    assert len(rows) == 4


def test_key_in_the_working_directory_is_not_taken(corpus, tmp_path, monkeypatch):
    (corpus / KEY).rename(tmp_path / "ASVspoof2021-LA.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LayoutError, match="no key file ASVspoof2021-LA.txt or keys/LA"):
        prepare("asvspoof2021_la", corpus.parent)


def test_missing_file_is_listed(corpus):
    path = "ASVspoof2021_LA_eval/flac/LA_E_2000003.flac"
    (corpus / path).unlink()
    rows, summary = prepare("asvspoof2021_la", corpus.parent)
    assert "ASV21LA-LA_E_2000003" not in rows
    assert len(rows) == 3
    assert mentions(summary, path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("LA_01 LA_E_1 none none A07 fake notrim eval", "key is 'fake'"),
        ("LA_01 LA_E_1 none none A07 spoof notrim dev", "subset is 'dev'"),
        ("LA_01 LA_E_1 none A07 spoof", "5 columns instead of 8"),
    ],
    ids=["label", "subset", "columns of the first key package"],
)
def test_key_that_is_not_understood_stops(corpus, line, message):
    write_text(corpus / KEY, line)
    with pytest.raises(LayoutError, match=message):
        prepare("asvspoof2021_la", corpus.parent)
