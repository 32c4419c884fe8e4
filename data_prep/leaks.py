"""What lists share that should be apart, as queries on a `ManifestTable`.

Lists are compared when they belong together and one is for training and the other for
validation or testing, or one for validation and the other for testing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from data_prep.findings import ERROR, NOTE, WARNING, Finding
from data_prep.lineage import SAME_AUDIO, SHARED_SOURCE, overlaps, part_of
from data_prep.manifest import UNKNOWN, VOCODED
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
    keys: tuple[str, ...]  # SQL: what is compared
    known: str  # SQL: rows of which it is known
    also: str = "true"  # SQL: what all rows with the same keys must be like


# Copies by vocoders have the speakers and recordings of the corpus of their sources.
_CORPUS = f"regexp_replace(rows.Corpus, {literal(VOCODED + '$')}, '')"
_SHARED = (
    _Shared("leak: ID", ERROR, "the same ID", ("rows.ID",), "true"),
    _Shared("leak: audio", ERROR, "the same file", ("rows.Path",), "rows.Start = '-'"),
    _Shared(
        "leak: piece",
        ERROR,
        "the same piece of a file",
        ("rows.Path", "rows.Start", "rows.Stop"),
        "rows.Start <> '-'",
    ),
    _Shared(
        "leak: recording",
        ERROR,
        "the same recording",
        (_CORPUS, "rows.Recording"),
        "rows.Recording <> '-'",
    ),
    _Shared(
        "leak: source",
        ERROR,
        "a recording and what names it as its source",
        ("CASE rows.Recording WHEN '-' THEN rows.ID ELSE rows.Recording END",),
        "true",
        "bool_or(rows.Recording = '-') AND bool_or(rows.Recording <> '-')",
    ),
    _Shared(
        "leak: speaker",
        WARNING,
        "the same speaker",
        (_CORPUS, "rows.Speaker"),
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
    """Yield the IDs that occur more than once, except where that is a leak.

    Rows that are in two lists without any difference are told once for the two. If
    both are for the same and one has all of the other and more, as `test.csv` has
    `test_A.csv`, that is a note, else a warning.
    """
    values = ", ".join(f"rows.{identifier(name)}" for name in table.columns)
    table.query(
        "CREATE OR REPLACE TABLE repeated AS SELECT ID FROM rows "
        "GROUP BY ID HAVING count(*) > 1"
    )
    table.query(
        "CREATE OR REPLACE TABLE counted AS SELECT rows.ID, count(*) AS number, "
        "min(file) AS first, max(file) AS last, count(DISTINCT file) AS files, "
        f"count(DISTINCT md5(concat_ws(chr(31), {values}))) AS contents "
        "FROM rows JOIN repeated ON rows.ID = repeated.ID GROUP BY rows.ID"
    )
    query = (
        "SELECT ID, number, contents, first, last FROM counted "
        "WHERE files < number OR contents > 1 ORDER BY ID"
    )
    for batch in table.batches(query):
        for name, rows, contents, *files in batch:
            detail = f"{rows} rows, {contents} different; rename or remove them"
            yield Finding(ERROR, "repeated ID", _names(table, files), name, detail)
    yield from _common_findings(table)
    yield from _case_findings(table)


def _common_findings(table: ManifestTable) -> Iterator[Finding]:
    """Yield the pairs of lists that have rows in common; needs the table `counted`."""
    pairs = table.query(
        "SELECT one.file, two.file, count(*), min(one.ID), "
        'min(mine.purpose = theirs.purpose AND mine."group" = theirs."group") '
        "FROM counted JOIN rows AS one ON one.ID = counted.ID "
        "JOIN rows AS two ON two.ID = one.ID AND one.file < two.file "
        "JOIN members AS mine ON mine.file = one.file "
        "JOIN members AS theirs ON theirs.file = two.file "
        "WHERE number = files AND contents = 1 AND NOT (mine.purpose <> theirs.purpose "
        "AND '-' NOT IN (mine.purpose, theirs.purpose) "
        'AND mine."group" = theirs."group") GROUP BY ALL ORDER BY ALL'
    )
    for *files, count, name, alike in pairs:
        smaller, larger = sorted(
            (table.checks[number] for number in files), key=lambda check: check.rows
        )
        severity = WARNING
        detail = f"{count} rows, such as this one, are in both"
        if smaller.rows == count:
            detail = f"all {count} rows of {smaller.path.name} are in the other list"
            severity = NOTE if alike and larger.rows > count else WARNING
        detail += "; do not give the two together"
        yield Finding(severity, "rows in two lists", _names(table, files), name, detail)


def _case_findings(table: ManifestTable) -> Iterator[Finding]:
    """Yield the IDs that differ from others in upper and lower case only."""
    query = (
        "SELECT min(ID), max(ID), min(file), max(file) FROM rows GROUP BY lower(ID) "
        "HAVING min(ID) <> max(ID) ORDER BY ALL"
    )
    for batch in table.batches(query):
        for name, other, *files in batch:
            detail = (
                f"differs from {other} in upper and lower case only; files that are "
                "named after them are one on many file systems: rename one"
            )
            yield Finding(WARNING, "case of IDs", _names(table, files), name, detail)


def shared_findings(table: ManifestTable) -> Iterator[Finding]:
    """Yield what lists of different purposes share: rows, audio, speakers."""
    examples = ", ".join(
        f"min(rows.ID) FILTER (purpose = {literal(purpose)}), "
        f"count(*) FILTER (purpose = {literal(purpose)})"
        for purpose in _PURPOSES
    )
    for shared in _SHARED:
        keys = ", ".join(shared.keys)
        query = (
            f"SELECT min(file), max(file), {examples}, {keys} "
            "FROM rows JOIN members USING (file) "
            f"WHERE purpose <> '-' AND {shared.known} "
            f'GROUP BY "group", {keys} HAVING count(DISTINCT purpose) > 1 '
            f'AND {shared.also} ORDER BY "group", {keys}'
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
    files = _names(table, (first, last))
    key = " ".join(counted[6:])
    detail = f"{shared.meaning}, {key}, in {', '.join(parts)}; take out one side"
    return Finding(shared.severity, shared.kind, files, example, detail)


def _names(table: ManifestTable, files: Iterable[int]) -> str:
    """Paths of manifests by their numbers, each once."""
    paths = dict.fromkeys(str(table.checks[number].path) for number in files)
    return ", ".join(paths)


def lineage_findings(table: ManifestTable) -> Iterator[Finding]:
    """Yield what valid and test lists share with training by the lineage of corpora."""
    lists: dict[tuple[int, str], dict[str, str]] = {}
    for group, purpose, corpus, split, file in table.query(
        'SELECT "group", purpose, Corpus, Proportion, min(file) FROM rows '
        "JOIN members USING (file) WHERE purpose <> '-' GROUP BY ALL ORDER BY ALL"
    ):
        name = part_of(corpus, split)
        if corpus not in ("", UNKNOWN):
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
                UNKNOWN,
                f"{purpose} {overlap.test} and train {overlap.train}: {overlap.kind} "
                f"via {overlap.via} ({overlap.note})",
            )
