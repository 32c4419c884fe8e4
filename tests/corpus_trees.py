"""Tiny faithful trees of corpora, and what the engine makes of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import soundfile

from data_prep.corpora import find_corpus
from data_prep.prepare import prepare_corpus


def write_audio(
    path: Path, seconds: float = 0.2, sample_rate: int = 16000, channels: int = 1
) -> Path:
    """A short noise, in the format that the extension says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path.name)))
    shape = (round(seconds * sample_rate), channels)
    soundfile.write(path, 0.1 * rng.standard_normal(shape), sample_rate)
    return path


def write_text(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    """A key file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def prepare(
    key: str, data_root: Path, mode: str = "complete", **options: str
) -> tuple[dict[str, dict[str, str]], dict]:
    """Rows by ID (with the name of their manifest) and the summary of a corpus."""
    out = data_root.parent / f"{data_root.name}_manifests_{mode}"
    corpus = find_corpus(key)
    summary = prepare_corpus(corpus, data_root, out, mode=mode, options=options)
    folder = out / corpus.name
    assert json.loads((folder / "summary.json").read_text()) == summary
    rows = {}
    for manifest in summary["manifests"]:
        with open(folder / manifest["file"], newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                assert row["ID"] not in rows
                rows[row["ID"]] = row | {"manifest": manifest["file"]}
    return rows, summary
