"""CodecFake (Wu et al., 2024): VCTK through fifteen neural audio codecs."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora.base import Corpus, Utterance
from data_prep.corpora.tree import AudioFile, Tree
from data_prep.prepare import prepare_function

__all__ = ["CODECS", "CORPUS", "prepare_codecfake_wu", "utterances"]

#: Names of the codecs, of their archives and of the folders in them.
CODECS = (
    "SpeechTokenizer",
    "academicodec_hifi_16k_320d",
    "academicodec_hifi_16k_320d_large_uni",
    "academicodec_hifi_24k_320d",
    "audiodec_24k_320d",
    "descript-audio-codec-16khz",
    "descript-audio-codec-24khz",
    "descript-audio-codec-44khz",
    "encodec_24khz",
    "funcodec-funcodec_en_libritts-16k-gr1nq32ds320",
    "funcodec-funcodec_en_libritts-16k-gr8nq32ds320",
    "funcodec-funcodec_en_libritts-16k-nq32ds320",
    "funcodec-funcodec_en_libritts-16k-nq32ds640",
    "funcodec-funcodec_zh_en_general_16k_nq32ds320",
    "funcodec-funcodec_zh_en_general_16k_nq32ds640",
)


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `<codec>/.../<utterance>.wav` or `processed/<codec>+<utterance>.wav`."""
    # Whoever renamed the files for the scripts of the paper may still have both.
    base = "processed" if tree.exists("processed") else ""
    for file in tree.files(base):
        codec, utterance = _codec_and_utterance(file)
        if not codec:
            tree.skip(
                file.path,
                f"neither its name nor a folder has one of the {len(CODECS)} codecs; "
                "it may be genuine speech of VCTK, which this corpus is not used for",
            )
            continue
        yield Utterance(
            file.path,
            "fake",
            key=f"{codec}+{utterance}",
            attack=codec,
            speaker=utterance.partition("_")[0],
            language="EN",
            recording=utterance,
        )


def _codec_and_utterance(file: AudioFile) -> tuple[str, str]:
    """The codec, empty if it is not known, and the utterance of VCTK."""
    codec, plus, utterance = file.stem.rpartition("+")
    if plus:
        return (codec if codec in CODECS else ""), utterance
    folder = next((name for name in file.parts[:-1] if name in CODECS), "")
    return folder, file.stem


CORPUS = Corpus(
    key="codecfake_wu",
    name="CodecFake-Wu2024",
    prefix="CodecF",
    folders=("CodecFake", "CodecFake_wavs"),
    role="post-training",
    licence="CC BY 4.0",
    source="https://huggingface.co/datasets/rogertseng/CodecFake_wavs",
    citation="Wu et al., CodecFake: Enhancing Anti-Spoofing Models Against Deepfake "
    "Audios from Codec-Based Speech Synthesis Systems, Interspeech 2024, "
    "arXiv:2406.07237",
    description="English, VCTK speakers; 44,242 utterances through each of fifteen "
    "codecs. Fakes only: genuine originals next to them are left out, never labelled "
    "fake. Not the Codecfake of Xie et al., nor CodecFake+.",
    layout="<codec>/.../<VCTK utterance>.wav (the archives as they are)\n"
    "or processed/<codec>+<VCTK utterance>.wav",
    utterances=utterances,
    hours=(0.0, 660.92),
    rows={"all": (0, 663630)},
    deviations=(
        "Both modes read the archives as they are, too; the scripts want files renamed "
        "into one folder.",
        "Both modes leave out files of an unknown codec; to the scripts every file is "
        "fake.",
    ),
)
prepare_codecfake_wu = prepare_function(CORPUS)
