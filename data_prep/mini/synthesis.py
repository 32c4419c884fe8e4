"""The synthetic speech of the plan: which voice says what, and pieces of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.mini.audio import cut_pieces, generator
from data_prep.mini.engines import allowed_text, make_sentences
from data_prep.mini.errors import MiniError
from data_prep.mini.items import Item
from data_prep.mini.jobs import Job
from data_prep.mini.plan import Voice
from data_prep.mini.settings import Settings
from data_prep.mini.sources import Prefix
from data_prep.mini.store import read_clips, store_path, write_clips
from data_prep.mini.texts import TextStock

__all__ = ["make_synthetic_pieces"]

# Sentences to begin with for each piece, and for what remains at the end.
SENTENCES_PER_PIECE, SPARE_SENTENCES = 1.55, 3
MOST_ROUNDS = 5
# Few sentences a job where they take long, for even loads and for resuming.
SENTENCES_PER_JOB = {"kokoro": 8}
DEFAULT_SENTENCES_PER_JOB = 40
# Estimated seconds for one sentence.
COSTS = {"kokoro": 1.5, "piper": 0.3, "festival": 0.15}
DEFAULT_COST = 0.06


@dataclass
class _Speaker:
    """A voice of the plan at work.

    Arguments
    ---------
    voice : Voice
        The voice.
    part : str
        The part of the plan that it is in.
    folder : Path
        For its sentences.
    pieces : Path
        File for its pieces.
    files : list of Path
        Files of its sentences so far.
    spoken : int
        Sentences so far.
    """

    voice: Voice
    part: str
    folder: Path
    pieces: Path
    files: list[Path] = field(default_factory=list)
    spoken: int = 0


def make_synthetic_pieces(
    settings: Settings,
    prefix: Prefix,
    work: Path,
    items: Sequence[Item],
    more_jobs: Sequence[Job],
) -> int:
    """Speak sentences with every voice until they give the planned pieces.

    Arguments
    ---------
    settings : Settings
        The build.
    prefix : Prefix
        The unpacked packages.
    work : Path
        Folder for results.
    items : sequence of Item
        All clips of the plan.
    more_jobs : sequence of Job
        Jobs of another kind to run beside the first round.

    Returns
    -------
    int
        How many sentences were left out because an engine cannot read them.

    Raises
    ------
    MiniError
        If an engine fails, or its sentences are so short that they do not do.
    """
    stock = TextStock(prefix, settings.seed)
    speakers = _speakers(work, items)
    jobs = list(more_jobs)
    for number in range(1, MOST_ROUNDS + 1):
        for speaker in speakers:
            jobs += _sentence_jobs(settings, prefix, stock, speaker)
        settings.run(f"synthetic speech {number}", jobs)
        cuts = [_cut_job(settings, speaker) for speaker in speakers]
        settings.run(f"synthetic pieces {number}", cuts)
        speakers = [one for one in speakers if not one.pieces.exists()]
        if not speakers:
            return stock.left_out
        jobs = []
    voice = speakers[0].voice
    raise MiniError(
        f"engine {voice.engine}, voice {voice.name}: {speakers[0].spoken} sentences in "
        f"{voice.language!r} do not give {voice.count} pieces. Lower the number in "
        "data_prep/mini/plan.py."
    )


def cut_synthetic_pieces(
    output: Path, files: Sequence[Path], count: int, key: str
) -> None:
    """Cut pieces from a voice's sentences; no output if they are too few."""
    sentences = [clip for path in files for clip in read_clips(path)]
    pieces = cut_pieces(sentences, count, generator("pieces", key))
    if len(pieces) == count:
        write_clips(output, pieces)


def _speakers(work: Path, items: Sequence[Item]) -> list[_Speaker]:
    """Every voice of the plan once."""
    firsts = {item.store: item for item in reversed(items) if item.voice}
    return [
        _Speaker(
            voice=item.voice,
            part=item.part,
            folder=work / "sentences" / store,
            pieces=store_path(work, store),
        )
        for store, item in reversed(firsts.items())
    ]


def _sentence_jobs(
    settings: Settings, prefix: Prefix, stock: TextStock, speaker: _Speaker
) -> list[Job]:
    """Jobs for the first sentences of a voice, or for a few more."""
    voice = speaker.voice
    count = math.ceil(voice.count * SENTENCES_PER_PIECE) + SPARE_SENTENCES
    if speaker.spoken:
        count = math.ceil(voice.count * SENTENCES_PER_PIECE / 4)
    allowed = allowed_text(voice.engine, voice.name)
    texts = stock.take(voice.language, count, allowed)
    size = SENTENCES_PER_JOB.get(voice.engine, DEFAULT_SENTENCES_PER_JOB)
    jobs = []
    for start in range(0, len(texts), size):
        some = texts[start : start + size]
        first = speaker.spoken + start
        keys = (settings.seed, speaker.part, voice.language, first)
        output = speaker.folder / f"{first:04d}.npz"
        cost = len(some) * COSTS.get(voice.engine, DEFAULT_COST)
        arguments = (prefix, voice.engine, voice.name, some, keys)
        jobs.append(Job(output, make_sentences, arguments, cost))
        speaker.files.append(output)
    speaker.spoken += len(texts)
    return jobs


def _cut_job(settings: Settings, speaker: _Speaker) -> Job:
    key = f"{settings.seed}|{speaker.pieces.parent.name}/{speaker.pieces.stem}"
    arguments = (list(speaker.files), speaker.voice.count, key)
    return Job(speaker.pieces, cut_synthetic_pieces, arguments)
