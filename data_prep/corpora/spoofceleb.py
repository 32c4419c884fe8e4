"""SpoofCeleb: celebrities' genuine speech and 23 systems trained on it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_spoofceleb", "utterances"]

_SPLITS = {"train": "train", "development": "valid", "evaluation": "test"}
_GENUINE = "a00"
_LABELS = {_GENUINE: "real"} | {f"a{n:02d}": "fake" for n in range(1, 24)}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of `metadata/{train,development,evaluation}.csv`."""
    base = "spoofceleb/" if tree.exists("spoofceleb") else ""
    for part, split in _SPLITS.items():
        audio = f"{base}flac/{part}"
        tree.cover(audio)
        metadata = f"{base}metadata/{part}.csv"
        for row in tree.csv_table(metadata, ["file", "speaker", "attack"]):
            label = row.lookup("attack", _LABELS)
            stem = posixpath.splitext(row["file"])[0]
            yield Utterance(
                f"{audio}/{row['file']}",
                label,
                # The same clip may be there from several systems and in several parts.
                key=f"{part}-{stem.replace('/', '-')}",
                attack=UNKNOWN if label == "real" else row["attack"],
                speaker=row["speaker"],
                split=split,
            )


CORPUS = Corpus(
    key="spoofceleb",
    name="SpoofCeleb",
    prefix="SpoofCeleb",
    folders=("SpoofCeleb", "spoofceleb"),
    role="post-training",
    licence="CC BY 4.0",
    source="https://huggingface.co/datasets/jungjee/spoofceleb (join the parts "
    "spoofceleb.tar.gza* and unpack)",
    citation="Jung et al., SpoofCeleb: Speech Deepfake Detection and SASV in the Wild, "
    "IEEE Open Journal of Signal Processing 2025, arXiv:2409.17285",
    description="Speech of VoxCeleb1, genuine (a00) and by 23 systems (a01 to a23) "
    "that were trained on it. Mostly English, which is not stated for each clip.",
    layout="[spoofceleb/]flac/{train,development,evaluation}/aNN/idXXXXX/<clip>.flac\n"
    "[spoofceleb/]metadata/{train,development,evaluation}.csv",
    utterances=utterances,
    hours=(173.00, 1916.20),
    rows={
        "train": (230948, 2309473),
        "valid": (7963, 47778),
        "test": (9113, 82017),
    },
    deviations=(
        "IDs have the split in front and - in place of /; in the scripts of the paper "
        "they are paths.",
        "Attack of genuine rows is -; the scripts of the paper have a00.",
    ),
)
prepare_spoofceleb = prepare_function(CORPUS)
