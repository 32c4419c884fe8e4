"""Utterance embeddings of a detector: what its classifier sees of each utterance.

They are kept in `.npz` files with two arrays: `ids`, text, and `embeddings`, float32
`[utterances, dim]`, which `numpy.load(path)` reads.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.audio_info import AudioError
from data_prep.files import atomic_path

if TYPE_CHECKING:
    from recipes.AntiDeepfake.interface import DeepfakeDetector

__all__ = ["EmbeddingsError", "embed_rows", "read_embeddings", "write_embeddings"]

Embeddings = tuple[NDArray[np.str_], NDArray[np.float32]]


class EmbeddingsError(ValueError):
    """Embeddings that cannot be used; names the file and what is wrong."""


def embed_rows(
    detector: DeepfakeDetector,
    rows: Sequence[Mapping[str, str]],
    data_folder: str | Path | None = None,
    max_batch_length: float = 100.0,
    num_workers: int = 0,
    progressbar: bool = False,
    failures: dict[str, str] | None = None,
) -> Embeddings:
    """Embed the audio of every row, in batches of similar length.

    Runs in one process.

    Arguments
    ---------
    detector : DeepfakeDetector
        The detector.
    rows : list of dict
        Manifest rows, or those of `scoring.find_audio`.
    data_folder : str or Path, optional
        What `$ROOT` stands for.
    max_batch_length : float
        Most seconds in a batch.
    num_workers : int
        Processes that read audio.
    progressbar : bool
        Whether to show one.
    failures : dict, optional
        Takes the reason, by ID, for each row whose audio cannot be used. Without it
        such a row is an error.

    Returns
    -------
    ids : numpy.ndarray
        [utterances], text, in the order of the rows.
    embeddings : numpy.ndarray
        [utterances, dim], float32.

    Raises
    ------
    AudioError
        If audio cannot be used and `failures` was not given; says why.
    """
    # Only here, so that files of embeddings can be read without PyTorch.
    from recipes.AntiDeepfake.scoring import score_rows

    batches = []

    def classify(wavs, wav_lens):
        embedded = detector.encode_batch(wavs, wav_lens)
        batches.append(embedded.float().cpu().numpy())
        with detector.inference_ctx:
            return detector.mods.detector.classifier(embedded)

    scored = score_rows(
        classify,
        rows,
        data_folder,
        max_batch_length=max_batch_length,
        num_workers=num_workers,
        progressbar=progressbar,
        normalise=False,
    )
    if failures is not None:
        failures.update(scored.failures)
    elif scored.failures:
        raise AudioError(
            f"{len(scored.failures)} of {len(rows)} rows cannot be embedded. The "
            f"first: {next(iter(scored.failures.values()))}"
        )
    place = {name: number for number, name in enumerate(scored.logits)}
    ids = [row["ID"] for row in rows if row["ID"] in place]
    if not ids:
        return np.empty(0, np.str_), np.empty((0, 0), np.float32)
    return np.array(ids), np.concatenate(batches)[[place[name] for name in ids]]


def write_embeddings(path: str | Path, ids: ArrayLike, embeddings: ArrayLike) -> None:
    """Write embeddings as `.npz`, atomically; the same ones give the same bytes.

    Arguments
    ---------
    path : str or Path
        The file; its name ends in `.npz`.
    ids : array_like
        [utterances], text.
    embeddings : array_like
        [utterances, dim].

    Raises
    ------
    EmbeddingsError
        As `read_embeddings`; nothing is written then.
    """
    if Path(path).suffix != ".npz":
        raise EmbeddingsError(f"{path}: give a name that ends in .npz.")
    ids, embeddings = np.asarray(ids, np.str_), np.asarray(embeddings, np.float32)
    _check(path, ids, embeddings)
    with atomic_path(path) as temporary:
        np.savez(temporary, ids=ids, embeddings=embeddings)


def read_embeddings(path: str | Path) -> Embeddings:
    """Read embeddings.

    Arguments
    ---------
    path : str or Path
        A file that `write_embeddings` wrote.

    Returns
    -------
    ids : numpy.ndarray
        [utterances], text.
    embeddings : numpy.ndarray
        [utterances, dim], float32.

    Raises
    ------
    EmbeddingsError
        If the file is missing or is none of that kind, has an ID twice, or a value
        that is NaN or infinite.

    Example
    -------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/embeddings.npz"
    >>> write_embeddings(path, ["a", "b"], [[0.0, 1.0], [2.0, 3.0]])
    >>> ids, embeddings = read_embeddings(path)
    >>> ids.tolist(), embeddings.shape
    (['a', 'b'], (2, 2))
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            ids, embeddings = file["ids"], file["embeddings"]
    except FileNotFoundError:
        raise EmbeddingsError(f"{path}: no such file. Check the path.") from None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise EmbeddingsError(
            f"{path}: no file of embeddings ({error}). It is an .npz file with the "
            "arrays `ids` (text) and `embeddings` (utterances x dimensions)."
        ) from None
    _check(path, ids, embeddings)
    return ids, embeddings.astype(np.float32, copy=False)


def _check(path: str | Path, ids: NDArray, embeddings: NDArray) -> None:
    """Raise EmbeddingsError for what is not a table of embeddings."""
    if ids.dtype.kind != "U" or embeddings.dtype.kind != "f":
        raise EmbeddingsError(
            f"{path}: `ids` is {ids.dtype} and `embeddings` is {embeddings.dtype}; "
            "they must be text and floating point. Write them with write_embeddings."
        )
    if ids.ndim != 1 or embeddings.ndim != 2 or len(ids) != len(embeddings):
        raise EmbeddingsError(
            f"{path}: `ids` has shape {ids.shape} and `embeddings` {embeddings.shape}; "
            "they must be [utterances] and [utterances, dim]."
        )
    if not embeddings.size:
        raise EmbeddingsError(f"{path}: no embeddings. Embed some audio.")
    names, counts = np.unique(ids, return_counts=True)
    if len(names) < len(ids):
        raise EmbeddingsError(
            f"{path}: ID {str(names[counts > 1][0])!r} occurs more than once. IDs must "
            "be unique: embed each utterance once."
        )
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(bad):
        raise EmbeddingsError(
            f"{path}: {len(bad)} of {len(ids)} embeddings have NaN or infinite values, "
            f"the first that of ID {str(ids[bad[0]])!r}. Embed it again, in float32."
        )
