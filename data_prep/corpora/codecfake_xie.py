"""Codecfake (Xie et al., 2024): AISHELL-3 and VCTK through seven codecs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_prep.corpora.base import Corpus, LayoutError, Option, Utterance
from data_prep.corpora.tree import KeyRow, Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "PARTS", "prepare_codecfake_xie", "utterances"]

#: Parts of the corpus, and the words for their splits.
PARTS = {"train": "train", "dev": "valid"} | dict.fromkeys(
    "C1 C2 C3 C4 C5 C6 C7 A1 A2 A3".split(), "test"
)
_COLUMNS = ("file", "label", "codec")
# From a label to what the numbers of codecs stand for.
_CODECS = {
    "real": {"0": UNKNOWN},
    "fake": {str(number): f"F0{number}" for number in range(1, 8)},
}
_PREFIX = re.compile(r"[FL]\d+_")
# Names of utterances, with the speaker as a group, and their languages.
_SOURCES = (
    (re.compile(r"(SSB\d{4})\d{4}"), "ZH"),  # AISHELL-3
    (re.compile(r"(p\d{3}|s5)_\d+.*"), "EN"),  # VCTK
)


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of the label files of the chosen parts."""
    for part in _chosen_parts(tree):
        folder = tree.folder(part, f"test/{part}")
        tree.cover(folder)
        for number, row in enumerate(tree.table(f"label/{part}.txt", _COLUMNS)):
            utterance = _utterance(row, folder, part)
            if tree.original and number == 0:
                tree.leave_out(utterance.path, "first row of its label file")
            else:
                yield utterance


def _chosen_parts(tree: Tree) -> list[str]:
    parts = tree.options["parts"].split(",")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise LayoutError(
            f"option parts: {', '.join(map(repr, unknown))} is not one of "
            f"{', '.join(PARTS)}. Give names with commas and no blanks between them."
        )
    return parts


def _utterance(row: KeyRow, folder: str, part: str) -> Utterance:
    label = row.lookup("label", {"real": "real", "fake": "fake"})
    if part.startswith("A"):  # made by audio language models, not by F01 to F07
        attack = part if label == "fake" else UNKNOWN
    else:
        attack = row.lookup("codec", _CODECS[label])
    stem = row["file"].removesuffix(".wav")
    source = _PREFIX.sub("", stem, count=1) if label == "fake" else stem
    speaker, language = _speaker_and_language(source)
    return Utterance(
        f"{folder}/{row['file']}",
        label,
        key=f"{part}-{stem}",
        attack=attack,
        speaker=speaker,
        split=PARTS[part],
        language=language,
        recording=source,
    )


def _speaker_and_language(utterance: str) -> tuple[str, str]:
    for pattern, language in _SOURCES:
        match = pattern.fullmatch(utterance)
        if match:
            return match[1], language
    return UNKNOWN, UNKNOWN


CORPUS = Corpus(
    key="codecfake_xie",
    name="Codecfake-Xie2024",
    prefix="Codecf",
    folders=("Codecfake",),
    role="post-training",
    licence="CC BY-NC-ND 4.0",
    source="https://zenodo.org/records/13838106, 13841652 and 13853860 (train and "
    "labels), 13841216 (dev), 13838823 (C1-C6, A1-A3), 11125029 (C7)",
    citation="Xie et al., The Codecfake Dataset and Countermeasures for the "
    "Universally Detection of Deepfake Audio, 2024, arXiv:2405.04880",
    description="Mandarin of AISHELL-3 and English of VCTK through codecs F01-F06 in "
    "train and dev, F07 in C7. C7 has as many fakes as AISHELL-3 and VCTK have "
    "utterances, so it repeats those of train and dev. Not the CodecFake of Wu et al.",
    layout="{train,dev}/*.wav\n[test/]C7/*.wav (and C1-C6, A1-A3)\n"
    "label/{train,dev,C7}.txt",
    utterances=utterances,
    hours=(129.66, 808.32),
    rows={
        "train": (105821, 634926),
        "valid": (13228, 79368),
        "test": (13228, 132277),
    },
    options={
        "parts": Option(
            "train,dev,C7",
            "parts to take, with commas between them: train, dev, C1 to C7, A1 to A3. "
            "The default is the paper's. C1 to C6 have the same genuine utterances; "
            "A3 has sounds other than speech",
        )
    },
    deviations=(
        "original: the first row of each label file is left out, because the scripts "
        "take it for a header.",
        "IDs name the part (Codecf-train-...), because C7 may repeat genuine "
        "utterances of other parts; those of the scripts do not.",
        "Both modes take speaker and language from the file names; the scripts leave "
        "them out.",
    ),
    versions="Zenodo record 11169781 is an older version, with other label files.",
)
prepare_codecfake_xie = prepare_function(CORPUS)
