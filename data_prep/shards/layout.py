"""What a folder of shards looks like: names, keys, the index.

    index.json          what the shards are, see `data_prep.shards.index`
    seconds.npy         float32, seconds of every sample, one shard after another
    shard-000000.tar    a WebDataset: <key>.json, the manifest row, and <key>.flac
    failures.csv        audio that could not be stored, with reasons; if there is any
    .state/             one record for each shard, to go on after a stop

A key is the number of the shard and that of the sample in it. Whatever an ID holds, a
key is safe as a file name, has no dot, and exists once in all the shards.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "FAILURES",
    "FORMAT",
    "INDEX",
    "SECONDS",
    "STATE",
    "audio_file",
    "sample_key",
    "shard_name",
]

FORMAT = 1  # of the index and of what it describes
INDEX = "index.json"
SECONDS = "seconds.npy"
FAILURES = "failures.csv"
STATE = ".state"


def shard_name(number: int) -> str:
    """File name of a shard.

    Example
    -------
    >>> shard_name(12)
    'shard-000012.tar'
    """
    return f"shard-{number:06d}.tar"


def sample_key(shard: int, number: int) -> str:
    """Key of a sample.

    Example
    -------
    >>> sample_key(12, 345)
    '000012-000345'
    """
    return f"{shard:06d}-{number:06d}"


@contextmanager
def audio_file(content: bytes, suffix: str) -> Iterator[str]:
    """Give audio from a shard as a file, which is what everything that reads takes.

    Arguments
    ---------
    content : bytes
        An audio file.
    suffix : str
        File name extension without the dot; some formats are told by it.

    Yields
    ------
    str
        Path of a file that is there as long as the `with` block lasts. It is written
        to the temporary folder, so in memory until the system needs that.

    Example
    -------
    >>> with audio_file(b"fLaC", "flac") as path:
    ...     open(path, "rb").read()
    b'fLaC'
    """
    descriptor, path = tempfile.mkstemp(f".{suffix}", "shard-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)
