"""What lists share that should be apart, as queries on a `ManifestTable`.

Lists are compared when they belong together and one is for training and the other for
validation or testing, or one for validation and the other for testing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data_prep.findings import ERROR, WARNING, Finding
from data_prep.lineage import SAME_AUDIO, SHARED_SOURCE, overlaps, part_of
from data_prep.table import ManifestTable, identifier, literal

__all__ = [
    "Member",
    "add_members",
    "lineage_findings",
    "repeated_findings",
    "shared_findings",
]

_PURPOSES = ("train", "valid", "test")


class _Shared(NamedTuple):
    """Something that rows of different lists must not share."""

    kind: str
    severity: str
    meaning: str
    columns: tuple[str, ...]
    known: str  # SQL: rows of which it is known


_SHARED = (
    _Shared("leak: ID", ERROR, "the same ID", ("ID",), "true"),
    _Shared("leak: audio", ERROR, "the same file", ("Path",), "rows.Start = '-'"),
    _Shared(
        "leak: piece",
        ERROR,
        "the same piece of a file",
        ("Path", "Start", "Stop"),
        "rows.Start <> '-'",
    ),
    _Shared(
        "leak: recording",
        ERROR,
        "the same recording",
        ("Corpus", "Recording"),
        "rows.Recording <> '-'",
    ),
    _Shared(
        "leak: speaker",
        WARNING,
        "the same speaker",
        ("Corpus", "Speaker"),
        "rows.Speaker <> '-'",
    ),
)


class Member(NamedTuple):
    """What a manifest is for.

    Arguments
    ---------
    purpose : str
        `train`, `valid`, `test`, or `-` if it is compared with no other.
    group : int
        Manifests of the same number belong together.
    """

    purpose: str
    group: int


def add_members(table: ManifestTable, members: Sequence[Member]) -> None:
    """Tell a table what its files are for; the other functions need it.

    Arguments
    ---------
    table : ManifestTable
        The rows.
    members : list of Member
        One for each file of the table.
    """
    table.query('CREATE TABLE members (file INTEGER, purpose VARCHAR, "group" INTEGER)')
    for number, member in enumerate(members):
        table.query("INSERT INTO members VALUES (?, ?, ?)", (number, *member))


def repeated_findings(table: ManifestTable) -> Iterator[Finding]:
    """Yield the IDs that occur more than once, except where that is a leak."""
    values = ", ".join(f"rows.{identifier(name)}" for name in table.columns)
    table.query(
        "CREATE OR REPLACE TABLE repeated AS SELECT ID FROM rows "
        "GROUP BY ID HAVING count(*) > 1"
    )
    query = (
        "SELECT rows.ID, count(*), count(DISTINCT file), min(file), max(file), "
        f"count(DISTINCT md5(concat_ws(chr(31), {values}))), "
        "count(DISTINCT purpose) FROM rows JOIN repeated ON rows.ID = repeated.ID "
        "JOIN members USING (file) GROUP BY rows.ID ORDER BY rows.ID"
    )
    for batch in table.batches(query):
        for name, rows, files, first, last, contents, purposes in batch:
            if files == rows and contents == 1 and purposes > 1:
                continue
            paths = dict.fromkeys(str(table.checks[n].path) for n in (first, last))
            if files == rows and contents == 1:
                detail = f"the same row in {files} lists; do not give them together"
                severity = WARNING
            else:
                detail = f"{rows} rows, {contents} different; rename or remove them"
                severity = ERROR
            yield Finding(severity, "repeated ID", ", ".join(paths), name, detail)


def shared_findings(table: ManifestTable) -> Iterator[Finding]:
    """Yield what lists of different purposes share: rows, audio, speakers."""
    examples = ", ".join(
        f"min(rows.ID) FILTER (purpose = {literal(purpose)}), "
        f"count(*) FILTER (purpose = {literal(purpose)})"
        for purpose in _PURPOSES
    )
    for shared in _SHARED:
        keys = ", ".join(f"rows.{name}" for name in shared.columns)
        query = (
            f"SELECT min(file), max(file), {examples}, {keys} "
            "FROM rows JOIN members USING (file) "
            f"WHERE purpose <> '-' AND {shared.known} "
            f'GROUP BY "group", {keys} HAVING count(DISTINCT purpose) > 1 '
            f'ORDER BY "group", {keys}'
        )
        for batch in table.batches(query):
            for row in batch:
                yield _finding(table, shared, row)


def _finding(table: ManifestTable, shared: _Shared, row: Sequence) -> Finding:
    """Put a row of the query of `shared_findings` into words."""
    first, last, *counted = row
    examples = list(zip(_PURPOSES, counted[0:6:2], counted[1:6:2], strict=True))
    parts = [
        f"{count} of {purpose} (such as {name})"
        for purpose, name, count in examples
        if count
    ]
    example = next(name for _, name, count in reversed(examples) if count)
    paths = dict.fromkeys(str(table.checks[number].path) for number in (first, last))
    key = " ".join(counted[6:])
    detail = f"{shared.meaning}, {key}, in {', '.join(parts)}"
    return Finding(shared.severity, shared.kind, ", ".join(paths), example, detail)


def lineage_findings(table: ManifestTable) -> Iterator[Finding]:
    """Yield what valid and test lists share with training by the lineage of corpora."""
    lists: dict[tuple[int, str], dict[str, str]] = {}
    for group, purpose, corpus, split, file in table.query(
        'SELECT "group", purpose, Corpus, Proportion, min(file) FROM rows '
        "JOIN members USING (file) WHERE purpose <> '-' GROUP BY ALL ORDER BY ALL"
    ):
        name = part_of(corpus, split)
        if corpus not in ("", "-"):
            path = str(table.checks[file].path)
            lists.setdefault((group, purpose), {})[name] = path
    for (group, purpose), names in lists.items():
        if purpose == "train":
            continue
        for overlap in overlaps(names, lists.get((group, "train"), ())):
            if overlap.of_one_corpus:
                continue  # their rows are compared in `shared_findings`
            same = overlap.severity == SAME_AUDIO
            yield Finding(
                ERROR if same and purpose == "test" else WARNING,
                f"lineage: {SAME_AUDIO if same else SHARED_SOURCE}",
                names[overlap.test],
                "-",
                f"{purpose} {overlap.test} and train {overlap.train}: {overlap.kind} "
                f"via {overlap.via} ({overlap.note})",
            )
