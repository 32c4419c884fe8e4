"""FLEURS-R: FLEURS after speech restoration, which the paper counts as fake."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._fleurs import LAYOUT, PREFIX, fleurs_utterances
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_fleurs_r", "utterances"]


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the restored utterances; each names the row of FLEURS it is made from."""
    for genuine in fleurs_utterances(tree):
        yield genuine._replace(
            label="fake", attack="Miipher", recording=f"{PREFIX}-{genuine.key}"
        )


CORPUS = Corpus(
    key="fleurs_r",
    name="FLEURS-R",
    prefix="FLEURS-R",
    folders=("FLEURS/fleurs-r", "fleurs-r"),
    role="post-training",
    licence="CC BY 4.0",
    source="https://huggingface.co/datasets/google/fleurs-r",
    citation="Ma et al., FLEURS-R: A Restored Multilingual Speech Corpus for "
    "Generation Tasks, Interspeech 2024, arXiv:2408.06227",
    description="FLEURS restored by Miipher and a neural vocoder, 24 kHz, all fake. "
    "Utterances whose restoration failed are not in it.",
    layout=LAYOUT,
    utterances=utterances,
    hours=(0.0, 1238.83),
    deviations=(
        "Mandarin is ZH and Cantonese YUE, in the column Language and in the IDs; the "
        "scripts of the paper have CN and YUE_HANT.",
        "Attack is Miipher; the scripts of the paper leave it empty.",
    ),
)
prepare_fleurs_r = prepare_function(CORPUS)
