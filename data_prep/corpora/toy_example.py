"""toy_example: 300 utterances of ASVspoof 2019 LA to try things out with."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._asvspoof import LABELS, attack_of
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_toy_example", "utterances"]

_COLUMNS = ("speaker", "utterance", "environment", "attack", "key")
# The start of an utterance's name tells its split and folder.
_PLACES = {
    "LA_T_": ("train", "train_dev"),
    "LA_D_": ("valid", "train_dev"),
    "LA_E_": ("test", "eval"),
}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of `protocol.txt`."""
    for folder in ("train_dev", "eval"):
        tree.cover(folder)
    for row in tree.table("protocol.txt", _COLUMNS):
        name = row["utterance"]
        place = tree.lookup(row.place, name[:5], _PLACES)
        if place is None:
            continue
        split, folder = place
        yield Utterance(
            f"{folder}/{name}.wav",
            row.lookup("key", LABELS),
            key=name,
            attack=attack_of(row),
            speaker=row["speaker"],
            split=split,
            language="EN",
        )


CORPUS = Corpus(
    key="toy_example",
    name="toy_example",
    prefix="ASV19LAdemo",
    folders=("toy_example",),
    role="demonstration",
    licence="ODC-By 1.0, as ASVspoof 2019, which it is taken from",
    source="https://zenodo.org/records/7497769 (project-04-toy_example.tar.gz)",
    citation="Wang et al., ASVspoof 2019: a Large-scale Public Database of "
    "Synthesized, Converted and Replayed Speech, Computer Speech & Language 2020, "
    "arXiv:1911.01601",
    description="100, 50 and 150 utterances of the three splits of ASVspoof 2019 LA, "
    "as wav. Never evaluate on it what was trained with ASVspoof 2019.",
    layout="""\
protocol.txt    <speaker> <utterance> - <attack or -> bonafide|spoof, no header
train_dev/LA_{T,D}_xxxxxxx.wav
eval/LA_E_xxxxxxx.wav""",
    utterances=utterances,
    rows={"train": (11, 89), "valid": (4, 46), "test": (16, 134)},
)
prepare_toy_example = prepare_function(CORPUS)
