"""A detector and audio in, a score for every trial out, and nothing lost.

The score file has one row for each trial, in the order of the manifest:
`ID,Label,Score,LogitFake,LogitReal` and the manifest's other columns, with
`Score = LogitReal - LogitFake`: higher is more genuine.
"""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from speechbrain.dataio.batch import PaddedBatch
from tqdm import tqdm

from data_prep.audio_info import AudioError, audio_info
from data_prep.audio_suffixes import AUDIO_SUFFIXES
from data_prep.files import atomic_path
from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.dataio import PassDataset, make_dataset, seconds
from recipes.AntiDeepfake.logit_table import LogitTable
from recipes.AntiDeepfake.rows import select_rows
from recipes.AntiDeepfake.sampling import process_rank, scoring_loader
from recipes.AntiDeepfake.score_log import FileStamps, ScoreLog
from recipes.AntiDeepfake.scoring_run import Scored, ScoringRun

__all__ = [
    "SCORE_COLUMNS",
    "Scored",
    "collate",
    "find_audio",
    "list_failures",
    "score_rows",
    "write_scores",
]

SCORE_COLUMNS = ("ID", "Label", "Score", "LogitFake", "LogitReal")
_AT_ONCE = 4096  # rows that are written together


class _Reporting(torch.utils.data.Dataset):
    """Gives an item, or the reason why its audio cannot be scored.

    With `stamps`, an item has the one that its file had before it was read.
    """

    def __init__(self, dataset: PassDataset, stamps: FileStamps | None = None):
        self.dataset = dataset
        self.stamps = stamps

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        stamp = {"stamp": self.stamps(index)} if self.stamps else {}
        try:
            return self.dataset[index] | stamp
        except AudioError as error:
            return {"id": self.dataset.data_ids[index], "failure": str(error)}


def collate(items: Sequence[Mapping]) -> tuple[PaddedBatch | None, dict[str, str]]:
    """Put what can be scored in a batch, and the reasons of the rest beside it."""
    good = [item for item in items if "failure" not in item]
    failures = {item["id"]: item["failure"] for item in items if "failure" in item}
    return (PaddedBatch(good) if good else None), failures


def score_rows(
    predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    rows: Sequence[Mapping[str, str]],
    data_folder: str | Path | None = None,
    max_batch_length: float = 100.0,
    num_workers: int = 0,
    progressbar: bool = False,
    normalise: bool = True,
    log: ScoreLog | None = None,
    refused: Mapping[str, str] | None = None,
) -> Scored:
    """Score every row, in batches of similar length.

    Batches change nothing but the time: masks keep padding out of the detector.

    Arguments
    ---------
    predict : callable
        `(wav [batch, time], relative lengths [batch]) -> logits [batch, 2]`.
    rows : StoredRows or list of dict
        Manifest rows.
    data_folder : str or Path, optional
        What `$ROOT` stands for.
    max_batch_length : float
        Most seconds in a batch.
    num_workers : int
        Processes that read audio.
    progressbar : bool
        Whether to show one.
    normalise : bool
        Whether to normalise waveforms; `DeepfakeDetector.logits` does it itself.
    log : ScoreLog, optional
        Scores that are there already, which are not made again as long as the files
        have the size and the time of change that they had; new ones are added.
    refused : dict, optional
        Reasons, by ID, why rows are not to be scored; they become failures.

    Returns
    -------
    Scored
        In the main process of all processes together: every row is in `logits` or in
        `failures`. In the others what they know of.

    Raises
    ------
    RuntimeError
        If a row is in neither or was scored twice, which cannot be.
    """
    stamps = FileStamps(rows, data_folder) if log else None
    run = ScoringRun(rows, log, refused, stamps)
    todo = rows
    if not run.wanted.all():
        todo = select_rows(rows, np.flatnonzero(run.wanted))
        stamps = FileStamps(todo, data_folder) if log else None
    settings = (max_batch_length, num_workers, progressbar, normalise)
    batches = _batches(todo, data_folder, stamps, *settings)
    return run.score(predict, batches)


def _batches(
    rows: Sequence[Mapping[str, str]],
    data_folder: str | Path | None,
    stamps: FileStamps | None,
    max_batch_length: float,
    num_workers: int,
    progressbar: bool,
    normalise: bool,
) -> Iterable[tuple[PaddedBatch | None, dict[str, str]]]:
    """This process's share of the batches, with the reasons of what cannot be read."""
    if not rows:
        return []
    dataset = make_dataset(rows, data_folder, labelled=False, normalise=normalise)
    loader = scoring_loader(
        _Reporting(dataset, stamps),
        seconds(dataset),
        max_batch_length,
        collate_fn=collate,
        num_workers=num_workers,
    )
    show = progressbar and process_rank()[0] == 0
    return tqdm(loader, disable=not show, desc="scoring")


def write_scores(
    target: str | Path | TextIO,
    rows: Sequence[Mapping[str, str]],
    scored: Scored,
    columns: Sequence[str] | None = None,
) -> None:
    """Write the score file, atomically; rows that failed are not in it.

    Arguments
    ---------
    target : str, Path or text file
        The score file, or an open file such as standard output.
    rows : StoredRows or list of dict
        The rows that were scored.
    scored : Scored
        What `score_rows` gave for them.
    columns : list of str, optional
        Without: `SCORE_COLUMNS` and the other columns of the manifest.
    """
    if columns is None:
        others = dict.fromkeys(name for row in rows[:1] for name in row)
        columns = list(dict.fromkeys([*SCORE_COLUMNS, *others]))
    if isinstance(target, (str, Path)):
        with atomic_path(target) as temporary:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                write_scores(file, rows, scored, columns)
        return
    writer = csv.DictWriter(target, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    remaining = iter(rows)
    while block := list(islice(remaining, _AT_ONCE)):
        found = _logits_of([row["ID"] for row in block], scored.logits)
        writer.writerows(
            {**row, **_numbers(*logits)}
            for row, logits in zip(block, found, strict=True)
            if logits is not None
        )


def _logits_of(
    ids: Sequence[str], logits: Mapping[str, tuple[float, float]]
) -> Iterable[tuple[float, float] | None]:
    """Logits of some trials, None where there are none."""
    if isinstance(logits, LogitTable):
        return logits.get_many(ids)
    return map(logits.get, ids)


def _numbers(fake: float, real: float) -> dict[str, str]:
    """The score columns of a trial; nine digits hold a float32 exactly."""
    values = {"Score": real - fake, "LogitFake": fake, "LogitReal": real}
    return {name: f"{value:.9g}" for name, value in values.items()}


def list_failures(scored: Scored) -> int:
    """Say on standard error what could not be scored; give the exit code."""
    for reason in scored.failures.values():
        print(f"not scored: {reason}", file=sys.stderr)
    if scored.failures:
        total = len(scored.failures) + len(scored.logits)
        print(f"{len(scored.failures)} of {total} not scored", file=sys.stderr)
    return 1 if scored.failures else 0


def find_audio(paths: Iterable[str]) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Make rows of audio files and of the audio files in folders.

    Files in folders that are not called like audio are counted on standard error.

    Arguments
    ---------
    paths : iterable of str
        Files, taken whatever their names, and folders, searched through for files
        with an extension of `data_prep.audio_suffixes`.

    Returns
    -------
    list of dict
        One row for each file, with the path as given for ID.
    dict
        Reasons, by path, for what cannot be scored.
    """
    rows: dict[str, dict[str, str]] = {}
    failures: dict[str, str] = {}
    for path in paths:
        files = [path]
        if Path(path).is_dir():
            files, unreadable = _audio_in(path)
            failures |= unreadable
            if not files and not unreadable:
                failures[path] = f"{path}: a folder without audio files."
        for file in files:
            try:
                duration = audio_info(file).duration
            except AudioError as error:
                failures[file] = str(error)
                continue
            except UnicodeError:
                failures[file] = f"{file!a}: the name is not UTF-8. Rename the file."
                continue
            unknown = {"Start": UNKNOWN, "Stop": UNKNOWN}
            rows[file] = {"ID": file, "Path": file, "Duration": str(duration)} | unknown
    return list(rows.values()), failures


def _audio_in(folder: str) -> tuple[list[str], dict[str, str]]:
    """Files below a folder that are called like audio; reasons for unreadable folders.

    Links to folders are followed, but none is gone through twice.
    """
    found: list[Path] = []
    others: Counter[str] = Counter()
    unreadable: dict[str, str] = {}

    def note(error: OSError) -> None:
        unreadable[error.filename] = (
            f"{error.filename}: {error.strerror}. Let the folder be read, or leave it "
            "out."
        )

    seen = {os.path.realpath(folder)}
    for place, folders, names in os.walk(folder, onerror=note, followlinks=True):
        # Of two names of one folder the first.
        folders.sort(reverse=True)
        inside = {os.path.realpath(os.path.join(place, one)): one for one in folders}
        folders[:] = sorted(name for real, name in inside.items() if real not in seen)
        seen |= inside.keys()
        for file in (Path(place, name) for name in names):
            suffix = file.suffix.lower()
            if suffix in AUDIO_SUFFIXES:
                found.append(file)
            else:
                others[suffix or "no extension"] += 1
    if others:
        kinds = ", ".join(f"{kind} {count}" for kind, count in others.most_common())
        total = f"{others.total()} file{'s' if others.total() > 1 else ''}"
        print(
            f"{total} in {folder} without a known audio extension, left out: {kinds}",
            file=sys.stderr,
        )
    return [str(file) for file in sorted(found)], unreadable
