"""Audio formats that the scripts of the paper read, in corpora without key files."""

from __future__ import annotations

from data_prep.corpora.tree import AudioFile, Tree

__all__ = ["is_wanted"]


def is_wanted(tree: Tree, file: AudioFile, *suffixes: str) -> bool:
    """Whether a file has a row; the mode original leaves out other formats.

    Arguments
    ---------
    tree : Tree
        The corpus.
    file : AudioFile
        One of its files.
    *suffixes : str
        What the scripts of the paper look for.

    Returns
    -------
    bool
        If not, the file is in the summary, as left out.
    """
    if not tree.original or file.suffix in suffixes:
        return True
    tree.leave_out(
        file.path, f"the scripts of the paper look for {' and '.join(suffixes)} only"
    )
    return False
