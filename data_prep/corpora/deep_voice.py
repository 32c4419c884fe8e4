"""DEEP-VOICE: eight public figures, and each with the voice of another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from data_prep.audio_info import AudioError, audio_info
from data_prep.corpora._formats import is_wanted
from data_prep.corpora.base import Corpus, LayoutError, Option, Utterance
from data_prep.corpora.tree import KeyRow, Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_deep_voice", "utterances"]

_LABELS = {"FAKE": "fake", "REAL": "real"}
_SPEAKERS = {
    "fake": re.compile(r"[^\W_]+-to-([^\W_]+)"),
    "real": re.compile(r"([^\W_]+)-original"),
}
_SEGMENT_NAME = re.compile(r"(.+)_seg_\d+")
_RECORDING_NAME = re.compile(r"(.+)")
_LOG_LINE = re.compile(r"Audio: (.+)_seg_(\d+), start at: (\d+), end at: (\d+)")
_LOG_REMARKS = ("Saved: ", "Processing complete")


class _Segment(NamedTuple):
    """A segment in the log: its number, first sample, sample after its last."""

    number: str
    first: int
    end: int


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield cut segments, segments of uncut recordings, or whole recordings."""
    segments = tree.options["segments"]
    if segments == "cut":
        folder = tree.folder(
            *("AUDIO_SEGMENTS", "KAGGLE/AUDIO_SEGMENTS"),
            remedy="The release has no cut segments: give the log of the cuts "
            "(--option segments=PATH of DeepVoice_seg_log.txt), or take whole "
            "recordings (--option segments=none).",
        )
        return _files(tree, folder, _SEGMENT_NAME)
    if segments == "none":
        return _files(tree, _audio_folder(tree), _RECORDING_NAME)
    return _logged(tree, segments)


def _files(tree: Tree, folder: str, name: re.Pattern) -> Iterator[Utterance]:
    """Yield `{FAKE,REAL}/<name>.wav`; the first group of a name is the recording."""
    for file in tree.files(folder):
        if not is_wanted(tree, file, ".wav"):
            continue
        label = tree.lookup(file.path, file.parts[0], _LABELS)
        if label is None:
            continue
        match = name.fullmatch(file.stem)
        speaker = _speaker(match[1], label) if match else None
        if speaker is None:
            tree.skip(file.path, f"not named as the {label} files of {folder} are")
            continue
        yield _utterance(file.path, label, file.stem, speaker, match[1])


def _logged(tree: Tree, log: str) -> Iterator[Utterance]:
    """Yield the segments of the log as pieces of the recordings."""
    folder = _audio_folder(tree)
    tree.cover(folder)
    recordings = defaultdict(list)
    # A separator that cannot be in a line makes each line one field.
    for row in tree.table(log, ("line",), separator="\n"):
        if not row["line"].startswith(_LOG_REMARKS):
            recording, segment = _parse(row)
            recordings[recording].append(segment)
    for recording, segments in recordings.items():
        yield from _pieces(tree, folder, recording, segments)


def _parse(row: KeyRow) -> tuple[str, _Segment]:
    """Recording and segment of a line of the log."""
    match = _LOG_LINE.fullmatch(row["line"].strip())
    if match is None:
        raise LayoutError(
            f"{row.place}: {row['line'][:80]!r} instead of 'Audio: "
            "<recording>_seg_<n>, start at: <sample>, end at: <sample>'. Is this "
            "DeepVoice_seg_log.txt?"
        )
    recording, number, first, end = match.groups()
    return recording, _Segment(number, int(first), int(end))


def _pieces(
    tree: Tree, folder: str, recording: str, segments: list[_Segment]
) -> Iterator[Utterance]:
    """Yield the segments of one recording, from samples to seconds."""
    label = "fake" if "-to-" in recording else "real"
    path = f"{folder}/{'FAKE' if label == 'fake' else 'REAL'}/{recording}.wav"
    speaker = _speaker(recording, label)
    if speaker is None:
        tree.skip(recording, "a name in the log that is not X-to-Y or X-original")
        return
    try:
        info = audio_info(tree.root / path)
    except AudioError as error:
        tree.skip(path, f"{error} Its {len(segments)} segments are left out.")
        return
    rate = info.sample_rate
    for number, first, end in segments:
        name = f"{recording}_seg_{number}"
        if first < end <= info.frames:
            piece = _utterance(path, label, name, speaker, recording)
            yield piece._replace(start=first / rate, stop=end / rate)
        else:
            tree.skip(
                name,
                f"samples {first} to {end} of {path}, which has {info.frames}: not the "
                "recording that the log was made of",
            )


def _utterance(
    path: str, label: str, name: str, speaker: str, recording: str
) -> Utterance:
    return Utterance(
        path,
        label,
        key=f"VC_{name}",
        attack="VC" if label == "fake" else UNKNOWN,
        speaker=speaker,
        language="EN",
        recording=recording,
    )


def _speaker(recording: str, label: str) -> str | None:
    """Whose voice it is: `X-to-Y` is Y, `X-original` is X; None if not so named."""
    match = _SPEAKERS[label].fullmatch(recording)
    return match[1].lower() if match else None


def _audio_folder(tree: Tree) -> str:
    return tree.folder("KAGGLE/AUDIO", "AUDIO")


CORPUS = Corpus(
    key="deep_voice",
    name="DEEP-VOICE",
    prefix="DeepVoice",
    folders=("DeepVoice", "DEEP-VOICE", "deep-voice-deepfake-voice-recognition"),
    role="evaluation",
    licence="not verified; read it at the source",
    source="https://www.kaggle.com/datasets/birdy654/"
    "deep-voice-deepfake-voice-recognition",
    citation="Bird and Lotfi, Real-time Detection of AI-Generated Speech for DeepFake "
    "Voice Conversion, 2023, arXiv:2308.12734",
    description="English: 8 genuine recordings of up to ten minutes and 56 conversions "
    "of them by RVC to the voices of the others. The paper scores 6,593 segments of "
    "1.5 to 15 s that overlap: confidence intervals must resample recordings (column "
    "Recording). Its code comes with the log of the cuts (DeepVoice_seg_log.txt), "
    "which is all that is needed; the audio need not be cut.",
    layout="""\
segments=cut:  AUDIO_SEGMENTS/{FAKE,REAL}/<recording>_seg_<n>.wav
segments=LOG:  KAGGLE/AUDIO/{FAKE,REAL}/<recording>.wav, and the log
segments=none: KAGGLE/AUDIO/{FAKE,REAL}/<recording>.wav
<recording> is <speaker>-to-<target> or <speaker>-original""",
    utterances=utterances,
    rows={"all": (810, 5783)},
    options={
        "segments": Option(
            "cut",
            "cut: the segments are files; a path (also relative to the corpus): the "
            "log of the cuts, whose segments become pieces of the recordings; none: "
            "whole recordings",
        )
    },
    deviations=(
        "The mode original reads .wav only, complete any audio.",
        "Attack is VC for fake only, and Speaker is the voice heard, in both modes.",
    ),
)
prepare_deep_voice = prepare_function(CORPUS)
