"""MLAAD: fake speech in many languages by many text-to-speech systems."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from data_prep.corpora._subfolders import subfolders
from data_prep.corpora.base import Corpus, LayoutError, Utterance
from data_prep.corpora.tree import Tree
from data_prep.languages import find_language
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_mlaad", "utterances"]

_LATER = tuple(f"MLAAD_v{version}" for version in range(6, 16))


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `fake/<language>/<model>/<file>.wav`, all fake."""
    for folder in subfolders(tree, tree.folder("fake")):
        language = find_language(folder)
        if language is None:
            tree.skip(f"fake/{folder}", "its name is not the code of a language")
            continue
        for model in subfolders(tree, f"fake/{folder}"):
            yield from _model(tree, folder, language, model)


def _model(tree: Tree, folder: str, language: str, model: str) -> Iterator[Utterance]:
    """Yield the files of a model in a language."""
    place = f"fake/{folder}/{model}"
    speakers = _speakers(tree, f"{place}/meta.csv")
    # The paper writes zh-cn so in its IDs. The folder stays in them, because later
    # versions have zh and zh-cn, and many models speak several languages.
    name = "ZH" if folder == "zh-cn" else folder
    for file in tree.files(place):
        yield Utterance(
            file.path,
            "fake",
            key="-".join([name, model, *file.parts[:-1], file.stem]),
            attack=model,
            speaker=speakers.get(file.parts[-1]) or UNKNOWN,
            language=language,
        )


def _speakers(tree: Tree, meta: str) -> dict[str, str]:
    """Speaker that each file imitates, which later versions list."""
    if not tree.exists(meta):
        return {}
    # Its transcripts hold quotes without a partner.
    rows = tree.csv_table(meta, ["path"], delimiter="|", quoted=False)
    try:
        return {
            posixpath.basename(row["path"]): row.get("reference_speaker", "")
            for row in rows
        }
    except LayoutError as error:
        tree.skip(meta, f"{error} The speakers of its files stay unknown.")
        return {}


CORPUS = Corpus(
    key="mlaad",
    name="MLAAD-v5",
    prefix="MLAAD",
    folders=("MLAAD_v5", "mlaad_v5", "MLAADv5", *_LATER, "MLAAD"),
    role="post-training",
    licence="CC BY-NC 4.0",
    source="https://owncloud.fraunhofer.de/index.php/s/tL2Y1FKrWiX4ZtP (folder v5: "
    "mlaad_v5.zip and .z01 to .z10); https://huggingface.co/datasets/mueller91/MLAAD "
    "has the newest version only",
    citation="Müller et al., MLAAD: The Multi-Language Audio Anti-Spoofing Dataset, "
    "IJCNN 2024, arXiv:2401.09512",
    description="Fake speech in 38 languages by 82 text-to-speech systems (version 5), "
    "mostly 1,000 files for each system and language.",
    layout="fake/<language>/<model>/<file>.wav\nfake/<language>/<model>/meta.csv",
    utterances=utterances,
    hours=(0.0, 377.96),
    versions="The paper uses version 5. Later ones (MLAAD_v6 and so on, MLAAD) are "
    "read as well, and the column Path tells which it was; their hours are others.",
)
prepare_mlaad = prepare_function(CORPUS)
