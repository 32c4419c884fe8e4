"""HABLA: genuine and fake Spanish with five accents of Latin America."""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_prep.corpora._subfolders import known_subfolders
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import AudioFile, Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_habla", "utterances"]

_BASE = "FinalDataset_16khz"
_PARENT = "Latin_America_Spanish_anti_spoofing_dataset"
_PREFIX = "HABLA"
# What the folders below that of a method are.
_METHODS = {
    "Real": ("country", "speaker"),
    "CycleGAN": ("countries", "source-target"),
    "Diff": ("countries", "source-target"),
    "StarGAN": ("countries", "source-target"),
    "TTS": ("country",),
    "TTS-VC": ("method", "countries"),
}
_SPEAKER = re.compile(r"[a-z]{2}[fm]_\d{5}")
_GENUINE = re.compile(r"[a-z]{2}[fm]_\d{5}_\d{11}")


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield all files; the folder of the method is the label and the attack."""
    base = tree.folder(_BASE, f"{_PARENT}/{_BASE}")
    for folder, levels in known_subfolders(tree, _METHODS, base):
        method = folder.rsplit("/", 1)[-1]
        for file in tree.files(folder):
            if len(file.parts) != len(levels) + 1:
                expected = "".join(f"/<{level}>" for level in levels)
                tree.skip(file.path, f"not {method}{expected}/<file>")
                continue
            named = dict(zip(levels, file.parts[:-1], strict=True))
            yield _utterance(method, named, file)


def _utterance(method: str, levels: dict[str, str], file: AudioFile) -> Utterance:
    """A file, by the names of its folders and its own."""
    label = "real" if method == "Real" else "fake"
    return Utterance(
        file.path,
        label,
        # Unique, because the names of fake files start with the method.
        key=f"{label}-{file.stem}",
        attack=UNKNOWN if label == "real" else levels.get("method", method),
        speaker=_speaker(levels, file.stem),
        language="ES",
        recording=_recording(levels, file.stem),
    )


def _speaker(levels: dict[str, str], stem: str) -> str:
    """Who speaks, or who is imitated: of a conversion, the target.

    Example
    -------
    >>> _speaker({"source-target": "vem_00002-arm_00003"}, "")
    'arm_00003'
    >>> _speaker({"country": "Peru"}, "TTS-pef_00004_0017")
    'pef_00004'
    >>> _speaker({"method": "TTS-Diff"}, "TTS-Diff-pef_00004_0017-pem_00005_0")
    'pem_00005'
    """
    if "speaker" in levels:
        return levels["speaker"]
    if "source-target" in levels:
        return levels["source-target"].partition("-")[2] or UNKNOWN
    named = _SPEAKER.findall(stem)
    # A conversion of synthetic speech has a source and a target, plain synthesis one.
    return named[-1] if len(named) == (2 if "method" in levels else 1) else UNKNOWN


def _recording(levels: dict[str, str], stem: str) -> str:
    """ID of the genuine utterance that was converted, `-` if none was."""
    source = _GENUINE.search(stem) if "source-target" in levels else None
    return f"{_PREFIX}-real-{source[0]}" if source else UNKNOWN


CORPUS = Corpus(
    key="habla",
    name="HABLA",
    prefix=_PREFIX,
    folders=("HABLA", _PARENT),
    role="post-training",
    licence="genuine part CC BY-SA 4.0 (OpenSLR 61, 71, 72, 73, 75); licence of the "
    "fakes not verified, read it on the record",
    source=f"https://zenodo.org/record/7370805 ({_PARENT}.rar)",
    citation="Tamayo Flórez et al., HABLA: A Dataset of Latin American Spanish Accents "
    "for Voice Anti-spoofing, Interspeech 2023, doi:10.21437/Interspeech.2023-2272",
    description="Spanish of Argentina, Chile, Colombia, Peru and Venezuela, 16 kHz: "
    "genuine, converted (CycleGAN, Diff, StarGAN), synthetic (TTS) and both (TTS-VC).",
    layout=f"{_BASE}/Real/<country>/<speaker>/*.wav\n"
    f"{_BASE}/{{CycleGAN,Diff,StarGAN}}/<countries>/<source>-<target>/*.wav\n"
    f"{_BASE}/TTS/<country>/*.wav\n"
    f"{_BASE}/TTS-VC/TTS-<method>/<countries>/*.wav",
    utterances=utterances,
    hours=(35.56, 87.83),
    rows={"all": (22816, 58000)},
    deviations=(
        "Attack is - for genuine rows, and TTS-<method> for synthetic speech that was "
        "converted; the scripts of the paper have Real and TTS-VC.",
        "Speaker is the target of a conversion, and of synthetic speech the one in the "
        "file name; the scripts of the paper give both speakers, the file name or the "
        "countries.",
    ),
)
prepare_habla = prepare_function(CORPUS)
