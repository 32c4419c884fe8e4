"""WaveFake: LJSpeech and JSUT through six neural vocoders, all fake."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._formats import is_wanted
from data_prep.corpora._subfolders import known_subfolders
from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_wavefake", "utterances"]

_TTS = "common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech"
_COPIES = f"{_TTS}/generated"
_LJ, _JSUT = ("LJ", "EN"), ("JSUT", "JA")
# Each folder is one generator, trained on the voice of one speaker.
_GENERATORS = {
    _TTS: _LJ,
    "jsut_multi_band_melgan": _JSUT,
    "jsut_parallel_wavegan": _JSUT,
    "ljspeech_full_band_melgan": _LJ,
    "ljspeech_hifiGAN": _LJ,
    "ljspeech_melgan": _LJ,
    "ljspeech_melgan_large": _LJ,
    "ljspeech_multi_band_melgan": _LJ,
    "ljspeech_parallel_wavegan": _LJ,
    "ljspeech_waveglow": _LJ,
}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `generated_audio/<generator>/<utterance>.wav`, and nothing below that."""
    top = tree.folder("generated_audio")
    for folder, (speaker, language) in known_subfolders(tree, _GENERATORS, top):
        generator = folder.removeprefix(f"{top}/")
        for file in tree.files(folder, recursive=False):
            if not is_wanted(tree, file, ".wav"):
                continue
            # The name of what was vocoded, which for LJSpeech is its ID there.
            source = f"{speaker}-{file.stem.removesuffix('_gen')}"
            yield Utterance(
                file.path,
                "fake",
                key=f"{generator}_{file.stem}",
                attack=generator,
                speaker=speaker,
                language=language,
                recording=UNKNOWN if generator == _TTS else source,
            )
    if tree.exists(f"{top}/{_COPIES}"):
        tree.leave_out(f"{top}/{_COPIES}", "a second copy of the files above it")
    for generator in _GENERATORS:
        if not tree.exists(f"{top}/{generator}"):
            tree.skip(f"{top}/{generator}", "this folder of the corpus is not there")


CORPUS = Corpus(
    key="wavefake",
    name="WaveFake",
    prefix="WF",
    folders=("WaveFake",),
    role="post-training",
    licence="CC BY-SA 4.0",
    source="https://zenodo.org/records/5642694 (generated_audio.zip)",
    citation="Frank and Schönherr, WaveFake: A Data Set to Facilitate Audio Deepfake "
    "Detection, NeurIPS 2021, arXiv:2111.02813",
    description="Fake only: utterances of LJSpeech (English) and JSUT (Japanese) "
    "through neural vocoders, and one text-to-speech system. The sub-folder generated "
    "of the latter holds its files a second time and is not read.",
    layout="""\
generated_audio/ljspeech_{melgan,melgan_large,full_band_melgan,multi_band_melgan,
                          hifiGAN,parallel_wavegan,waveglow}/LJxxx-xxxx[_gen].wav
generated_audio/jsut_{multi_band_melgan,parallel_wavegan}/BASIC5000_xxxx_gen.wav
generated_audio/common_voices_prompts_from_conformer_fastspeech2_pwg_ljspeech/*.wav""",
    utterances=utterances,
    hours=(0.0, 198.65),
    deviations=("The mode original reads .wav only, complete any audio.",),
)
prepare_wavefake = prepare_function(CORPUS)
