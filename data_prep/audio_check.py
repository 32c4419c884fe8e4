"""Whether audio files are there, are what the rows say, and are in one list only.

Headers are read, or everything is decoded, by several processes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_prep.audio_info import AudioError, AudioInfo, read_audio
from data_prep.findings import ERROR, WARNING, Finding, Report
from data_prep.fingerprint import FingerprintIndex, Match, fingerprint
from data_prep.headers import read_header
from data_prep.leaks import Member
from data_prep.manifest import UNKNOWN, ManifestError, resolve_path
from data_prep.table import ManifestTable
from data_prep.workers import open_map

__all__ = ["AudioCheck", "AudioRow", "AudioVerdict", "check_audio"]

#: How far a duration may be from the one in the header: it has two decimals.
TOLERANCE = 0.011  # seconds
_COLUMNS = (
    "file, ID, Path, Start, Stop, Duration, SampleRate, AudioChannel, AudioEncoding, "
    "AudioBitSample"
)


class AudioRow(NamedTuple):
    """What a row says about its audio.

    Arguments
    ---------
    file, id : int, str
        Number of the manifest, and the row in it.
    path, start, stop : str
        Where the audio is.
    duration, sample_rate, channels, encoding, bits : str
        What it is.
    """

    file: int
    id: str
    path: str
    start: str
    stop: str
    duration: str
    sample_rate: str
    channels: str
    encoding: str
    bits: str


class AudioVerdict(NamedTuple):
    """What is wrong with the audio of a row.

    Arguments
    ---------
    row : AudioRow
        The row.
    errors : list of str
        Why it cannot be used, or what is not as the row says.
    warnings : list of str
        What changes nothing: how the samples are stored.
    words : numpy.ndarray or None
        The fingerprint, if it was wanted.
    """

    row: AudioRow
    errors: list[str]
    warnings: list[str]
    words: NDArray[np.uint32] | None


def check_audio(
    batches: Iterable[Iterable[AudioRow]],
    data_folder: str | None,
    decode: bool = False,
    fingerprints: bool = False,
    workers: int = 1,
) -> Iterator[AudioVerdict]:
    """Check the audio of rows.

    Arguments
    ---------
    batches : iterable of iterable of AudioRow
        The rows, in portions that fit into memory.
    data_folder : str, optional
        What `$ROOT` stands for.
    decode : bool
        Whether to decode all samples, which finds damage behind the header.
    fingerprints : bool
        Whether to compute fingerprints; this decodes, too.
    workers : int
        Number of processes; 1 stays in this one.

    Yields
    ------
    AudioVerdict
        One for each row, in order.
    """
    work = partial(_check, data_folder=data_folder, decode=decode, marks=fingerprints)
    with open_map(workers) as apply:
        for batch in batches:
            yield from apply(work, batch, chunksize=32)


def _check(
    row: AudioRow, data_folder: str | None, decode: bool, marks: bool
) -> AudioVerdict:
    """Check the audio of one row."""
    errors: list[str] = []
    warnings: list[str] = []
    words = None
    try:
        path = resolve_path(row.path, data_folder)
        info = _header(path)
        errors += _differences(row, info)
        warnings += _storage(row, info)
        if decode or marks:
            piece = (None if t == UNKNOWN else float(t) for t in (row.start, row.stop))
            samples, rate = read_audio(path, *piece)
            words = fingerprint(samples, rate) if marks else None
    except (AudioError, ManifestError) as error:
        errors.append(str(error))
    except ValueError:
        # Text where a number should be: the check of the rows has told of it.
        pass
    return AudioVerdict(row, errors, warnings, words)


# The pieces of a file follow one another.
@lru_cache(maxsize=4)
def _header(path: str | Path) -> AudioInfo:
    return read_header(path)


def _differences(row: AudioRow, info: AudioInfo) -> list[str]:
    """In what the file is not as the row says."""
    found = []
    for name, said, is_ in (
        ("SampleRate", row.sample_rate, info.sample_rate),
        ("AudioChannel", row.channels, info.channels),
    ):
        if float(said) != is_:
            found.append(f"{row.path}: {name} is {is_}, the row says {said}")
    length = info.duration
    if row.start != UNKNOWN:
        length = float(row.stop) - float(row.start)
        if float(row.stop) > info.duration + TOLERANCE:
            found.append(
                f"{row.path}: ends at {info.duration:.2f} s, before Stop {row.stop}"
            )
    if abs(float(row.duration) - length) > TOLERANCE:
        found.append(f"{row.path}: lasts {length:.2f} s, the row says {row.duration}")
    return found


def _storage(row: AudioRow, info: AudioInfo) -> list[str]:
    """In what the file is stored otherwise than the row says."""
    stored, said = f"{info.encoding} {info.bits}", f"{row.encoding} {row.bits}"
    if stored == said:
        return []
    return [f"{row.path}: stored as {stored}, the row says {said}"]


class AudioCheck:
    """Compares the rows of a table with their audio, and lists with one another.

    Arguments
    ---------
    table : ManifestTable
        The rows.
    members : list of Member
        What its files are for.
    report : Report
        Takes what is found.
    data_folder : str, optional
        What `$ROOT` stands for.
    workers : int
        Number of processes.
    """

    def __init__(
        self,
        table: ManifestTable,
        members: Sequence[Member],
        report: Report,
        data_folder: str | None,
        workers: int = 1,
    ):
        self.table = table
        self.members = members
        self.report = report
        self.data_folder = data_folder
        self.workers = workers
        self.off: bool | None = True

    def run(self, decode: bool, fingerprints: bool, progressbar: bool) -> None:
        """Check all rows.

        Arguments
        ---------
        decode : bool
            Whether to decode all audio.
        fingerprints : bool
            Whether to look for audio of one list in another; this decodes the audio of
            these lists, too.
        progressbar : bool
            Whether to show one, if standard error is a terminal.
        """
        self.off = None if progressbar else True
        purposes = {"train", "valid", "test", UNKNOWN}
        if fingerprints and self._can_compare():
            self._compare_lists(decode)
            purposes = {UNKNOWN}
        for _ in self._verdicts(purposes, decode, False):
            pass

    def _can_compare(self) -> bool:
        """Whether there are lists for different purposes; warn if not."""
        groups: dict[int, set[str]] = {}
        for member in self.members:
            if member.purpose != UNKNOWN:
                groups.setdefault(member.group, set()).add(member.purpose)
        if any(len(purposes) > 1 for purposes in groups.values()):
            return True
        detail = (
            "no two lists of different purposes, such as train.csv and test.csv: no "
            "fingerprints are compared; name lists for what they are for, and give "
            "those together that belong together"
        )
        files = ", ".join(str(found.path) for found in self.table.checks)
        self.report.add(Finding(WARNING, "nothing to compare", files, UNKNOWN, detail))
        return False

    def _verdicts(
        self, purposes: Collection[str], decode: bool, marks: bool
    ) -> Iterator[AudioVerdict]:
        """Check the audio of the lists with some purposes; report what is wrong."""
        numbers = [
            str(number)
            for number, member in enumerate(self.members)
            if member.purpose in purposes
        ]
        if not numbers:
            return
        rows = f"FROM rows WHERE file IN ({', '.join(numbers)})"
        total = self.table.query(f"SELECT count(*) {rows}")[0][0]
        # The pieces of a file one after the other: its header is read once.
        query = f"SELECT {_COLUMNS} {rows} ORDER BY Path, rowid"
        batches = (map(AudioRow._make, batch) for batch in self.table.batches(query))
        found = check_audio(batches, self.data_folder, decode, marks, self.workers)
        for verdict in tqdm(found, "audio", total, disable=self.off):
            for detail in verdict.errors:
                self._tell(ERROR, "audio", verdict.row, detail)
            for detail in verdict.warnings:
                self._tell(WARNING, "audio storage", verdict.row, detail)
            yield verdict

    def _tell(self, severity: str, kind: str, row: AudioRow, detail: str) -> None:
        file = str(self.table.checks[row.file].path)
        self.report.add(Finding(severity, kind, file, row.id, detail))

    def _compare_lists(self, decode: bool) -> None:
        """Look for the audio of training lists in those for validation and testing."""
        rows: list[AudioRow] = []

        def recordings() -> Iterator[tuple[str, NDArray[np.uint32]]]:
            for verdict in self._verdicts({"valid", "test"}, decode, True):
                if verdict.words is not None:
                    rows.append(verdict.row)
                    yield str(len(rows) - 1), verdict.words

        index = FingerprintIndex(recordings())
        for number, row in enumerate(rows):
            if self.members[row.file].purpose == "valid":
                words = index.words[index.starts[number] : index.starts[number + 1]]
                self._look_up(row, words, index, rows)
        for verdict in self._verdicts({"train"}, decode, True):
            if verdict.words is not None:
                self._look_up(verdict.row, verdict.words, index, rows)

    def _look_up(
        self,
        row: AudioRow,
        words: NDArray[np.uint32],
        index: FingerprintIndex,
        rows: Sequence[AudioRow],
    ) -> None:
        """Tell in which other lists the audio of a row is."""
        mine = self.members[row.file]
        for match in index.find(words):
            other = rows[int(match.name)]
            theirs = self.members[other.file]
            apart = mine.purpose == "train" or theirs.purpose == "test"
            if mine.group == theirs.group and mine.purpose != theirs.purpose and apart:
                self._tell_match(row, mine.purpose, other, match)

    def _tell_match(
        self, row: AudioRow, purpose: str, other: AudioRow, match: Match
    ) -> None:
        detail = (
            f"{other.path} sounds the same as {row.path} (ID {row.id}) of {purpose}: "
            f"{100 * match.distance:.0f} % of the bits differ over "
            f"{match.seconds:.1f} s; take one of the two out"
        )
        self._tell(ERROR, "leak: fingerprint", other, detail)
