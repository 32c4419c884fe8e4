"""What a build is told, and what its steps share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.mini.jobs import Job, run_jobs
from data_prep.mini.plan import Plan

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """What to build, where and how.

    Arguments
    ---------
    out : Path
        The corpus folder.
    cache : Path
        Folder for downloads, which several corpora may share.
    plan : Plan
        What the corpus consists of.
    seed : int
        Seed of all random choices.
    workers : int
        Number of processes.
    progress : callable
        Told (step, done, total) as the build goes on.
    """

    out: Path
    cache: Path
    plan: Plan
    seed: int
    workers: int
    progress: Callable[[str, int, int], None]

    def run(self, step: str, jobs: Sequence[Job]) -> None:
        """Run the jobs of one step and report their progress."""

        def report(done: int) -> None:
            self.progress(step, done, len(jobs))

        run_jobs(jobs, self.workers, report)
