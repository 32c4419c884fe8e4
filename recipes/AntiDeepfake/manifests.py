"""Manifests of any size for training and evaluation, in one process or in many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from speechbrain.utils.distributed import run_on_main

from data_prep.manifest import ManifestError
from recipes.AntiDeepfake.arrow_cache import arrow_files
from recipes.AntiDeepfake.arrow_rows import ArrowRows, open_manifest
from recipes.AntiDeepfake.dataio import LABELS

__all__ = ["manifest_rows", "read_trials"]


def manifest_rows(manifests: str | Path | Sequence[str | Path]) -> ArrowRows:
    """Open manifests; of several processes, the first one checks and converts them.

    Arguments
    ---------
    manifests : str, Path or list of them
        The manifests.

    Returns
    -------
    ArrowRows
        Their rows, see `arrow_rows.open_manifest`.

    Raises
    ------
    ManifestError
        If they cannot be used.
    """
    run_on_main(arrow_files, args=[manifests])
    return open_manifest(manifests)


def read_trials(manifests: str | Path | Sequence[str | Path]) -> ArrowRows:
    """Open manifests that must hold both classes, as training and validation do.

    Arguments
    ---------
    manifests : str, Path or list of them
        The manifests.

    Returns
    -------
    ArrowRows
        Their rows.

    Raises
    ------
    ManifestError
        If they cannot be used or a class is missing.
    """
    rows = manifest_rows(manifests)
    _, found = rows.codes("Label")
    for label in LABELS:
        if label not in found:
            raise ManifestError(
                f"{manifests}: {len(rows)} rows, but none is {label!r}. Training and "
                "validation need real and fake audio: add a manifest that has it."
            )
    return rows
