"""Deepfake-Eval-2024 (audio): real and fake recordings of 2024 from the web."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import PurePosixPath
from typing import NamedTuple

from data_prep.audio_info import AudioError, AudioInfo
from data_prep.corpora.base import Corpus, LayoutError, Option, Utterance
from data_prep.corpora.tree import AUDIO_SUFFIXES, KeyRow, Tree
from data_prep.decode import decode_to_flac
from data_prep.languages import find_language
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "pieces", "prepare_deepfake_eval_2024", "utterances"]

_KEYS = ("audio-metadata-publish.csv", "audio-metadata-publish-with-links.csv")
_COLUMNS = ("Filename", "Ground Truth", "Finetuning Set")
# What the cutting script of the paper takes, and can write again.
_ORIGINAL_SUFFIXES = (".mp3", ".wav", ".flac")
_MP3_RATES = 48000  # Hz; no MP3 can be written above it
_SHORTEST_TAIL = 1.0  # second


class _Recording(NamedTuple):
    """A line of the key file that can be used."""

    name: str
    key: str
    label: str
    split: str
    language: str


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield pieces of each length, of recordings that are decoded once to FLAC.

    A recording is `audio-data/<Filename>`; its label and split are those of the key
    file and hold for all its pieces.
    """
    lengths = _lengths(tree.options["lengths"])
    audio = tree.folder("audio-data", "audio_data")
    decoded = tree.options["decoded"]
    keyed = list(_keyed(tree))
    _leave_out_unkeyed(tree, audio, {values["filename"].strip() for _, values in keyed})

    def decode(recording: _Recording) -> AudioInfo | AudioError:
        source = tree.root / audio / recording.name
        try:
            return decode_to_flac(
                source, tree.root / decoded / f"{recording.name}.flac"
            )
        except AudioError as error:
            return error

    recordings = list(_recordings(tree, keyed))
    with (
        # Decoders let other threads run.
        ThreadPoolExecutor(os.cpu_count()) as pool,
        # When the run is stopped, recordings that wait are not decoded.
        closing(pool.map(decode, recordings)) as found,
    ):
        for recording, info in zip(recordings, found, strict=True):
            if isinstance(info, AudioError):
                tree.skip(recording.name, str(info))
            elif _is_cut(tree, recording, info):
                path = f"{decoded}/{recording.name}.flac"
                for seconds in lengths:
                    yield from _cut(recording, path, info, seconds, tree.original)


def pieces(
    frames: int, sample_rate: int, seconds: float, shortest_tail: float
) -> Iterator[tuple[int, int]]:
    """Cut a recording into consecutive pieces.

    Arguments
    ---------
    frames : int
        Length of the recording.
    sample_rate : int
        In Hz.
    seconds : float
        Length of a piece.
    shortest_tail : float
        What is left at the end is a piece of its own if it has that many seconds;
        else it is part of the piece before it, so that nothing is lost.

    Yields
    ------
    first, stop : int
        Frames of a piece.

    Example
    -------
    >>> list(pieces(90, 10, 4.0, 1.0))
    [(0, 40), (40, 80), (80, 90)]
    >>> list(pieces(85, 10, 4.0, 1.0))
    [(0, 40), (40, 85)]
    """
    size = int(seconds * sample_rate)
    starts = list(range(0, frames, size))
    shortest = min(shortest_tail, seconds) * sample_rate
    if len(starts) > 1 and frames - starts[-1] < shortest:
        starts.pop()
    yield from zip(starts, [*starts[1:], frames], strict=True)


def _cut(
    recording: _Recording, path: str, info: AudioInfo, seconds: float, original: bool
) -> Iterator[Utterance]:
    """The pieces of one length of a recording."""
    tail = 0.0 if original else _SHORTEST_TAIL
    cuts = pieces(info.frames, info.sample_rate, seconds, tail)
    for number, (first, stop) in enumerate(cuts, start=1):
        yield Utterance(
            path,
            recording.label,
            key=f"{seconds:g}s-{recording.split}-{recording.key}_seg{number}",
            split=recording.split,
            language=recording.language,
            start=first / info.sample_rate,
            stop=stop / info.sample_rate,
            recording=recording.name,
            part=f"{seconds:g}s",
        )


def _recordings(
    tree: Tree, keyed: Sequence[tuple[KeyRow, Mapping[str, str]]]
) -> Iterator[_Recording]:
    """The lines of the key file that say real or fake and train or test."""
    names = (values["filename"].strip() for _, values in keyed)
    stems = Counter(PurePosixPath(name).stem for name in names)
    for row, values in keyed:
        name = values["filename"].strip()
        label = values["ground truth"].strip().lower()
        split = values["finetuning set"].strip().lower()
        if label not in ("real", "fake") or split not in ("train", "test"):
            tree.leave_out(name, f"{row.place}: {label!r}, set {split!r}")
            continue
        if tree.original and not name.lower().endswith(_ORIGINAL_SUFFIXES):
            tree.leave_out(name, "the scripts of the paper lose files of this format")
            continue
        stem = PurePosixPath(name).stem
        language = find_language(values.get("language", "")) or UNKNOWN
        yield _Recording(
            name, stem if stems[stem] == 1 else name, label, split, language
        )


def _keyed(tree: Tree) -> Iterator[tuple[KeyRow, dict[str, str]]]:
    """Lines of the key file, with their values by lower-case column name."""
    name = next((name for name in _KEYS if tree.exists(name)), _KEYS[0])
    for row in tree.csv_table(name, _COLUMNS):
        yield row, {column.strip().lower(): value for column, value in row.items()}


def _leave_out_unkeyed(tree: Tree, audio: str, names: set[str]) -> None:
    """Note the audio files without a line in the key file."""
    for file in tree.files(audio, AUDIO_SUFFIXES | {".dat"}):
        if "/".join(file.parts) not in names:
            tree.leave_out(file.path, "no line in the key file")


def _is_cut(tree: Tree, recording: _Recording, info: AudioInfo) -> bool:
    """Whether a recording has rows; the mode original leaves some MP3 out."""
    is_mp3 = recording.name.lower().endswith(".mp3")
    if not (tree.original and is_mp3 and info.sample_rate > _MP3_RATES):
        return True
    tree.leave_out(
        recording.name,
        f"MP3 of {info.sample_rate} Hz, whose pieces the scripts of the paper cannot "
        "write",
    )
    return False


def _lengths(text: str) -> list[float]:
    """The lengths of pieces, in seconds."""
    try:
        lengths = [float(part) for part in text.split(",")]
    except ValueError:
        lengths = []
    if not lengths or min(lengths) <= 0:
        raise LayoutError(
            f"option lengths is {text!r}: give seconds with commas between them, such "
            "as 4,10,13,30,50."
        )
    return lengths


CORPUS = Corpus(
    key="deepfake_eval_2024",
    name="Deepfake-Eval-2024",
    prefix="DFE24",
    folders=("Deepfake-Eval-2024",),
    role="fine-tuning",
    licence="CC BY-SA 4.0, after accepting its terms",
    source="https://huggingface.co/datasets/nuriachandra/Deepfake-Eval-2024 (gated)",
    citation="Chandra et al., Deepfake-Eval-2024: A Multi-Modal In-the-Wild Benchmark "
    "of Deepfakes Circulated in 2024, 2025, arXiv:2503.02857",
    description="1,980 recordings (about 56 hours) from web sites, most of them MP3. "
    "The official training part is for fine-tuning, the test part for evaluation. Each "
    "recording is decoded once to FLAC; the pieces are rows with Start and Stop.",
    layout="audio-metadata-publish.csv (Filename, Ground Truth, Finetuning Set, ...)\n"
    "audio-data/<Filename> (mp3, m4a, mp4, wav, dat)\n"
    "decoded/<Filename>.flac (written by this preparation)",
    utterances=utterances,
    options={
        "lengths": Option("4,10,13,30,50", "lengths of the pieces in seconds"),
        "decoded": Option(
            "decoded", "folder for the decoded recordings, below that of the corpus"
        ),
    },
    deviations=(
        "original takes MP3 (up to 48 kHz), WAV and FLAC only, since the scripts of "
        "the paper lose all m4a, mp4 and dat recordings; complete takes every one.",
        "original keeps every last piece however short; complete makes one of less "
        "than 1 s part of the piece before it.",
        "The scripts of the paper write pieces of MP3 as MP3 again; no mode does.",
    ),
)
prepare_deepfake_eval_2024 = prepare_function(CORPUS)
