"""What the variants of Fake-or-Real have in common: folders and options."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora.base import Option
from data_prep.corpora.tree import AudioFile, Tree

__all__ = ["CITATION", "LICENCE", "SPLITS", "labelled_files"]

_SPLITS = {"training": "train", "validation": "valid", "testing": "test"}
_LABELS = {"real": "real", "fake": "fake"}
#: The option that both variants have.
SPLITS = {
    "splits": Option(
        "testing",
        "testing: the split that the published results are from; all: the other two "
        "as well",
        ("testing", "all"),
    )
}
CITATION = (
    "Reimao and Tzerpos, FoR: A Dataset for Synthetic Speech Detection, SpeD 2019, "
    "doi:10.1109/SPED.2019.8906599"
)
LICENCE = "not verified: copies state GPL or LGPL; read it at the source"


def labelled_files(tree: Tree, variant: str) -> Iterator[tuple[AudioFile, str, str]]:
    """Yield the audio of a variant, with its label and split.

    Arguments
    ---------
    tree : Tree
        The variant.
    variant : str
        Its name, such as `for-norm`.

    Yields
    ------
    file : AudioFile
        Its `parts` are folder of the split, folder of the label, name.
    label : str
        `real` or `fake`.
    split : str
        `train`, `valid` or `test`.
    """
    # Some copies repeat the folder in itself.
    top = tree.folder("testing", f"{variant}/testing").removesuffix("testing")
    splits = list(_SPLITS) if tree.options["splits"] == "all" else ["testing"]
    for name in splits:
        for file in tree.files(top + name):
            label = tree.lookup(file.path, file.parts[0], _LABELS)
            if label is None:
                continue
            if len(file.parts) == 2:
                parts = (name, *file.parts)
                yield AudioFile(file.path, parts), label, _SPLITS[name]
            else:
                tree.skip(file.path, "not directly in a folder real or fake")
