"""The copies of the plan: which genuine pieces go through which vocoder."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from data_prep.mini.audio import fit, generator
from data_prep.mini.items import Item
from data_prep.mini.jobs import Job
from data_prep.mini.settings import Settings
from data_prep.mini.sources import Prefix
from data_prep.mini.store import Clip, read_clips, store_path, write_clips
from data_prep.mini.vocoders import VOCODERS

__all__ = ["copy_jobs", "make_copies", "read_clip"]

COPIES_PER_JOB = 30
# Estimated seconds for one copy.
COSTS = {"world": 0.1, "world_vc": 0.1}
DEFAULT_COST = 0.06


def copy_jobs(
    settings: Settings, prefix: Prefix, work: Path, items: Sequence[Item]
) -> list[Job]:
    """Jobs that make all copies.

    Arguments
    ---------
    settings : Settings
        The build.
    prefix : Prefix
        The unpacked packages.
    work : Path
        Folder for results; the genuine pieces are in it.
    items : sequence of Item
        All clips of the plan.

    Returns
    -------
    list of Job
        Each for up to `COPIES_PER_JOB` copies, see `read_clip`.
    """
    by_store = defaultdict(list)
    for item in items:
        if item.source:
            by_store[item.store].append(item)
    jobs = []
    for store, copies in by_store.items():
        attack = copies[0].attack
        for start in range(0, len(copies), COPIES_PER_JOB):
            some = copies[start : start + COPIES_PER_JOB]
            sources = [
                (
                    copy.source.name,
                    store_path(work, copy.source.store),
                    copy.source.index,
                )
                for copy in some
            ]
            arguments = (prefix, attack, sources, settings.seed)
            cost = len(some) * COSTS.get(attack, DEFAULT_COST)
            output = work / store / f"{start:04d}.npz"
            jobs.append(Job(output, make_copies, arguments, cost))
    return jobs


def make_copies(
    output: Path,
    prefix: Prefix,
    attack: str,
    sources: list[tuple[str, Path, int]],
    seed: int,
) -> None:
    """Vocode genuine pieces and write the copies (a job of the build).

    Arguments
    ---------
    output : Path
        For the copies, in the order of the sources.
    prefix : Prefix
        The unpacked packages.
    attack : str
        A name in `VOCODERS`.
    sources : list of (name, Path, int)
        Unique name of each piece, the file of clips that it is in, its index.
    seed : int
        Seed of the random choices.
    """
    stores = {path: read_clips(path) for path in {path for _, path, _ in sources}}
    copies = []
    for name, path, index in sources:
        source = stores[path][index]
        random = generator("copy", seed, attack, name)
        copy = VOCODERS[attack](prefix, source.waveform, random)
        copies.append(Clip(fit(copy, len(source.waveform)), source.origin))
    write_clips(output, copies)


def read_clip(work: Path, item: Item) -> Clip:
    """The clip of any item, from the file of the step that made it."""
    if item.source is None:
        return _read_store(store_path(work, item.store))[item.index]
    start = item.index - item.index % COPIES_PER_JOB
    return _read_store(work / item.store / f"{start:04d}.npz")[item.index - start]


# Neighbouring items come from few files.
_read_store = functools.lru_cache(maxsize=2)(read_clips)
