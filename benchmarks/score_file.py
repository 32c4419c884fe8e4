"""How much faster score files are read than row by row.

Run from the root of the repository (some minutes; with PyArrow installed and without,
the last column says which):

    OMP_NUM_THREADS=1 python -m benchmarks.score_file [TRIALS]

The plain ways were written for this comparison and do the same job as `read_scores`:
every ID once, every score finite, every label known, a table at the end.
`DictReader`: one dictionary for each row, `float` for the numbers, a set of the IDs
seen, `pandas.DataFrame` of the rows. `literal_eval`: of the original implementation's
file, `iterrows` and `ast.literal_eval` for the text of the logits; timed for a part
and scaled. `set`: the check for duplicates alone, one ID after the other.

Times are CPU time of all threads, medians over rounds in which the alternatives take
turns; a ratio is the median over the rounds, with its lowest and highest value.
"""

from __future__ import annotations

import ast
import csv
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas

from recipes.AntiDeepfake.score_file import read_scores
from recipes.AntiDeepfake.text_table import HAS_PYARROW
from recipes.AntiDeepfake.trial_key import check_unique

TRIALS = 1_000_000
ROUNDS = 3
EVALUATED = 20_000
LABELS = {"real": "real", "fake": "fake", "-": "-", "1": "real", "0": "fake"}


def write_files(folder: Path, trials: int, in_order: bool) -> None:
    """Write the same trials as score files of each kind, by name or shuffled."""
    rng = np.random.default_rng(0)
    numbers = np.arange(trials) if in_order else rng.permutation(trials)
    names = [f"ASV5-A17-E_{number:010d}" for number in numbers]
    logits = rng.normal(0, 3, (trials, 2)).astype(np.float32).tolist()
    labels = rng.random(trials) < 0.25
    ours = "ID,Label,Score,LogitFake,LogitReal"
    facts = "Duration,SampleRate,Path,Attack,Speaker,Proportion,AudioChannel,"
    facts += "AudioEncoding,AudioBitSample,Language,Start,Stop,Corpus,Recording"
    heads = {
        "ours, 5 columns": ours,
        "ours, 19 columns": f"{ours},{facts}",
        "original": "ID,Score,Label",
        "ASVspoof 5": "filename\tcm-score",
        "Arena": None,
    }
    files = {name: open(folder / name, "w") for name in heads}
    for name, head in heads.items():
        if head:
            files[name].write(f"{head}\n")
    for i, ((fake, real), is_real) in enumerate(zip(logits, labels, strict=True)):
        name, label = names[i], "real" if is_real else "fake"
        row = f"{name},{label},{real - fake:.9g},{fake:.9g},{real:.9g}"
        more = f"{3 + i % 900 / 100:.2f},16000,$ROOT/flac_E_eval/E_{i:010d}.flac,"
        more += f"A{i % 16:02d},E_{i % 1000:04d},test,1,FLAC,16,EN,-,-,ASVspoof5,-"
        files["ours, 5 columns"].write(f"{row}\n")
        files["ours, 19 columns"].write(f"{row},{more}\n")
        files["original"].write(f'{name},"[{fake}, {real}]",{int(is_real)}\n')
        files["ASVspoof 5"].write(f"{name}\t{real - fake:.9g}\n")
        files["Arena"].write(f"{name} {real - fake:.9g}\n")
    for file in files.values():
        file.close()


def dict_reader(path: Path, separator: str, names: list[str] | None = None):
    """Read a table row by row."""
    seen, rows = set(), []
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, names, delimiter=separator):
            name = row.get("ID") or row["filename"]
            if name in seen:
                raise ValueError(name)
            seen.add(name)
            for key in ("Score", "cm-score", "LogitFake", "LogitReal"):
                if key in row:
                    row[key] = float(row[key])
                    if not math.isfinite(row[key]):
                        raise ValueError(name)
            row["Label"] = LABELS[row.get("Label", "-")]
            rows.append(row)
    return pandas.DataFrame(rows)


def literal_eval(path: Path, rows: int):
    """Read the original implementation's file row by row."""
    seen, read = set(), []
    for _, row in pandas.read_csv(path, nrows=rows, dtype=str).iterrows():
        if row["ID"] in seen:
            raise ValueError(row["ID"])
        seen.add(row["ID"])
        fake, real = ast.literal_eval(row["Score"])
        if not math.isfinite(fake) or not math.isfinite(real):
            raise ValueError(row["ID"])
        read.append((row["ID"], LABELS[row["Label"]], real - fake, fake, real))
    return pandas.DataFrame(read)


def seen_once(ids: list[str]) -> bool:
    """Check for duplicates one by one."""
    seen = set()
    for name in ids:
        if name in seen:
            return False
        seen.add(name)
    return True


def cpu_seconds(function: Callable[[], object]) -> float:
    """CPU time of one call, all threads."""
    start = time.process_time()
    function()
    return time.process_time() - start


def compare(name: str, plain: Callable, ours: Callable, scale: float = 1) -> None:
    """Time two functions in turns and print one line of the table."""
    ours()
    times = np.array(
        [(scale * cpu_seconds(plain), cpu_seconds(ours)) for _ in range(ROUNDS)]
    )
    slow, fast = np.median(times, axis=0)
    ratios = times[:, 0] / times[:, 1]
    span = f"[{ratios.min():.1f}, {ratios.max():.1f}]"
    reader = "PyArrow" if HAS_PYARROW else "pandas"
    print(
        f"{name:32} {slow:>8.2f} {fast:>7.2f} {np.median(ratios):>7.1f} {span:>16}"
        f"  {reader}",
        flush=True,
    )


def main() -> None:
    """Print the tables of ratios."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    for in_order in (True, False):
        order = "in the order of the IDs" if in_order else "shuffled"
        print(f"{trials:,} trials, {order}; load {os.getloadavg()[0]:.1f}")
        print(f"{'file, plain way':32} {'plain s':>8} {'ours s':>7} {'ratio':>7}")
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), trials, in_order)
            compare_all(Path(folder), trials)


def compare_all(folder: Path, trials: int) -> None:
    """Print a line for each kind of file."""
    separators = {
        "ours, 5 columns": ",",
        "ours, 19 columns": ",",
        "ASVspoof 5": "\t",
        "Arena": " ",
    }
    for name, separator in separators.items():
        path = folder / name
        names = ["ID", "Score"] if name == "Arena" else None
        plain = partial(dict_reader, path, separator, names)
        compare(f"{name}, DictReader", plain, partial(read_scores, path))
    rows = min(EVALUATED, trials)
    plain = partial(literal_eval, folder / "original", rows)
    ours = partial(read_scores, folder / "original")
    compare("original, literal_eval", plain, ours, trials / rows)
    ids = ours()["ID"]
    plain = partial(seen_once, ids.tolist())
    # A copy, because pandas remembers for an object whether it is unique.
    compare("duplicates, set", plain, lambda: check_unique("-", ids.copy(deep=True)))


if __name__ == "__main__":
    main()
