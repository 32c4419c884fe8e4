"""CN-Celeb2: genuine Mandarin of 2,000 celebrities in eleven genres."""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_cnceleb2", "utterances"]

# CN-Celeb1 has id00000 to id00999 and must not be mixed in.
_SPEAKER = re.compile(r"id1[01]\d{3}")


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `data/<speaker>/<genre>-<session>-<utterance>.flac`, all genuine."""
    for file in tree.files(tree.folder("CN-Celeb2_flac/data", "data")):
        if len(file.parts) != 2:
            tree.skip(file.path, "not in data/<speaker>/")
            continue
        speaker = file.parts[0]
        if not _SPEAKER.fullmatch(speaker):
            tree.skip(
                file.path,
                f"{speaker!r} is no speaker of CN-Celeb2, which has id10000 to id11999",
            )
            continue
        yield Utterance(
            file.path,
            "real",
            key=f"{speaker}-{file.stem}",
            speaker=speaker,
            language="ZH",
        )


CORPUS = Corpus(
    key="cnceleb2",
    name="CN-Celeb2",
    prefix="CNCeleb2",
    folders=("CNCeleb2", "CN-Celeb2", "CN-Celeb2_flac"),
    role="post-training",
    licence="CC BY-SA 4.0",
    source="https://www.openslr.org/82/ (cn-celeb2_v2.tar.gzaa, ab and ac, joined)",
    citation="Li et al., CN-Celeb: multi-genre speaker recognition, Speech "
    "Communication 137, 2022, arXiv:2012.12468",
    description="Genuine Mandarin, 16 kHz, 2,000 speakers; not only plain speech but "
    "singing, drama, films and live broadcasts too, and some very short clips.",
    layout="CN-Celeb2_flac/data/idXXXXX/<genre>-<session>-<utterance>.flac",
    utterances=utterances,
    hours=(1084.34, 0.0),
)
prepare_cnceleb2 = prepare_function(CORPUS)
