"""What LibriTTS and the corpora made from it have in common: subsets and names."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._subfolders import known_subfolders
from data_prep.corpora.base import Utterance
from data_prep.corpora.tree import Tree

__all__ = ["LAYOUT", "PREFIX", "SUBSETS", "libritts_copy", "libritts_utterances"]

#: IDs of LibriTTS start with it.
PREFIX = "Libri"
LAYOUT = "<subset>/<speaker>/<chapter>/<speaker>_<chapter>_<paragraph>_<sentence>.wav"
SUBSETS = {
    "train-clean-100": "train",
    "train-clean-360": "train",
    "train-other-500": "train",
    "dev-clean": "valid",
    "dev-other": "valid",
    "test-clean": "test",
    "test-other": "test",
}


def libritts_utterances(tree: Tree, folder: str = "") -> Iterator[Utterance]:
    """Yield the utterances of the subsets in a folder, as LibriTTS has them."""
    for subset, split in known_subfolders(tree, SUBSETS, folder):
        for file in tree.files(subset):
            if len(file.parts) != 3:
                tree.skip(file.path, f"not {subset}/<speaker>/<chapter>/<file>")
                continue
            yield Utterance(
                file.path,
                "real",
                # Subsets share no speaker, so that this is unique without them.
                key=file.stem,
                speaker=file.parts[0],
                split=split,
                language="EN",
            )


def libritts_copy(genuine: Utterance, attack: str) -> Utterance:
    """A processed utterance; it names the row of LibriTTS that it is made from."""
    return genuine._replace(
        label="fake", attack=attack, recording=f"{PREFIX}-{genuine.key}"
    )
