"""One detector on one test set: scores, then tables and a picture of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas

from data_prep.lineage import trained_on
from data_prep.manifest import ManifestError
from data_prep.shards.layout import INDEX
from recipes.AntiDeepfake.arrow_rows import ArrowRows
from recipes.AntiDeepfake.contamination import notes_of_corpora
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.manifests import manifest_rows
from recipes.AntiDeepfake.plots import plot_scores
from recipes.AntiDeepfake.rows import column_texts
from recipes.AntiDeepfake.score_file import read_scores
from recipes.AntiDeepfake.score_log import ScoreLog, trials_digest
from recipes.AntiDeepfake.scoring import Scored, write_scores
from recipes.AntiDeepfake.shard_reader import open_shards
from recipes.AntiDeepfake.tables import by_recording, metrics_table, write_table

__all__ = [
    "Evaluation",
    "contamination",
    "named_sets",
    "named_shards",
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


def named_sets(manifests: str | Path | Sequence[str | Path]) -> dict[str, Path]:
    """Test sets by name, which is the name of the manifest without its extension.

    Raises
    ------
    ManifestError
        If two have the same name, or there is none.

    Example
    -------
    >>> list(named_sets(["lists/add2023_test.csv", "lists/in_the_wild_test.csv"]))
    ['add2023_test', 'in_the_wild_test']
    """
    paths = [manifests] if isinstance(manifests, (str, Path)) else list(manifests or [])
    paths = [Path(path) for path in paths]
    counts = Counter(path.stem for path in paths)
    if not paths or max(counts.values()) > 1:
        raise ManifestError(
            f"test_csv is {', '.join(map(str, paths)) or 'empty'}: give one or several "
            "manifests with different names, because results are stored under them."
        )
    return {path.stem: path for path in paths}


def named_shards(
    test_shards: str | Path | Mapping[str, str] | None, names: Iterable[str]
) -> dict[str, str]:
    """Where the shards of test sets are, by the names of the sets.

    Arguments
    ---------
    test_shards : str, Path, dict or None
        A folder, or a URL, that holds one folder of shards for each set, of its name;
        or, by name, folders of shards or URLs of their indices, and sets that it
        leaves out are scored from files; or None, and all are.
    names : iterable of str
        The sets.

    Raises
    ------
    ManifestError
        If there is no set of a name, or the folder is one of shards itself.

    Example
    -------
    >>> named_shards("https://host/shards/", ["in_the_wild_test"])
    {'in_the_wild_test': 'https://host/shards/in_the_wild_test/index.json'}
    """
    names = list(names)
    if not test_shards:
        return {}
    if isinstance(test_shards, Mapping):
        for name in test_shards:
            if name not in names:
                raise ManifestError(
                    f"test_shards has {name!r}, but the test sets are "
                    f"{', '.join(names)}. Give names of manifests in test_csv, without "
                    "their extension."
                )
        return {name: str(source) for name, source in test_shards.items() if source}
    if (Path(test_shards) / INDEX).is_file():
        raise ManifestError(
            f"test_shards is {test_shards}, which holds the shards of one set. Give "
            "the folder that holds a folder of shards for each set, or say of which "
            f"set they are: --test_shards '{{{names[0]}: {test_shards}}}'."
        )
    return {name: f"{str(test_shards).rstrip('/')}/{name}/{INDEX}" for name in names}


def score_set(
    detector: FileScorer,
    manifest: str | Path,
    data_folder: str | Path | None,
    folder: str | Path,
    key: str = "",
    digest: str | None = None,
    shards: str | Path | None = None,
    **settings,
) -> tuple[ArrowRows, Scored]:
    """Score a test set, or what is left of it if that was stopped before.

    Arguments
    ---------
    detector : FileScorer
        What scores.
    manifest : str or Path
        Its trials.
    data_folder : str or Path
        What `$ROOT` stands for.
    folder : str or Path
        Scores are kept in `scored/` below it.
    key : str
        Whatever else the scores depend on, such as the precision.
    digest : str, optional
        `detector.digest()`, which reads all weights, where there are several sets.
    shards : str or Path, optional
        Shards of the manifest, for `shards.open_shards`: audio is read from them then.
    **settings
        As for `FileScorer.score_rows`.

    Returns
    -------
    rows : ArrowRows
        The manifest.
    scored : Scored
        In the main process of all processes together.
    """
    rows = manifest_rows(manifest)
    digest = digest or detector.digest()
    key = f"detector {digest} trials {trials_digest(rows)} {key}".strip()
    scored = Path(folder) / "scored"
    if shards is None:
        log = ScoreLog(scored, key)
        return rows, detector.score_rows(rows, data_folder, log=log, **settings)
    opened = open_shards(shards)
    log = ScoreLog(scored, f"{key} shards {opened.digest}")
    return rows, detector.score_shards(rows, opened, log=log, **settings)


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
        How the score of a recording is made, a key of `tables.AGGREGATES`.
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
