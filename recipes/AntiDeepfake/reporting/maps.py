"""Maps of utterance embeddings: t-SNE, the same utterances for every detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas
from numpy.typing import NDArray

from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.embeddings import Embeddings, EmbeddingsError

__all__ = ["EmbeddingMap", "embedding_maps"]

MOST_POINTS = 1500
FEWEST_POINTS = 10
PERPLEXITY = 30
SEED = 0
# What the points are coloured by, and the column that tells.
COLOURED_BY = {"label": "Label", "attack": "Attack", "language": "Language"}
MOST_GROUPS = 7
OTHERS = "others"


@dataclass(frozen=True)
class EmbeddingMap:
    """Where utterances lie, and what they are.

    Arguments
    ---------
    name : str
        Of the embeddings.
    points : numpy.ndarray
        [utterances, 2].
    groups : dict
        For `label`, `attack` and `language`, where known: the group of each utterance,
        [utterances]; rare ones are `others`.
    total : int
        Utterances that could be shown.
    """

    name: str
    points: NDArray[np.float32]
    groups: dict[str, NDArray[np.str_]]
    total: int


def embedding_maps(
    embeddings: Mapping[str, Embeddings],
    trials: Sequence[pandas.DataFrame],
    most_points: int = MOST_POINTS,
) -> list[EmbeddingMap]:
    """Draw the embeddings of one or several detectors in two dimensions.

    L. van der Maaten and G. Hinton, "Visualizing Data using t-SNE", Journal of Machine
    Learning Research 9 (2008), 2579-2605; started from the principal components. On one
    thread, since several would add up in an order of their own.

    Arguments
    ---------
    embeddings : dict
        What `read_embeddings` gave, by name.
    trials : list of pandas.DataFrame
        Score files; tell the label, attack and language of each ID.
    most_points : int
        More utterances than this are drawn from at random.

    Returns
    -------
    list of EmbeddingMap
        One for each of `embeddings`, of the utterances that are in all of them and in
        the trials.

    Raises
    ------
    EmbeddingsError
        If these are too few.
    """
    facts = pandas.concat(trials)[["ID", *COLOURED_BY.values()]]
    facts = facts.drop_duplicates("ID").set_index("ID")
    known = set(facts.index)
    for ids, _ in embeddings.values():
        known &= set(ids.tolist())
    if len(known) < FEWEST_POINTS:
        raise EmbeddingsError(
            f"{', '.join(embeddings)}: {len(known)} utterances are in all files of "
            f"embeddings and in the score files, but a map needs {FEWEST_POINTS}. "
            "Embed the utterances that were scored, under the same IDs."
        )
    names = np.array(sorted(known))
    if len(names) > most_points:
        chosen = np.random.default_rng(SEED).choice(
            len(names), most_points, replace=False
        )
        names = names[np.sort(chosen)]
    groups = _groups(facts.loc[names])
    maps = []
    for name, (ids, vectors) in embeddings.items():
        place = pandas.Index(ids).get_indexer(names)
        maps.append(EmbeddingMap(name, _tsne(vectors[place]), groups, len(known)))
    return maps


def _tsne(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Points in a plane."""
    # Only here: it takes a second to load, and most reports have no map.
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    with threadpool_limits(1):
        return TSNE(
            perplexity=perplexity, init="pca", random_state=SEED, n_jobs=1
        ).fit_transform(vectors)


def _groups(facts: pandas.DataFrame) -> dict[str, NDArray]:
    """The groups of each kind of which there are several."""
    groups = {}
    for kind, column in COLOURED_BY.items():
        values = facts[column]
        if kind == "attack":
            values = values.mask(facts["Label"] == "real", "genuine")
        frequent = [name for name in values.value_counts().index if name != UNKNOWN]
        kept = values.where(values.isin(sorted(frequent[:MOST_GROUPS])), OTHERS)
        if len(frequent) > 1:
            groups[kind] = kept.to_numpy(str)
    return groups
