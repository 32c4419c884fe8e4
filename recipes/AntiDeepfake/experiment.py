"""Experiment files that are others with changes.

An experiment is one HyperPyYAML file, in which the key `base` may name another file, or
several, that give all keys that it does not have itself:

    base: blocks/posttrain.yaml
    ssl_source: facebook/mms-300m
    lr: 0.0000001

A later base changes the ones before it, and the file itself changes them all. A mapping
is merged key by key; one with a tag (`!new:...`) replaces what was there. Paths are
relative to the file that has them. The result is HyperPyYAML like any other: `!ref`
and the command line reach every key, wherever it was written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from hyperpyyaml import resolve_references
from ruamel.yaml import YAML

from data_prep.files import atomic_path
from recipes.AntiDeepfake.usage import UsageError

__all__ = ["BASE", "open_experiment", "read_experiment", "save_experiment"]

BASE = "base"


def open_experiment(path: str | Path) -> StringIO:
    """Open an experiment file, with its bases in place.

    Arguments
    ---------
    path : str or Path
        The HyperPyYAML file.

    Returns
    -------
    StringIO
        HyperPyYAML without `base`, for `load_hyperpyyaml`.

    Raises
    ------
    OSError
        If there is no such file, or no such base.
    UsageError
        If it has a key that its bases do not have and that is not used.
    """
    stream = StringIO()
    YAML().dump(_merged(Path(path), Path(path).parent), stream)
    stream.seek(0)
    # To which HyperPyYAML takes paths after `!include:` as relative.
    stream.name = str(path)
    return stream


def read_experiment(path: str | Path, overrides: str = "") -> dict[str, Any]:
    """Read the values of an experiment; nothing is built.

    Arguments
    ---------
    path : str or Path
        The HyperPyYAML file.
    overrides : str
        YAML text of the values given on the command line.

    Returns
    -------
    dict
        References are resolved; objects are the mappings that describe them.

    Raises
    ------
    ValueError
        If a value is missing.
    """
    return YAML().load(resolve_references(open_experiment(path), overrides))


def save_experiment(folder: str | Path, path: str | Path, overrides: str = "") -> None:
    """Write down what was run, as `hyperparams.yaml`: one file that runs by itself.

    Arguments
    ---------
    folder : str or Path
        Where to.
    path : str or Path
        The HyperPyYAML file.
    overrides : str
        YAML text of the values given on the command line.
    """
    text = resolve_references(open_experiment(path), overrides).getvalue()
    with atomic_path(Path(folder) / "hyperparams.yaml") as temporary:
        temporary.write_text(f"# From {path}\n{text}", encoding="utf-8")


def _merged(path: Path, root: Path) -> dict[str, Any]:
    """The keys of a file and of its bases; `!include:` relative to `root`."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(
        r"!include:(\S+)",
        lambda found: "!include:" + os.path.relpath(path.parent / found[1], root),
        text,
    )
    own = YAML().load(text) or {}
    bases = own.pop(BASE, None)
    if bases is None:
        return own
    bases = [bases] if isinstance(bases, str) else bases
    merged, *changes = (_merged(path.parent / base, root) for base in bases)
    known = set(merged)
    for change in (*changes, own):
        _change(merged, change)
    _check_new_keys(path, merged, known)
    return merged


def _change(tree: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        inside = tree.get(key)
        if isinstance(value, dict) and isinstance(inside, dict) and not _tag(value):
            _change(inside, value)
        else:
            tree[key] = value


def _tag(node: dict[str, Any]) -> str | None:
    tag = getattr(node, "tag", None)
    return tag and tag.value


def _check_new_keys(path: Path, merged: dict[str, Any], known: set[str]) -> None:
    """A key that a base does not have is a slip, unless another one refers to it."""
    stream = StringIO()
    YAML().dump(merged, stream)
    for key in merged:
        if key not in known and not re.search(rf"<{key}[\[.>]", stream.getvalue()):
            raise UsageError(
                f"{path}: the key {key!r} is in none of the files that `{BASE}` names, "
                "and nothing refers to it. Correct its name, or remove it."
            )
