"""DSD: genuine and synthetic Korean, English and Japanese."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import islice

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_dsd", "utterances"]

_KEY_FILE = "DSD_corpus_v1.csv"
_NAME = "Utterence name (file name)"
_COLUMNS = (_NAME, "Language", "Speaker name", "label", "Model", "subset")
_LABELS = {"bonafide": "real", "spoof": "fake"}
_LANGUAGES = {"Korean": "KO", "English": "EN", "Japanese": "JA"}
_SPLITS = {"train": "train", "dev": "valid", "eval": "test"}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of the key file."""
    folder = next((name for name in ("wavs", "wavs_2") if tree.exists(name)), "")
    tree.cover(folder)
    rows = tree.csv_table(_KEY_FILE, _COLUMNS)
    if tree.original:
        for row in islice(rows, 1):
            path = posixpath.join(folder, row[_NAME])
            tree.leave_out(path, "first row, which the script of the paper loses")
    for row in rows:
        label = row.lookup("label", _LABELS)
        yield Utterance(
            posixpath.join(folder, row[_NAME]),
            label,
            key=posixpath.splitext(row[_NAME])[0],
            attack=row["Model"] if label == "fake" else UNKNOWN,
            speaker=row["Speaker name"] or UNKNOWN,
            split=row.lookup("subset", _SPLITS),
            language=row.lookup("Language", _LANGUAGES),
        )


CORPUS = Corpus(
    key="dsd",
    name="DSD",
    prefix="DSD",
    folders=("DSD", "DSD_corpus"),
    role="post-training",
    licence="CC BY-NC 4.0",
    source="https://doi.org/10.5281/zenodo.13788455 (wavs_2.zip.001 to .009 and "
    f"{_KEY_FILE})",
    citation="DSD corpus v1, 2024, doi:10.5281/zenodo.13788455; its authors are named "
    "on the record",
    description="Genuine and fake Korean, English and Japanese, 92,385 rows; the "
    "splits share speakers.",
    layout=f"[wavs/ or wavs_2/]<utterance>.wav\n{_KEY_FILE}",
    utterances=utterances,
    hours=(100.98, 60.23),
    deviations=(
        "original: without the first row of the key file, which the script of the "
        "paper skips besides the header.",
    ),
    versions="v1",
)
prepare_dsd = prepare_function(CORPUS)
