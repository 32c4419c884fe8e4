"""FLEURS: genuine read speech in 102 languages."""

from __future__ import annotations

from data_prep.corpora._fleurs import LAYOUT, PREFIX, fleurs_utterances
from data_prep.corpora.base import Corpus
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_fleurs"]


CORPUS = Corpus(
    key="fleurs",
    name="FLEURS",
    prefix=PREFIX,
    # Not the folder FLEURS itself: the restored copy lies in it as well.
    folders=("FLEURS/fleurs", "fleurs"),
    role="post-training",
    licence="CC BY 4.0",
    source="https://huggingface.co/datasets/google/fleurs",
    citation="Conneau et al., FLEURS: Few-shot Learning Evaluation of Universal "
    "Representations of Speech, SLT 2022, arXiv:2205.12446",
    description="Genuine, 102 languages, 16 kHz; no speaker identities exist.",
    layout=LAYOUT,
    utterances=fleurs_utterances,
    hours=(1388.97, 0.0),
    deviations=(
        "Mandarin is ZH and Cantonese YUE, in the column Language and in the IDs; the "
        "scripts of the paper have CN and YUE_HANT here and ZH in all other corpora.",
    ),
)
prepare_fleurs = prepare_function(CORPUS)
