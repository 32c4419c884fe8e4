"""From score files to a folder with a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas
from tqdm import tqdm

from data_prep.files import atomic_path
from recipes.AntiDeepfake.embeddings import Embeddings
from recipes.AntiDeepfake.reporting.detectors import DetectorFacts
from recipes.AntiDeepfake.reporting.inputs import ScoreSet
from recipes.AntiDeepfake.reporting.maps import embedding_maps
from recipes.AntiDeepfake.reporting.measure import (
    Measured,
    decision_thresholds,
    measure,
)
from recipes.AntiDeepfake.reporting.overview import sizes
from recipes.AntiDeepfake.reporting.page import html_page, markdown_page
from recipes.AntiDeepfake.reporting.sections import SECTIONS, sections_of
from recipes.AntiDeepfake.reporting.systems import NOT_COMPARED, compare_systems
from recipes.AntiDeepfake.reporting.transfer import transfer
from recipes.AntiDeepfake.reporting.worst import Clips
from recipes.AntiDeepfake.score_file import ScoreFileError

__all__ = ["build_report"]


def build_report(
    sets: Sequence[ScoreSet],
    folder: str | Path,
    detectors: Mapping[str, DetectorFacts],
    embeddings: Mapping[str, Embeddings] | None = None,
    title: str = "Report",
    threshold_set: str | None = None,
    data_folder: str | Path | None = None,
    worst: int = 5,
    progressbar: bool = False,
) -> list[str]:
    """Measure score files, and write the tables and pages.

    Arguments
    ---------
    sets : list of ScoreSet
        What `inputs.read_sets` gave.
    folder : str or Path
        Gets `report.html`, `report.md`, `metrics.csv`, `comparison.csv` and
        `transfer.csv`.
    detectors : dict
        What is known of each system.
    embeddings : dict, optional
        What `read_embeddings` gave, by name.
    title : str
        Of the pages.
    threshold_set : str, optional
        As for `measure.decision_thresholds`.
    data_folder : str or Path, optional
        What `$ROOT` stands for.
    worst : int
        How many errors of each class are listed.
    progressbar : bool
        Whether to show one.

    Returns
    -------
    list of str
        What could not be done; the report has the rest.

    Raises
    ------
    ScoreFileError
        If no test set has both classes.
    UsageError
        As `measure.decision_thresholds`.
    EmbeddingsError
        As `maps.embedding_maps`.
    """
    if not any(one.has_both for one in sets):
        raise ScoreFileError(
            f"{', '.join(str(one.path) for one in sets)}: all trials of each test set "
            "are of one class, and so there is no error rate. Add a test set that has "
            "both, or score trials of the other class."
        )
    thresholds = decision_thresholds(sets, detectors, threshold_set)
    maps = []
    with tqdm(total=len(sets) + 2 + SECTIONS, disable=not progressbar) as bar:
        measured: list[Measured] = []
        for one in sets:
            bar.set_description(f"{one.system} on {one.test_set}")
            measured.append(measure(one, detectors[one.system], thresholds[one.system]))
            bar.update()
        bar.set_description("comparison")
        comparisons = compare_systems(sets)
        bar.update()
        if embeddings:
            bar.set_description("maps")
            maps = embedding_maps(embeddings, [one.trials for one in sets])
        bar.update()
        bar.set_description("pages")
        transferred = transfer(sets)
        sections = sections_of(
            *(measured, transferred, comparisons, maps),
            Clips(data_folder),
            worst,
            step=bar.update,
        )
    _write_tables(Path(folder), measured, comparisons, transferred)
    pages = {"report.html": html_page, "report.md": markdown_page}
    for name, make in pages.items():
        with atomic_path(Path(folder) / name) as temporary:
            temporary.write_text(make(title, sizes(measured), sections), "utf-8")
    return [
        f"{row['test_set']}: {row['note']}"
        for row in comparisons
        if row["note"].startswith(NOT_COMPARED)
    ]


def _write_tables(folder: Path, measured, comparisons, transferred) -> None:
    """The figures as CSV; rates in [0, 1]."""
    metrics = [
        {"set": one.scores.test_set, "system": one.scores.system, **row}
        for one in measured
        for row in one.table
    ]
    tables = {"metrics": metrics, "comparison": comparisons, "transfer": transferred}
    for name, rows in tables.items():
        with atomic_path(folder / f"{name}.csv") as temporary:
            pandas.DataFrame(rows).to_csv(
                temporary, index=False, na_rep="nan", lineterminator="\n"
            )
