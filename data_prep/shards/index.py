"""The index of a folder of shards, and the record of each shard that it is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.files import atomic_path, file_digest
from data_prep.manifest import ManifestError
from data_prep.shards.layout import FORMAT, INDEX, SECONDS

__all__ = ["parse_index", "read_index", "write_index", "write_json"]


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, atomically."""
    with atomic_path(path) as temporary:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def write_index(
    out: Path,
    records: Sequence[Mapping],
    settings: Mapping[str, object],
    manifests: Sequence[Mapping],
) -> dict:
    """Write `seconds.npy` and, after it, `index.json`.

    Arguments
    ---------
    out : Path
        The folder.
    records : list of dict
        Of all shards, in their order, see `data_prep.shards.making.make_shard`.
    settings : dict
        What the shards were made with.
    manifests : list of dict
        `file`, `rows` and `sha256` of each manifest.

    Returns
    -------
    dict
        The index: `format`, `settings`, `manifests`, the totals `samples`, `seconds`,
        `bytes` and `failures`, `labels` and `corpora` with samples and seconds of
        each, `seconds_sha256`, and `shards`, a list with `file`, `samples`, `seconds`,
        `bytes` and `sha256`.
    """
    seconds = [value for record in records for value in record["seconds"]]
    with atomic_path(out / SECONDS) as temporary:
        np.save(temporary, np.array(seconds, np.float32))
    index = {
        "format": FORMAT,
        "settings": dict(settings),
        "manifests": list(manifests),
        "samples": len(seconds),
        "seconds": _rounded(sum(seconds)),
        "bytes": sum(record["bytes"] for record in records),
        "failures": sum(len(record["failures"]) for record in records),
        "labels": _counts(records, "labels"),
        "corpora": _counts(records, "corpora"),
        "seconds_sha256": file_digest(out / SECONDS),
        "shards": [
            {
                "file": record["file"],
                "samples": len(record["seconds"]),
                "seconds": _rounded(sum(record["seconds"])),
                "bytes": record["bytes"],
                "sha256": record["sha256"],
            }
            for record in records
        ],
    }
    write_json(out / INDEX, index)
    return index


def read_index(folder: str | Path) -> dict:
    """Read the index of a folder of shards.

    Raises
    ------
    ManifestError
        If there is none or it cannot be used.
    """
    path = Path(folder) / INDEX
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(
            f"{path}: cannot be read ({error.strerror}). It is written when all shards "
            "are there: make them (`python -m data_prep shard --help`) or name "
            "another folder."
        ) from None
    return parse_index(text, str(path))


def parse_index(text: str | bytes, source: str) -> dict:
    """Check the text of an index.

    Arguments
    ---------
    text : str or bytes
        JSON.
    source : str
        Where it is from, for the message.

    Raises
    ------
    ManifestError
        If it is no index or one of another format.
    """
    try:
        index = json.loads(text)
        found = index["format"]
    except (ValueError, KeyError, TypeError):
        raise ManifestError(
            f"{source}: not the index of shards. Make it again (`python -m data_prep "
            "shard --help`) or name another one."
        ) from None
    if found != FORMAT:
        raise ManifestError(
            f"{source}: format {found}, but this version reads {FORMAT}. Make the "
            "shards again, or use the version that made them."
        )
    return index


def _counts(records: Sequence[Mapping], name: str) -> dict[str, dict[str, float]]:
    """Samples and seconds by label or corpus, of all shards together."""
    totals: dict[str, list[float]] = {}
    for record in records:
        for value, (samples, seconds) in record[name].items():
            total = totals.setdefault(value, [0, 0.0])
            total[0] += samples
            total[1] += seconds
    return {
        value: {"samples": samples, "seconds": _rounded(seconds)}
        for value, (samples, seconds) in sorted(totals.items())
    }


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
