"""LibriTTS: genuine English audiobooks, cut into sentences."""

from __future__ import annotations

from data_prep.corpora._libritts import LAYOUT, PREFIX, libritts_utterances
from data_prep.corpora.base import Corpus
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_libritts"]


CORPUS = Corpus(
    key="libritts",
    name="LibriTTS",
    prefix=PREFIX,
    folders=("LibriTTS",),
    role="post-training",
    licence="CC BY 4.0",
    source="https://www.openslr.org/60/",
    citation="Zen et al., LibriTTS: A Corpus Derived from LibriSpeech for "
    "Text-to-Speech, Interspeech 2019, arXiv:1904.02882",
    description="Genuine English, 2,456 speakers, 24 kHz.",
    layout=LAYOUT,
    utterances=libritts_utterances,
    hours=(585.83, 0.0),
)
prepare_libritts = prepare_function(CORPUS)
