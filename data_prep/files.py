"""Writing files so that a reader never sees half of one, and what else all need."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_path", "explain_refusal", "file_digest"]

_BLOCK = 1 << 20  # bytes


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary name to write to, and rename it to `path` on success.

    The rename is atomic on one file system: whoever opens `path` sees the old
    content or the new, never a part. On an exception the temporary file is
    removed and `path` stays as it was.

    Arguments
    ---------
    path : str or Path
        Where the file is to be. Missing parent folders are made.

    Yields
    ------
    Path
        The temporary name, in the same folder and with the same suffix.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last, because audio writers choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits; a big one is not read at once."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def explain_refusal(error: OSError) -> str:
    """What a file system refused, where, and what to do.

    Example
    -------
    >>> explain_refusal(OSError(28, "No space left", "a.csv")).partition(". ")[0]
    'a.csv: cannot be read or written (No space left)'
    """
    # A rename has two names, of which the second is the one that was asked for.
    name = error.filename2 or error.filename
    where = f"{os.fsdecode(name)}: " if name else ""
    return (
        f"{where}cannot be read or written ({error.strerror or error}). Check the "
        "path, its permissions and the space on the disk, or name another one."
    )
