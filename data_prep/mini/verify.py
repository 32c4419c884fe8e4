"""Checking a mini corpus on disk against its plan."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from data_prep.manifest import ManifestError, read_manifest, resolve_path
from data_prep.mini.audio import SAMPLE_RATE
from data_prep.mini.items import list_items
from data_prep.mini.plan import Plan

__all__ = ["verify_corpus"]

Row = Mapping[str, str]

# Share of genuine clips in a split; below or above, a detector may do well by
# always giving one answer.
REAL_SHARE = (0.3, 0.6)
SILENT_LEVEL = 1e-3  # root mean square


def verify_corpus(out: Path, plan: Plan, seed: int) -> list[str]:
    """Find everything in which a corpus differs from what it should be.

    Arguments
    ---------
    out : Path
        The corpus folder.
    plan : Plan
        What was to be built.
    seed : int
        With which seed.

    Returns
    -------
    list of str
        One message for each problem; empty if there is none.
    """
    planned = defaultdict(list)
    for item in list_items(plan, seed):
        planned[item.split].append(item)
    splits: dict[str, list[dict[str, str]]] = {}
    problems = []
    for split in planned:
        try:
            splits[split] = read_manifest(out / "manifests" / f"{split}.csv")
        except ManifestError as error:
            problems.append(str(error))
    for split, rows in splits.items():
        names = [item.name for item in planned[split]]
        problems += _compare_names(split, names, [row["ID"] for row in rows])
        problems += _check_balance(split, rows)
    problems += _check_audio(out, splits)
    problems += _check_borders(splits)
    problems += _check_subsets(out, plan, splits.get("target_train", []))
    problems += _check_sources(out, splits)
    return problems


def _compare_names(
    split: str, planned: Sequence[str], found: Sequence[str]
) -> Iterator[str]:
    missing, extra = set(planned) - set(found), set(found) - set(planned)
    if missing or extra:
        example = sorted(missing | extra)[0]
        yield (
            f"{split}.csv: {len(missing)} planned clips are missing and {len(extra)} "
            f"are too many, for example {example}"
        )


def _check_balance(split: str, rows: Sequence[Row]) -> Iterator[str]:
    share = sum(row["Label"] == "real" for row in rows) / len(rows)
    if not REAL_SHARE[0] <= share <= REAL_SHARE[1]:
        yield (
            f"{split}.csv: {share:.0%} of the clips are real; expected "
            f"{REAL_SHARE[0]:.0%} to {REAL_SHARE[1]:.0%}"
        )


def _check_audio(out: Path, splits: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Decode every file; no two may hold the same samples."""
    seen: dict[str, str] = {}
    for split, rows in splits.items():
        for row in rows:
            path = resolve_path(row["Path"], out)
            try:
                samples, rate = soundfile.read(path, dtype="float32")
            except (OSError, soundfile.LibsndfileError) as error:
                yield f"{path}: cannot be decoded ({error})"
                continue
            place = f"{split}, {row['ID']}"
            yield from _check_samples(place, row, samples, rate)
            digest = hashlib.sha256(samples.tobytes()).hexdigest()
            if digest in seen:
                yield f"{place}: the same audio as {seen[digest]}"
            seen[digest] = place


def _check_samples(
    place: str, row: Row, samples: np.ndarray, rate: int
) -> Iterator[str]:
    if rate != SAMPLE_RATE or samples.ndim != 1:
        yield f"{place}: {rate} Hz, shape {samples.shape}; expected mono at 16 kHz"
    if abs(len(samples) / rate - float(row["Duration"])) > 1e-3:
        seconds = len(samples) / rate
        yield f"{place}: lasts {seconds:.4f} s, the manifest says {row['Duration']}"
    if not np.isfinite(samples).all():
        yield f"{place}: has samples that are not finite"
    elif not len(samples) or np.sqrt(np.mean(samples**2)) < SILENT_LEVEL:
        yield f"{place}: is silent"


def _check_borders(splits: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """No genuine speaker and no pair may be on both sides of a border.

    Train and valid of one domain share speakers; nothing else does. Pairs of a
    genuine clip and its copy stay within a split.
    """
    sides: dict[str, dict[str, str]] = {"Speaker": {}, "Recording": {}}
    for split, rows in splits.items():
        part = split if split.endswith("_test") else split.split("_")[0]
        for column, side in (("Speaker", part), ("Recording", split)):
            for value in sorted({row[column] for row in rows}):
                other = sides[column].setdefault(value, side)
                if other != side and not value.startswith("espeak_"):
                    yield f"{column} {value!r} is both in {other} and in {side}"


def _check_subsets(out: Path, plan: Plan, train: Sequence[Row]) -> Iterator[str]:
    """Subsets are nested, balanced parts of the train split."""
    larger = {row["ID"] for row in train}
    for size in sorted(plan.subset_sizes, reverse=True):
        name = f"target_train_{size}.csv"
        try:
            rows = read_manifest(out / "manifests" / name)
        except ManifestError as error:
            yield str(error)
            continue
        names = {row["ID"] for row in rows}
        labels = Counter(row["Label"] for row in rows)
        if len(rows) != size or labels["real"] != labels["fake"]:
            yield f"{name}: {dict(labels)}; expected {size} clips, half of them real"
        if not names <= larger:
            yield f"{name}: has clips that the next larger subset does not have"
        larger = names


def _check_sources(out: Path, splits: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Every clip has a complete line in the sidecar."""
    path = out / "manifests" / "sources.csv"
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = {line["ID"]: line for line in csv.DictReader(file)}
    except (OSError, KeyError) as error:
        yield f"{path}: cannot be read ({error!r})"
        return
    for rows in splits.values():
        for row in rows:
            line = lines.get(row["ID"])
            if line is None:
                yield f"{path}: no line for {row['ID']}"
            elif not all(line.values()):
                yield f"{path}: incomplete line for {row['ID']}"
