"""Sections of pictures: curves, slices and maps of embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recipes.AntiDeepfake.reporting import figures
from recipes.AntiDeepfake.reporting.cells import Cell, Table, per_cent, rate_interval
from recipes.AntiDeepfake.reporting.content import Details, Section
from recipes.AntiDeepfake.reporting.maps import EmbeddingMap
from recipes.AntiDeepfake.reporting.measure import Measured
from recipes.AntiDeepfake.reporting.svg import Picture
from recipes.AntiDeepfake.tables import FEW_TRIALS, SLICES

__all__ = ["curves", "embeddings", "slices"]

_MOST_CURVES = 6  # of a picture
_MOST_BARS = 40  # slices of a picture
# How to read the pictures of scores.
_CURVES = (
    "Histogram: what lies right of the solid line is taken for real. Each class adds "
    "up to 100 %; scores beyond the axis are in the last bars.",
    "Reliability: what a score claims, taken for a log-likelihood ratio, against what "
    "it is worth in these trials (the best monotone fit, PAV). It means what it says "
    "where the line is on the dashed one. Flatter: too sure of itself; steeper: too "
    "modest; shifted: another threshold is needed. The line ends at the frame where "
    "one class is alone.",
)


def curves(measured: Sequence[Measured]) -> Section:
    """DET curves, histograms and reliability."""
    section = Section("Curves and scores", "curves", list(_CURVES))
    both = [one for one in measured if one.scores.has_both]
    systems = _systems(both)
    if len(systems) == 1:
        groups = {systems[0]: {one.scores.test_set: one for one in both}}
    else:
        groups = {}
        for one in both:
            groups.setdefault(one.scores.test_set, {})[one.scores.system] = one
    lines = list(dict.fromkeys(name for found in groups.values() for name in found))
    for title, found in groups.items():
        # Colours are those of the system in every picture, or of the test set.
        for start in range(0, len(lines), _MOST_CURVES):
            part = {
                name: found.get(name) for name in lines[start : start + _MOST_CURVES]
            }
            if any(part.values()):
                name, first = f"det {title} {start}", not section.content
                section.content.append(figures.det_curves(name, title, part, first))
    for one in measured:
        title = f"{one.scores.system} on {one.scores.test_set}"
        section.content.append(f"Scores: {title}")
        section.content.append(figures.score_histogram(f"scores {title}", title, one))
        if one.scores.has_both:
            section.content.append(
                figures.reliability(f"reliability {title}", title, one)
            )
    return section


def slices(measured: Sequence[Measured]) -> Section:
    """Error rates by attack, language, codec, duration and speaker."""
    section = Section("Slices", "slices")
    section.texts.append(
        "An attack is judged against all genuine trials of its corpus; every other "
        "slice by its own trials. Behind each name: real / fake trials. With fewer "
        f"than {FEW_TRIALS} of a class a point is hollow: read only its interval. Many "
        "slices are many chances for a large difference: take one for a hypothesis."
    )
    corpora = dict.fromkeys(
        (one.scores.test_set, row["corpus"])
        for one in measured
        for row in one.rows(slices=True)
    )
    for test_set, corpus in corpora:
        mine = [one for one in measured if one.scores.test_set == test_set]
        several = len([name for name, _ in corpora if name == test_set]) > 1
        title = f"{test_set}: {corpus}" if several else test_set
        tables = _by_kind(mine, corpus)
        section.content.append(title)
        for kind, groups in tables.items():
            section.content.append(
                _bars(f"{title} {kind}", kind, groups, _systems(measured))
            )
        section.content.append(Details("Table of these slices", _slice_table(tables)))
    return section


def embeddings(maps: Sequence[EmbeddingMap]) -> Section:
    """How utterances lie in the space of embeddings."""
    section = Section("Embeddings", "embeddings")
    if not maps:
        return section
    shown, total = len(maps[0].points), maps[0].total
    section.texts.append(
        f"What the classifier sees of {shown:,} utterances"
        f"{f', drawn at random from {total:,}' if shown < total else ''}, brought to "
        "two dimensions by t-SNE: those that every file of embeddings and the score "
        "files have. Neighbours are utterances that the detector takes "
        "for alike; distances between far groups, their sizes and the axes mean "
        "nothing. Maps side by side have the same utterances."
    )
    for kind in maps[0].groups:
        section.content.append(figures.embedding_map(f"map {kind}", kind, maps))
    return section


def _systems(measured: Sequence[Measured]) -> list[str]:
    return list(dict.fromkeys(one.scores.system for one in measured))


def _by_kind(measured: Sequence[Measured], corpus: str) -> dict[str, dict]:
    """Rows by kind, slice and system."""
    found: dict[str, dict] = {}
    for one in measured:
        for row in one.rows(slices=True):
            if row["corpus"] == corpus:
                kind, _, name = row["slice"].partition(" ")
                rows = found.setdefault(kind, {}).setdefault(name, {})
                rows[one.scores.system] = row
    return {kind: found[kind] for kind in SLICES if kind in found}


def _bars(
    name: str, kind: str, groups: Mapping[str, dict], systems: Sequence[str]
) -> Picture | str:
    """The picture of a kind of slices; of too many, the worst."""
    shown = {
        key: rows
        for key, rows in groups.items()
        if any(row["eer"] == row["eer"] for row in rows.values())
    }
    title = f"by {kind}"
    if len(shown) > _MOST_BARS:
        worst = sorted(shown, key=lambda key: -_worst_rate(shown[key]))[:_MOST_BARS]
        title += f", the worst {_MOST_BARS} of {len(shown)}"
        shown = {key: shown[key] for key in worst}
    if not shown:
        return f"by {kind}: every slice has one class only; see the table"
    return figures.slice_bars(f"slices {name}", title, shown, systems)


def _worst_rate(rows: Mapping[str, dict]) -> float:
    return max(row["eer"] for row in rows.values() if row["eer"] == row["eer"])


def _slice_table(tables: Mapping[str, Mapping]) -> Table:
    rows = [
        [
            Cell(f"{kind} {name}"),
            Cell(system),
            Cell(str(row["real"]), row["real"]),
            Cell(str(row["fake"]), row["fake"]),
            rate_interval(row["eer"], row["eer_low"], row["eer_high"]),
            per_cent(row["fpr"]),
            per_cent(row["fnr"]),
            Cell(row["note"]),
        ]
        for kind, groups in tables.items()
        for name, systems in groups.items()
        for system, row in systems.items()
    ]
    headings = ["slice", "system", "real", "fake", "EER % [95 %]", "FPR %", "FNR %"]
    return Table([*headings, "note"], rows, "", text_columns=2, notes=1)
