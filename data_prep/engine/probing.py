"""Facts of many files, by several processes, each file once, in a fixed order."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data_prep.audio_info import AudioError, audio_info
from data_prep.corpora.base import LayoutError, Utterance
from data_prep.engine.cache import HeaderCache, Known, path_keys
from data_prep.headers import Facts, open_header
from data_prep.workers import choose_interrupt, shield_start

__all__ = ["CHUNK", "NO_FILE", "Audio", "Prober", "probe", "probe_batch"]

CHUNK = 2048  # utterances that are dispatched together
#: The problem of a path where nothing is.
NO_FILE = "no such file"
_ALONE = 1.0  # seconds of work before other processes are started
# Files remembered by path, so that pieces of one file read its header once.
_REMEMBERED = 1 << 17
# Waiting so long for a file, in seconds, means a disk or network that answers slowly:
# then many requests have to be under way at once.
_SLOW = 0.0005
_TRIED = 16  # files that are read before deciding
_THREADS = 16

#: Size and time of change, which tell whether a file is as it was.
Stamp = tuple[int, int]
#: (size, time of change, *facts); a reason; or None for a file that is as it was.
Found = tuple | str | None


class Audio:
    """A file, and what was found out about it.

    Arguments
    ---------
    path : str
        Relative to the folder of the corpus.
    """

    __slots__ = ("facts", "path", "problem")

    def __init__(self, path: str):
        self.path = path
        self.facts: Facts | None = None
        self.problem = ""


#: An utterance and its file.
Pair = tuple[Utterance, Audio]


class _Chunk(NamedTuple):
    """Utterances whose files are looked at together."""

    pairs: list[Pair]
    new: list[Audio]
    paths: list[str]
    keys: NDArray[np.uint64]
    known: Known


class Prober:
    """Finds out the facts of the files of utterances.

    Arguments
    ---------
    root : str
        The folder of the corpus.
    cache : HeaderCache
        Facts of an earlier run; new ones are added.
    workers : int
        Number of processes; 1 stays in this one.
    """

    def __init__(self, root: str, cache: HeaderCache, workers: int = 1):
        self.root = root
        self.cache = cache
        self.workers = workers
        #: `path_keys` of all files that were asked for, in pieces.
        self.keys: list[NDArray[np.uint64]] = []
        self._remembered: dict[str, Audio] = {}

    def run(self, utterances: Iterable[Utterance]) -> Iterator[list[Pair]]:
        """Yield the utterances with their files, in chunks, in the given order.

        Arguments
        ---------
        utterances : iterable of Utterance
            Taken only as far ahead as the processes need.

        Yields
        ------
        list of (Utterance, Audio)
        """
        lists = _chunks(iter(utterances))
        start = time.monotonic()
        for chunk in lists:
            yield self._probe_here(chunk)
            # To start processes is not worth it for what is done in a second.
            if self.workers > 1 and time.monotonic() - start > _ALONE:
                yield from self._probe_in_pool(lists)

    def _probe_here(self, utterances: list[Utterance]) -> list[Pair]:
        chunk = self._dispatch(utterances)
        found = probe_batch(self.root, chunk.paths, chunk.known.stamps)
        return self._collect(chunk, found)

    def _probe_in_pool(self, lists: Iterator[list[Utterance]]) -> Iterator[list[Pair]]:
        pending: deque[tuple[_Chunk, Future]] = deque()
        # Spawned processes inherit no threads or locks, and import no more than this
        # module needs.
        pool = ProcessPoolExecutor(
            self.workers,
            mp_context=get_context("spawn"),
            initializer=_end_with_parent,
        )
        try:
            for utterances in lists:
                chunk = self._dispatch(utterances)
                stamps = chunk.known.stamps
                with shield_start():
                    job = pool.submit(probe_batch, self.root, chunk.paths, stamps)
                pending.append((chunk, job))
                if len(pending) > 2 * self.workers:
                    chunk, job = pending.popleft()
                    yield self._collect(chunk, job.result())
            for chunk, job in pending:
                yield self._collect(chunk, job.result())
        except BrokenProcessPool:
            raise LayoutError(
                f"{self.root}: a process that reads headers was killed, most often "
                "for lack of memory. Run again with one worker; what was read is kept."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)

    def _dispatch(self, utterances: list[Utterance]) -> _Chunk:
        """Utterances with their files, and what is known about those that are new."""
        remembered, pairs, new = self._remembered, [], []
        if len(remembered) > _REMEMBERED:
            remembered.clear()
        for utterance in utterances:
            path = utterance.path
            audio = remembered.get(path)
            if audio is None:
                audio = remembered[path] = Audio(path)
                new.append(audio)
            pairs.append((utterance, audio))
        paths = [audio.path for audio in new]
        keys = path_keys(paths)
        self.keys.append(keys)
        return _Chunk(pairs, new, paths, keys, self.cache.find(keys))

    def _collect(self, chunk: _Chunk, found: list[Found]) -> list[Pair]:
        """Give the files of a chunk what was found; pass what is new to the cache."""
        fresh = []
        for index, (audio, outcome) in enumerate(zip(chunk.new, found, strict=True)):
            if outcome is None:
                audio.facts = chunk.known.facts[index]
            elif isinstance(outcome, str):
                audio.problem = outcome
            else:
                audio.facts = outcome[2:]
                fresh.append(index)
        self.cache.add(chunk.keys[fresh], [found[index] for index in fresh])
        return chunk.pairs


def probe_batch(
    root: str, paths: Sequence[str], stamps: Sequence[Stamp] | None = None
) -> list[Found]:
    """`probe` for several files; by threads where the disk answers slowly.

    Arguments
    ---------
    root : str
        The folder of the corpus.
    paths : sequence of str
        Relative to it.
    stamps : sequence of tuple, optional
        Size and time of change of each file when it was read before.

    Returns
    -------
    list
        What `probe` gives, in the order of the paths.
    """
    full = [f"{root}/{path}" for path in paths]
    jobs = list(zip(full, stamps or [None] * len(full), strict=True))
    waited = time.perf_counter() - time.thread_time()
    found = [probe(*job) for job in jobs[:_TRIED]]
    waited = time.perf_counter() - time.thread_time() - waited
    if waited < _SLOW * len(found):
        found += [probe(*job) for job in jobs[_TRIED:]]
    elif len(jobs) > _TRIED:
        with ThreadPoolExecutor(_THREADS) as pool:
            found += pool.map(lambda job: probe(*job), jobs[_TRIED:])
    return found


def probe(path: str, stamp: Stamp | None = None) -> Found:
    """Facts of one file.

    Arguments
    ---------
    path : str
        The file.
    stamp : tuple, optional
        Its size and time of change when it was read before.

    Returns
    -------
    tuple, str or None
        Size, time of change and `Facts`; or why there are none; or None if the file
        has the stamp.
    """
    try:
        if stamp is not None:
            status = os.stat(path)
            if (status.st_size, status.st_mtime_ns) == stamp:
                return None
        size, changed, facts = open_header(path)
        if facts is None:
            info = audio_info(path)
            facts = (
                info.frames,
                info.sample_rate,
                info.channels,
                info.encoding,
                info.bits,
            )
        return size, changed, *facts
    except AudioError as error:
        return str(error).removeprefix(f"{path}: ")
    except FileNotFoundError:
        if not os.path.lexists(path):
            return NO_FILE
        return f"a link to {os.readlink(path)}, which does not exist. Copy the file."
    except OSError as error:
        return f"cannot be read ({error.strerror}). Check the file and its permissions."
    except ValueError as error:  # a name that no file can have
        return f"cannot be read ({error}). Check the name."


def _chunks(stream: Iterator[Utterance]) -> Iterator[list[Utterance]]:
    return iter(lambda: list(islice(stream, CHUNK)), [])


def _end_with_parent() -> None:
    """Let this process end at Ctrl-C, and when the one that started it was killed."""
    choose_interrupt()
    parent = parent_process()
    if parent is not None:
        Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent) -> None:
    parent.join()
    os._exit(1)
