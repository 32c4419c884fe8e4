"""One detector on one test set: scores, then tables and a picture of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas

from data_prep.lineage import trained_on
from recipes.AntiDeepfake.contamination import notes_of_corpora
from recipes.AntiDeepfake.evaluation_inputs import OpenedSet
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.plots import plot_scores
from recipes.AntiDeepfake.rows import column_texts
from recipes.AntiDeepfake.score_file import read_scores
from recipes.AntiDeepfake.score_log import ScoreLog, trials_digest
from recipes.AntiDeepfake.scoring import Scored, write_scores
from recipes.AntiDeepfake.shard_scoring import score_shards
from recipes.AntiDeepfake.tables import by_recording, metrics_table, write_table

__all__ = [
    "Evaluation",
    "contamination",
    "report_set",
    "score_set",
]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation of a test set gave.

    Arguments
    ---------
    table : list of dict
        Of its trials, see `tables.metrics_table`.
    recordings : list of dict
        The same with one trial for each recording; empty if the trials are no pieces.
    """

    table: list[dict]
    recordings: list[dict]


def score_set(
    detector: FileScorer,
    test_set: OpenedSet,
    data_folder: str | Path | None,
    folder: str | Path,
    key: str = "",
    digest: str | None = None,
    **settings,
) -> Scored:
    """Score a test set, or what is left of it if that was stopped before.

    Scores that are there are taken if detector, list, `key` and data folder are the
    same, and of each file size and time of change (`score_log`); or the digest of the
    shards.

    Arguments
    ---------
    detector : FileScorer
        What scores.
    test_set : OpenedSet
        Its audio is read from its shards, if it has some.
    data_folder : str or Path
        What `$ROOT` stands for.
    folder : str or Path
        Scores are kept in `scored/` below it.
    key : str
        Whatever else the scores depend on, such as the precision.
    digest : str, optional
        `detector.digest()`, which reads all weights, where there are several sets.
    **settings
        As for `FileScorer.score_rows`.

    Returns
    -------
    Scored
        In the main process of all processes together.
    """
    rows, shards = test_set.rows, test_set.shards
    digest = digest or detector.digest()
    key = f"detector {digest} trials {trials_digest(rows)} {key}".strip()
    scored = Path(folder) / "scored"
    if shards is None:
        # `!a`: whatever is in a name, it is one line of ASCII.
        place = None if data_folder is None else str(Path(data_folder).resolve())
        log = ScoreLog(scored, f"{key} files in {place!a}")
        return detector.score_rows(rows, data_folder, log=log, **settings)
    log = ScoreLog(scored, f"{key} shards {shards.digest}")
    settings |= {"normalise": False, "refused": detector.too_long_rows(rows)}
    return score_shards(detector.logits, rows, shards, log=log, **settings)


def contamination(
    detector: FileScorer, rows: Sequence[Mapping[str, str]]
) -> dict[str, str]:
    """What test corpora share with the data that a detector was trained on.

    Arguments
    ---------
    detector : FileScorer
        Its folder keeps the lineage; of an ONNX file nothing is known.
    rows : list of dict
        The test set.

    Returns
    -------
    dict
        For `report_set`: a note for each corpus that shares something.
    """
    hparams = getattr(detector, "hparams", None)
    heard = trained_on(getattr(hparams, "lineage", {}))
    parts = [column_texts(rows, name) for name in ("Corpus", "Proportion")]
    return notes_of_corpora(zip(*parts, strict=True), heard)


def report_set(
    rows: Sequence[Mapping[str, str]],
    scored: Scored,
    folder: str | Path,
    aggregate: str = "mean",
    notes: Mapping[str, str] | None = None,
) -> Evaluation:
    """Write scores, tables and picture of a test set.

    Arguments
    ---------
    rows : list of dict
        Manifest rows.
    scored : Scored
        Their scores.
    folder : str or Path
        Gets `scores.csv` and `scores.png`; of pieces also `recordings.csv`, with one
        trial for each recording.
    aggregate : str
        How the score of a recording is made, a key of `aggregates.AGGREGATES`.
    notes : dict, optional
        As for `tables.metrics_table`.

    Returns
    -------
    Evaluation
        Empty if nothing could be scored.
    """
    folder = Path(folder)
    write_scores(folder / "scores.csv", rows, scored)
    if not scored.logits:
        return Evaluation([], [])
    trials = read_scores(folder / "scores.csv")
    table = metrics_table(trials, notes=notes)
    plot_scores(folder / "scores.png", trials, table)
    try:
        recordings = by_recording(trials, aggregate)
    except ValueError as error:  # recordings that are fake in parts
        print(f"{folder}: no table of recordings: {error}", file=sys.stderr)
        return Evaluation(table, [])
    if recordings.empty:
        return Evaluation(table, [])
    _write_trials(folder / "recordings.csv", recordings)
    return Evaluation(table, metrics_table(recordings, notes=notes))


def _write_trials(path: Path, trials: pandas.DataFrame) -> None:
    columns = ["ID", "Label", "Score", "Corpus", "Language", "Duration", "Proportion"]
    write_table(path, trials[columns].to_dict("records"))
