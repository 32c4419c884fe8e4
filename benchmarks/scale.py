"""What a manifest of millions of rows costs in training, against SpeechBrain's classes.

Run from the root of the repository:

    OMP_NUM_THREADS=1 python -m benchmarks.scale                  # a million rows
    OMP_NUM_THREADS=1 python -m benchmarks.scale --rows 20000000  # slow, 7 GB of disk

`SpeechBrain` is `DynamicItemDataset.from_csv` and `DynamicBatchSampler`, `ours` are
`manifest_rows`, `ManifestDataset` and `EndlessBatchSampler`; both make the same three
items (ID, path, label as a number) of the same rows, and batches of 100 s. Each runs in
a process of its own, in turns, `--rounds` times; times are CPU time of all threads,
medians over the rounds. Above two million rows SpeechBrain's classes are left out.

Memory is what a process alone has (private dirty pages), beyond what it had before, per
row. A worker reads half of the rows, a million at most, in random order: one that was
forked copies the pages that it writes to, be it only by counting references; one that
was spawned gets the dataset pickled. Pages of a mapped file belong to all processes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler

from data_prep.manifest import COLUMNS
from recipes.AntiDeepfake.arrow_rows import open_manifest
from recipes.AntiDeepfake.batches import Batches
from recipes.AntiDeepfake.dataio import LABELS, ManifestDataset
from recipes.AntiDeepfake.sampling import EndlessBatchSampler

ROWS = 1_000_000
MOST_OF_SPEECHBRAIN = 2_000_000
MAX_BATCH_LENGTH, NUM_BUCKETS = 100.0, 20
LONGEST = 13.0
ACCESSES = 100_000
MOST_READ = 1_000_000
WAYS = ("SpeechBrain", "ours")


def write_manifest(path: Path, rows: int) -> None:
    """Write a manifest of speech whose lengths are log-normal, from 0.5 to 13 s."""
    rng = np.random.default_rng(0)
    with open(path, "w") as file:
        file.write(",".join([*COLUMNS, "Corpus"]) + "\n")
        for first in range(0, rows, 1 << 16):
            count = min(1 << 16, rows - first)
            lengths = np.clip(rng.lognormal(1.4, 0.6, count), 0.5, LONGEST).tolist()
            numbers = range(first, first + count)
            file.writelines(
                f"corpus{i % 7}-train-{i:09d},{'real' if i % 4 else 'fake'},"
                f"{seconds:.2f},16000,$ROOT/corpus{i % 7}/{i % 5000:04d}/{i:09d}.flac,"
                f"A{i % 17:02d},{i % 5000:04d},train,1,FLAC,16,EN,C{i % 7}\n"
                for i, seconds in zip(numbers, lengths, strict=True)
            )


def open_rows(way: str, path: Path) -> DynamicItemDataset:
    """Open a manifest, without what is made of a row."""
    if way == "ours":
        return ManifestDataset(open_manifest(path))
    return DynamicItemDataset.from_csv(path, replacements={"ROOT": "/data"})


def with_items(dataset: DynamicItemDataset) -> DynamicItemDataset:
    """Let a dataset give ID, path and label."""
    dataset.add_dynamic_item(LABELS.__getitem__, takes="Label", provides="label")
    dataset.set_output_keys(["id", "Path", "label"])
    return dataset


def private_bytes() -> int:
    """Memory that this process alone has and has written to."""
    text = Path("/proc/self/smaps_rollup").read_text()
    lines = [line.split() for line in text.splitlines()]
    return 1024 * sum(int(line[1]) for line in lines if line[0] == "Private_Dirty:")


def cpu_seconds(function: Callable[[], object]) -> tuple[float, object]:
    """CPU time of a call, and its result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def read_half(dataset: DynamicItemDataset) -> None:
    """Read half of the rows in random order, as one of two workers does."""
    order = random.Random(0)
    for _ in range(min(MOST_READ, len(dataset) // 2)):
        dataset[order.randrange(len(dataset))]


def forked_bytes(dataset: DynamicItemDataset) -> int:
    """Private memory that a forked worker gets while it reads."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def work() -> None:
        before = private_bytes()
        read_half(dataset)
        there.send(private_bytes() - before)

    process = context.Process(target=work)
    process.start()
    found = here.recv()
    process.join()
    return found


def spawned_bytes(dataset: DynamicItemDataset, folder: Path) -> int:
    """Private memory that a spawned worker has for the dataset."""
    with open(folder / "dataset.pickle", "wb") as file:
        pickle.dump(dataset, file)
    return json.loads(_child("--worker", folder / "dataset.pickle"))


def worker_bytes(path: Path) -> int:
    """What `spawned_bytes` asks a new process for."""
    before = private_bytes()
    with open(path, "rb") as file:
        dataset = pickle.load(file)
    read_half(dataset)
    return private_bytes() - before


def measure(way: str, path: Path, memory: bool) -> dict[str, float]:
    """Measure one way in this process."""
    found: dict[str, float] = {}
    start, before = time.perf_counter(), private_bytes()
    found["load, CPU s"], dataset = cpu_seconds(lambda: open_rows(way, path))
    found["load, wall s"] = time.perf_counter() - start
    rows = len(dataset)
    if memory:
        found["process, bytes/row"] = (private_bytes() - before) / rows
    dataset = with_items(dataset)
    order = random.Random(1)
    indices = [order.randrange(rows) for _ in range(ACCESSES)]
    spent, _ = cpu_seconds(lambda: [dataset[index] for index in indices])
    found["item, CPU us"] = 1e6 * spent / ACCESSES
    if memory:
        found["forked worker, bytes/row"] = forked_bytes(dataset) / rows
        found["spawned worker, bytes/row"] = spawned_bytes(dataset, path.parent) / rows
    lengths = open_manifest(path).seconds
    found |= measure_sampler(way, lengths)
    return found


def measure_sampler(way: str, lengths: np.ndarray) -> dict[str, float]:
    """Time and padding of the batches."""
    listed = lengths.tolist() if way == "SpeechBrain" else lengths
    before = private_bytes()
    if way == "SpeechBrain":
        start, sampler = cpu_seconds(
            lambda: DynamicBatchSampler(
                listed, MAX_BATCH_LENGTH, NUM_BUCKETS, lengths_list=listed
            )
        )
        held = private_bytes() - before
        change, _ = cpu_seconds(lambda: sampler.set_epoch(1))
        sizes = np.array([len(batch) for batch in sampler._batches])
        stops = np.cumsum(sizes)
        items = np.concatenate([np.array(batch) for batch in sampler._batches])
        batches = Batches(items, stops - sizes, stops)
    else:
        sampler = EndlessBatchSampler(lengths, MAX_BATCH_LENGTH, NUM_BUCKETS)
        start, batches = cpu_seconds(
            lambda: EndlessBatchSampler(lengths, MAX_BATCH_LENGTH, NUM_BUCKETS).batches(
                0
            )
        )
        held = private_bytes() - before
        change, _ = cpu_seconds(lambda: sampler.batches(1))
    return {
        "sampler start, CPU s": start,
        "sampler, bytes/row": held / len(lengths),
        "next epoch, CPU s": change,
        "padding, %": 100 * batches.padding(lengths),
        "batches": len(batches),
    }


def _child(*arguments: object) -> str:
    """Standard output of this module in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[-1]


def compare(path: Path, rows: int, rounds: int) -> None:
    """Measure the ways in turns and print the table."""
    ways = WAYS if rows <= MOST_OF_SPEECHBRAIN else WAYS[1:]
    found: dict[str, list[dict]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways:
            memory = ["--memory"] * (number == 0)
            found[way].append(json.loads(_child("--measure", way, path, *memory)))
    print(f"{'':28}{''.join(f'{way:>14}' for way in ways)}{'ratio':>10}")
    for name in found[ways[-1]][0]:
        columns = [[one[name] for one in found[way] if name in one] for way in ways]
        medians = [float(np.median(column)) for column in columns]
        print(f"{name:28}{''.join(f'{median:14.4g}' for median in medians)}", end="")
        print(f"{medians[0] / medians[1]:10.4g}" if len(ways) > 1 else "")


def main() -> None:
    """Make a manifest, convert it, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(worker_bytes(Path(arguments.worker)))
        return
    if arguments.measure:
        way, path = arguments.measure
        print(json.dumps(measure(way, Path(path), arguments.memory)))
        return
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "manifest.csv"
        write_manifest(path, arguments.rows)
        start = time.perf_counter()
        spent, _ = cpu_seconds(lambda: open_manifest(path))
        wall = time.perf_counter() - start
        arrow = path.with_name(f"{path.name}.arrow")
        print(
            f"{arguments.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB of CSV, "
            f"{arrow.stat().st_size / 1e6:.0f} MB of Arrow; check and conversion, "
            f"once: {spent:.1f} s of CPU time, {wall:.1f} s; "
            f"load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        compare(path, arguments.rows, arguments.rounds)


if __name__ == "__main__":
    main()
