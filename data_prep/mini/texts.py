"""Sentences for the TTS engines, from two of the unpacked Debian packages.

Both are translations of the same dialogs and stamp descriptions, in up to 15
and about 100 languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from data_prep.mini.audio import generator
from data_prep.mini.errors import MiniError
from data_prep.mini.sources import Prefix

__all__ = ["DIALOG_LANGUAGES", "TextStock", "read_sentences"]

_SCRIPTS = "usr/share/games/fillets-ng/script"
_STAMPS = "usr/share/tuxpaint/stamps"

# The languages with dialogs; the others have only descriptions of stamps.
DIALOG_LANGUAGES = ("bg", "cs", "de", "en", "es", "fr", "it", "nl", "pl", "ru", "sv")
LENGTHS = (30, 80)  # characters; about 2 to 5 seconds


def read_sentences(prefix: Prefix, language: str) -> list[str]:
    """All usable sentences in a language, sorted.

    Arguments
    ---------
    prefix : Prefix
        The unpacked packages.
    language : str
        Lower-case ISO 639-1 code.

    Raises
    ------
    MiniError
        If there are none.
    """
    if language in DIALOG_LANGUAGES:
        found = _dialogs(prefix, language)
    else:
        found = _joined(_stamp_descriptions(prefix, language))
    shortest, longest = LENGTHS
    sentences = sorted({text for text in found if shortest <= len(text) <= longest})
    if not sentences:
        raise MiniError(
            f"{prefix.root}: no sentences in the language {language!r} in the packages "
            "fillets-ng-data and tuxpaint-stamps-default. Remove the cache folder and "
            "run again; if that does not help, tell the maintainers the versions."
        )
    return sentences


class TextStock:
    """Hands out sentences in a random order, none twice while others are left.

    Arguments
    ---------
    prefix : Prefix
        The unpacked packages.
    seed : int
        Seed of the order.
    """

    def __init__(self, prefix: Prefix, seed: int):
        self.prefix = prefix
        self.seed = seed
        self.left_out = 0
        self._streams: dict[str, Iterator[str]] = {}

    def take(self, language: str, count: int, allowed: re.Pattern[str]) -> list[str]:
        """The next `count` sentences in a language that match `allowed` as a whole.

        Sentences that do not match are skipped and counted in `left_out`.
        """
        if language not in self._streams:
            self._streams[language] = self._shuffled(language)
        taken: list[str] = []
        refused = 0
        for text in self._streams[language]:
            if allowed.fullmatch(text):
                taken.append(text)
            else:
                refused += 1
            if len(taken) == count:
                self.left_out += refused
                return taken
            if refused > 10000:
                break
        raise MiniError(
            f"texts in {language!r}: no sentence matches {allowed.pattern!r}. Choose "
            "another language for this voice in data_prep/mini/plan.py."
        )

    def _shuffled(self, language: str) -> Iterator[str]:
        sentences = read_sentences(self.prefix, language)
        random = generator("texts", self.seed, language)
        while True:
            for index in random.permutation(len(sentences)):
                yield sentences[index]


def _dialogs(prefix: Prefix, language: str) -> Iterator[str]:
    """Dialog lines; every translation names the English ones beside its own."""
    if language == "en":
        name, pattern = "dialogs_cs.lua", r'dialogId\("[^"]*",\s*"[^"]*",\s*"(.*?)"\)'
    else:
        name, pattern = f"dialogs_{language}.lua", r'dialogStr\("(.*?)"\)'
    for path in sorted((prefix.root / _SCRIPTS).glob(f"*/{name}")):
        for line in re.findall(pattern, path.read_text("utf-8", "replace")):
            yield _plain(line.replace("\\", ""))


def _stamp_descriptions(prefix: Prefix, language: str) -> Iterator[str]:
    """One short description for each stamp."""
    pattern = re.compile(rf"^{language}\.utf8=(.+)$", re.MULTILINE)
    for path in sorted((prefix.root / _STAMPS).rglob("*.txt")):
        for line in pattern.findall(path.read_text("utf-8", "replace")):
            yield _plain(line)


def _plain(text: str) -> str:
    """Drop brackets and quotes, which engines read out or stumble over."""
    text = re.sub(r"\(.*?\)|[\"“”„«»<>\[\]_*]", " ", text).replace("…", "...")
    return " ".join(text.split())


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Join short descriptions until they have the length of a sentence."""
    sentence = ""
    for line in sorted(set(lines)):
        sentence = f"{sentence} {line}".strip()
        if len(sentence) >= LENGTHS[0]:
            yield sentence
            sentence = ""
