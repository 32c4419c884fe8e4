"""Replacing a folder as a whole, so that a kill never leaves less than was there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["add_links", "recover_folder", "replaced_folder", "set_aside"]


@contextmanager
def replaced_folder(folder: str | Path) -> Iterator[Path]:
    """Give an empty folder to fill, and put it in the place of `folder` on success.

    The old folder is renamed, the new one takes its name, and the old one is deleted.
    After a kill in between `recover_folder` brings back a whole folder, the old one or
    the new one. On an exception the old one stays as it was.

    Arguments
    ---------
    folder : str or Path
        Where the new content is to be. Missing parent folders are made.

    Yields
    ------
    Path
        The folder to fill, beside the other one.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "a"
    >>> with replaced_folder(folder) as new:
    ...     _ = (new / "x.txt").write_text("whole")
    >>> (folder / "x.txt").read_text()
    'whole'
    """
    folder = Path(folder).resolve()  # what a link leads to
    recover_folder(folder)
    unfinished, old = _unfinished(folder), _old(folder)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if folder.exists():
            os.replace(folder, old)
        os.replace(unfinished, folder)
    finally:
        recover_folder(folder)


def recover_folder(folder: str | Path) -> None:
    """Clear up what a kill left behind while a folder was being replaced.

    Arguments
    ---------
    folder : str or Path
        As for `replaced_folder`.
    """
    folder = Path(folder).resolve()
    old = _old(folder)
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    for rest in (old, _unfinished(folder)):
        if rest.exists():
            shutil.rmtree(rest)


def set_aside(folder: str | Path) -> Path:
    """Rename a folder to `<name>.old`, or `.old2` and so on if that is taken.

    Arguments
    ---------
    folder : str or Path
        The folder.

    Returns
    -------
    Path
        Its new name.
    """
    folder = Path(folder).resolve()
    target, number = folder.with_name(f"{folder.name}.old"), 1
    while target.exists():
        number += 1
        target = folder.with_name(f"{folder.name}.old{number}")
    os.replace(folder, target)
    return target


def add_links(source: str | Path, target: str | Path, but: frozenset[str]) -> None:
    """Put what is in one folder into another as well, without copying where possible.

    Arguments
    ---------
    source, target : str or Path
        The folders.
    but : frozenset of str
        Names in `source` that are left out.
    """
    for path in Path(source).iterdir():
        place = Path(target) / path.name
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, place, symlinks=True, copy_function=_link)
        else:
            _link(path, place)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without links
        shutil.copy2(source, target, follow_symlinks=False)


def _unfinished(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.unfinished")


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")
