"""VoxCeleb2-Vocoded: VoxCeleb2 through neural vocoders, all fake, made by the user."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._formats import is_wanted
from data_prep.corpora._subfolders import subfolders
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_voxceleb2_vocoded", "utterances"]

_VOCODERS = ("hifigan", "hn_sinc_nsf", "hn_sinc_nsf_hifi", "waveglow")


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `<vocoder>/dev/aac/<speaker>/<video>/<utterance>.wav`."""
    for folder in subfolders(tree):
        if tree.original and folder not in _VOCODERS:
            tree.leave_out(folder, "not a vocoder of the paper")
            continue
        yield from _vocoded(tree, folder)


def _vocoded(tree: Tree, vocoder: str) -> Iterator[Utterance]:
    for file in tree.files(vocoder):
        if not is_wanted(tree, file, ".wav"):
            continue
        if len(file.parts) != 5 or file.parts[:2] != ("dev", "aac"):
            tree.skip(file.path, "not in a folder <vocoder>/dev/aac/<speaker>/<video>")
            continue
        _, _, speaker, video, _ = file.parts
        yield Utterance(
            file.path,
            "fake",
            key=f"{vocoder}-{speaker}-{video}-{file.stem}",
            attack=vocoder,
            speaker=speaker,
            recording=video,
        )


CORPUS = Corpus(
    key="voxceleb2_vocoded",
    name="VoxCeleb2-Vocoded",
    prefix="VoxCeleb2-Vo",
    folders=("VoxCeleb2-Vocoded",),
    role="post-training",
    licence="as VoxCeleb2; what is made of it may not be passed on",
    source="not to be downloaded: make it from the manifests of VoxCeleb2 with `python "
    "-m data_prep vocode --relative-to VoxCeleb2`; the copies by NSF and WaveGlow come "
    "from the package of the authors",
    citation="Wang and Yamagishi, Can Large-scale Vocoded Spoofed Data Improve Speech "
    "Spoofing Countermeasure with a Self-supervised Front End?, ICASSP 2024, "
    "arXiv:2309.06014",
    description="Fake, the largest part of the paper's training data. The column "
    "Recording is the video, as in VoxCeleb2: fakes and their originals share it, so "
    "never split the two corpora independently.",
    layout="<vocoder>/dev/aac/<speaker>/<video>/<utterance>.wav, in the paper for "
    "hifigan, hn_sinc_nsf, hn_sinc_nsf_hifi and waveglow",
    utterances=utterances,
    hours=(0.0, 4721.46),
    deviations=(
        "The mode original reads .wav of the four vocoders of the paper only, complete "
        "any audio of any vocoder folder.",
    ),
)
prepare_voxceleb2_vocoded = prepare_function(CORPUS)
