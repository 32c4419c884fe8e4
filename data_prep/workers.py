"""Work on several processes that ends when it is interrupted, without noise."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

__all__ = ["WorkerError", "choose_interrupt", "shield_start", "open_map"]


class WorkerError(RuntimeError):
    """A process of several that was killed; says what to do."""


@contextmanager
def open_map(workers: int) -> Iterator[Callable]:
    """Give a `map` that works on several processes, in order.

    Arguments
    ---------
    workers : int
        Number of processes; 1 stays in this one.

    Yields
    ------
    callable
        As `map`; with `chunksize` as that of `Executor.map`.

    Raises
    ------
    WorkerError
        If a process was killed.

    Example
    -------
    >>> with open_map(1) as apply:
    ...     list(apply(abs, [-1, 2], chunksize=8))
    [1, 2]
    """
    if workers < 2:
        yield lambda work, *values, chunksize=1: map(work, *values)
        return
    pool = ProcessPoolExecutor(workers, initializer=choose_interrupt)
    try:
        yield pool.map
    except BrokenProcessPool:
        raise WorkerError(
            f"one of {workers} worker processes was killed, most often for lack of "
            "memory. Run the same command with fewer --workers."
        ) from None
    finally:
        # After an error or Ctrl-C what waits in the queue is no longer wanted.
        pool.shutdown(cancel_futures=True)


@contextmanager
def shield_start() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started here.

    They would print a traceback if it came while they import. When they are ready, they
    have to call `choose_interrupt`.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def choose_interrupt(finish: bool = False) -> None:
    """Say what Ctrl-C does to this worker process.

    Arguments
    ---------
    finish : bool
        Whether it finishes what it is at, for those that write files; if not, it ends
        at once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN if finish else signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
