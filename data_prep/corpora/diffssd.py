"""DiffSSD: English by diffusion-based and commercial speech generators, all fake."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import AudioFile, Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_diffssd", "utterances"]

_FOLDER = "generated_speech"


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `generated_speech/<generator>/[speaker_N/]<sentence>.{wav,mp3}`."""
    unseen = 0
    for file in tree.files(_FOLDER):
        if tree.original and file.suffix != ".wav":
            unseen += 1
            continue
        if len(file.parts) == 1:
            tree.skip(file.path, "lies beside the folders of the generators")
            continue
        generator, *folders = file.parts[:-1]
        speakers = [name for name in folders if name.startswith("speaker")]
        yield Utterance(
            file.path,
            "fake",
            key="-".join([generator, *(folders or [UNKNOWN]), "EN", _sentence(file)]),
            attack=generator,
            speaker=speakers[0] if speakers else UNKNOWN,
            language="EN",
        )
    if unseen:
        reason = (
            f"files that are not WAV, which the script of the paper misses: {unseen}"
        )
        tree.leave_out(_FOLDER, reason)


def _sentence(file: AudioFile) -> str:
    """Name of the sentence; other formats than WAV might have the same ones."""
    if file.suffix == ".wav":
        return file.stem
    return f"{file.stem}-{file.suffix.removeprefix('.')}"


CORPUS = Corpus(
    key="diffssd",
    name="DiffSSD",
    prefix="DiffSSD",
    folders=("DiffSSD", "diffssd"),
    role="post-training",
    licence="CC BY-NC-ND 4.0",
    source="https://huggingface.co/datasets/purdueviperlab/diffssd "
    "(generated_speech.tar)",
    citation="Bhagtani et al., DiffSSD: A Diffusion-Based Dataset for Speech "
    "Forensics, 2024, arXiv:2409.13049",
    description="Fake English by ten generators. Only generated_speech is read: "
    "real_speech, if it is there, holds LJSpeech and LibriSpeech.",
    layout="generated_speech/<generator>/[speaker_N/]sentence_M[_<accent>].{wav,mp3}",
    utterances=utterances,
    hours=(0.0, 139.73),
    rows={"all": (0, 70000)},
    deviations=(
        "original: only WAV; complete: the MP3 of some generators as well, with -mp3 "
        "at the end of the ID.",
    ),
)
prepare_diffssd = prepare_function(CORPUS)
