"""LJSpeech: genuine English of one reader."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "SPEAKER", "prepare_ljspeech", "utterances"]

#: The one reader of the corpus; the first part of a clip's name is its chapter.
SPEAKER = "LJ"


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the clips of `metadata.csv`, or of the folder `wavs` without it."""
    base = "LJSpeech-1.1/" if tree.exists("LJSpeech-1.1") else ""
    wavs = tree.folder(f"{base}wavs")
    for path, clip in _clips(tree, f"{base}metadata.csv", wavs):
        yield Utterance(path, "real", key=clip, speaker=SPEAKER, language="EN")


def _clips(tree: Tree, metadata: str, wavs: str) -> Iterator[tuple[str, str]]:
    """Path and name of each clip."""
    if tree.exists(metadata):
        tree.cover(wavs)
        for row in tree.table(metadata, ["clip", "text", "normalised"], "|"):
            yield f"{wavs}/{row['clip']}.wav", row["clip"]
    else:
        for file in tree.files(wavs):
            yield file.path, file.stem


CORPUS = Corpus(
    key="ljspeech",
    name="LJSpeech",
    prefix="LJ",
    folders=("LJSpeech", "LJSpeech-1.1"),
    role="post-training",
    licence="public domain",
    source="https://keithito.com/LJ-Speech-Dataset/",
    citation="Ito and Johnson, The LJ Speech Dataset, 2017",
    description="Genuine English of one reader, 22.05 kHz. Its sentences come back "
    "synthesised in WaveFake, Diffuse or Confuse and DiffSSD.",
    layout="[LJSpeech-1.1/]wavs/LJ0xx-yyyy.wav\n[LJSpeech-1.1/]metadata.csv",
    utterances=utterances,
    hours=(23.92, 0.0),
    rows={"all": (13100, 0)},
    deviations=(
        "Speaker is LJ, the one reader; the scripts of the paper give the chapter.",
    ),
    versions="1.1",
)
prepare_ljspeech = prepare_function(CORPUS)
