"""Time and memory of merging and checking millions of manifest rows.

Run from the root of the repository (about two minutes for a million rows):

    python -m benchmarks.merge [ROWS]

Manifests of three invented corpora are made, half of the rows genuine. Then each
command of `python -m data_prep` runs in a process of its own; its time and the most
memory that it and its workers held are told. `read_manifest`, which keeps all rows in
memory, is there for comparison, up to two million rows. Times depend on the machine;
the memory of `merge` and `check` hardly on the number of rows.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from data_prep.manifest import COLUMNS

ROWS = 1_000_000
MOST_IN_MEMORY = 2_000_000
CORPORA = ("One", "Two", "Three")
FILES = 4  # manifests of each corpus
# Runs a command, then writes its peak memory and that of its largest worker.
MEASURED = """
import resource, sys
from argparse import ArgumentParser
from importlib import import_module
if sys.argv[1] == "read_manifest":
    from data_prep.manifest import read_manifest
    read_manifest(sys.argv[2:])
else:
    verb = import_module(f"data_prep.{sys.argv[1]}")
    parser = ArgumentParser()
    verb.add_arguments(parser)
    code = verb.run(parser.parse_args(sys.argv[2:]))
    assert code == 0, code
for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
    print(resource.getrusage(who).ru_maxrss // 1024, file=sys.stderr)
"""


def make_spec(rows: int) -> dict:
    """Lists of two corpora by their splits, and of a part of the third."""
    limited = {"corpora": "Three", "hours": rows / 5000, "each": ["label"]}
    lists: dict[str, dict] = {
        split: {"take": [{"corpora": ["One", "Two"], "splits": [split]}]}
        for split in ("train", "valid", "test")
    }
    lists["train"]["take"].append(limited)
    return {"lists": lists}


def make_manifests(folder: Path, rows: int) -> None:
    """Write the manifests of the corpora."""
    columns = ",".join([*COLUMNS, "Corpus", "Recording"])
    for corpus in CORPORA:
        (folder / corpus).mkdir(parents=True)
        files = []
        for number in range(FILES):
            split = ("train", "train", "valid", "test")[number]
            files.append({"file": f"{corpus}_EN_{number}_{split}.csv"})
            with open(folder / corpus / files[-1]["file"], "w") as file:
                file.write(columns + "\n")
                for i in range(rows // len(CORPORA) // FILES):
                    name = f"{corpus}-{number}-{i % 5000:04d}_{i % 97:02d}_{i:08d}"
                    label, attack = (
                        ("fake", f"A{i % 17:02d}") if i % 2 else ("real", "-")
                    )
                    file.write(
                        f"{name},{label},{5 + i % 1000 / 100:.2f},16000,$ROOT/{corpus}/"
                        f"audio/{i % 5000:04d}/{i % 97:02d}/{name}.flac,{attack},"
                        f"{number}-{i % 5000:04d},{split},1,FLAC,16,EN,{corpus},-\n"
                    )
        summary = json.dumps({"manifests": files})
        (folder / corpus / "summary.json").write_text(summary)


def measure(name: str, *arguments: object) -> None:
    """Run a command and print a line of the table."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, name, *map(str, arguments)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(done.stderr)
    own, worker = done.stderr.split()[-2:]
    print(f"{name:14} {seconds:>8.1f} {own:>9} {worker:>16}", flush=True)


def main() -> None:
    """Make the manifests and print the table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_manifests(folder / "manifests", rows)
        (folder / "spec.yaml").write_text(yaml.safe_dump(make_spec(rows)))
        print(f"{rows} rows, peak of this process {_peak()} MB")
        print(f"{'command':14} {'seconds':>8} {'peak MB':>9} {'of a worker MB':>16}")
        measure(
            "merge",
            folder / "spec.yaml",
            *("--manifests", folder / "manifests", "--out", folder / "lists"),
        )
        measure("check", folder / "lists", "--out", folder / "check.csv")
        measure("check", folder / "manifests", "--out", folder / "check.csv")
        if rows <= MOST_IN_MEMORY:
            measure("read_manifest", folder / "lists" / "train.csv")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
