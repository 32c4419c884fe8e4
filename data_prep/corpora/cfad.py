"""CFAD: Mandarin of six corpora and twelve generators; clean, noisy and coded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import AudioFile, Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_cfad", "utterances"]

# From the folder of a version to the ending of the names of the folders in it.
_VERSIONS = {
    "clean_version": "clean",
    "noisy_version": "noise",
    "codec_version": "codec",
}
_SPLITS = {"train": "train", "dev": "valid", "test_seen": "test", "test_unseen": "test"}
# Names of utterances in AISHELL-3, AISHELL-1, THCHS-30 and MAGICDATA (read), with
# the speaker as a group. Fakes and versions of an utterance append to its name.
_UTTERANCE = re.compile(
    r"(?:(SSB\d{4})\d{4}|(BAC009S\d{4})W\d{4}|([A-D]\d{1,2})_\d{1,3}|(\d+_\d+)_\d{14})"
    r"(?=_|$)"
)


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `<version>/<split>_*/{real,fake}_*/<source or generator>/<file>`."""
    base = "CFAD" if tree.exists("CFAD") else ""
    for version in _VERSIONS:
        tree.folder(f"CFAD/{version}", version)
    for file in tree.files(base):
        if len(file.parts) != 5:
            tree.skip(
                file.path,
                "not in <version>/<split>/<label>/<source or generator>/",
            )
            continue
        utterance = _utterance(tree, file)
        if utterance is not None:
            yield utterance


def _utterance(tree: Tree, file: AudioFile) -> Utterance | None:
    version, split, label, source, _ = file.parts
    ending = tree.lookup(file.path, version, _VERSIONS)
    if ending is None:
        return None
    splits = {f"{name}_{ending}": word for name, word in _SPLITS.items()}
    proportion = tree.lookup(file.path, split, splits)
    if proportion is None:
        return None
    labels = {f"{word}_{ending}": word for word in ("real", "fake")}
    word = tree.lookup(file.path, label, labels)
    if word is None:
        return None
    name = _UTTERANCE.match(file.stem)
    return Utterance(
        file.path,
        word,
        key=f"{version}-{proportion}-{word}-{file.stem}",
        attack=source if word == "fake" else UNKNOWN,
        speaker=name[name.lastindex] if name else UNKNOWN,
        split=proportion,
        language="ZH",
        recording=name[0] if name else UNKNOWN,
    )


CORPUS = Corpus(
    key="cfad",
    name="CFAD",
    prefix="CFAD",
    folders=("CFAD",),
    role="post-training",
    licence="CC BY 4.0",
    source="https://zenodo.org/records/8122764",
    citation="Ma et al., CFAD: A Chinese Dataset for Fake Audio Detection, Speech "
    "Communication 164, 2024, arXiv:2207.12308",
    description="Mandarin, 16 kHz; each utterance clean, with noise and through a "
    "codec. The generator `partiallyfake` is genuine speech in part, but all labelled "
    "fake. One genuine clip, BAC009S0764W0123, lasts about 97 minutes; it is kept.",
    layout="CFAD/{clean,noisy,codec}_version/{train,dev,test_seen,test_unseen}_"
    "{clean,noise,codec}/{real,fake}_{clean,noise,codec}/<source or generator>/*.wav",
    utterances=utterances,
    hours=(171.25, 224.55),
    rows={"all": (115800, 231600)},
    deviations=(
        "Both modes take the speaker from the name of an utterance, where that tells; "
        "the scripts take the name itself, for genuine files with its extension.",
    ),
    versions="Zenodo record 8122764; 6623226 and 6635521 are older.",
)
prepare_cfad = prepare_function(CORPUS)
