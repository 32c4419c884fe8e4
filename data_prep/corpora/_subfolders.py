"""Folders of a corpus whose names mean something: a subset, a language, a vocoder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TypeVar

from data_prep.corpora.tree import Tree

__all__ = ["known_subfolders", "subfolders"]

_Value = TypeVar("_Value")


def subfolders(tree: Tree, folder: str = "") -> Iterator[str]:
    """Yield the names of the folders in a folder, sorted.

    Audio that lies beside them belongs to none of them and is skipped with a reason.
    """
    for file in tree.files(folder, recursive=False):
        tree.skip(file.path, "lies beside the folders that say what it is")
    place = tree.root / folder
    for name in sorted(os.listdir(place)):
        if (place / name).is_dir():
            yield name


def known_subfolders(
    tree: Tree, known: Mapping[str, _Value], folder: str = ""
) -> Iterator[tuple[str, _Value]]:
    """Yield the folders in a folder, with what their names stand for.

    A folder with another name is skipped as a whole, if there is audio in it.

    Arguments
    ---------
    tree : Tree
        The corpus.
    known : mapping
        What the names stand for.
    folder : str
        Where to look, relative to the folder of the corpus.

    Yields
    ------
    tuple
        The folder, relative to the folder of the corpus, and its value.
    """
    for name in subfolders(tree, folder):
        path = f"{folder}/{name}" if folder else name
        if name in known:
            yield path, known[name]
        elif next(tree.files(path), None):
            tree.lookup(path, name, known)
