"""CVoiceFake (large): Common Voice in five languages, vocoded in five or six ways."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Option, Utterance
from data_prep.corpora.tree import AudioFile, Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_cvoicefake", "utterances"]

_LANGUAGES = {"DE": "DE", "EN": "EN", "FR": "FR", "IT": "IT", "CN": "ZH"}
_GENUINE = "Bonafide"
_DIFFWAVE = "diffwave_generated"
# From a folder to its attack.
_FOLDERS = {
    _GENUINE: UNKNOWN,
    "griffin_lim_generated": "griffin_lim",
    "vctk_multi_band_melgan.v2_generated": "vctk_multi_band_melgan.v2",
    "vctk_parallel_wavegan.v1_generated": "vctk_parallel_wavegan.v1",
    "vctk_style_melgan.v1_generated": "vctk_style_melgan.v1",
    "world_generated": "world",
    _DIFFWAVE: "diffwave",
}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `<language>/<Bonafide or generator>/<clip>.mp3`."""
    base = "CVoiceFake_Large" if tree.exists("CVoiceFake_Large") else ""
    without_diffwave = tree.options["diffwave"] == "no"
    for language in _LANGUAGES:
        folder = tree.folder(f"CVoiceFake_Large/{language}", language)
        if without_diffwave and tree.exists(f"{folder}/{_DIFFWAVE}"):
            tree.leave_out(f"{folder}/{_DIFFWAVE}", "option diffwave is no")
    for file in tree.files(base):
        if len(file.parts) != 3:
            tree.skip(file.path, "not in <language>/<Bonafide or generator>/")
        elif not (without_diffwave and file.parts[1] == _DIFFWAVE):
            utterance = _utterance(tree, file)
            if utterance is not None:
                yield utterance


def _utterance(tree: Tree, file: AudioFile) -> Utterance | None:
    country, folder, _ = file.parts
    language = tree.lookup(file.path, country, _LANGUAGES)
    if language is None:
        return None
    attack = tree.lookup(file.path, folder, _FOLDERS)
    if attack is None:
        return None
    return Utterance(
        file.path,
        "real" if folder == _GENUINE else "fake",
        key=f"{country}-{folder}-{file.stem}",
        attack=attack,
        language=language,
        recording=file.stem.removesuffix("_Gen"),
    )


CORPUS = Corpus(
    key="cvoicefake",
    name="CVoiceFake",
    prefix="CVoice",
    folders=("CVoiceFake", "CVoiceFake_Large"),
    role="post-training",
    licence="CC BY 4.0",
    source="https://zenodo.org/records/14062964 (CVoiceFake_Large.tar.gz.0 to .9)",
    citation="Li et al., SafeEar: Content Privacy-Preserving Audio Deepfake Detection, "
    "CCS 2024, arXiv:2409.09272",
    description="Chinese, English, French, German and Italian clips of Common Voice "
    "and their copies by vocoders, all MP3.",
    layout="CVoiceFake_Large/{CN,DE,EN,FR,IT}/{Bonafide,<generator>_generated}/"
    "common_voice_*.mp3",
    utterances=utterances,
    hours=(315.14, 1561.16),
    options={
        "diffwave": Option(
            "no",
            "whether to take the folders `diffwave_generated` of a later update "
            "(about 300 hours), which the hours of the paper do not include",
            ("no", "yes"),
        )
    },
    deviations=(
        "Both modes leave `diffwave_generated` out unless told otherwise; the scripts "
        "take it if it is there.",
        "Attacks are called without the ending `_generated` of the folders.",
    ),
    versions="The large version; the small one (Zenodo 11124319) has other folders.",
)
prepare_cvoicefake = prepare_function(CORPUS)
