"""The last step of a clip: through its channel and into its audio file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile

from data_prep.files import atomic_path
from data_prep.mini import channel
from data_prep.mini.audio import SAMPLE_RATE, generator
from data_prep.mini.copies import read_clip
from data_prep.mini.items import Item
from data_prep.mini.jobs import Job
from data_prep.mini.settings import Settings
from data_prep.mini.sources import Prefix

__all__ = ["write_audio", "write_clip_files"]

CLIPS_PER_JOB = 40
WIDE_STEPS = "equaliser low-pass compression noise vorbis g722"


def write_audio(
    settings: Settings, prefix: Prefix, work: Path, items: Sequence[Item]
) -> dict[str, dict[str, Any]]:
    """Write the audio files of all clips.

    Arguments
    ---------
    settings : Settings
        The build.
    prefix : Prefix
        The unpacked packages.
    work : Path
        Folder with the results of the earlier steps.
    items : sequence of Item
        All clips of the plan.

    Returns
    -------
    dict
        For each ID its `frames`, `origin` and `transformations`.
    """
    jobs = []
    for telephone in (False, True):
        name = "telephone" if telephone else "wide"
        parts = settings.plan.parts
        some = [item for item in items if parts[item.part].telephone == telephone]
        for start in range(0, len(some), CLIPS_PER_JOB):
            chunk = some[start : start + CLIPS_PER_JOB]
            output = work / "channel" / f"{name}-{start:05d}.json"
            arguments = (settings.out, work, prefix, chunk, telephone, settings.seed)
            jobs.append(Job(output, write_clip_files, arguments, cost=len(chunk)))
    settings.run("audio files", jobs)
    clips: dict[str, dict[str, Any]] = {}
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
    """Write the audio files of some clips, then what is known of them (a job)."""
    clips = [read_clip(work, item) for item in items]
    randoms = [generator("channel", seed, item.name) for item in items]
    if telephone:
        results = [
            channel.telephone_channel(clip.waveform, random, prefix)
            for clip, random in zip(clips, randoms, strict=True)
        ]
    else:
        waveforms = [
            channel.wide_channel(clip.waveform, random)
            for clip, random in zip(clips, randoms, strict=True)
        ]
        results = [(coded, WIDE_STEPS) for coded in channel.through_g722(waveforms)]
    facts = {}
    for item, clip, random, (waveform, steps) in zip(
        items, clips, randoms, results, strict=True
    ):
        waveform = channel.random_level(waveform, random)
        with atomic_path(out / item.path) as temporary:
            soundfile.write(temporary, waveform, SAMPLE_RATE, subtype="PCM_16")
        facts[item.name] = {
            "frames": len(waveform),
            "origin": clip.origin,
            "transformations": steps,
        }
    with atomic_path(output) as temporary:
        temporary.write_text(json.dumps(facts), "utf-8")
