"""CN-Celeb2."""

import pytest
from corpus_checks import facts, mentions, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data/CNCeleb2/CN-Celeb2_flac/data"
    write_audio(folder / "id10101/interview-01-003.flac")
    write_audio(folder / "id11999/singing-02-011.flac")
    # The same genre, session and number as another speaker's.
    write_audio(folder / "id11999/interview-01-003.flac")
    return folder


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row(corpus, mode):
    rows, summary = prepare("cnceleb2", corpus.parents[2], mode)
    root = "$ROOT/CNCeleb2/CN-Celeb2_flac/data"
    assert facts(rows) == {
        f"CNCeleb2-{speaker}-{stem}": (
            "real",
            "-",
            speaker,
            "-",
            "ZH",
            f"{root}/{speaker}/{stem}.flac",
        )
        for speaker, stem in [
            ("id10101", "interview-01-003"),
            ("id11999", "singing-02-011"),
            ("id11999", "interview-01-003"),
        ]
    }
    assert {row["manifest"] for row in rows.values()} == {"CN-Celeb2_ZH.csv"}
    assert skipped(summary) == {}


def test_archive_directly_in_the_data_folder(corpus, tmp_path):
    corpus.parent.rename(tmp_path / "data/CN-Celeb2_flac")
    (tmp_path / "data/CNCeleb2").rmdir()
    rows, _ = prepare("cnceleb2", tmp_path / "data")
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("id00800/drama-01-001.flac", "no speaker of CN-Celeb2"),
        ("id12000/drama-01-001.flac", "no speaker of CN-Celeb2"),
        ("id101010/drama-01-001.flac", "no speaker of CN-Celeb2"),
        ("drama-01-001.flac", "not in data/<speaker>/"),
        ("id10101/drama/drama-01-001.flac", "not in data/<speaker>/"),
    ],
    ids=["CN-Celeb1", "above the last", "six digits", "no speaker", "too deep"],
)
def test_other_folders_are_listed(corpus, path, reason):
    write_audio(corpus / path)
    rows, summary = prepare("cnceleb2", corpus.parents[2])
    assert len(rows) == 3
    assert list(skipped(summary)) == [f"CN-Celeb2_flac/data/{path}"]
    assert reason in skipped(summary)[f"CN-Celeb2_flac/data/{path}"]


def test_wrong_folder_stops(corpus):
    corpus.rename(corpus.with_name("wav"))
    with pytest.raises(LayoutError, match="no folder CN-Celeb2_flac/data or data"):
        prepare("cnceleb2", corpus.parents[2])


def test_unreadable_file_is_listed(corpus):
    (corpus / "id11999/singing-02-011.flac").write_bytes(b"")
    rows, summary = prepare("cnceleb2", corpus.parents[2])
    assert len(rows) == 2
    assert mentions(summary, "id11999/singing-02-011.flac")
