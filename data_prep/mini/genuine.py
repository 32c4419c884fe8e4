"""Genuine speech and texts in the unpacked Debian packages.

A pool is what one speaker said, or, where a package does not tell its speakers
apart, what was said in one language. Speakers are known from package and folder
names only. Volunteers may have recorded their language for KLettres,
KTuberling and Tux Paint alike, so these are one pool for each language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.mini import g722
from data_prep.mini.audio import (
    SAMPLE_RATE,
    cut_pieces,
    generator,
    read_audio,
    to_16k,
    trim,
)
from data_prep.mini.errors import MiniError
from data_prep.mini.sources import Prefix
from data_prep.mini.store import Clip, write_clips

__all__ = ["POOLS", "Pool", "make_genuine_pieces", "pool_files"]

_FILLETS = "usr/share/games/fillets-ng"
_STAMPS = "usr/share/tuxpaint/stamps"
_PROMPTS = "usr/share/asterisk/sounds"

# Prompts that are no speech, or single letters and digits.
_NOT_SPEECH = re.compile(
    "beep|silence|tone|tt-monkeys|tt-weasels|screaming|carried|music"
    "|digits/|letters/|phonetic/|dictate/"
)


@dataclass(frozen=True)
class Pool:
    """Genuine recordings that may share a speaker.

    Arguments
    ---------
    speaker : str
        Name for the `Speaker` column; two pools of one person share it.
    language : str
        Upper-case ISO 639-1 code of what is spoken.
    patterns : tuple of (str, str)
        Package and glob pattern below the prefix.
    matching : str
        Regular expression that the file name must contain.
    """

    speaker: str
    language: str
    patterns: tuple[tuple[str, str], ...]
    matching: str = ""


def _prompts(speaker: str, language: str, package: str, folder: str) -> Pool:
    return Pool(speaker, language, ((package, f"{_PROMPTS}/{folder}/**/*.*"),))


def _fillets(folder: str, character: str, matching: str) -> Pool:
    pattern = f"{_FILLETS}/sound/*/{folder}/*.ogg"
    package = f"fillets-ng-data-{folder}"
    speaker = f"fillets_{folder}_{character}"
    return Pool(speaker, folder.upper(), ((package, pattern),), matching)


def _volunteers(language: str, *sources: tuple[str, str]) -> Pool:
    """What volunteers recorded in one language, from (program, folder) pairs."""
    patterns = {
        "klettres": ("klettres-data", "usr/share/klettres/{}/*/*.ogg"),
        "ktuberling": ("ktuberling-data", "usr/share/ktuberling/sounds/{}/*.*"),
        "tuxpaint": ("tuxpaint-stamps-default", _STAMPS + "/**/*_desc_{}.ogg"),
    }
    found = []
    for program, folder in sources:
        package, pattern = patterns[program]
        found.append((package, pattern.format(folder)))
    return Pool(f"volunteers_{language}", language.upper(), tuple(found))


_EN, _ES = "asterisk-core-sounds-en-g722", "asterisk-core-sounds-es-g722"
_FR, _IT = "asterisk-core-sounds-fr-g722", "asterisk-core-sounds-it-g722"
_RU = "asterisk-core-sounds-ru-g722"
# The fish are named in the file name's second field; all else is minor roles.
_SMALL_FISH, _BIG_FISH = "^[^-]+-m-", "^[^-]+-v-"
_MINOR_ROLES = "^[^-]+-(?![mv]-)"

POOLS = {
    "allison_en": _prompts("allison", "EN", _EN, "en_US_f_Allison"),
    "allison_es": _prompts("allison", "ES", _ES, "es_MX_f_Allison"),
    "june_fr": _prompts("june", "FR", _FR, "fr_CA_f_June"),
    "carlo_it": _prompts("carlo", "IT", _IT, "it_IT_m_Carlo"),
    "ivrvoice_ru": _prompts("ivrvoice", "RU", _RU, "ru_RU_f_IvrvoiceRU"),
    "menardi_it": _prompts(
        "menardi", "IT", "asterisk-prompt-it-menardi-wav", "it_IT_f_Menardi"
    ),
    "armelle_fr": _prompts("armelle", "FR", "asterisk-prompt-fr-armelle", "fr"),
    "colombian_es": _prompts("colombian", "ES", "asterisk-prompt-es-co", "es"),
    "fillets_nl_m": _fillets("nl", "m", _SMALL_FISH),
    "fillets_nl_v": _fillets("nl", "v", _BIG_FISH),
    "fillets_nl_other": _fillets("nl", "other", _MINOR_ROLES),
    "fillets_cs_m": _fillets("cs", "m", _SMALL_FISH),
    "fillets_cs_v": _fillets("cs", "v", _BIG_FISH),
    "fillets_cs_other": _fillets("cs", "other", _MINOR_ROLES),
    "volunteers_ar": _volunteers("ar", ("klettres", "ar")),
    "volunteers_be": _volunteers("be", ("tuxpaint", "be")),
    "volunteers_bg": _volunteers("bg", ("tuxpaint", "bg")),
    "volunteers_ca": _volunteers("ca", ("tuxpaint", "ca"), ("ktuberling", "ca")),
    "volunteers_da": _volunteers(
        "da", ("klettres", "da"), ("ktuberling", "da"), ("tuxpaint", "da")
    ),
    "volunteers_de": _volunteers("de", ("klettres", "de"), ("ktuberling", "de")),
    "volunteers_el": _volunteers("el", ("tuxpaint", "el"), ("ktuberling", "el")),
    "volunteers_en": _volunteers(
        "en", ("klettres", "en"), ("klettres", "en_GB"), ("ktuberling", "en")
    ),
    "volunteers_es": _volunteers("es", ("tuxpaint", "es")),
    "volunteers_fr": _volunteers("fr", ("tuxpaint", "fr"), ("ktuberling", "fr")),
    "volunteers_gl": _volunteers("gl", ("ktuberling", "gl")),
    "volunteers_he": _volunteers("he", ("klettres", "he")),
    "volunteers_hu": _volunteers("hu", ("klettres", "hu")),
    "volunteers_lt": _volunteers(
        "lt", ("klettres", "lt"), ("ktuberling", "lt"), ("tuxpaint", "lt")
    ),
    "volunteers_ml": _volunteers("ml", ("klettres", "ml")),
    "volunteers_nds": _volunteers("nds", ("klettres", "nds"), ("ktuberling", "nds")),
    "volunteers_nn": _volunteers("nn", ("ktuberling", "nn")),
    "volunteers_pt": _volunteers("pt", ("klettres", "pt_BR"), ("ktuberling", "pt")),
    "volunteers_ro": _volunteers("ro", ("tuxpaint", "ro")),
    "volunteers_ru": _volunteers("ru", ("tuxpaint", "ru"), ("ktuberling", "ru")),
    "volunteers_sl": _volunteers("sl", ("ktuberling", "sl")),
    "volunteers_uk": _volunteers("uk", ("klettres", "uk"), ("ktuberling", "uk")),
}


def pool_files(prefix: Prefix, name: str) -> list[tuple[str, Path]]:
    """The recordings of a pool as (package, file), in a fixed order.

    Raises
    ------
    MiniError
        If there are none.
    """
    pool = POOLS[name]
    found = []
    for package, pattern in pool.patterns:
        for path in sorted(prefix.root.glob(pattern)):
            below = str(path.relative_to(prefix.root))
            if re.search(pool.matching, path.name) and not _NOT_SPEECH.search(below):
                found.append((package, path))
    if not found:
        raise MiniError(
            f"{prefix.root}: no recordings of the pool {name!r} in the packages "
            f"{', '.join(package for package, _ in pool.patterns)}. Another version "
            "of a package may have other folders: tell the maintainers the version."
        )
    return found


def make_genuine_pieces(
    output: Path, prefix: Prefix, name: str, count: int, seed: int
) -> None:
    """Write `count` pieces of a pool (a job of the build).

    Raises
    ------
    MiniError
        If the pool is too small.
    """
    random = generator("genuine", seed, name)
    files = pool_files(prefix, name)
    chosen = [files[index] for index in random.permutation(len(files))]
    pieces: list[Clip] = []
    read: list[Clip] = []
    # Read no more files than the pieces need, with a generous first guess.
    while len(pieces) < count and len(read) < len(chosen):
        batch = chosen[len(read) : len(read) + count]
        read += _read_files(prefix, batch)
        pieces = cut_pieces(read, count, generator("pieces", seed, name))
    if len(pieces) < count:
        raise MiniError(
            f"pool {name!r}: {len(files)} recordings give {len(pieces)} pieces, but "
            f"the plan wants {count}. Lower the number in data_prep/mini/plan.py."
        )
    write_clips(output, pieces)


def _read_files(prefix: Prefix, files: Sequence[tuple[str, Path]]) -> list[Clip]:
    """Read recordings; one that holds nothing but silence gives an empty clip."""
    origins = [f"{package}: {path.relative_to(prefix.root)}" for package, path in files]
    paths = [path for _, path in files]
    if paths and paths[0].suffix == ".g722":
        waveforms = _decode_g722(paths)
    else:
        waveforms = [read_audio(path) for path in paths]
    return [Clip(*pair) for pair in zip(waveforms, origins, strict=True)]


def _decode_g722(paths: Sequence[Path]) -> list[np.ndarray]:
    """Decode headerless G.722 files in one call: 4 bits a sample, so 2 per byte."""
    contents = [path.read_bytes() for path in paths]
    samples = g722.decode(b"".join(contents))
    stops = np.cumsum([2 * len(content) for content in contents])
    parts = np.split(samples[: stops[-1]], stops[:-1])
    return [trim(to_16k(part, SAMPLE_RATE)) for part in parts]
