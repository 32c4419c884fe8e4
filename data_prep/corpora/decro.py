"""DECRO: English and Chinese spoofs by ten kinds of systems, for tests across both."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._asvspoof import LABELS, attack_of
from data_prep.corpora.base import Corpus, LayoutError, Utterance
from data_prep.corpora.tree import KeyRow, Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_decro", "utterances"]

_COLUMNS = ("speaker", "file", "unused", "system", "key")
_LANGUAGES = {"en": "EN", "ch": "ZH"}
_SPLITS = {"train": "train", "dev": "valid", "eval": "test"}
# The key files call some systems by several names.
_SYSTEMS = {
    "StarGAN": "starganv2",
    "fs2": "fastspeech2",
    "fs2mtts": "fastspeech2",
    "FastSpeech2": "fastspeech2",
    "baidu_en": "baidu",
    "nvcnet-cn": "nvcnet",
    "Tacotron": "tacotron",
}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of the six key files."""
    base = _base(tree)
    for language in _LANGUAGES:
        for part in _SPLITS:
            name = f"{base}{language}_{part}"
            folder = tree.folder(name)
            tree.cover(folder)
            for row in tree.table(f"{name}.txt", _COLUMNS):
                yield _utterance(row, folder, _LANGUAGES[language], _SPLITS[part])


def _base(tree: Tree) -> str:
    """The folder that the archive makes, whose name ends in that of a commit."""
    found = tree.root.glob("*DECRO-dataset*")
    names = sorted(path.name for path in found if path.is_dir())
    if len(names) > 1:
        raise LayoutError(
            f"{tree.root}: {' and '.join(names)} are both there. Keep the one to use."
        )
    return f"{names[0]}/" if names else ""


def _utterance(row: KeyRow, folder: str, language: str, split: str) -> Utterance:
    attack = attack_of(row, "system")
    return Utterance(
        f"{folder}/{row['file']}.wav",
        row.lookup("key", LABELS),
        key=f"{split}-{language}-{row['file']}",
        attack=_SYSTEMS.get(attack, attack),
        speaker=UNKNOWN if row["speaker"] == "unknown" else row["speaker"],
        split=split,
        language=language,
    )


CORPUS = Corpus(
    key="decro",
    name="DECRO",
    prefix="DECRO",
    folders=("DECRO", "petrichorwq-DECRO-dataset-6fc9884"),
    role="post-training",
    licence="CC BY 4.0",
    source="https://zenodo.org/records/7603208",
    citation="Ba et al., Transferring Audio Deepfake Detection Capability across "
    "Languages, WWW 2023, doi:10.1145/3543507.3583222",
    description="English and Mandarin. Its genuine English and its English tacotron "
    "spoofs are files of ASVspoof2019-LA, across the splits of both; file names repeat "
    "between splits.",
    layout="[*DECRO-dataset*/]{en,ch}_{train,dev,eval}/*.wav\n"
    "[*DECRO-dataset*/]{en,ch}_{train,dev,eval}.txt",
    utterances=utterances,
    hours=(35.18, 102.44),
    rows={
        "train": (14128, 35263),
        "valid": (9158, 22518),
        "test": (10415, 26899),
    },
    deviations=(
        "Both modes give a system one name in all splits (fs2, fs2mtts and FastSpeech2 "
        "are fastspeech2, for example); the scripts keep those of the key files.",
    ),
)
prepare_decro = prepare_function(CORPUS)
