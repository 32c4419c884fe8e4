"""Which rows go to which shard, for more rows than fit into memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.manifest import ManifestError
from data_prep.shards.audio import most_bytes
from data_prep.shards.layout import FORMAT
from data_prep.table import FileCheck, ManifestTable, identifier, require_sound

__all__ = ["ShardJob", "check_ids", "check_sound", "plan_shards"]

_EXAMPLES = 5
_BLOCK = 512  # bytes of a tar; each member has a header of one and fills whole ones
_TAR_END = 10240  # bytes that a tar ends with, at most


@dataclass(frozen=True)
class ShardJob:
    """One shard to be made; all that a process needs to know.

    Arguments
    ---------
    number : int
        Of the shard.
    rows : list of dict
        Manifest rows in the order of the samples.
    out : Path
        Folder of the shards.
    data_folder : str or None
        What `$ROOT` stands for.
    sample_rate : int or str
        See `data_prep.shards.audio.store`.
    """

    number: int
    rows: Sequence[Mapping[str, str]]
    out: Path
    data_folder: str | None
    sample_rate: int | str

    def digest(self) -> str:
        """Tells shards of other content apart: rows, order and settings."""
        text = json.dumps([FORMAT, self.number, self.sample_rate, self.rows])
        return hashlib.sha256(text.encode()).hexdigest()


def plan_shards(
    table: ManifestTable,
    out: Path,
    data_folder: str | None,
    sample_rate: int | str,
    shard_size: int,
    seed: int,
) -> Iterator[ShardJob]:
    """Shuffle the rows of all manifests together and divide them into shards.

    The order follows from the seed and the IDs alone. A shard takes rows as long as
    their sizes before compression fit, so it cannot become larger than wanted.

    Arguments
    ---------
    table : ManifestTable
        The rows.
    out, data_folder, sample_rate
        See `ShardJob`.
    shard_size : int
        Most bytes in a shard; a sample that is larger has a shard of its own.
    seed : int
        Of the order.

    Yields
    ------
    ShardJob
        Only the rows of one shard are in memory.
    """
    # Here, because it takes seconds and the help needs none of it.
    from recipes.AntiDeepfake.dataio import row_seconds

    columns = ", ".join(identifier(name) for name in table.columns)
    order = f"md5_number_lower('{seed} shard ' || ID), ID"
    number, rows, filled = 0, [], _TAR_END
    for batch in table.batches(f"SELECT {columns} FROM rows ORDER BY {order}"):
        for values in batch:
            row = dict(zip(table.columns, values, strict=True))
            audio = most_bytes(row, data_folder, sample_rate, row_seconds(row))
            size = _member(audio) + _member(len(json.dumps(row)))
            if rows and filled + size > shard_size:
                yield ShardJob(number, rows, out, data_folder, sample_rate)
                number, rows, filled = number + 1, [], _TAR_END
            rows.append(row)
            filled += size
    if rows:
        yield ShardJob(number, rows, out, data_folder, sample_rate)


def check_sound(checks: Sequence[FileCheck]) -> None:
    """Raise ManifestError if a manifest has unusable rows, or none has any."""
    require_sound(checks, "Correct the manifests")
    if not any(check.rows for check in checks):
        raise ManifestError(
            f"no rows in {', '.join(str(check.path) for check in checks)}: name other "
            "manifests."
        )


def check_ids(table: ManifestTable) -> None:
    """Raise ManifestError if an ID occurs twice in all the manifests together."""
    repeated = table.query(
        "SELECT ID, list(DISTINCT file) FROM rows GROUP BY ID HAVING count(*) > 1 "
        f"ORDER BY ID LIMIT {_EXAMPLES}"
    )
    if repeated:
        names = ", ".join(repr(name) for name, _ in repeated)
        files = {
            str(table.checks[file].path) for _, found in repeated for file in found
        }
        raise ManifestError(
            f"{', '.join(sorted(files))}: IDs occur more than once, such as {names}. "
            "IDs must be unique: remove rows, or rename one of each."
        )


def _member(size: int) -> int:
    """Bytes that a member of a tar takes, with its header."""
    return _BLOCK + -(-size // _BLOCK) * _BLOCK
