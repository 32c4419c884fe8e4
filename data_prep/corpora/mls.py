"""MLS: genuine audiobooks in eight languages, nine tenths of all genuine speech."""

from __future__ import annotations

from collections.abc import Iterator

from data_prep.corpora._subfolders import known_subfolders
from data_prep.corpora.base import Corpus, LayoutError, Utterance
from data_prep.corpora.tree import Tree
from data_prep.prepare import prepare_function

__all__ = ["CORPUS", "prepare_mls", "utterances"]

_OPUS = "_opus"
_LANGUAGES = {
    "mls_dutch": "NL",
    "mls_english": "EN",
    "mls_french": "FR",
    "mls_german": "DE",
    "mls_italian": "IT",
    "mls_polish": "PL",
    "mls_portuguese": "PT",
    "mls_spanish": "ES",
}
_NOT_IN_PAPER = ("PL", "PT")
_FOLDERS = _LANGUAGES | {name + _OPUS: code for name, code in _LANGUAGES.items()}
_SPLITS = {"train": "train", "dev": "valid", "test": "test"}


def utterances(tree: Tree) -> Iterator[Utterance]:
    """Yield `mls_<language>/{train,dev,test}/audio/<speaker>/<book>/<clip>.flac`."""
    for folder, language in known_subfolders(tree, _FOLDERS):
        opus = folder.endswith(_OPUS)
        if tree.original and (opus or language in _NOT_IN_PAPER):
            tree.leave_out(folder, "the scripts of the paper do not read it")
            continue
        if opus and tree.exists(folder.removesuffix(_OPUS)):
            tree.leave_out(
                folder, "the FLAC release of the same clips is there as well"
            )
            continue
        for part, split in known_subfolders(tree, _SPLITS, folder):
            for path, clip in _clips(tree, part, ".opus" if opus else ".flac"):
                yield Utterance(
                    path,
                    "real",
                    key=f"{language}-{clip}",
                    speaker=clip.split("_")[0],
                    split=split,
                    language=language,
                )


def _clips(tree: Tree, part: str, suffix: str) -> Iterator[tuple[str, str]]:
    """Path and name of each clip: by the transcripts, or by the files without them.

    Walking the folders of the ten million English clips takes long, reading their
    names from one file does not.
    """
    transcripts = f"{part}/transcripts.txt"
    if not tree.exists(transcripts):
        for file in tree.files(f"{part}/audio"):
            if file.stem.count("_") == 2:
                yield file.path, file.stem
            else:
                tree.skip(file.path, "its name is not <speaker>_<book>_<number>")
        return
    for clip in _transcribed(tree, transcripts):
        speaker, book, _ = clip.split("_")
        yield f"{part}/audio/{speaker}/{book}/{clip}{suffix}", clip


def _transcribed(tree: Tree, transcripts: str) -> Iterator[str]:
    """Names of the clips in a file of transcripts, line by line.

    Not by `Tree.table`, which reads files whole: the English one has gigabytes.
    """
    path = tree.root / transcripts
    try:
        # Only the names are used, which are ASCII; the texts do not matter.
        lines = open(path, encoding="utf-8-sig", errors="replace", newline="\n")
    except OSError as error:
        raise LayoutError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions."
        ) from None
    with lines:
        for number, line in enumerate(lines, start=1):
            clip, tab, _ = line.partition("\t")
            if not line.strip():
                continue
            if not tab or clip.count("_") != 2:
                raise LayoutError(
                    f"{path}, line {number}: {line.strip()[:80]!r} is not <speaker>_"
                    "<book>_<number>, a tab and a text. Get the file again."
                )
            yield clip


CORPUS = Corpus(
    key="mls",
    name="MLS",
    prefix="MLS",
    folders=("MLS",),
    role="post-training",
    licence="CC BY 4.0",
    source="https://www.openslr.org/94/ (mls_<language>.tar.gz, or the smaller "
    "mls_<language>_opus.tar.gz)",
    citation="Pratap et al., MLS: A Large-Scale Multilingual Dataset for Speech "
    "Research, Interspeech 2020, arXiv:2012.03411",
    description="Genuine audiobooks in eight languages, 16 kHz; English alone has "
    "10.8 million clips. Where a language is there as FLAC and Opus, FLAC is read.",
    layout="mls_<language>[_opus]/{train,dev,test}/audio/<speaker>/<book>/"
    "<speaker>_<book>_<number>.{flac,opus}\n"
    "mls_<language>[_opus]/{train,dev,test}/transcripts.txt",
    utterances=utterances,
    hours=(50558.11, 0.0),
    deviations=(
        "original: without Polish and Portuguese, which the paper names but whose "
        "hours are not in its total; complete: all eight languages.",
        "original: only the FLAC release; complete: Opus as well.",
    ),
)
prepare_mls = prepare_function(CORPUS)
