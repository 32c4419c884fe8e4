"""Running independent jobs on several processes, each once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from data_prep.mini.errors import MiniError

__all__ = ["Job", "run_jobs"]


@dataclass(frozen=True)
class Job:
    """One function call whose result is one file.

    Arguments
    ---------
    output : Path
        The file that `function` writes atomically; the job is skipped when the
        file exists.
    function : callable
        A module-level function, called as `function(output, *arguments)`.
    arguments : tuple
        Must be picklable.
    cost : float
        Estimated seconds; long jobs start first, so that no process idles at
        the end.
    """

    output: Path
    function: Callable[..., None]
    arguments: tuple[Any, ...]
    cost: float = 1.0


def run_jobs(jobs: Sequence[Job], workers: int, report: Callable[[int], None]) -> None:
    """Run the jobs whose outputs are missing.

    Arguments
    ---------
    jobs : sequence of Job
        Independent of one another.
    workers : int
        How many processes.
    report : callable
        Told the number of finished jobs whenever it grows.

    Raises
    ------
    MiniError
        The first error of a job; the other jobs are not started then.
    """
    todo = [job for job in jobs if not job.output.exists()]
    done = len(jobs) - len(todo)
    report(done)
    if not todo:
        return
    todo.sort(key=lambda job: (-job.cost, str(job.output)))
    # Spawned processes inherit no threads or locks of the parent, and read the
    # thread settings below before any numerical library is loaded.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as executor:
        futures = [executor.submit(_run, job) for job in todo]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                report(done)
        except BrokenProcessPool:
            raise MiniError(
                "a worker process was killed, most often for lack of memory. Run "
                "again with --workers 1; finished steps are kept."
            ) from None
        finally:
            executor.shutdown(cancel_futures=True)


def _run(job: Job) -> None:
    job.function(job.output, *job.arguments)
