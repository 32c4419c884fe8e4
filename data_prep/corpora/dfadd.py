"""DFADD: VCTK and what five diffusion and flow-matching systems make of it."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import AudioFile, Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_dfadd", "utterances"]

_GENUINE = "DATASET_VCTK_BONAFIDE"
# From a folder to its attack.
_FOLDERS = {
    "DATASET_GradTTS": "GradTTS",
    "DATASET_MatchaTTS": "MatchaTTS",
    "DATASET_NaturalSpeech2": "NaturalSpeech2",
    "DATASET_PflowTTS": "PflowTTS",
    "DATASET_StyleTTS2": "StyleTTS2",
    _GENUINE: UNKNOWN,
}
_SPLITS = {"train": "train", "valid": "valid", "test": "test"}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `DATASET_<system>/<split>/<speaker>_<...>.{wav,flac}`."""
    base = "DFADD_ZIP" if tree.exists("DFADD_ZIP") else ""
    for folder in _FOLDERS:
        for split in _SPLITS:
            tree.folder(f"DFADD_ZIP/{folder}/{split}", f"{folder}/{split}")
    for file in tree.files(base):
        if len(file.parts) != 3:
            tree.skip(file.path, "not in DATASET_<system>/<split>/")
            continue
        utterance = _utterance(tree, file)
        if utterance is not None:
            yield utterance


def _utterance(tree: Tree, file: AudioFile) -> Utterance | None:
    folder, part, _ = file.parts
    attack = tree.lookup(file.path, folder, _FOLDERS)
    if attack is None:
        return None
    split = tree.lookup(file.path, part, _SPLITS)
    if split is None:
        return None
    return Utterance(
        file.path,
        "real" if folder == _GENUINE else "fake",
        key=f"{folder}-{file.stem}",
        attack=attack,
        speaker=file.stem.partition("_")[0],
        split=split,
        language="EN",
    )


CORPUS = Corpus(
    key="dfadd",
    name="DFADD",
    prefix="DFADD",
    folders=("DFADD",),
    role="post-training",
    licence="MIT (stated on the repository); source VCTK, CC BY 4.0",
    source="https://huggingface.co/datasets/isjwdu/DFADD",
    citation="Du et al., DFADD: The Diffusion and Flow-Matching Based Audio Deepfake "
    "Dataset, SLT 2024, arXiv:2409.08731",
    description="English, VCTK speakers. In older archives fakes are FLAC and genuine "
    "files WAV, so that the format gives the label away.",
    layout="DATASET_{GradTTS,MatchaTTS,NaturalSpeech2,PflowTTS,StyleTTS2,"
    "VCTK_BONAFIDE}/{train,valid,test}/*.{wav,flac}",
    utterances=utterances,
    hours=(41.62, 66.01),
    rows={"test": (755, 3000)},
    deviations=("Attacks are called without the beginning `DATASET_` of the folders.",),
    versions="The update of April 2025 has one format for all and repairs MatchaTTS, "
    "whose audio and labels did not match before.",
)
prepare_dfadd = prepare_function(CORPUS)
