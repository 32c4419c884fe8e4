"""LibriTTS-R: LibriTTS after speech restoration, which the paper counts as fake."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._libritts import (
    LAYOUT,
    SUBSETS,
    libritts_copy,
    libritts_utterances,
)
from data_prep.corpora.base import Corpus, Option, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_libritts_r", "utterances"]

_FAILED = "libritts_r_failed_speech_restoration_examples"


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the restored utterances, all fake."""
    failed = _failed(tree) if tree.options["failed"] == "drop" else frozenset()
    for genuine in libritts_utterances(tree):
        if genuine.path in failed:
            tree.leave_out(genuine.path, "its restoration failed (failed=drop)")
        else:
            yield libritts_copy(genuine, attack="Miipher-WaveFit")


def _failed(tree: Tree) -> frozenset[str]:
    """Paths of the utterances that the authors list as not restored well."""
    folder = tree.folder(_FAILED)
    lists = [f"{folder}/{subset}_bad_sample_list.txt" for subset in SUBSETS]
    return frozenset(
        row["path"].removeprefix("./")
        for name in lists
        if tree.exists(name)
        for row in tree.table(name, ["path"])
    )


CORPUS = Corpus(
    key="libritts_r",
    name="LibriTTS-R",
    prefix="Libri-R",
    folders=("LibriTTS-R", "LibriTTS_R"),
    role="post-training",
    licence="CC BY 4.0",
    source="https://www.openslr.org/141/",
    citation="Koizumi et al., LibriTTS-R: A Restored Multi-Speaker Text-to-Speech "
    "Corpus, Interspeech 2023, arXiv:2305.18802",
    description="LibriTTS restored by Miipher and the vocoder WaveFit, 24 kHz, all "
    "fake. The authors list utterances whose restoration failed; the paper keeps them.",
    layout=f"{LAYOUT}\n{_FAILED}/<subset>_bad_sample_list.txt (for failed=drop)",
    utterances=utterances,
    hours=(0.0, 583.15),
    options={
        "failed": Option(
            "keep",
            "utterances whose restoration failed, by the authors' lists: keep them as "
            "the paper does, or drop them",
            choices=("keep", "drop"),
        )
    },
    deviations=("Attack is Miipher-WaveFit; the scripts of the paper leave it empty.",),
)
prepare_libritts_r = prepare_function(CORPUS)
