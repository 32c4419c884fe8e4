"""ASVspoof 2019, logical access: VCTK speakers, 19 attacks."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._asvspoof import LABELS, attack_of
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_asvspoof2019_la", "utterances"]

_COLUMNS = ("speaker", "utterance", "environment", "attack", "key")
_KEYS = "ASVspoof2019_LA_cm_protocols"
# From a part to its key file and the word for its split.
_PARTS = {
    "train": ("ASVspoof2019.LA.cm.train.trn.txt", "train"),
    "dev": ("ASVspoof2019.LA.cm.dev.trl.txt", "valid"),
    "eval": ("ASVspoof2019.LA.cm.eval.trl.txt", "test"),
}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of the three countermeasure keys."""
    keys = tree.folder(f"LA/{_KEYS}", _KEYS)
    for part, (key, split) in _PARTS.items():
        name = f"ASVspoof2019_LA_{part}/flac"
        folder = tree.folder(f"LA/{name}", name)
        tree.cover(folder)
        for row in tree.table(f"{keys}/{key}", _COLUMNS):
            yield Utterance(
                f"{folder}/{row['utterance']}.flac",
                row.lookup("key", LABELS),
                key=row["utterance"],
                attack=attack_of(row),
                speaker=row["speaker"],
                split=split,
                language="EN",
            )


CORPUS = Corpus(
    key="asvspoof2019_la",
    name="ASVspoof2019-LA",
    prefix="ASV19LA",
    folders=("ASVspoof2019-LA", "ASVspoof2019", "LA"),
    role="post-training",
    licence="ODC-By 1.0",
    source="https://datashare.ed.ac.uk/handle/10283/3336 (LA.zip)",
    citation="Wang et al., ASVspoof 2019: A large-scale public database of "
    "synthesized, converted and replayed speech, Computer Speech & Language 64, "
    "2020, arXiv:1911.01601",
    description="English, VCTK speakers, 16 kHz; A01-A06 in train and dev, A07-A19 in "
    "eval. The audio folders also hold enrolment speech of the speaker verification "
    "task: it has no label, and is listed as files without key row.",
    layout="LA/ASVspoof2019_LA_{train,dev,eval}/flac/LA_{T,D,E}_*.flac\n"
    "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.{train.trn,dev.trl,"
    "eval.trl}.txt",
    utterances=utterances,
    hours=(11.85, 97.80),
    rows={"train": (2580, 22800), "valid": (2548, 22296), "test": (7355, 63882)},
)
prepare_asvspoof2019_la = prepare_function(CORPUS)
