"""How much faster manifests are made than in the usual way, with the same bytes.

Run from the root of the repository (two minutes):

    python -m benchmarks.manifest

The usual way was written for this comparison: a recursive glob, `soundfile.info` for
each file, a list of dictionaries, and a pandas table. (`torchaudio.info`, which many
scripts call instead, no longer exists.) Its CSV has to be equal to ours, byte for byte.

Two things are compared. `headers`: `data_prep.headers.read_header` and `open_header`
(what the engine calls) against `soundfile.info` in a plain loop, in CPU time. `corpus`:
`prepare_corpus`, with all checks, the summary and the cache, against the usual way: in
one process, in CPU time, from nothing and again with nothing changed; and with two
workers in wall time, from the first file on (the engine itself starts them only when
there is more than a second of work), which needs an otherwise idle machine.

Values are medians over rounds in which the alternatives take turns; a ratio is the
median over the rounds, with its lowest and highest value. Files are short and in the
page cache, so opening them costs nearly nothing but the processor: a slow disk adds the
same to both. The load of the machine is printed, too.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.engine import probing
from data_prep.headers import open_header, read_header
from data_prep.prepare import prepare_corpus

FILES = 8000
ROUNDS = 5
RATE = 16000
FOLDER = "speech"


def make_files(root: Path, suffix: str) -> None:
    """Many short files of one format, in folders of 100."""
    rng = np.random.default_rng(0)
    for number in range(FILES):
        path = root / FOLDER / f"{number // 100:03d}" / f"{number:05d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = 0.1 * rng.standard_normal(rng.integers(RATE // 5, RATE // 2))
        soundfile.write(path, samples, RATE)


def utterances(tree: Tree) -> Iterator[Utterance]:
    """All files as genuine English."""
    for file in tree.files():
        speaker = file.parts[0]
        yield Utterance(
            file.path, "real", f"{speaker}-{file.stem}", speaker=speaker, language="EN"
        )


CORPUS = Corpus(
    key="benchmark",
    name="Benchmark",
    prefix="B",
    folders=(FOLDER,),
    role="unused",
    licence="none",
    source="benchmarks/manifest.py",
    citation="none",
    description="Noise.",
    layout="<speaker>/<utterance>",
    utterances=utterances,
)


def usual_way(root: Path, out: Path) -> None:
    """A glob, an `info` per file, a table."""
    import pandas  # here, because the processes of the engine import this module

    rows = []
    for path in sorted(glob.glob(str(root / FOLDER / "**" / "*.*"), recursive=True)):
        info = soundfile.info(path)
        bits = int(info.subtype.split("_")[1])
        speaker = os.path.basename(os.path.dirname(path))
        stem = os.path.splitext(os.path.basename(path))[0]
        rows.append(
            {
                "ID": f"B-{speaker}-{stem}",
                "Label": "real",
                "Duration": round(info.frames / info.samplerate, 2),
                "SampleRate": info.samplerate,
                "Path": path.replace(f"{root}/", "$ROOT/"),
                "Attack": "-",
                "Speaker": speaker,
                "Proportion": "-",
                "AudioChannel": info.channels,
                "AudioEncoding": "FLAC" if info.format == "FLAC" else "PCM_S",
                "AudioBitSample": bits,
                "Language": "EN",
                "Corpus": "Benchmark",
                "Recording": "-",
            }
        )
    pandas.DataFrame(rows).to_csv(out / "usual.csv", index=False)


def our_way(root: Path, out: Path, workers: int, again: bool = False) -> None:
    """The engine, from nothing or with what an earlier run has left."""
    if not again:
        shutil.rmtree(out / "Benchmark", ignore_errors=True)
    prepare_corpus(CORPUS, root, out, workers=workers)


def take_turns(
    ways: Sequence[Callable[[], object]], clock: Callable[[], float]
) -> np.ndarray:
    """Seconds of each way in each round, [rounds, ways]."""
    seconds = np.empty((ROUNDS, len(ways)))
    for turn in range(ROUNDS):
        for index, way in enumerate(ways):
            start = clock()
            way()
            seconds[turn, index] = clock() - start
    return seconds


def show(names: Sequence[str], seconds: np.ndarray) -> None:
    """One line for each way: time per file, and the ratio to the first."""
    for index, name in enumerate(names):
        ratios = seconds[:, 0] / seconds[:, index]
        print(
            f"  {name:40} {1e6 * np.median(seconds[:, index]) / FILES:7.1f} us/file  "
            f"x{np.median(ratios):5.2f} [{ratios.min():.2f}, {ratios.max():.2f}]",
            flush=True,
        )


def compare(suffix: str, root: Path, out: Path) -> None:
    """Print both comparisons for one format."""
    make_files(root, suffix)
    print(f"{suffix}, {FILES} files")
    paths = [str(path) for path in (root / FOLDER).rglob(f"*{suffix}")]
    for path in paths[:100]:
        info, ours = soundfile.info(path), read_header(path)
        assert (info.frames, info.samplerate) == (ours.frames, ours.sample_rate)
    readers = (soundfile.info, read_header, open_header)
    loops = [partial(read_all, reader, paths) for reader in readers]
    names = ["soundfile.info in a loop", "read_header", "open_header"]
    show(names, take_turns(loops, time.process_time))
    usual_way(root, out)
    for workers in (1, 2):
        our_way(root, out, workers)
        content = (out / "Benchmark" / "Benchmark_EN.csv").read_bytes()
        assert content == (out / "usual.csv").read_bytes()
    usual = partial(usual_way, root, out)
    alone = partial(our_way, root, out, 1)
    again = partial(our_way, root, out, 1, again=True)
    names = ["glob, soundfile.info, pandas", "prepare_corpus", "prepare_corpus again"]
    show(names, take_turns([usual, alone, again], time.process_time))
    both = partial(our_way, root, out, 2)
    names = ["the same, wall time", "prepare_corpus", "prepare_corpus, 2 workers"]
    show(names, take_turns([usual, alone, both], time.perf_counter))


def read_all(reader: Callable[[str], object], paths: Sequence[str]) -> None:
    """Call a reader for each path."""
    for path in paths:
        reader(path)


def main() -> None:
    """Compare for WAV and FLAC."""
    probing._ALONE = 0.0  # so that the workers are used at all
    loads = [os.getloadavg()[0]]
    for suffix in (".wav", ".flac"):
        with tempfile.TemporaryDirectory() as folder:
            root, out = Path(folder) / "data", Path(folder) / "out"
            out.mkdir()
            compare(suffix, root, out)
        loads.append(os.getloadavg()[0])
    print(
        f"{os.cpu_count()} processors, load {min(loads):.1f} to {max(loads):.1f} "
        "(1 is this benchmark)"
    )


if __name__ == "__main__":
    main()
