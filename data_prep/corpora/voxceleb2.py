"""VoxCeleb2, development part: genuine interviews of 5,994 celebrities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from data_prep.corpora.base import Corpus, Option, Utterance
from data_prep.corpora.tree import AudioFile, Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_voxceleb2", "utterances"]


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `dev/aac/<speaker>/<video>/<utterance>` once, as m4a or converted."""
    files = _files(tree, tree.folder("dev/aac", "aac"))
    for (*folders, stem), found in groupby(files, _utterance):
        file, *copies = sorted(found, key=lambda file: file.suffix == ".m4a")
        if len(folders) != 2:
            for misplaced in (file, *copies):
                tree.skip(misplaced.path, "not in a folder <speaker>/<video>")
            continue
        for copy in copies:
            tree.leave_out(
                copy.path,
                f"{file.path} is the same utterance; with --option "
                f"format={file.suffix[1:]} such copies are not even listed",
            )
        speaker, video = folders
        yield Utterance(
            file.path,
            "real",
            key=f"{speaker}-{video}-{stem}",
            speaker=speaker,
            recording=video,
        )


def _files(tree: Tree, folder: str) -> Iterator[AudioFile]:
    """Yield the files of the formats that are wanted."""
    wanted = tree.options["format"]
    if wanted != "any":
        yield from tree.files(folder, {f".{wanted}"})
        return
    unseen = 0
    for file in tree.files(folder):
        if tree.original and file.suffix != ".wav":
            unseen += 1
        else:
            yield file
    if unseen:  # there may be a million
        reason = f"the scripts of the paper look for .wav only; other files: {unseen}"
        tree.leave_out(folder, reason)


def _utterance(file: AudioFile) -> tuple[str, ...]:
    return (*file.parts[:-1], file.stem)


CORPUS = Corpus(
    key="voxceleb2",
    name="VoxCeleb2",
    prefix="VoxCeleb2",
    folders=("VoxCeleb2",),
    role="post-training",
    licence="CC BY 4.0 for the metadata (not verified); the speech is of YouTube "
    "videos",
    source="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox2.html (vox2_dev_aac)",
    citation="Chung et al., VoxCeleb2: Deep Speaker Recognition, Interspeech 2018, "
    "arXiv:1806.05622",
    description="Genuine, many languages, 16 kHz. The release is m4a, which must be "
    "decoded whole each time: convert it to flac or wav in the same folders (ffmpeg -i "
    "a.m4a a.flac). The paper counts 1,180 h, about half of the development part; "
    "which half is not published, so a complete copy gives twice the hours stated.",
    layout="dev/aac/<speaker>/<video>/<utterance>.{m4a,wav,flac}",
    utterances=utterances,
    hours=(1179.62, 0.0),
    rows={"all": (1092009, 0)},
    options={
        "format": Option(
            "any",
            "which files to read; any: of an utterance in several formats the "
            "converted one",
            ("any", "m4a", "wav", "flac"),
        )
    },
    deviations=(
        "The mode original reads .wav only (unless a format is asked for), so it finds "
        "nothing in the release as it is; complete reads m4a and converted files.",
    ),
    versions="Development part (dev); the test part is not used.",
)
prepare_voxceleb2 = prepare_function(CORPUS)
