"""What has been made, so that an interrupted run can go on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_prep.vocoders.plan import Copy

__all__ = ["Journal", "Made", "request_key"]


@dataclass(frozen=True)
class Made:
    """A copy that is complete.

    Arguments
    ---------
    file : str
        See `Copy.file`.
    key : str
        See `request_key`.
    size : int
        Bytes of the file.
    frames : int
        Its length in samples.
    sample_rate : int
        In Hz.
    """

    file: str
    key: str
    size: int
    frames: int
    sample_rate: int


def request_key(copy: Copy, settings: Mapping[str, Any]) -> str | None:
    """One short text for everything that determines a copy.

    Arguments
    ---------
    copy : Copy
        The copy; of its source, size and time of change count.
    settings : dict
        Those of the vocoder.

    Returns
    -------
    str or None
        None if there is no source.
    """
    try:
        source = os.stat(copy.source)
    except OSError:
        return None
    facts = [source.st_size, source.st_mtime_ns, copy.piece, copy.seed, settings]
    content = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


class Journal:
    """A file with one line of JSON for each copy, the last one counts.

    A line is added when the copy is in its place. So a copy that has none, after a
    kill, is made again.

    Arguments
    ---------
    path : str or Path
        The file; made if it does not exist.
    out : str or Path
        The folder of all copies.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.flac").write_bytes(b"1234")
    >>> with Journal(folder / "state.jsonl", folder) as journal:
    ...     journal.add(Made("a.flac", "key", 4, 100, 16000))
    >>> with Journal(folder / "state.jsonl", folder) as journal:
    ...     journal.find("a.flac", "key").frames, journal.find("a.flac", "other")
    (100, None)
    """

    def __init__(self, path: str | Path, out: str | Path):
        self.path, self.out = Path(path), Path(out)
        self.entries: dict[str, Made] = {}

    def __enter__(self) -> Journal:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.path, "a+", encoding="utf-8")
        self.file.seek(0)
        line = "\n"
        for line in self.file:
            try:
                made = Made(**json.loads(line))
            except (ValueError, TypeError):
                continue  # half a line, from a kill
            self.entries[made.file] = made
        if not line.endswith("\n"):
            self.file.write("\n")
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()

    def find(self, file: str, key: str | None) -> Made | None:
        """The copy, if it was made to this request and is still there."""
        made = self.entries.get(file)
        if made is None or made.key != key:
            return None
        try:
            complete = os.path.getsize(self.out / file) == made.size
        except OSError:
            return None
        return made if complete else None

    def add(self, made: Made) -> None:
        """Note that a copy is in its place."""
        self.file.write(json.dumps(asdict(made)) + "\n")
        self.file.flush()
        self.entries[made.file] = made
