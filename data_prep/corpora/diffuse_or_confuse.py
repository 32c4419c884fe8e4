"""Diffuse or Confuse: sentences of LJSpeech, synthesised by diffusion models."""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.ljspeech import SPEAKER
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_diffuse_or_confuse", "utterances"]

_ARCHIVE = re.compile(r"dataset_\d+")


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `[dataset_0x/]<model>/<sentence>.wav`, all fake."""
    for file in tree.files():
        folders = list(file.parts[:-1])
        if folders and _ARCHIVE.fullmatch(folders[0]):
            del folders[0]
        if len(folders) != 1:
            tree.skip(file.path, "not <model>/<file> or dataset_0x/<model>/<file>")
            continue
        (model,) = folders
        yield Utterance(
            file.path,
            "fake",
            key=f"{model}-{file.stem}",
            attack=model,
            speaker=SPEAKER,
            language="EN",
        )


CORPUS = Corpus(
    key="diffuse_or_confuse",
    name="DiffuseOrConfuse",
    prefix="DiffFake",
    folders=("DiffusionDeepfake", "DiffuseOrConfuse"),
    role="post-training",
    licence="not verified; read it on the record",
    source="https://doi.org/10.5281/zenodo.15260248 (dataset_01.zip to dataset_04.zip)",
    citation="Firc et al., Diffuse or Confuse: A Diffusion Deepfake Speech Dataset, "
    "BIOSIG 2024, doi:10.1109/BIOSIG61931.2024.10786752, arXiv:2410.06796",
    description="Fake English, the sentences of LJSpeech spoken by diffusion and other "
    "models. Genuine LJSpeech is not part of it: do not put it into its folder.",
    layout="[dataset_0x/]<model>/<clip of LJSpeech>.wav",
    utterances=utterances,
    hours=(0.0, 231.66),
    deviations=(
        "Speaker is LJ; the scripts of the paper give the file name.",
        "Attack is the folder of the model; the scripts of the paper take dataset_0x, "
        "if the archives were unpacked without moving their content.",
    ),
)
prepare_diffuse_or_confuse = prepare_function(CORPUS)
