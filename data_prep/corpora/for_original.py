"""Fake-or-Real, original: speech of many sources as it was collected."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from data_prep.corpora import _fake_or_real as fake_or_real
from data_prep.corpora._formats import is_wanted
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_for_original", "utterances"]


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `<split>/{real,fake}/<name>.{wav,mp3}`; twins are different speech."""
    files = fake_or_real.labelled_files(tree, "for-original")
    for _, found in groupby(files, lambda item: (item[0].parts[:2], item[0].stem)):
        group = [item for item in found if is_wanted(tree, item[0], ".wav", ".mp3")]
        for file, label, split in group:
            if tree.original and len(group) > 1:
                tree.leave_out(file.path, "of one name in two formats: see deviations")
                continue
            yield Utterance(
                file.path,
                label,
                key=f"{file.parts[0]}-{label}-{file.stem}-{file.suffix[1:]}",
                split=split,
                language="EN",
            )


CORPUS = Corpus(
    key="for_original",
    name="FoR-original",
    prefix="FoR",
    folders=("FakeOrReal/for-original", "for-original"),
    role="evaluation",
    licence=fake_or_real.LICENCE,
    source="https://bil.eecs.yorku.ca/datasets/ (for-original.tar.gz)",
    citation=fake_or_real.CITATION,
    description="English: genuine of several corpora, fake of text-to-speech services, "
    "wav and mp3 of many rates. The same name may occur as wav and as mp3, which are "
    "different utterances. Some files of the release are broken and get listed.",
    layout="{training,validation,testing}/{fake,real}/fileN.{wav,mp3}",
    utterances=utterances,
    rows={"test": (2264, 2370)},
    options=fake_or_real.SPLITS,
    deviations=(
        "The list of the paper holds all three splits (option splits=all), its "
        "published results are of testing alone, which is the default in both modes.",
        "The mode original leaves out files of one name in both formats, whose rows "
        "get lost in the merged lists of the paper, and formats other than .wav and "
        ".mp3.",
        "IDs end with the format (-wav, -mp3), in both modes.",
    ),
)
prepare_for_original = prepare_function(CORPUS)
