"""The build: from packages to audio, manifests and sidecar files.

Every step writes its result to a file in the work folder and is skipped when
that file exists, so a build that was killed goes on where it was. Steps depend
on the plan, the seed and the versions of the tools and on nothing else, neither
time, order nor number of processes; hence the same bytes come out each time.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from data_prep.files import atomic_path
from data_prep.manifest import write_manifest
from data_prep.mini import channel, engines, sources, whisper_wheel
from data_prep.mini.audio import SAMPLE_RATE, cut_pieces, generator
from data_prep.mini.errors import MiniError
from data_prep.mini.genuine import make_genuine_pieces
from data_prep.mini.items import Item, balanced_order, list_items, manifest_row
from data_prep.mini.jobs import Job, run_jobs
from data_prep.mini.plan import Plan, Voice
from data_prep.mini.sources import Prefix
from data_prep.mini.store import read_clips, write_clips
from data_prep.mini.texts import TextStock
from data_prep.mini.vocoders import make_copies

__all__ = ["Settings", "build_corpus", "is_complete"]

STAMP = ".complete.json"
WORK = ".work"

# Sentences needed for one piece, and for the last one that remains a part.
SENTENCES_PER_PIECE, SPARE_SENTENCES = 1.4, 4
CLIPS_PER_JOB = 40
COPIES_PER_JOB = 30
# Sentences in one job: few where they take long, for even loads and resuming.
SENTENCES_PER_JOB = {"kokoro": 8}
DEFAULT_SENTENCES_PER_JOB = 40
# Estimated seconds for one sentence or copy.
COSTS = {"kokoro": 1.5, "piper": 0.3, "festival": 0.15, "world": 0.1, "world_vc": 0.1}
DEFAULT_COST = 0.06

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What to build, where.

    Arguments
    ---------
    out : Path
        The corpus folder.
    cache : Path
        Folder for downloads, which several corpora may share.
    seed : int
        Seed of all random choices.
    workers : int
        Number of processes.
    progress : callable
        Told (step, done, total) as the build goes on.
    plan : Plan
        What the corpus consists of.
    """

    out: Path
    cache: Path
    seed: int
    workers: int
    progress: Progress
    plan: Plan
