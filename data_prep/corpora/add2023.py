"""ADD 2023, track 1.2, test set of round 2: Mandarin, genuine and fake."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_add2023", "utterances"]

_LABELS = {"genuine": "real", "fake": "fake"}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of `label.txt`: a file of the folder `wav`, and its label."""
    folder = tree.folder("Track1.2/testR2", "testR2", "track1_2-testR2")
    tree.cover(f"{folder}/wav")
    for row in tree.table(f"{folder}/label.txt", ("file", "label")):
        yield Utterance(
            f"{folder}/wav/{row['file']}",
            row.lookup("label", _LABELS),
            key=posixpath.splitext(row["file"])[0],
            split="test",
            language="ZH",
        )


CORPUS = Corpus(
    key="add2023",
    name="ADD2023",
    prefix="ADD2023",
    folders=("ADD2023",),
    role="evaluation",
    licence="CC BY-NC-ND 4.0",
    source="https://zenodo.org/records/12176326 (track1_2-testR2.tar.gz.00 to .07, to "
    "be joined with cat)",
    citation="Yi et al., ADD 2023: the Second Audio Deepfake Detection Challenge, "
    "DADA workshop at IJCAI 2023, arXiv:2305.13774",
    description="Mandarin, 16 kHz; neither attacks nor speakers are published. Round 1 "
    "and the other tracks of the challenge are not part of it.",
    layout="""\
Track1.2/testR2/label.txt    <file.wav> genuine|fake, no header
Track1.2/testR2/wav/ADD2023_T1.2R2_E_xxxxxxxx.wav""",
    utterances=utterances,
    deviations=(
        "IDs end without .wav, and Language is ZH instead of unknown, in both modes.",
    ),
    versions="Track 1.2, round 2 (testR2).",
)
prepare_add2023 = prepare_function(CORPUS)
