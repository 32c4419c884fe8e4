"""Whether shards are what their index says, down to the samples."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.audio_info import AudioError, read_audio
from data_prep.files import file_digest
from data_prep.manifest import ManifestError, check_row
from data_prep.shards.index import read_index
from data_prep.shards.layout import INDEX, SECONDS, audio_file, sample_key

__all__ = ["verify_shards"]


def verify_shards(folder: str | Path, workers: int = 1) -> Iterator[list[str]]:
    """Compare checksums, read every row and decode all audio.

    Arguments
    ---------
    folder : str or Path
        Where `index.json` is.
    workers : int
        Number of processes.

    Yields
    ------
    list of str
        What is wrong: first with the index, then with each shard in turn.

    Raises
    ------
    ManifestError
        If there is no index.
    """
    folder = Path(folder)
    index = read_index(folder)
    problems, seconds = _check_seconds(folder, index)
    yield problems
    ends = np.cumsum([entry["samples"] for entry in index["shards"]])
    parts = np.split(seconds, ends[:-1]) if len(ends) else []
    numbered = list(enumerate(index["shards"]))
    several = workers > 1 < len(numbered)
    pool = ProcessPoolExecutor(workers, get_context("spawn")) if several else None
    with pool or nullcontext():
        yield from (pool.map if pool else map)(
            partial(_verify_shard, folder), numbered, parts
        )


def _check_seconds(
    folder: Path, index: Mapping
) -> tuple[list[str], NDArray[np.float32]]:
    """Problems of `seconds.npy`, and what is in it."""
    path = folder / SECONDS
    unknown = np.full(index["samples"], np.nan, np.float32)
    again = "Run `python -m data_prep shard` with the same arguments again."
    if sum(entry["samples"] for entry in index["shards"]) != index["samples"]:
        return [f"{folder / INDEX}: the totals do not add up. {again}"], unknown
    try:
        if file_digest(path) == index["seconds_sha256"]:
            return [], np.load(path)
    except OSError as error:
        return [f"{path}: cannot be read ({error.strerror}). {again}"], unknown
    return [f"{path}: not the one of {INDEX} (SHA-256). {again}"], unknown


def _verify_shard(
    folder: Path, numbered: tuple[int, Mapping], seconds: NDArray[np.float32]
) -> list[str]:
    """What is wrong with a shard."""
    number, entry = numbered
    path = folder / entry["file"]
    try:
        if file_digest(path) != entry["sha256"]:
            return [
                f"{path}: not the one of {INDEX} (SHA-256). Copy it again, or run "
                "`python -m data_prep shard` with the same arguments again."
            ]
        with tarfile.open(path) as tar:
            return list(_sample_problems(tar, path, number, seconds))
    except (OSError, tarfile.TarError) as error:
        return [f"{path}: cannot be read ({error}). Copy it again."]


def _sample_problems(
    tar: tarfile.TarFile, path: Path, shard: int, seconds: NDArray[np.float32]
) -> Iterator[str]:
    """What is wrong with the samples of a shard that is whole."""
    members = iter(tar)
    for number, expected in enumerate(seconds):
        key = sample_key(shard, number)
        text, sound = next(members, None), next(members, None)
        names = [member and member.name.partition(".")[0] for member in (text, sound)]
        if names != [key, key]:
            yield f"{path}: {names} instead of sample {key}. Make the shard again."
            return
        try:
            check_row(json.loads(tar.extractfile(text).read()), f"{path}, {text.name}")
            content = tar.extractfile(sound).read()
            with audio_file(content, sound.name.partition(".")[2]) as file:
                samples, rate = read_audio(file)
        except (AudioError, ManifestError, ValueError) as error:
            yield f"{path}, {key}: {error}"
            continue
        # float32 holds times up to three days to a millisecond or so.
        found = len(samples) / rate
        if abs(found - expected) > 1e-6 * max(found, 1) + 1e-3:
            yield (
                f"{path}, {key}: {found:.3f} s long, but {SECONDS} says "
                f"{expected:.3f}. Make the shards again."
            )
    if next(members, None) is not None:
        yield f"{path}: more samples than {INDEX} says. Make the shard again."
