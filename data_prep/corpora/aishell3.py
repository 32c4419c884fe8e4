"""AISHELL-3: genuine Mandarin speech of 218 speakers, read in a studio."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_aishell3", "utterances"]

_SPLITS = {"train": "train", "test": "test"}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `{train,test}/wav/<speaker>/<utterance>.wav`, all genuine."""
    for split in _SPLITS:
        tree.folder(f"{split}/wav")
    for file in tree.files():
        if len(file.parts) != 4 or file.parts[1] != "wav":
            tree.skip(file.path, "not in {train,test}/wav/<speaker>/")
            continue
        split = tree.lookup(file.path, file.parts[0], _SPLITS)
        if split is None:
            continue
        speaker = file.parts[2]
        yield Utterance(
            file.path,
            "real",
            key=f"{speaker}-{file.stem}",
            speaker=speaker,
            split=split,
            language="ZH",
        )


CORPUS = Corpus(
    key="aishell3",
    name="AISHELL-3",
    prefix="AIShell3",
    folders=("AIShell3", "AISHELL-3", "data_aishell3"),
    role="post-training",
    licence="Apache-2.0",
    source="https://www.openslr.org/93/ (data_aishell3.tgz)",
    citation="Shi et al., AISHELL-3: A Multi-speaker Mandarin TTS Corpus and the "
    "Baselines, Interspeech 2021, arXiv:2010.11567",
    description="Genuine Mandarin, 218 speakers, 44.1 kHz; both parts are used. Some "
    "of its clips are genuine speech of CFAD, Codecfake and DECRO as well.",
    layout="{train,test}/wav/SSBxxxx/SSBxxxxyyyy.wav",
    utterances=utterances,
    hours=(85.62, 0.0),
    rows={"all": (88035, 0)},
)
prepare_aishell3 = prepare_function(CORPUS)
