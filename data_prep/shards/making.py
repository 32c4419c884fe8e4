"""Making shards: one each by `make_shard`, many by several processes."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from data_prep.audio_info import AudioError
from data_prep.files import atomic_path, file_digest
from data_prep.shards.audio import store
from data_prep.shards.index import write_json
from data_prep.shards.layout import STATE, sample_key, shard_name
from data_prep.shards.plan import ShardJob

__all__ = ["make_shard", "make_shards"]


def make_shards(jobs: Iterable[ShardJob], workers: int = 1) -> Iterator[dict]:
    """Make shards, except those that are there and whole.

    Arguments
    ---------
    jobs : iterable of ShardJob
        Taken only as far ahead as the processes need.
    workers : int
        Number of processes; 1 stays in this one. More are started afresh, so a script
        needs its `if __name__ == "__main__":`.

    Yields
    ------
    dict
        Records as of `make_shard`, in the order of the jobs.
    """
    if workers == 1:
        yield from map(make_shard, jobs)
        return
    # Forked processes would inherit the threads of the database.
    with ProcessPoolExecutor(workers, get_context("spawn"), _one_thread) as pool:
        pending: deque = deque()
        try:
            for job in jobs:
                pending.append(pool.submit(make_shard, job))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def make_shard(job: ShardJob) -> dict:
    """Make a shard, unless it is there: same rows and settings, same SHA-256.

    A shard in which audio was missing is made again, since that may be there now.

    Arguments
    ---------
    job : ShardJob
        What is to be in it.

    Returns
    -------
    dict
        The record: `digest` of the job, `file`, `bytes` and `sha256` of the tar,
        `seconds` of each sample, `labels` and `corpora` with `[samples, seconds]` of
        each, and `failures`, a list of `[ID, reason]`.
    """
    path = job.out / shard_name(job.number)
    state = job.out / STATE / f"{path.stem}.json"
    record = _finished(path, state, job)
    if record is None:
        record = _make(path, job)
        write_json(state, record)
    return record


def _finished(path: Path, state: Path, job: ShardJob) -> dict | None:
    """The record of a shard, if the shard need not be made."""
    try:
        record = json.loads(state.read_text(encoding="utf-8"))
        if record["digest"] != job.digest() or record["failures"]:
            return None
        return record if record["sha256"] == file_digest(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(path: Path, job: ShardJob) -> dict:
    """Write a shard and give its record."""
    seconds: list[float] = []
    failures: list[tuple[str, str]] = []
    labels: dict[str, list[float]] = {}
    corpora: dict[str, list[float]] = {}
    with atomic_path(path) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for row in job.rows:
                try:
                    stored = store(row, job.data_folder, job.sample_rate)
                except AudioError as error:
                    failures.append((row["ID"], str(error)))
                    continue
                key = sample_key(job.number, len(seconds))
                _add(tar, f"{key}.json", _json(row))
                _add(tar, f"{key}.{stored.suffix}", stored.content)
                seconds.append(stored.seconds)
                _count(labels, row["Label"], stored.seconds)
                _count(corpora, row["Corpus"], stored.seconds)
        size, digest = os.path.getsize(temporary), file_digest(temporary)
    return {
        "digest": job.digest(),
        "file": path.name,
        "bytes": size,
        "sha256": digest,
        "labels": labels,
        "corpora": corpora,
        "failures": failures,
        "seconds": seconds,
    }


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member; nothing in it depends on when and by whom (`TarInfo` has zeros)."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _json(row: Mapping[str, str]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


def _count(totals: dict[str, list[float]], name: str, seconds: float) -> None:
    total = totals.setdefault(name, [0, 0.0])
    total[0] += 1
    total[1] += seconds


def _one_thread() -> None:
    """Keep processes that run side by side from fighting for the processors."""
    import torch

    torch.set_num_threads(1)
