"""Reading training batches from shards against reading them from files, side by side.

Run from the root of the repository (some minutes):

    OMP_NUM_THREADS=1 python -m benchmarks.shards

Reading: hours of audio that become batches (crops of 4 to 6 s, normalised, no
augmentation) in a second of CPU time, by `training_loader` from files and by
`shard_training_loader` from shards of the same files, in one process. Files of other
rates than 16 kHz have to be resampled each time, shards of 16 kHz once. Values are
medians over rounds in which the two take turns; a ratio is the median over the rounds,
with its lowest and highest value. Everything is in the page cache: what a shard saves
on a slow disk or a network, one open file for thousands, comes on top.

Batches: padding and seconds of batches in a pass over 200,000 lengths, log-normal with
a mean of 6 s and cut to 13 s, by the sampler for files and by the plan for shards with
8 lanes; and the time that the plan takes for a sample, which is what a resume costs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from data_prep.manifest import UNKNOWN, read_manifest, write_manifest
from data_prep.shard import shard
from recipes.AntiDeepfake.dataio import make_dataset
from recipes.AntiDeepfake.sampling import EndlessBatchSampler, training_loader
from recipes.AntiDeepfake.shard_plan import LanePlan
from recipes.AntiDeepfake.shards import (
    make_shard_dataset,
    open_shards,
    shard_training_loader,
)

FILES = 150
ROUNDS = 7
STEPS = 30
CROP = (4.0, 6.0)
BATCHES = {"max_batch_length": 60.0, "longest": CROP[1], "num_buckets": 10}
FORMATS = ((16000, "flac"), (16000, "wav"), (24000, "wav"), (44100, "mp3"))
LENGTHS = 200_000
LANES = 8
RATE = 16000


def make_corpus(folder: Path, rate: int, suffix: str) -> Path:
    """Files of noise with a slope like that of speech, 3 to 8 s, and their manifest."""
    rng = np.random.default_rng(0)
    unknown = dict.fromkeys(("Attack", "Speaker", "Proportion", "Language"), UNKNOWN)
    rows = []
    for number in range(FILES):
        seconds = round(rng.uniform(3, 8), 2)
        noise = np.cumsum(rng.standard_normal(int(seconds * rate)))
        noise -= np.convolve(noise, np.ones(99) / 99, "same")
        path = folder / f"{number}.{suffix}"
        soundfile.write(path, 0.3 * noise / np.abs(noise).max(), rate)
        facts = {"Duration": seconds, "SampleRate": rate, "AudioChannel": 1}
        facts |= {"AudioEncoding": suffix.upper(), "AudioBitSample": 16}
        name = {"ID": str(number), "Label": ("real", "fake")[number % 2]}
        rows.append(name | facts | unknown | {"Path": str(path)})
    write_manifest(folder / "m.csv", rows)
    return folder / "m.csv"


def hours_per_second(loader) -> float:
    """Hours of audio in a second of CPU time, over some batches."""
    seconds, start = 0.0, time.process_time()
    for batch in loader:
        wav = batch.wav
        seconds += float((wav.lengths * wav.data.shape[1]).sum()) / RATE
    return seconds / 3600 / (time.process_time() - start)


def compare_reading(rate: int, suffix: str) -> None:
    """Print one line: files, shards of 16 kHz, and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = make_corpus(folder, rate, suffix)
        index, _ = shard([manifest], None, folder / "shards", shard_size=20_000_000)
        files = make_dataset(read_manifest(manifest), crop=CROP)
        shards = make_shard_dataset(open_shards(folder / "shards"), crop=CROP)
        loaders = [
            training_loader(files, STEPS, **BATCHES),
            shard_training_loader(shards, STEPS, **BATCHES, shuffle_buffer=50),
        ]
        for loader in loaders:  # the first batches fill buffers
            hours_per_second(loader)
        found = np.array(
            [[hours_per_second(loader) for loader in loaders] for _ in range(ROUNDS)]
        )
    ratios = found[:, 1] / found[:, 0]
    medians = np.median(found, axis=0)
    print(
        f"{rate:>6} Hz {suffix:5} {medians[0]:>8.3f} {medians[1]:>8.3f}  "
        f"x{np.median(ratios):.2f} [{ratios.min():.2f}, {ratios.max():.2f}]   "
        f"{index['bytes'] / index['seconds'] / 1000:.1f} kB/s",
        flush=True,
    )


def statistics(name: str, batches: Sequence[Sequence[float]]) -> None:
    """Print padding and seconds of batches of lengths."""
    real = np.array([sum(batch) for batch in batches])
    padded = np.array([len(batch) * max(batch) for batch in batches])
    print(
        f"{name:8} {len(batches):>7} batches  {1 - real.sum() / padded.sum():.4f} "
        f"padding  {padded.mean():>6.2f} s in a batch (sd {padded.std():.2f}, most "
        f"{padded.max():.2f})"
    )


def compare_batches() -> None:
    """Print the statistics of one pass, and what the plan costs."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.lognormal(1.6, 0.6, LENGTHS), 13.0).astype(np.float32)
    sampler = EndlessBatchSampler(lengths, 100.0)
    batches = [[float(lengths[i]) for i in batch] for batch in sampler.batches(0)]
    statistics("files", batches)
    parts = np.split(lengths, 80)
    classes = sampler.buckets
    found = []
    for lane in range(LANES):
        plan = LanePlan(np.split(classes.classes, 80), classes.sizes, lane, LANES)
        for refs in plan:
            places = [plan.place(ref.turn) for ref in refs]
            if places[0][0]:
                break
            pairs = zip(places, refs, strict=True)
            found.append([float(parts[place[1]][ref.number]) for place, ref in pairs])
    statistics("shards", found)
    plan = LanePlan(np.split(classes.classes, 80), classes.sizes)
    start = time.process_time()
    plan.skip(len(batches))
    each = (time.process_time() - start) / LENGTHS
    print(f"plan: {1e6 * each:.2f} us of CPU time for a sample")


def main() -> None:
    """Print both comparisons."""
    print(f"{'':16} {'files':>8} {'shards':>8}  hours of audio per second of CPU time")
    for rate, suffix in FORMATS:
        compare_reading(rate, suffix)
    compare_batches()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
