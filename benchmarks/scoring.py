"""Memory and time that scoring a million trials takes beside the detector.

Run from the root of the repository (some minutes):

    python -m benchmarks.scoring

Memory is what Python and NumPy hold for each trial, by `tracemalloc`, when a run that
was stopped goes on with all scores there; beside it that of a dictionary of the same
scores. Times are CPU time. The rows lie on disk, as those of every evaluation.
"""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_prep.manifest import COLUMNS
from recipes.AntiDeepfake.arrow_rows import open_manifest
from recipes.AntiDeepfake.logit_table import LogitTable
from recipes.AntiDeepfake.score_log import ScoreLog
from recipes.AntiDeepfake.scoring import write_scores
from recipes.AntiDeepfake.scoring_run import Scored, ScoringRun

TRIALS = 1_000_000
BATCH = 16


def write_list(path: Path) -> None:
    """Write a manifest of audio that nobody reads."""
    with open(path, "w", encoding="utf-8") as file:
        print(",".join(COLUMNS), file=file)
        for i in range(TRIALS):
            label, attack = ("real", "-") if i % 2 else ("fake", f"A{i % 10}")
            print(
                f"E_{i:010d}_utterance,{label},3.5,16000,$ROOT/corpus/eval/{i}.flac,"
                f"{attack},S{i % 500},test,1,FLAC,16,EN",
                file=file,
            )


def memory(name: str, make: Callable[[], object]) -> None:
    """Print what an object holds for each trial, and the most while it was made."""
    tracemalloc.start()
    kept = make()
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    print(f"{name:34} {held / TRIALS:6.0f} bytes, at most {most / TRIALS:.0f}")


def timed(name: str, work: Callable[[], object]) -> object:
    """Print CPU seconds; give what the work gives."""
    start = time.process_time()
    found = work()
    print(f"{name:34} {time.process_time() - start:6.1f} s", flush=True)
    return found


def fill(table: LogitTable, ids: list[str], logits: np.ndarray) -> None:
    """Add all trials batch by batch."""
    for first in range(0, TRIALS, BATCH):
        last = first + BATCH
        table.add(ids[first:last], logits[first:last])


def main() -> None:
    """Print memory and times."""
    logits = np.random.default_rng(0).normal(size=(TRIALS, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_list(folder / "list.csv")
        rows = open_manifest(folder / "list.csv")
        ids = list(rows.texts("ID"))
        log = ScoreLog(folder / "scored", "benchmark")
        timed("log all trials", lambda: log.append(ids, logits.tolist()))
        table = LogitTable(rows)
        timed(f"keep all, {BATCH} at a time", lambda: fill(table, ids, logits))
        run = timed("go on with all of the log", lambda: ScoringRun(rows, log))
        scores = folder / "scores.csv"
        timed("scores.csv", lambda: write_scores(scores, rows, Scored(run.table)))
        memory("a dictionary of the log", log.read)
        memory("a run with all of the log", lambda: ScoringRun(rows, log))


if __name__ == "__main__":
    main()
