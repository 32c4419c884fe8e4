"""Which rows go to which list: duplicates, selections and samples, as queries.

Samples depend on the seed and the ID of each row alone: a row is taken when the hash of
both is low enough. The rows that are taken for 100 hours are among those for 200, and
another corpus changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_prep.manifest import ManifestError
from data_prep.merge_spec import ListSpec, MergeSpec, Selection
from data_prep.table import ManifestTable, identifier, literal

__all__ = ["MICROSECONDS", "PER_HOUR", "choose", "drop_duplicates", "require_apart"]

#: Durations are summed as whole microseconds: sums do not depend on the order.
MICROSECONDS = "CAST(round(CAST(rows.Duration AS DOUBLE) * 1e6) AS BIGINT)"
PER_HOUR = 3_600_000_000
_EXAMPLES = 5


def drop_duplicates(table: ManifestTable) -> int:
    """Make the table `dropped` of the later copies of rows.

    Arguments
    ---------
    table : ManifestTable
        The rows.

    Returns
    -------
    int
        The number of copies.

    Raises
    ------
    ManifestError
        If rows of one ID differ.
    """
    table.query(
        "CREATE TABLE repeated AS SELECT ID, min(rowid) AS first FROM rows "
        "GROUP BY ID HAVING count(*) > 1"
    )
    copies = (
        "FROM rows JOIN repeated ON rows.ID = repeated.ID AND rows.rowid <> first "
        "JOIN rows AS original ON original.rowid = first"
    )
    differs = " OR ".join(
        f"rows.{name} <> original.{name}" for name in map(identifier, table.columns)
    )
    conflicts = table.query(
        f"SELECT rows.ID, original.file, rows.file {copies} WHERE {differs} "
        "ORDER BY rows.rowid"
    )
    if conflicts:
        lines = [
            f"ID {name!r}: {table.checks[first].path} and {table.checks[second].path}"
            for name, first, second in conflicts[:_EXAMPLES]
        ]
        raise ManifestError(
            "\n  ".join([f"{len(conflicts)} rows repeat an ID, but differ:", *lines])
            + "\nThe same ID must mean the same audio: prepare the corpora again, or "
            "rename one of the two."
        )
    table.query(f"CREATE TABLE dropped AS SELECT rows.rowid AS row {copies}")
    return table.query("SELECT count(*) FROM dropped")[0][0]


def choose(
    table: ManifestTable,
    spec: MergeSpec,
    corpora: Sequence[str],
    seed: int,
    missing: Sequence[str],
) -> list[ListSpec]:
    """Make the table `chosen` of lists and their rows, by number.

    Arguments
    ---------
    table : ManifestTable
        The rows, after `drop_duplicates`.
    spec : MergeSpec
        The lists.
    corpora : list of str
        The corpus of each file of the table.
    seed : int
        For samples.
    missing : list of str
        Corpora without which lists may stay empty.

    Returns
    -------
    list of ListSpec
        The lists that have rows; a list is its place here.

    Raises
    ------
    ManifestError
        If a selection takes no row.
    """
    table.query("CREATE TABLE chosen (list INTEGER, row BIGINT)")
    lists = []
    for wanted in spec.lists:
        conditions = [_condition(one, corpora, table) for one in wanted.selections]
        cases = " ".join(
            f"WHEN {condition} THEN {number}"
            for number, condition in enumerate(conditions)
        )
        table.query(
            "CREATE OR REPLACE TABLE matching AS SELECT rowid AS row, "
            f"CASE {cases} END AS selection FROM rows "
            "ANTI JOIN dropped ON rows.rowid = dropped.row "
            f"WHERE {' OR '.join(conditions)}"
        )
        before = _count(table)
        for number, selection in enumerate(wanted.selections):
            taken = _count(table)
            query = _sample(selection, number, seed)
            table.query(f"INSERT INTO chosen SELECT {len(lists)}, row FROM ({query})")
            if _count(table) == taken and not set(selection.corpora) & set(missing):
                raise ManifestError(
                    f"list {wanted.name}: its selection {number + 1} "
                    f"({', '.join(selection.corpora[:_EXAMPLES])}) takes no row. Check "
                    "its parts, splits, labels and languages against the manifests."
                )
        if _count(table) > before:
            lists.append(wanted)
    return lists


def _count(table: ManifestTable) -> int:
    return table.query("SELECT count(*) FROM chosen")[0][0]


def _condition(
    selection: Selection, corpora: Sequence[str], table: ManifestTable
) -> str:
    """SQL for the rows that a selection matches."""
    files = [
        str(number)
        for number, (corpus, check) in enumerate(
            zip(corpora, table.checks, strict=True)
        )
        if corpus in selection.corpora
        and _has_part(check.path, corpus, selection.parts)
    ]
    conditions = [f"rows.file IN ({', '.join(files)})" if files else "false"]
    for column, values in selection.filters.items():
        conditions.append(f"rows.{column} IN ({', '.join(map(literal, values))})")
    return f"({' AND '.join(conditions)})"


def _has_part(path: Path, corpus: str, parts: Sequence[str]) -> bool:
    """Whether a manifest, `<corpus>_<part>[_...].csv`, is of one of the parts."""
    return not parts or path.stem.removeprefix(f"{corpus}_").split("_")[0] in parts


def _sample(selection: Selection, number: int, seed: int) -> str:
    """SQL for the rows that a selection takes of those that it matches."""
    draw = f"md5_number_lower('{seed} sample ' || rows.ID)"
    matched = (
        "FROM matching JOIN rows ON rows.rowid = matching.row "
        f"WHERE selection = {number}"
    )
    if selection.share is not None and selection.share < 1:
        return f"SELECT row {matched} AND {draw} < {int(selection.share * 2**64)}"
    if selection.hours is None:
        return f"SELECT row FROM matching WHERE selection = {number}"
    parts = "".join(f"rows.{column}, " for column in selection.each)
    each = f"PARTITION BY {parts[:-2]} " if parts else ""
    return (
        f"SELECT row FROM (SELECT row, sum({MICROSECONDS}) OVER ({each}ORDER BY "
        f"{draw}, row ROWS UNBOUNDED PRECEDING) AS total {matched}) "
        f"WHERE total <= {round(selection.hours * PER_HOUR)}"
    )


def require_apart(
    table: ManifestTable, lists: Sequence[ListSpec], allowed: bool
) -> None:
    """Raise ManifestError if lists of different purposes share rows.

    Arguments
    ---------
    table : ManifestTable
        The rows, after `choose`.
    lists : list of ListSpec
        What `choose` gave.
    allowed : bool
        Whether they may.
    """
    for first, second, count in table.query(
        "SELECT one.list, two.list, count(*) FROM chosen AS one JOIN chosen AS two "
        "ON one.row = two.row AND one.list < two.list GROUP BY ALL ORDER BY ALL"
    ):
        if lists[first].purpose != lists[second].purpose and not allowed:
            raise ManifestError(
                f"lists {lists[first].name} and {lists[second].name}: {count} rows are "
                "in both. Correct the splits of the spec, or allow it: "
                "--allow-contamination."
            )
