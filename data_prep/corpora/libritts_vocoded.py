"""LibriTTS-Vocoded: LibriTTS after copy synthesis with neural vocoders, all fake."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._libritts import (
    LAYOUT,
    SUBSETS,
    libritts_copy,
    libritts_utterances,
)
from data_prep.corpora._subfolders import subfolders
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_libritts_vocoded", "utterances"]

_PAPER = ("hifigan", "hn_sinc_nsf", "hn_sinc_nsf_hifi", "waveglow")


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the vocoded utterances; the folder of the vocoder is the attack."""
    for vocoder in subfolders(tree):
        if vocoder in SUBSETS:
            tree.skip(vocoder, "a subset of LibriTTS without a folder of its vocoder")
            continue
        if tree.original and vocoder not in _PAPER:
            tree.leave_out(vocoder, "not a vocoder of the paper")
            continue
        for genuine in libritts_utterances(tree, vocoder):
            copy = libritts_copy(genuine, attack=vocoder)
            yield copy._replace(key=f"{vocoder}-{genuine.key}")


CORPUS = Corpus(
    key="libritts_vocoded",
    name="LibriTTS-Vocoded",
    prefix="LibriTTS-Vo",
    folders=("LibriTTS-Vocoded",),
    role="post-training",
    licence="CC BY 4.0 (LibriTTS, from which it is made)",
    source="not to be downloaded: make it from the manifests of LibriTTS with `python "
    "-m data_prep vocode --relative-to LibriTTS`; the copies by NSF and WaveGlow come "
    "from the package of the authors",
    citation="Wang and Yamagishi, Spoofed Training Data for Speech Spoofing "
    "Countermeasure Can Be Efficiently Created Using Neural Vocoders, ICASSP 2023, "
    "arXiv:2210.10570",
    description="Every utterance of LibriTTS resynthesised by each of several neural "
    f"vocoders; the paper has four: {', '.join(_PAPER)}.",
    layout=f"<vocoder>/{LAYOUT}",
    utterances=utterances,
    hours=(0.0, 2345.14),
    deviations=(
        f"original: only the vocoders {', '.join(_PAPER)}; complete: any folder of a "
        "vocoder.",
    ),
)
prepare_libritts_vocoded = prepare_function(CORPUS)
