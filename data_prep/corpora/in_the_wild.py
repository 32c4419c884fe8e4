"""In-the-Wild: public figures, genuine and faked, collected from the internet."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_in_the_wild", "utterances"]

_LABELS = {"bona-fide": "real", "spoof": "fake"}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of `meta.csv`, which lies beside the audio."""
    # The archive unpacked into the data root gives the inner folder alone.
    inner = "release_in_the_wild/" if tree.exists("release_in_the_wild") else ""
    tree.cover(inner.rstrip("/"))
    for row in tree.csv_table(f"{inner}meta.csv", ("file", "speaker", "label")):
        yield Utterance(
            inner + row["file"],
            row.lookup("label", _LABELS),
            key=posixpath.splitext(row["file"])[0],
            speaker=row["speaker"],
            language="EN",
        )


CORPUS = Corpus(
    key="in_the_wild",
    name="In-the-Wild",
    prefix="ItW",
    folders=("In-the-Wild", "In-The-Wild", "release_in_the_wild"),
    role="evaluation",
    licence="not verified: copies state Apache-2.0 or CC BY-SA 4.0; read it at the "
    "source",
    source="https://deepfake-total.com/in_the_wild or "
    "https://huggingface.co/datasets/mueller91/In-The-Wild (release_in_the_wild.zip)",
    citation="Müller et al., Does Audio Deepfake Detection Generalize?, Interspeech "
    "2022, arXiv:2203.16263",
    description="English of celebrities and politicians, 16 kHz. Speakers are names of "
    "real persons: think of it before you publish a manifest.",
    layout="""\
release_in_the_wild/meta.csv    file,speaker,label (bona-fide or spoof)
release_in_the_wild/<number>.wav""",
    utterances=utterances,
    rows={"all": (19963, 11816)},
)
prepare_in_the_wild = prepare_function(CORPUS)
