"""ASVspoof 2021, logical access: the attacks of 2019 over telephone lines."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._asvspoof import TRIALS, trials_2021
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_asvspoof2021_la", "utterances"]

_COLUMNS = (
    "speaker",
    "trial",
    "codec",
    "transmission",
    "attack",
    "key",
    "trim",
    "subset",
)


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield the rows of the key, all of them or its subset `eval`."""
    return trials_2021(tree, "LA", _COLUMNS, lambda row: "EN")


CORPUS = Corpus(
    key="asvspoof2021_la",
    name="ASVspoof2021-LA",
    prefix="ASV21LA",
    folders=("ASVspoof2021-LA", "ASVspoof2021_LA_eval"),
    role="post-training",
    licence="ODC-By 1.0",
    source="https://zenodo.org/records/4837263 (audio) and "
    "https://www.asvspoof.org/index2021.html (LA-keys-full.tar.gz)",
    citation="Liu et al., ASVspoof 2021: Towards Spoofed and Deepfake Speech Detection "
    "in the Wild, IEEE/ACM TASLP 31, 2023, arXiv:2210.02437",
    description="English, VCTK speakers, 16 kHz, in seven conditions of transmission; "
    "an utterance may occur in several. All is test data, and all is used for "
    "post-training.",
    layout="ASVspoof2021_LA_eval/flac/LA_E_*.flac\n"
    "keys/LA/CM/trial_metadata.txt (or the same file as ASVspoof2021-LA.txt)",
    utterances=utterances,
    hours=(16.40, 116.10),
    rows={"test": (18452, 163114)},
    options={"trials": TRIALS},
    versions="Key package LA-keys-full, not LA-keys-stage-1.",
)
prepare_asvspoof2021_la = prepare_function(CORPUS)
