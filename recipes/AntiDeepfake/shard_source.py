"""Opening shards wherever they are, again if that fails.

WebDataset opens paths, and URLs by commands such as `curl`. A connection may break at
any moment of a run of weeks; what comes from elsewhere than a disk is tried again, with
longer and longer pauses, before it counts as broken.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from urllib.parse import urlparse

from speechbrain.utils.logger import get_logger

from data_prep.manifest import ManifestError

__all__ = ["Patience", "ShardError", "raw_samples", "read_source", "webdataset"]

logger = get_logger(__name__)

ATTEMPTS = 5  # in a row without anything new
FIRST_PAUSE = 1.0  # seconds; each pause is twice as long as the one before


class ShardError(ManifestError):
    """A shard that cannot be read or is not the one of the index."""


class Patience:
    """How often a source is tried again: `ATTEMPTS` in a row, on a disk once.

    Arguments
    ---------
    url : str
        The source.

    Example
    -------
    >>> Patience("/data/shard-000000.tar").wait(OSError("damaged"))
    False
    """

    def __init__(self, url: str):
        self.url = url
        self.failed = 0
        self._attempts = 1 if urlparse(url).scheme in ("", "file") else ATTEMPTS

    def renew(self) -> None:
        """Something new was read: the next failure is the first one."""
        self.failed = 0

    def wait(self, error: Exception) -> bool:
        """Wait before the next attempt; False if there is to be none."""
        self.failed += 1
        # A missing file or command will not be there later.
        if self.failed >= self._attempts or isinstance(error, FileNotFoundError):
            return False
        pause = FIRST_PAUSE * 2 ** (self.failed - 1)
        logger.warning(
            f"{self.url}: {reason(error)}. Attempt {self.failed + 1} of "
            f"{self._attempts} follows in {pause:g} s."
        )
        time.sleep(pause)
        return True

    def story(self, error: Exception) -> str:
        """The reason, and how often it was tried."""
        times = f", {self.failed} attempts" if self.failed > 1 else ""
        return f"{reason(error)}{times}"


def reason(error: Exception) -> str:
    """Short text of an error; of a command that delivers a shard its exit code.

    Example
    -------
    >>> reason(OSError("(['curl', '-f', 'http://h/a.tar'],): exit 22 (read) {}"))
    'exit code 22 of curl, see `man curl`'
    """
    found = re.search(r": exit (-?\d+) \(read\)", str(error))
    if not found:
        return str(error)
    whose = "curl, see `man curl`" if "'curl'" in str(error) else "its command"
    return f"exit code {found[1]} of {whose}"


def read_source(url: str) -> bytes:
    """The content of a file, wherever it is.

    Raises
    ------
    ShardError
        If it cannot be read.
    """
    patience = Patience(url)
    while True:
        try:
            with webdataset().gopen(url, "rb") as file:
                return file.read()
        except OSError as error:
            if not patience.wait(error):
                raise ShardError(
                    f"{url}: cannot be read ({patience.story(error)}). Make shards "
                    "(`python -m data_prep shard --help`) or name where they are."
                ) from None


def raw_samples(url: str) -> Iterator[dict]:
    """Samples of one shard as WebDataset reads them, in one attempt."""
    package = webdataset()
    with package.gopen(url, "rb") as stream:
        files = package.tariterators.tar_file_expander([{"url": url, "stream": stream}])
        try:
            yield from package.tariterators.group_by_keys(files)
        except GeneratorExit:
            # A command that may not deliver all of it can fail, which is no error.
            with suppress(OSError):
                stream.close()
            raise


def webdataset() -> ModuleType:
    """The package, which only those need who have shards."""
    try:
        import webdataset
    except ModuleNotFoundError:
        raise ShardError(
            "Reading shards needs the package webdataset, which is not installed: pip "
            "install webdataset."
        ) from None
    return webdataset
