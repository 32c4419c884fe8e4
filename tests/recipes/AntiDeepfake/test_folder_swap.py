"""A folder is replaced as a whole, also if the process is killed at any moment."""

import signal

import pytest
from helpers import run_python

from recipes.AntiDeepfake.folder_swap import (
    add_links,
    recover_folder,
    replaced_folder,
    set_aside,
)

# Replaces the folder argv[1]; dies at call argv[3] of the function argv[2].
REPLACE = """
import os, shutil, signal, sys
from pathlib import Path
from recipes.AntiDeepfake import folder_swap

folder, (module, function), last = sys.argv[1], sys.argv[2].split("."), int(sys.argv[3])
module = {"os": os, "shutil": shutil, "swap": folder_swap}[module]
original, calls = getattr(module, function), []

def deadly(path, *args, **kwargs):
    calls.append(path)
    if len(calls) == last:
        if function == "rmtree":  # dies half-way
            next(Path(path).iterdir()).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return original(path, *args, **kwargs)

setattr(module, function, deadly)
with folder_swap.replaced_folder(folder) as new:
    (new / "a").write_text("new")
    folder_swap.add_links(folder, new, frozenset("a"))
"""
# What is there afterwards, and whether it is the new content.
KILLS = {
    "while filling": ("swap.add_links", 1, False),
    "before the old one is renamed": ("os.replace", 1, False),
    "between the two renames": ("os.replace", 2, False),
    "while the old one is deleted": ("shutil.rmtree", 1, True),
}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "x"
    path.mkdir()
    for name in "ab":
        (path / name).write_text("old")
    return path


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("name", KILLS)
def test_a_kill_leaves_a_whole_folder(name, folder):
    place, call, is_new = KILLS[name]
    done = run_python("-c", REPLACE, folder, place, call, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    recover_folder(folder)
    assert content(folder) == {"a": "new" if is_new else "old", "b": "old"}
    assert list(folder.parent.iterdir()) == [folder]
    # And the next attempt succeeds.
    with replaced_folder(folder) as new:
        (new / "a").write_text("newer")
    assert content(folder) == {"a": "newer"}


def test_an_error_leaves_the_old_folder(folder):
    with pytest.raises(ZeroDivisionError), replaced_folder(folder) as new:
        (new / "a").write_text("new")
        raise ZeroDivisionError
    assert content(folder) == {"a": "old", "b": "old"}
    assert list(folder.parent.iterdir()) == [folder]


def test_a_link_stays_a_link(folder):
    link = folder.with_name("link")
    link.symlink_to(folder)
    with replaced_folder(link) as new:
        (new / "a").write_text("new")
    assert link.is_symlink() and (folder / "a").read_text() == "new"
    assert set_aside(link) == folder.with_name(f"{folder.name}.old")


def test_a_folder_is_set_aside_under_a_name_that_is_free(folder):
    for name in ("x.old", "x.old2", "x.old3"):
        assert set_aside(folder).name == name
        folder.mkdir()
    assert content(folder.with_name("x.old")) == {"a": "old", "b": "old"}


def test_files_folders_and_links_are_taken_over(folder, tmp_path):
    (folder / "deep").mkdir()
    (folder / "deep" / "c").write_text("old")
    (folder / "link").symlink_to("b")
    target = tmp_path / "y"
    target.mkdir()
    add_links(folder, target, frozenset("a"))
    assert sorted(path.name for path in target.iterdir()) == ["b", "deep", "link"]
    assert (target / "link").is_symlink()
    assert (target / "deep" / "c").read_text() == "old"


def test_without_links_files_are_copied(folder, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    target = tmp_path / "y"
    target.mkdir()
    add_links(folder, target, frozenset())
    assert content(target) == content(folder)
