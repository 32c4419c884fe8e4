"""Fake-or-Real, normalised: the corpus balanced and brought to one format."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora import _fake_or_real as fake_or_real
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_for_norm", "utterances"]


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `<split>/{real,fake}/<name>.wav`."""
    for file, label, split in fake_or_real.labelled_files(tree, "for-norm"):
        folder = file.parts[0]
        yield Utterance(
            file.path,
            label,
            key=f"{folder}-{label}-{file.stem}",
            split=split,
            language="EN",
        )


CORPUS = Corpus(
    key="for_norm",
    name="FoR-norm",
    prefix="FoRnorm",
    folders=("FakeOrReal/for-norm", "for-norm"),
    role="evaluation",
    licence=fake_or_real.LICENCE,
    source="https://bil.eecs.yorku.ca/datasets/ (for-norm.tar.gz)",
    citation=fake_or_real.CITATION,
    description="English: genuine of several corpora, fake of text-to-speech services. "
    "Balanced by class and gender, 16 kHz mono, level normalised, silence cut. "
    "Training has 26,941 genuine and 26,927 fake files, validation 5,400 and 5,398.",
    layout="{training,validation,testing}/{fake,real}/"
    "fileN.{wav,mp3}_16k.wav_norm.wav_mono.wav_silence.wav",
    utterances=utterances,
    rows={"test": (2264, 2370)},
    options=fake_or_real.SPLITS,
    deviations=(
        "The list of the paper holds all three splits (option splits=all), its "
        "published results are of testing alone, which is the default in both modes.",
        "IDs start with FoRnorm instead of FoR, which the original variant has too.",
    ),
)
prepare_for_norm = prepare_function(CORPUS)
