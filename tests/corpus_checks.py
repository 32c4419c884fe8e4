"""What tests of corpora look at in manifests and summaries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

#: The columns that a corpus decides on, in the order of `facts`.
FACTS = ("Label", "Attack", "Speaker", "Proportion", "Language", "Path")


def facts(rows: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """The values of `FACTS` by ID."""
    return {name: tuple(row[key] for key in FACTS) for name, row in rows.items()}


def decided(rows: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """The path without its root, then the other values of `FACTS`, and Recording."""
    return {
        name: (path.removeprefix("$ROOT/"), *others, rows[name]["Recording"])
        for name, (*others, path) in facts(rows).items()
    }


def recordings(rows: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The column Recording by ID."""
    return {name: row["Recording"] for name, row in rows.items()}


def skipped(summary: Mapping) -> dict[str, str]:
    """Reason of everything that was skipped."""
    return {entry["what"]: entry["reason"] for entry in summary["skipped"]}


def left_out(summary: Mapping) -> dict[str, str]:
    """Reason of everything that was left out on purpose."""
    return {entry["what"]: entry["reason"] for entry in summary["left_out"]}


def mentions(summary: Mapping, path: str) -> bool:
    """Whether a path occurs anywhere in a summary."""
    return path in json.dumps(summary)


def write_broken(path: Path) -> Path:
    """A file that says it is audio and is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"404: Not Found\n" * 20)
    return path
