"""Tiny faithful trees of corpora, and what the engine makes of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
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


def write_m4a(path: Path, wav: np.ndarray, sample_rate: int, **options: str) -> Path:
    """[channels, frames] as AAC in an MP4 container, whatever the name."""
    av = pytest.importorskip("av", reason="PyAV is not installed")
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = {1: "mono", 2: "stereo"}[len(wav)]
    with av.open(str(path), "w", format="mp4", options=options) as container:
        stream = container.add_stream("aac", rate=sample_rate, layout=layout)
        for start in range(0, wav.shape[1], 1024):
            block = np.ascontiguousarray(wav[:, start : start + 1024], np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = sample_rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_noise_m4a(path: Path, seconds: float = 0.2, sample_rate: int = 16000) -> Path:
    """Noise as mono AAC."""
    rng = np.random.default_rng(0)
    wav = 0.1 * rng.standard_normal((1, round(seconds * sample_rate)))
    return write_m4a(path, wav, sample_rate)


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
