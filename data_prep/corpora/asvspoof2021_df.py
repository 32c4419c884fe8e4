"""ASVspoof 2021, deepfake: speech of 2019, VCC 2018 and VCC 2020, compressed."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._asvspoof import TRIALS, trials_2021
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import KeyRow, Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_asvspoof2021_df", "utterances"]

_COLUMNS = (
    "speaker",
    "trial",
    "codec",
    "source",
    "attack",
    "key",
    "trim",
    "subset",
    "vocoder",
    "task",
    "team",
    "gender",
    "language",
)
_LANGUAGES = {"E": "EN", "F": "FI", "G": "DE", "M": "ZH", "-": "-"}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of the key, all of them or its subset `eval`."""
    return trials_2021(tree, "DF", _COLUMNS, _language)


def _language(row: KeyRow) -> str:
    """Language of the words of a trial.

    The column names the language of the target speaker of VCC 2020. Conversion keeps
    the words of the source, which is English, so it counts for genuine speech alone.
    """
    target = row.lookup("language", _LANGUAGES)
    genuine = row["key"] == "bonafide"
    return target if genuine and row["source"] == "vcc2020" else "EN"


CORPUS = Corpus(
    key="asvspoof2021_df",
    name="ASVspoof2021-DF",
    prefix="ASV21DF",
    folders=("ASVspoof2021-DF", "ASVspoof2021_DF_eval"),
    role="post-training",
    licence="ODC-By 1.0",
    source="https://zenodo.org/records/4835108 (audio, four parts into one folder) and "
    "https://www.asvspoof.org/index2021.html (DF-keys-full.tar.gz)",
    citation="Liu et al., ASVspoof 2021: Towards Spoofed and Deepfake Speech Detection "
    "in the Wild, IEEE/ACM TASLP 31, 2023, arXiv:2210.02437",
    description="Mostly English, 16 kHz, more than a hundred systems, nine states of "
    "compression; an utterance may occur in several. Genuine speech of VCC 2020 has "
    "the language that the key gives, else none. All is test data, and all is used for "
    "post-training.",
    layout="ASVspoof2021_DF_eval/flac/DF_E_*.flac\n"
    "keys/DF/CM/trial_metadata.txt (or the same file as ASVspoof2021-DF.txt)",
    utterances=utterances,
    hours=(20.73, 487.00),
    rows={"test": (22617, 589212)},
    options={"trials": TRIALS},
    deviations=(
        "Both modes give genuine speech of VCC 2020 the language in the key; the "
        "scripts call all of it English.",
    ),
    versions="Key package DF-keys-full, not DF-keys-stage-1.",
)
prepare_asvspoof2021_df = prepare_function(CORPUS)
