"""VoiceMOS: ten years of systems of the Blizzard Challenge, or the BVCC selection."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from string import ascii_uppercase

from data_prep.corpora._formats import is_wanted
from data_prep.corpora.base import Corpus, Option, Utterance
from data_prep.corpora.tree import Tree
from data_prep.manifest import UNKNOWN
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_voicemos", "utterances"]

_PACK = re.compile(r"blizzard_wavs_and_scores_(\d{4})_release_version_(\d+)")
_SYSTEMS = frozenset(ascii_uppercase)
_NATURAL = "A"  # in the packs of all years
_YEARS = ("2008", "2009", "2010", "2011", "2013", "2016")
_ENGLISH_ONLY = ("2011", "2016")  # their folders do not name the language
_LANGUAGES = {
    "english": "EN",
    "mandarin": "ZH",
    "bengali": "BN",
    "hindi": "HI",
    "kannada": "KN",
    "tamil": "TA",
}
_LANGUAGE = re.compile("|".join(_LANGUAGES))
_BVCC_NAME = re.compile(r"(sys[0-9a-f]{5})-utt[0-9a-f]{7}")


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield what the layout asked for holds."""
    return _bvcc(tree) if tree.options["layout"] == "bvcc" else _blizzard(tree)


def _blizzard(tree: Tree) -> Iterator[Utterance]:
    """Yield `<pack of a year>/<system>/.../<utterance>.wav`."""
    folder = tree.folder(
        *("main/blizzard", "blizzard"),
        remedy="Fetch the packs of the Blizzard Challenge, or take the other layout: "
        "--option layout=bvcc.",
    )
    for file in tree.files(folder):
        if not is_wanted(tree, file, ".wav"):
            continue
        pack = _PACK.fullmatch(file.parts[0])
        if pack is None or len(file.parts) < 3 or file.parts[1] not in _SYSTEMS:
            tree.skip(file.path, "not in <pack of a year>/<letter of a system>")
            continue
        year, version = pack.groups()
        system, *folders = file.parts[1:-1]
        natural = system == _NATURAL
        yield Utterance(
            file.path,
            "real" if natural else "fake",
            key="-".join((f"{year}v{version}", system, *folders, file.stem)),
            attack=UNKNOWN if natural else f"{year}-{system}",
            language=_language(year, folders),
        )


def _language(year: str, folders: list[str]) -> str:
    """Language by the folders of a file: `mandarin/MH1`, `2013/EH1-English`."""
    named = _LANGUAGE.search("/".join(folders).lower())
    if named:
        return _LANGUAGES[named[0]]
    return "EN" if year in _ENGLISH_ONLY else UNKNOWN


def _bvcc(tree: Tree) -> Iterator[Utterance]:
    """Yield `DATA/wav/sys<code>-utt<code>.wav`."""
    names = {_bvcc_code(y, letter): (y, letter) for y in _YEARS for letter in _SYSTEMS}
    folder = tree.folder(
        *("main/DATA/wav", "DATA/wav"),
        remedy="Run the scripts of the archive, or take the other layout: --option "
        "layout=blizzard.",
    )
    for file in tree.files(folder):
        match = _BVCC_NAME.fullmatch(file.stem)
        if match is None:
            tree.skip(file.path, "not named sys<code>-utt<code>")
            continue
        year, system = names.get(match[1], ("", match[1]))
        natural = system == _NATURAL
        attack = f"{year}-{system}" if year else system
        yield Utterance(
            file.path,
            "real" if natural else "fake",
            key=file.stem,
            attack=UNKNOWN if natural else attack,
            language="EN",
        )


def _bvcc_code(year: str, system: str) -> str:
    """Name of a Blizzard system in BVCC, as the scripts of its archive make it."""
    name = f"BC{year}-{system}"
    digest = hashlib.md5(name[::-1].encode(), usedforsecurity=False).hexdigest()
    return "sys" + digest[:5][::-1]


CORPUS = Corpus(
    key="voicemos",
    name="VoiceMOS",
    prefix="VoiceMOS",
    folders=("VoiceMOS",),
    role="post-training",
    licence="by the terms of the Blizzard Challenge, which forbid to pass the audio "
    "on; VCC parts of BVCC: CC BY 4.0 and ODbL 1.0",
    source="https://www.cstr.ed.ac.uk/projects/blizzard/data.html (blizzard), "
    "https://zenodo.org/records/6572573 (bvcc: main.tar.gz and what its scripts fetch)",
    citation="Cooper and Yamagishi, How do Voices from Past Speech Synthesis "
    "Challenges Compare Today?, SSW 2021, arXiv:2105.02373",
    description="What the paper used is not clear. Its code reads the packs of the "
    "Blizzard Challenge, in which system A is natural speech; a remark beside it says "
    "that BVCC was used, a selection of a few hours, and that it is all fake; its "
    "table says 448 h of fake speech and none genuine, which neither gives. So do not "
    "expect the hours to match. BVCC hides the names of its systems: the natural "
    "speech from the Blizzard Challenge is found by its code and labelled real, "
    "natural speech of other sources would count as fake. The packs hold utterances "
    "several times (test selections and full submissions), so file names repeat.",
    layout="""\
blizzard: main/blizzard/blizzard_wavs_and_scores_<year>_release_version_<v>/
            <letter of the system>/**/<utterance>.wav
bvcc:     main/DATA/wav/sys<code>-utt<code>.wav""",
    utterances=utterances,
    hours=(0.0, 448.44),
    options={
        "layout": Option(
            "blizzard",
            "blizzard: the packs of the Blizzard Challenge, as the code of the paper; "
            "bvcc: the selection of the VoiceMOS Challenge",
            ("blizzard", "bvcc"),
        )
    },
    deviations=(
        "The mode original reads .wav only, complete any audio of the packs.",
        "IDs are made of the path, not of a running number, in both modes.",
        "What is not in the folder of a system is listed, not taken as fake, in both "
        "modes.",
    ),
    versions="Packs of 2008, 2009, 2010, 2011, 2013 and 2016.",
)
prepare_voicemos = prepare_function(CORPUS)
