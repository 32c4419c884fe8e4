"""Sections of tables: results, comparison, thresholds, errors and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.reporting.cells import (
    NONE,
    Cell,
    Table,
    number,
    per_cent,
    rate_interval,
)
from recipes.AntiDeepfake.reporting.content import Section
from recipes.AntiDeepfake.reporting.measure import Measured
from recipes.AntiDeepfake.reporting.overview import (
    files_table,
    headline_table,
    software,
    warnings_of,
)
from recipes.AntiDeepfake.reporting.transfer import RULES
from recipes.AntiDeepfake.reporting.worst import SECONDS, Clips, worst_errors
from recipes.AntiDeepfake.tables import SLICES

__all__ = ["compared", "errors", "overview", "provenance", "thresholds"]


def overview(measured: Sequence[Measured]) -> Section:
    """The figures that count."""
    section = Section("Results", "results", warnings=warnings_of(measured))
    section.texts.append(
        "A score says how genuine speech sounds: higher is more genuine. A trial is "
        "taken for real when its score is above the threshold. Test sets are never "
        "pooled; where one has several corpora, their rows come before that of all."
    )
    section.content.append(headline_table(measured))
    if any(one.rows("recordings") for one in measured):
        pieces = [one for one in measured if one.rows("recordings")]
        section.content += ["Recordings", headline_table(pieces, "recordings")]
        section.texts.append(
            "Trials of some test sets are pieces of recordings. A second table has one "
            "trial for each recording, whose score is the mean of its pieces."
        )
    return section


def compared(comparisons: Sequence[Mapping]) -> Section:
    """Which system is better."""
    section = Section("Comparison of systems", "comparison")
    if not comparisons:
        return section
    rows = []
    for row in comparisons:
        interval = rate_interval(row["difference"], row["low"], row["high"])
        rows.append(
            [
                Cell(row["test_set"]),
                Cell(row["system_a"]),
                Cell(row["system_b"]),
                per_cent(row["eer_a"]),
                per_cent(row["eer_b"]),
                interval,
                number(row["p_value"], 3),
                number(row["p_holm"], 3),
                Cell(row["note"] or _verdict(row)),
            ]
        )
    headings = ["test set", "A", "B", "EER A %", "EER B %", "A - B % [95 %]"]
    headings += ["p", "p (Holm)", "finding"]
    caption = (
        "Paired bootstrap on the same trials (whole recordings where trials share "
        "them). The hypothesis is that both have the same EER on such data. p (Holm) "
        f"is corrected for the number of comparisons here, {len(rows)}; the finding "
        "goes by it, at 0.05."
    )
    section.content.append(Table(headings, rows, caption, 3, notes=1))
    return section


def thresholds(transferred: Sequence[Mapping]) -> Section:
    """Whether a threshold holds elsewhere."""
    section = Section("Do thresholds hold elsewhere?", "thresholds")
    sets = list(dict.fromkeys(row["applied_to"] for row in transferred))
    if len(sets) < 2:
        return section
    section.texts.append(
        "The threshold is chosen on the test set of the row and applied to that of the "
        "column. Each cell has the share of fakes accepted (FPR, which is 1 - SRR of "
        "the Speech Anti-Spoofing Arena) and of genuine speech rejected (FNR), then "
        "the balanced accuracy, all in per cent. The darker, the more errors; a "
        "detector for use needs light columns, not only a light diagonal."
    )
    for system in dict.fromkeys(row["system"] for row in transferred):
        mine = [row for row in transferred if row["system"] == system]
        if len({row["applied_to"] for row in mine}) > 1:
            section.content += [system, _matrix(mine)]
    return section


def errors(measured: Sequence[Measured], clips: Clips, worst: int) -> Section:
    """The errors that systems are surest of."""
    section = Section("Worst errors", "errors")
    if not worst:
        return section
    names = {"fake": "fakes taken for real", "real": "genuine speech taken for fake"}
    for one in measured:
        found = worst_errors(one.scores.trials, one.threshold, worst)
        for label, trials in found.items():
            title = f"{one.scores.system} on {one.scores.test_set}: {names[label]}"
            if trials.empty:
                section.content.append(f"{title}: none")
            else:
                table = _errors_table(trials.to_dict("records"), clips)
                section.content += [title, table]
    players = [clip for clip in clips.made.values() if clip.number]
    section.texts.append(
        f"Up to {worst} of each class, the surest first, at the decision threshold. "
        f"Audio: {len(players)} clips, {clips.bytes / 1e6:.1f} MB, at 16 kHz, at most "
        f"{SECONDS} s each, in this file. Labels can be wrong, too: listen."
    )
    return section


def provenance(measured: Sequence[Measured]) -> Section:
    """From what the report was made."""
    section = Section("Files and software", "files")
    section.texts.append(
        f"Computed by {software()}. The same files and versions give the same report, "
        "byte for byte."
    )
    section.content.append(files_table(measured))
    return section


def _verdict(row: Mapping) -> str:
    if row["p_holm"] > 0.05:
        return "no difference shown"
    return f"{row['system_a' if row['difference'] < 0 else 'system_b']} is better"


def _matrix(rows: Sequence[Mapping]) -> Table:
    """The thresholds of one system: chosen there, applied here."""
    cells: dict[tuple[str, str], list[Cell]] = {}
    for rule in RULES:
        for row in rows:
            if row["rule"] == rule:
                first = [
                    Cell(row["chosen_on"]),
                    Cell(rule),
                    number(row["threshold"], 3),
                ]
                key = rule, row["chosen_on"]
                cells.setdefault(key, first).append(_transfer_cell(row))
    columns = dict.fromkeys(f"on {row['applied_to']}" for row in rows)
    headings = ["chosen on", "at", "threshold", *columns]
    return Table(headings, list(cells.values()), text_columns=2)


def _transfer_cell(row: Mapping) -> Cell:
    rates = [per_cent(row[key], 1).text for key in ("fpr", "fnr")]
    text = " / ".join(rates)
    known = [row[key] for key in ("fpr", "fnr") if row[key] == row[key]]
    wrong = sum(known) / len(known)
    if row["balanced_accuracy"] == row["balanced_accuracy"]:
        text += f" · {per_cent(row['balanced_accuracy'], 1).text}"
    return Cell(text, wrong, heat=min(1.0, 2 * wrong))


def _errors_table(trials: Iterable[Mapping], clips: Clips) -> Table:
    trials = list(trials)
    facts = [
        name for name in SLICES.values() if any(row[name] != UNKNOWN for row in trials)
    ]
    rows = []
    for row in trials:
        clip = clips.clip(row)
        target = f"clip-{clip.number}"
        if clip.uri:
            audio = Cell(clip.note, uri=clip.uri, target=target)
        elif clip.number:
            audio = Cell(f"clip {clip.number}, above", link=target)
        else:
            audio = Cell(f"no audio: {clip.note}")
        known = [Cell(NONE if row[name] == UNKNOWN else row[name]) for name in facts]
        rows.append(
            [Cell(row["ID"], code=True), number(row["Score"], 3), *known, audio]
        )
    headings = ["ID", "score", *(_heading(name) for name in facts), "audio"]
    return Table(headings, rows, notes=len(facts) + 1)


def _heading(column: str) -> str:
    names = {column: kind for kind, column in SLICES.items()}
    return f"{names[column]}, s" if column == "Duration" else names[column]
