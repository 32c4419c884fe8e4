"""Corpora on disk: walks, key files, what is noted."""

import os

import pytest
from corpus_trees import write_text

from data_prep.corpora.base import LayoutError
from data_prep.corpora.tree import Tree


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def walk(root, **kwargs):
    return [file.path for file in Tree(root).files(**kwargs)]


def test_files_come_in_the_order_of_their_paths(tmp_path):
    for name in ("b/2.wav", "b/10.wav", "a.wav", "B.FLAC", "b/c/x.Mp3", "b/notes.txt"):
        touch(tmp_path / name)
    expected = ["B.FLAC", "a.wav", "b/10.wav", "b/2.wav", "b/c/x.Mp3"]
    assert walk(tmp_path) == expected
    assert walk(tmp_path, folder="b") == expected[2:]
    assert walk(tmp_path, folder="b", recursive=False) == expected[2:4]
    assert walk(tmp_path, suffixes={".flac"}) == ["B.FLAC"]


def test_parts_stem_and_suffix(tmp_path):
    touch(tmp_path / "top" / "spk" / "a.b.WAV")
    (file,) = Tree(tmp_path).files("top")
    assert file.parts == ("spk", "a.b.WAV")
    assert (file.path, file.stem, file.suffix) == ("top/spk/a.b.WAV", "a.b", ".wav")


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path / "real" / "a.wav")
    os.symlink(tmp_path / "real", tmp_path / "again")
    os.symlink(tmp_path, tmp_path / "real" / "circle")
    os.symlink("self", tmp_path / "self")
    tree = Tree(tmp_path)
    assert [file.path for file in tree.files()] == ["again/a.wav", "real/a.wav"]
    assert [entry.what for entry in tree.skipped] == ["again/circle", "real/circle"]


def test_a_folder_that_cannot_be_read_is_noted(tmp_path, monkeypatch):
    touch(tmp_path / "closed" / "a.wav")
    touch(tmp_path / "open" / "b.wav")
    scandir = os.scandir

    def deny(folder):
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", deny)
    tree = Tree(tmp_path)
    assert [file.path for file in tree.files()] == ["open/b.wav"]
    (skipped,) = tree.skipped
    assert skipped.what == "closed" and "Permission denied" in skipped.reason


def test_a_missing_folder_is_an_error_that_says_what_is_there(tmp_path):
    (tmp_path / "flac").mkdir()
    with pytest.raises(LayoutError, match="no folder wav or WAV.*There is: flac"):
        Tree(tmp_path).folder("wav", "WAV")
    assert Tree(tmp_path).folder("wav", "flac") == "flac"


def test_a_table_without_header(tmp_path):
    # A byte order mark, trailing blanks, an empty line and no line end at the end.
    (tmp_path / "key.txt").write_bytes(b"\xef\xbb\xbfa  x \r\n\nb y")
    rows = list(Tree(tmp_path).table("key.txt", ["file", "label"]))
    assert rows == [{"file": "a", "label": "x"}, {"file": "b", "label": "y"}]
    assert rows[1].place.endswith("key.txt, line 3")
    assert rows[0].lookup("label", {"x": "real"}) == "real"
    with pytest.raises(LayoutError, match=r"line 3: label is 'y'; known: x"):
        rows[1].lookup("label", {"x": "real"})


def test_a_csv_with_header(tmp_path):
    write_text(tmp_path / "key.csv", "file,text", 'a.wav,"x, y"')
    rows = list(Tree(tmp_path).csv_table("key.csv", ["file"]))
    assert rows == [{"file": "a.wav", "text": "x, y"}]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a b c"], "line 1: 3 columns instead of 2"),
        (["a b", "c"], "line 2: 1 columns instead of 2"),
    ],
)
def test_a_table_of_other_columns(tmp_path, lines, message):
    write_text(tmp_path / "key.txt", *lines)
    with pytest.raises(LayoutError, match=message):
        list(Tree(tmp_path).table("key.txt", ["file", "label"]))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["name,label", "a,b"], "the header lacks file"),
        (["file,label", "a"], "line 2: not as many fields"),
        (["file,label", "a,b,c"], "line 2: not as many fields"),
    ],
)
def test_a_csv_of_other_columns(tmp_path, lines, message):
    write_text(tmp_path / "key.csv", *lines)
    with pytest.raises(LayoutError, match=message):
        list(Tree(tmp_path).csv_table("key.csv", ["file"]))


def test_a_key_file_that_cannot_be_read(tmp_path):
    with pytest.raises(LayoutError, match="cannot be read.*get it and put it there"):
        list(Tree(tmp_path).table("key.txt", ["file"]))
    (tmp_path / "key.txt").write_bytes(b"a\xff\n")
    with pytest.raises(LayoutError, match="not UTF-8 near byte 1"):
        list(Tree(tmp_path).table("key.txt", ["file"]))


def test_an_unknown_part_of_a_path_is_skipped(tmp_path):
    tree = Tree(tmp_path)
    assert tree.lookup("a.wav", "dev", {"dev": "valid"}) == "valid"
    assert tree.lookup("b.wav", "new", {"dev": "valid"}) is None
    assert tree.skipped == [("b.wav", "'new' is not one of dev")]
