"""ASVspoof 5, track 1: crowd-sourced English of MLS, 32 attacks, codecs in eval."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._asvspoof import LABELS, attack_of, key_file
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import KeyRow, Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_asvspoof5", "utterances"]

_COLUMNS = (
    "speaker",
    "file",
    "gender",
    "codec",
    "quality",
    "seed",
    "tag",
    "attack",
    "key",
    "unused",
)
# From a part to its key file, its audio folder and the word for its split.
_PARTS = {
    "train": ("ASVspoof5.train.tsv", "flac_T", "train"),
    "dev": ("ASVspoof5.dev.track_1.tsv", "flac_D", "valid"),
    "eval": ("ASVspoof5.eval.track_1.tsv", "flac_E_eval", "test"),
}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of the three keys of track 1."""
    for part, (name, audio, split) in _PARTS.items():
        folder = tree.folder(f"ASVspoof5_{part}/{audio}", audio)
        key = key_file(tree, name, f"ASVspoof5_protocols/{name}")
        tree.cover(folder)
        for number, row in enumerate(tree.table(key, _COLUMNS)):
            utterance = _utterance(row, folder, split)
            if tree.original and number == 0:
                tree.leave_out(utterance.path, "first row of its key file")
            else:
                yield utterance


def _utterance(row: KeyRow, folder: str, split: str) -> Utterance:
    label = row.lookup("key", LABELS)
    # Copies of an utterance in several codecs name it as their seed.
    source = row["file"] if row["seed"] == "-" else row["seed"]
    return Utterance(
        f"{folder}/{row['file']}.flac",
        label,
        key=f"{row['attack']}-{row['file']}",
        attack=attack_of(row),
        speaker=row["speaker"],
        split=split,
        language="EN",
        recording=source,
    )


CORPUS = Corpus(
    key="asvspoof5",
    name="ASVspoof5",
    prefix="ASV5",
    folders=("ASVspoof5", "asvspoof5"),
    role="post-training",
    licence="ODC-By 1.0; genuine speech from MLS, CC BY 4.0",
    source="https://zenodo.org/records/14498691",
    citation="Wang et al., ASVspoof 5: Design, collection and validation of resources "
    "for spoofing, deepfake, and adversarial attack detection using crowdsourced "
    "speech, 2025, arXiv:2502.08857",
    description="English of MLS, 16 kHz; A01-A08 in train, A09-A16 in dev, A17-A32 in "
    "eval, of which three quarters went through a codec. The audio folders also hold "
    "enrolment speech of track 2: it has no label, and is listed as files without key "
    "row.",
    layout="[ASVspoof5_train/]flac_T/T_*.flac\n"
    "[ASVspoof5_dev/]flac_D/D_*.flac\n"
    "[ASVspoof5_eval/]flac_E_eval/E_*.flac\n"
    "[ASVspoof5_protocols/]ASVspoof5.{train,dev.track_1,eval.track_1}.tsv",
    utterances=utterances,
    hours=(413.49, 1808.48),
    rows={
        "train": (18797, 163560),
        "valid": (31334, 109616),
        "test": (138688, 542086),
    },
    deviations=(
        "original: the first utterance of each of the three key files is left out, "
        "because the scripts take it for a header.",
    ),
)
prepare_asvspoof5 = prepare_function(CORPUS)
