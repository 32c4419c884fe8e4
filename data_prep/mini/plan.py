"""What the mini corpus consists of: which speech in which part, and how much.

Three domains come out of it. `posttrain` has a train and a valid split. The
`zeroshot` test has other speakers, other languages and other voices. `target`
is telephone speech of further speakers and voices, to fine-tune on (train,
valid) and to test. No genuine speaker and no voice is in two of the four parts
below, except that eSpeak NG, one formant synthesiser, speaks in different
languages in three of them, and that Kokoro lends three different voices.

Attacks that post-training never hears: kokoro, piper and lpc in `zeroshot`;
kokoro, codec2 and lpc in `target`. The hts and diphone attacks return there with
other voices.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["PARTS", "PLAN_VERSION", "SUBSET_SIZES", "Part", "Plan", "Voice"]

# Raise this when code, and not only the numbers below, changes the audio.
PLAN_VERSION = 2

# Clips in the nested subsets of the target domain's train split.
SUBSET_SIZES = (24, 48, 96, 192)


@dataclass(frozen=True)
class Voice:
    """A text-to-speech voice and what it is to say.

    Arguments
    ---------
    engine : str
        A name in `engines.ENGINES`.
    name : str
        One of the engine's voices.
    language : str
        Lower-case ISO 639-1 code of the texts.
    count : int
        How many pieces.
    """

    engine: str
    name: str
    language: str
    count: int

    @property
    def attack(self) -> str:
        """Name for the `Attack` column: the kind of synthesis."""
        if self.engine == "festival":
            return "hts" if self.name.endswith("_hts") else "diphone"
        return self.engine

    @property
    def speaker(self) -> str:
        """Name for the `Speaker` column."""
        name = self.name.split("@")[0].replace("+", "_")
        return f"{self.engine}_{name}"


@dataclass(frozen=True)
class Part:
    """Speech of one set of speakers and voices.

    Arguments
    ---------
    domain : str
        `posttrain`, `zeroshot` or `target`: the first half of a split's name.
    splits : tuple of str
        The second halves; with two, every `valid_every`-th piece of a speaker or
        voice goes to the second.
    telephone : bool
        Whether clips go through the telephone channel or the wide one.
    genuine : dict of str to int
        Pool -> number of pieces.
    voices : tuple of Voice
        The synthetic speech.
    copies : dict of str to dict
        Vocoder -> split -> number of genuine pieces of this split to copy.
    valid_every : int
        See `splits`.
    """

    domain: str
    splits: tuple[str, ...]
    telephone: bool
    genuine: dict[str, int]
    voices: tuple[Voice, ...]
    copies: dict[str, dict[str, int]]
    valid_every: int = 5


@dataclass(frozen=True)
class Plan:
    """All parts of a corpus.

    Arguments
    ---------
    parts : dict of str to Part
        By name.
    subset_sizes : tuple of int
        Clips in each nested subset of the target domain's train split.
    version : int
        See `PLAN_VERSION`.
    """

    parts: dict[str, Part] = field(default_factory=lambda: PARTS)
    subset_sizes: tuple[int, ...] = SUBSET_SIZES
    version: int = PLAN_VERSION


PARTS = {
    "posttrain": Part(
        domain="posttrain",
        splits=("train", "valid"),
        telephone=False,
        genuine={
            "fillets_nl_m": 170,
            "fillets_nl_v": 170,
            "fillets_nl_other": 50,
            "allison_en": 110,
            "allison_es": 70,
            "carlo_it": 130,
            "volunteers_be": 55,
            "volunteers_bg": 65,
            "volunteers_el": 65,
            "volunteers_ro": 70,
        },
        voices=(
            Voice("espeak", "be", "be", 20),
            Voice("espeak", "bg", "bg", 25),
            Voice("espeak", "el", "el", 25),
            Voice("espeak", "en-us", "en", 20),
            Voice("espeak", "es", "es", 25),
            Voice("espeak", "it", "it", 25),
            Voice("espeak", "nl", "nl", 30),
            Voice("espeak", "ro", "ro", 25),
            Voice("flite", "rms", "en", 90),
            Voice("flite", "slt", "en", 90),
            Voice("festival", "ked_diphone", "en", 70),
            Voice("festival", "lp_diphone", "it", 80),
            Voice("festival", "pc_diphone", "it", 80),
            Voice("festival", "cmu_us_slt_arctic_hts", "en", 110),
            Voice("hibari", "heart", "en", 150),
        ),
        copies={
            "griffinlim": {"train": 90, "valid": 30},
            "mel_griffinlim": {"train": 90, "valid": 30},
            "world": {"train": 90, "valid": 30},
            "world_vc": {"train": 90, "valid": 30},
        },
    ),
    "zeroshot": Part(
        domain="zeroshot",
        splits=("test",),
        telephone=False,
        genuine={
            "fillets_cs_m": 60,
            "fillets_cs_v": 60,
            "fillets_cs_other": 25,
            "ivrvoice_ru": 55,
            "june_fr": 55,
            "volunteers_ca": 25,
            "volunteers_fr": 25,
            "volunteers_ru": 25,
        },
        voices=(
            Voice("kokoro", "jf_alpha@fr-fr", "fr", 12),
            Voice("kokoro", "jf_gongitsune@cs", "cs", 12),
            Voice("kokoro", "jm_kumo@ru", "ru", 12),
            Voice("piper", "cs", "cs", 25),
            Voice("piper", "fr", "fr", 25),
            Voice("piper", "ru", "ru", 25),
            Voice("festival", "upc_ca_ona_hts", "ca", 45),
            Voice("festival", "czech_dita", "cs", 35),
            Voice("festival", "czech_machac", "cs", 35),
            Voice("festival", "suo_fi_lj_diphone", "fi", 25),
        ),
        copies={"lpc": {"test": 80}},
    ),
    "target_train": Part(
        domain="target",
        splits=("train", "valid"),
        telephone=True,
        genuine={
            "colombian_es": 35,
            "menardi_it": 50,
            "volunteers_da": 30,
            "volunteers_de": 20,
            "volunteers_en": 20,
            "volunteers_es": 35,
            "volunteers_he": 10,
            "volunteers_ml": 35,
            "volunteers_uk": 25,
        },
        voices=(
            Voice("kokoro", "jf_nezumi@it", "it", 10),
            Voice("espeak", "da", "da", 15),
            Voice("espeak", "de", "de", 15),
            Voice("espeak", "uk", "uk", 15),
            Voice("flite", "kal16", "en", 40),
            Voice("festival", "kal_diphone", "en", 40),
            Voice("festival", "czech_krb", "cs", 40),
        ),
        copies={
            "codec2": {"train": 25, "valid": 6},
            "mel_griffinlim": {"train": 25, "valid": 6},
            "world": {"train": 25, "valid": 6},
        },
    ),
    "target_test": Part(
        domain="target",
        splits=("test",),
        telephone=True,
        genuine={
            "armelle_fr": 70,
            "volunteers_ar": 8,
            "volunteers_gl": 15,
            "volunteers_hu": 15,
            "volunteers_lt": 40,
            "volunteers_nds": 25,
            "volunteers_nn": 32,
            "volunteers_pt": 20,
            "volunteers_sl": 15,
        },
        voices=(
            Voice("kokoro", "jf_tebukuro@fr-fr", "fr", 15),
            Voice("espeak", "fr-fr", "fr", 15),
            Voice("espeak", "hu", "hu", 10),
            Voice("espeak", "lt", "lt", 10),
            Voice("espeak", "pt-br", "pt", 10),
            Voice("flite", "awb", "en", 40),
            Voice("festival", "hy_fi_mv_diphone", "fi", 30),
            Voice("festival", "czech_ph", "cs", 35),
        ),
        copies={
            "codec2": {"test": 25},
            "griffinlim": {"test": 25},
            "lpc": {"test": 25},
        },
    ),
}
