"""SpoofCeleb."""

import pytest
from corpus_checks import decided, mentions, write_broken
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

BASE = "SpoofCeleb/spoofceleb"
KEYS = {
    "train": ["a00/id10001/AAAAAAAAAAA-00002-006.flac,id10001,a00"],
    "development": [
        "a00/id10001/AAAAAAAAAAA-00002-006.flac,id10001,a00",
        "a06/id10002/-BBBBBBBBB_-00001-001.flac,id10002,a06",
    ],
    "evaluation": ["a23/id10002/-BBBBBBBBB_-00001-001.flac,id10002,a23"],
}
ROWS = {
    "SpoofCeleb-train-a00-id10001-AAAAAAAAAAA-00002-006": (
        f"{BASE}/flac/train/a00/id10001/AAAAAAAAAAA-00002-006.flac",
        *("real", "-", "id10001", "train", "-", "-"),
    ),
    "SpoofCeleb-development-a00-id10001-AAAAAAAAAAA-00002-006": (
        f"{BASE}/flac/development/a00/id10001/AAAAAAAAAAA-00002-006.flac",
        *("real", "-", "id10001", "valid", "-", "-"),
    ),
    "SpoofCeleb-development-a06-id10002--BBBBBBBBB_-00001-001": (
        f"{BASE}/flac/development/a06/id10002/-BBBBBBBBB_-00001-001.flac",
        *("fake", "a06", "id10002", "valid", "-", "-"),
    ),
    "SpoofCeleb-evaluation-a23-id10002--BBBBBBBBB_-00001-001": (
        f"{BASE}/flac/evaluation/a23/id10002/-BBBBBBBBB_-00001-001.flac",
        *("fake", "a23", "id10002", "test", "-", "-"),
    ),
}


def write_key(root, part, *rows):
    write_text(root / BASE / f"metadata/{part}.csv", "file,speaker,attack", *rows)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    for part, rows in KEYS.items():
        write_key(root, part, *rows)
    for path, *_ in ROWS.values():
        write_audio(root / path)
    return root


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_rows_have_ids_of_their_own_over_all_parts(root, mode):
    rows, summary = prepare("spoofceleb", root, mode=mode)
    assert decided(rows) == ROWS
    assert summary["skipped"] == []
    assert not any("/" in name for name in rows)


def test_file_without_key_row_is_listed(root):
    write_audio(root / BASE / "flac/evaluation/a01/id10003/D-1-1.flac")
    rows, summary = prepare("spoofceleb", root)
    assert decided(rows) == ROWS
    assert mentions(summary, "flac/evaluation/a01/id10003/D-1-1.flac")


def test_archive_as_it_unpacks(root):
    (root / BASE).rename(root / "spoofceleb")
    (root / "SpoofCeleb").rmdir()
    rows, _ = prepare("spoofceleb", root)
    assert set(rows) == set(ROWS)


@pytest.mark.parametrize("part", list(KEYS))
def test_missing_key_file_is_refused(root, part):
    (root / BASE / f"metadata/{part}.csv").unlink()
    with pytest.raises(LayoutError, match=rf"{part}\.csv"):
        prepare("spoofceleb", root)


def test_unknown_attack_is_refused_with_its_line(root):
    write_key(root, "train", *KEYS["train"], "a24/id10003/C-1-1.flac,id10003,a24")
    with pytest.raises(LayoutError, match=r"train\.csv, line 3: attack is 'a24'"):
        prepare("spoofceleb", root)


@pytest.mark.parametrize("broken", [False, True], ids=["missing", "unreadable"])
def test_file_that_cannot_be_used_is_listed(root, broken):
    name = "SpoofCeleb-evaluation-a23-id10002--BBBBBBBBB_-00001-001"
    path = root / ROWS[name][0]
    path.unlink()
    if broken:
        write_broken(path)
    rows, summary = prepare("spoofceleb", root)
    assert set(ROWS) - set(rows) == {name}
    assert mentions(summary, "flac/evaluation/a23/id10002/-BBBBBBBBB_-00001-001.flac")
