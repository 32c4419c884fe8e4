"""Audio of manifests packed into WebDataset shards (verb `shard`).

Millions of small files are slow to list, to open and to copy. A shard is a tar of some
thousand samples that is read from its begin to its end, from a disk or over a network.
The rows of all manifests are shuffled together under the seed first, so that each shard
is a fair sample of the corpora. Audio is stored as detectors hear it, one channel at
16 kHz in 16-bit FLAC, so that decoding and resampling are paid for once; of rows with
Start and Stop only their piece. With --sample-rate native the files stay as they are.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from data_prep.files import atomic_path
from data_prep.options import (
    UsageError,
    add_data_root,
    add_noprogressbar,
    add_workers,
)
from data_prep.shards.audio import NATIVE
from data_prep.shards.index import read_index, write_index
from data_prep.shards.layout import FAILURES, INDEX, STATE
from data_prep.shards.making import make_shards
from data_prep.shards.plan import check_ids, check_sound, plan_shards
from data_prep.shards.verify import verify_shards
from data_prep.table import ManifestTable, check_files

__all__ = ["add_arguments", "run", "shard"]

SHARD_SIZE = 1_000_000_000
_DETECTORS_RATE = 16000

_EPILOG = """\
output:
  OUT/shard-000000.tar ...  <key>.json, the manifest row, and <key>.flac of each sample
  OUT/index.json            shards with samples, seconds, bytes and SHA-256; settings;
                            samples and seconds by label and corpus; the manifests
  OUT/seconds.npy           float32, the length of every sample, for batches by length
  OUT/failures.csv          audio that could not be read, if any; exit code 1 then
  OUT/.state/               to go on after a stop: keep it as long as shards are made

The bytes of the shards follow from the manifests, the audio, the seed and the settings,
not from the number of workers. Run the same command again after a stop: shards that are
whole are kept. The size of a shard is reckoned before compression, so tars are smaller
than --shard-size, speech in FLAC about half of it.

Use several times as many shards as there will be data loading workers on all GPUs.

examples:
  python -m data_prep shard lists/train.csv --data-root /data --out /shards/train
  python -m data_prep shard a.csv b.csv --data-root /data --out s --shard-size 2e8
  python -m data_prep shard test.csv --data-root /data --out s --sample-rate native
  python -m data_prep shard --verify --out /shards/train
"""


def shard(
    manifests: Sequence[str | Path],
    data_folder: str | None,
    out: str | Path,
    shard_size: int = SHARD_SIZE,
    sample_rate: int | str = _DETECTORS_RATE,
    seed: int = 0,
    workers: int = 1,
    progressbar: bool = False,
) -> tuple[dict, list[tuple[str, str]]]:
    """Pack the audio of manifests into shards.

    Arguments
    ---------
    manifests : list of str or Path
        Manifests; their IDs must be unique together.
    data_folder : str, optional
        What `$ROOT` stands for.
    out : str or Path
        Folder for the shards.
    shard_size : int
        Most bytes in a shard, before compression.
    sample_rate : int or str
        16000, or `native` for the bytes of the files.
    seed : int
        Of the order of the samples.
    workers : int
        Number of processes; see `data_prep.shards.making.make_shards`.
    progressbar : bool
        Whether to show one, if standard error is a terminal.

    Returns
    -------
    index : dict
        See `data_prep.shards.index.write_index`.
    failures : list of tuple
        ID and reason of what is not in the shards.

    Raises
    ------
    ManifestError
        If the manifests cannot be used. Nothing is written then.
    """
    out = Path(out)
    checks = list(check_files([Path(path) for path in manifests], workers))
    check_sound(checks)
    with ManifestTable(out, checks, threads=workers) as table:
        check_ids(table)
        jobs = plan_shards(table, out, data_folder, sample_rate, shard_size, seed)
        # Without it a folder is not complete, and now it may not be.
        (out / INDEX).unlink(missing_ok=True)
        total = sum(check.rows for check in checks)
        records = list(_watched(make_shards(jobs, workers), total, progressbar))
    _remove_stale(out, {record["file"] for record in records})
    failures = [tuple(entry) for record in records for entry in record["failures"]]
    _write_failures(out / FAILURES, failures)
    settings = {"sample_rate": sample_rate, "shard_size": shard_size, "seed": seed}
    sources = [
        {"file": check.path.name, "rows": check.rows, "sha256": check.sha256}
        for check in checks
    ]
    return write_index(out, records, settings, sources), failures


def _watched(
    records: Iterable[dict], total: int, progressbar: bool
) -> Iterator[Mapping]:
    """Show how many rows are done."""
    # `disable=None` leaves the bar out where there is no terminal.
    with tqdm(None, "samples", total, disable=None if progressbar else True) as bar:
        for record in records:
            yield record
            bar.update(len(record["seconds"]) + len(record["failures"]))


def _remove_stale(out: Path, names: set[str]) -> None:
    """Remove shards that an earlier run with other rows or settings has left."""
    for state in (out / STATE).glob("shard-*.json"):
        tar = out / f"{state.stem}.tar"
        if tar.name not in names:
            tar.unlink(missing_ok=True)
            state.unlink()


def _write_failures(path: Path, failures: Sequence[tuple[str, str]]) -> None:
    if not failures:
        path.unlink(missing_ok=True)
        return
    with atomic_path(path) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("ID", "Reason"), *failures])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep shard`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__.partition("\n\n")[2].strip()
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("manifests", nargs="*", metavar="MANIFEST", help="what to pack")
    add_data_root(parser)
    add("--out", required=True, metavar="DIR", help="folder of the shards")
    add(
        "--shard-size",
        type=_size,
        default=SHARD_SIZE,
        metavar="BYTES",
        help="most bytes in a shard, such as 5e8 (default: 1e9)",
    )
    add(
        "--sample-rate",
        choices=(str(_DETECTORS_RATE), NATIVE),
        default=str(_DETECTORS_RATE),
        help="16000: as detectors hear it; native: the files as they are "
        "(default: 16000)",
    )
    add("--seed", type=int, default=0, metavar="S", help="of the order (default: 0)")
    add_workers(parser)
    add(
        "--verify",
        action="store_true",
        help="make nothing; check the shards in OUT against index.json: SHA-256, rows, "
        "and audio, which is decoded",
    )
    add_noprogressbar(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make or verify shards; 1 if audio is not in them or something is wrong."""
    if bool(arguments.manifests) == arguments.verify:
        raise UsageError("give manifests, or --verify and none")
    if arguments.verify:
        return _verify(arguments)
    rate = arguments.sample_rate
    try:
        index, failures = shard(
            arguments.manifests,
            arguments.data_folder,
            arguments.out,
            arguments.shard_size,
            rate if rate == NATIVE else int(rate),
            arguments.seed,
            arguments.workers,
            not arguments.noprogressbar,
        )
    except OSError as error:
        print(
            f"error: {arguments.out}: cannot be written ({error}). Make room, or name "
            "another folder; the same command goes on from here.",
            file=sys.stderr,
        )
        return 1
    print(_format(index))
    for name, reason in failures:
        print(f"not stored: ID {name}: {reason}", file=sys.stderr)
    if failures:
        total = index["samples"] + len(failures)
        where = Path(arguments.out) / FAILURES
        print(
            f"{len(failures)} of {total} not stored; all are in {where}",
            file=sys.stderr,
        )
    return 1 if failures else 0


def _verify(arguments: argparse.Namespace) -> int:
    """Print what is wrong with shards; 1 if anything is."""
    index = read_index(arguments.out)
    found = verify_shards(arguments.out, arguments.workers)
    off = True if arguments.noprogressbar else None
    total = len(index["shards"]) + 1
    problems = [
        problem
        for part in tqdm(found, "shards", total, disable=off)
        for problem in part
    ]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(
        f"{arguments.out}: {len(index['shards'])} shards, {index['samples']} samples, "
        f"{len(problems)} problems"
    )
    return 1 if problems else 0


def _format(index: Mapping) -> str:
    """The shards and what is in them, as a table."""
    parts = {**index["corpora"], **index["labels"]}
    width = max(map(len, ["all", *parts]))
    lines = [f"{'':{width}}  {'samples':>10}  {'hours':>10}"]
    for name, part in [*parts.items(), ("all", index)]:
        hours = part["seconds"] / 3600
        lines.append(f"{name:{width}}  {part['samples']:>10}  {hours:>10.2f}")
    lines.append(f"{len(index['shards'])} shards, {index['bytes'] / 1e9:.3f} GB")
    return "\n".join(lines)


def _size(text: str) -> int:
    """A number of bytes, for argparse."""
    try:
        value = int(float(text))
    except (ValueError, OverflowError):
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes above 0")
    return value
