"""WildSVDD: singing from the internet, genuine and faked, with and without music."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._formats import is_wanted
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_wildsvdd", "utterances"]

_SPLITS = {"train": "train", "test_A": "test", "test_B": "test"}
_VERSIONS = {"mixture": "mixture", "vocals": "vocals"}
_LABELS = {"bonafide": "real", "deepfake": "fake"}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `<subset>/{mixture,vocals}/<label>_<name>_<segment>.flac`."""
    for file in tree.files(tree.folder("WildSVDD_Data_Sep2024_Processed")):
        if not is_wanted(tree, file, ".flac"):
            continue
        if len(file.parts) != 3:
            tree.skip(file.path, "not in a folder <subset>/{mixture,vocals}")
            continue
        subset, version, _ = file.parts
        split = tree.lookup(file.path, subset, _SPLITS)
        known = split and tree.lookup(file.path, version, _VERSIONS)
        label = known and tree.lookup(file.path, file.stem.split("_")[0], _LABELS)
        if not label:
            continue
        yield Utterance(
            file.path,
            label,
            key=f"{subset}-{version}-{file.stem}",
            split=split,
            recording=f"{subset}-{file.stem}",
        )


CORPUS = Corpus(
    key="wildsvdd",
    name="WildSVDD",
    prefix="WildSVDD",
    folders=("WildSVDD",),
    role="unused",
    licence="not verified: only annotations are published, the songs belong to others",
    source="https://challenge.singfake.org (the audio is to be fetched and cut by the "
    "user)",
    citation="Zhang et al., SVDD Challenge 2024: A Singing Voice Deepfake Detection "
    "Challenge Evaluation Plan, 2024, arXiv:2405.05244",
    description="Segments of songs in several languages, as published (mixture) and "
    "with the voice separated from the music (vocals). Both are versions of one "
    "segment, which the column Recording names: keep them on the same side of any "
    "split.",
    layout="WildSVDD_Data_Sep2024_Processed/{train,test_A,test_B}/{mixture,vocals}/"
    "{bonafide,deepfake}_<name>_<segment>.flac",
    utterances=utterances,
    deviations=(
        "The mode original reads .flac only, complete any audio.",
        "Language is unknown instead of the name of the subset, in both modes.",
    ),
    versions="The processed data of September 2024.",
)
prepare_wildsvdd = prepare_function(CORPUS)
