"""Atomic writing."""

import pytest

from data_prep.files import atomic_path


def test_new_content_appears_at_once(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())


def test_parents_are_made_and_the_suffix_is_kept(tmp_path):
    path = str(tmp_path / "x" / "y" / "a.flac")
    with atomic_path(path) as temporary:
        assert temporary.suffix == ".flac"
        temporary.write_bytes(b"")
    assert (tmp_path / "x" / "y" / "a.flac").exists()
