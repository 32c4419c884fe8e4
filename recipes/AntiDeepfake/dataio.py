"""From manifest rows to batches: read, crop, resample, augment, normalise.

One row becomes one item `id, wav, label`; items become a `PaddedBatch`, in which
`wav` is `[batch, time]` float32 at 16 kHz with zero mean and unit variance over
each item's own samples, and `label` is 1 for real and 0 for fake.

Randomness has no state: the crop and the augmentation of an item follow from the
seed, the item's ID and the number of the pass over the data. They are the same
whatever the number of workers, and after a resume at any batch.

Rows of manifests of any size stay on disk (`manifests.read_trials`), and an item reads
its own; a list of rows in memory does as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.data_pipeline import DataPipeline

from data_prep.audio_info import AudioError, audio_info, read_audio
from data_prep.manifest import UNKNOWN, resolve_path
from lobes.masking import normalise_wav
from recipes.AntiDeepfake.rows import SECONDS, StoredRows

__all__ = [
    "LABELS",
    "MIN_SAMPLES",
    "SAMPLE_RATE",
    "ManifestDataset",
    "PassDataset",
    "WaveformReader",
    "item_generator",
    "make_dataset",
    "read_waveform",
    "row_seconds",
    "seconds",
]

SAMPLE_RATE = 16000
# One frame of a wav2vec 2.0 feature extractor: nothing shorter can be scored.
MIN_SAMPLES = 400
LABELS = {"fake": 0, "real": 1}

Augmentation = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


class PassDataset(DynamicItemDataset):
    """A dataset that knows which pass over the data an item is wanted for.

    Index `i` stands for row `i % len(dataset)` in pass `i // len(dataset)`. The
    pass travels in the index itself, so it reaches any data loading worker and
    survives prefetching and resuming; items see it as the key `pass_number`.

    Arguments
    ---------
    data : dict
        Item ID to dictionary of values, as for `DynamicItemDataset`.
    dynamic_items : list, optional
        As for `DynamicItemDataset`.
    output_keys : list, optional
        As for `DynamicItemDataset`.

    Example
    -------
    >>> dataset = PassDataset(
    ...     {"a": {"x": 1}, "b": {"x": 2}}, output_keys=["id", "pass_number"]
    ... )
    >>> dataset[5]
    {'id': 'b', 'pass_number': 2}
    >>> [item["id"] for item in dataset]
    ['a', 'b']
    """

    def __init__(self, data, dynamic_items=None, output_keys=None):
        with_pass = {key: {"pass_number": 0, **row} for key, row in data.items()}
        super().__init__(with_pass, dynamic_items, output_keys)

    def __iter__(self):
        """Give the items of the first pass; by index alone there would be no end."""
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index):
        """Compute the outputs of one item in one pass."""
        pass_number, position = divmod(index, len(self))
        data_id = self.data_ids[position]
        point = {**self.data[data_id], "id": data_id, "pass_number": pass_number}
        return self.pipeline.compute_outputs(point)


class ManifestDataset(PassDataset):
    """A `PassDataset` of rows on disk; an item reads the values that it needs.

    Pickled, as for workers that are spawned, its data are the names of files.

    Arguments
    ---------
    rows : StoredRows
        The rows. Their columns are static items, as are `seconds`, how much audio a
        row stands for, and `pass_number`.
    dynamic_items : list, optional
        As for `DynamicItemDataset`.
    output_keys : list, optional
        As for `DynamicItemDataset`.
    """

    def __init__(self, rows: StoredRows, dynamic_items=None, output_keys=None):
        self.rows = rows
        self.data = _RowsById(rows)
        self.data_ids = _Ids(rows)
        static = [*rows[0], "seconds", "pass_number", "id"]
        self.pipeline = DataPipeline(static, dynamic_items or [])
        self.set_output_keys(output_keys)

    def __getitem__(self, index):
        """Compute the outputs of one item in one pass."""
        pass_number, position = divmod(index, len(self.rows))
        point = _Point(self.rows, position)
        point["id"] = point["ID"]
        point["pass_number"] = pass_number
        return self.pipeline.compute_outputs(point)


class _Point(dict):
    """Values of a row: those that were set, and those that were asked for."""

    __slots__ = ("_columns", "_place")

    def __init__(self, rows: StoredRows, position: int):
        self._columns, self._place = rows.place(position)

    def __missing__(self, key: str):
        name = SECONDS if key == "seconds" else key
        value = self[key] = self._columns[name][self._place]
        return value


class _Ids(Sequence):
    """The IDs of rows, read when they are asked for."""

    def __init__(self, rows: StoredRows):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self):
        return self.rows.texts("ID")

    def __getitem__(self, index):
        if isinstance(index, slice):
            return list(_Ids(self.rows[index]))
        return self.rows.value(index, "ID")


class _RowsById(Mapping):
    """What `DynamicItemDataset` keeps as `data`, for its filters and subsets."""

    def __init__(self, rows: StoredRows):
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self):
        return self.rows.texts("ID")

    def __getitem__(self, item_id: str) -> dict:
        row = self.rows[self.rows.find(item_id)]
        return {**row, "seconds": row_seconds(row), "pass_number": 0}


def item_generator(seed: int, pass_number: int, item_id: str) -> np.random.Generator:
    """The random generator of one item in one pass over the data.

    Example
    -------
    >>> item_generator(1, 0, "a").random() == item_generator(1, 0, "a").random()
    True
    """
    digest = hashlib.blake2b(item_id.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, pass_number, int.from_bytes(digest, "big")])


@dataclass(frozen=True)
class WaveformReader:
    """Reads the waveform of one manifest row; picklable, so that workers have it.

    Arguments
    ---------
    data_folder : str or None
        What `$ROOT` stands for.
    crop : (float, float) or None
        Seconds: audio longer than the second is cut, at a random place, to a
        random length between the two. Only the crop is decoded. None keeps all.
    augmentation : callable or None
        `(wav [time] float32, sample_rate, generator) -> wav`, for training data.
    seed : int
        Seed of crops and augmentation.
    normalise : bool
        Whether to normalise; what follows may do it itself.
    """

    data_folder: str | None = None
    crop: tuple[float, float] | None = None
    augmentation: Augmentation | None = None
    seed: int = 0
    normalise: bool = True

    def __call__(
        self, item_id: str, path: str, start: str, stop: str, pass_number: int
    ) -> torch.Tensor:
        """Read one row.

        Arguments
        ---------
        item_id : str
            ID of the row.
        path : str
            Path of the row, with or without `$ROOT/`.
        start, stop : str
            The piece of the file in seconds, or `-` for all of it.
        pass_number : int
            The pass over the data, for the random draws.

        Returns
        -------
        torch.Tensor
            `[time]`, float32, 16 kHz, if so wanted of zero mean and unit variance.

        Raises
        ------
        AudioError
            If the audio cannot be scored; names the row, the file and the reason.
        """
        generator = item_generator(self.seed, pass_number, item_id)
        try:
            wav = self._read(
                resolve_path(path, self.data_folder), start, stop, generator
            )
        except AudioError as error:
            raise AudioError(f"ID {item_id}: {error}") from None
        if self.augmentation is not None:
            augmented = self.augmentation(wav.numpy(), SAMPLE_RATE, generator)
            wav = torch.as_tensor(augmented, dtype=torch.float32)
        return normalise_wav(wav) if self.normalise else wav

    def _read(self, path, start, stop, generator) -> torch.Tensor:
        return read_waveform(path, *self._piece(path, start, stop, generator))

    def _piece(self, path, start, stop, generator) -> tuple:
        """Begin and end of what is to be read, in seconds (None: the file's)."""
        begin = None if start == UNKNOWN else float(start)
        end = None if stop == UNKNOWN else float(stop)
        if self.crop is None:
            return begin, end
        shortest, longest = self.crop
        first = begin or 0.0
        available = (audio_info(path).duration if end is None else end) - first
        if available <= longest:
            return begin, end
        length = generator.uniform(shortest, longest)
        first += generator.uniform(0.0, available - length)
        return first, first + length


def read_waveform(
    path: str | Path, start: float | None = None, stop: float | None = None
) -> torch.Tensor:
    """Read an audio file, or a piece of it, the way that every detector hears it.

    Arguments
    ---------
    path : str or Path
        Audio file of any sample rate and number of channels.
    start, stop : float, optional
        The piece in seconds; all of the file by default.

    Returns
    -------
    torch.Tensor
        `[time]`, float32, 16 kHz, the mean of the channels, not normalised.

    Raises
    ------
    AudioError
        If it cannot be read or is too short to be scored; says why.
    """
    samples, rate = read_audio(path, start, stop)
    wav = torch.from_numpy(samples.mean(axis=1))
    if rate != SAMPLE_RATE:
        wav = torchaudio.functional.resample(wav, rate, SAMPLE_RATE)
    if len(wav) < MIN_SAMPLES:
        raise AudioError(
            f"{path}: {len(wav)} samples at 16 kHz, but at least {MIN_SAMPLES} "
            "(25 ms) are needed for one frame. Remove the row or join the audio "
            "with its neighbours."
        )
    return wav


def row_seconds(row: Mapping[str, str]) -> float:
    """How much audio a manifest row stands for, in seconds."""
    if row["Start"] == UNKNOWN:
        return float(row["Duration"])
    return float(row["Stop"]) - float(row["Start"])


def seconds(dataset: PassDataset) -> NDArray[np.float64]:
    """How long each item is, uncropped, [items]."""
    if isinstance(dataset, ManifestDataset):
        return dataset.rows.seconds
    return np.array([row["seconds"] for row in dataset.data.values()])


def make_dataset(
    rows: Iterable[Mapping[str, str]],
    data_folder: str | Path | None = None,
    crop: Sequence[float] | None = None,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    labelled: bool = True,
    normalise: bool = True,
) -> PassDataset:
    """Make the dataset of manifest rows.

    Arguments
    ---------
    rows : StoredRows or iterable of dict
        Manifest rows, as `manifests.manifest_rows` (these stay on disk) or
        `data_prep.manifest.read_manifest` gives them.
    data_folder : str or Path, optional
        What `$ROOT` in their paths stands for.
    crop : (float, float), optional
        Shortest and longest crop in seconds; see `WaveformReader`.
    augmentation : callable, optional
        See `WaveformReader`; for training data only.
    seed : int
        Seed of crops and augmentation.
    labelled : bool
        Whether the labels are known and wanted.
    normalise : bool
        See `WaveformReader`.

    Returns
    -------
    PassDataset
        Gives `id`, `wav` and, if labelled, `label`; its rows also have `seconds`,
        the duration as a number.
    """
    if isinstance(rows, StoredRows):
        dataset: PassDataset = ManifestDataset(rows)
    else:
        dataset = PassDataset(
            {row["ID"]: {**row, "seconds": row_seconds(row)} for row in rows}
        )
    folder = None if data_folder is None else str(data_folder)
    crop = None if crop is None else tuple(crop)
    reader = WaveformReader(folder, crop, augmentation, seed, normalise)
    dataset.add_dynamic_item(
        reader, takes=["id", "Path", "Start", "Stop", "pass_number"], provides="wav"
    )
    dataset.set_output_keys(["id", "wav"])
    if labelled:
        dataset.add_dynamic_item(LABELS.__getitem__, takes="Label", provides="label")
        dataset.set_output_keys(["id", "wav", "label"])
    return dataset
