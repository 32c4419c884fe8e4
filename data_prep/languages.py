"""Codes of languages in manifests: ISO 639-1 where it exists, else ISO 639-3.

A code is written in upper case. In lower case it is a language tag of BCP 47, because
that standard takes the shortest code, too (RFC 5646, section 2.2.1). `ZH` is Mandarin,
the language that corpora mean by Chinese; Cantonese is `YUE`. Codes:
https://iso639-3.sil.org/code_tables/639/data; names: Unicode CLDR.
"""

from __future__ import annotations

__all__ = ["LANGUAGES", "bcp47", "find_language", "is_language", "language_name"]

_TABLE = """
AA Afar; AB Abkhazian; AE Avestan; AF Afrikaans; AK Akan; AM Amharic; AN Aragonese;
AR Arabic; AS Assamese; AST Asturian; AV Avaric; AY Aymara; AZ Azerbaijani;
BA Bashkir; BE Belarusian; BG Bulgarian; BI Bislama; BM Bambara; BN Bangla;
BO Tibetan; BR Breton; BS Bosnian; CA Catalan; CE Chechen; CEB Cebuano; CH Chamorro;
CKB Central Kurdish (Sorani); CO Corsican; CR Cree; CS Czech; CU Church Slavic;
CV Chuvash; CY Welsh; DA Danish; DE German; DV Divehi; DZ Dzongkha; EE Ewe; EL Greek;
EN English; EO Esperanto; ES Spanish; ET Estonian; EU Basque; FA Persian; FF Fula;
FI Finnish; FIL Filipino; FJ Fijian; FO Faroese; FR French; FY Western Frisian;
GA Irish; GD Scottish Gaelic; GL Galician; GN Guarani; GSW Swiss German; GU Gujarati;
GV Manx; HA Hausa; HAW Hawaiian; HE Hebrew; HI Hindi; HO Hiri Motu; HR Croatian;
HSB Upper Sorbian; HT Haitian Creole; HU Hungarian; HY Armenian; HZ Herero;
IA Interlingua; ID Indonesian; IE Interlingue; IG Igbo; II Sichuan Yi; IK Inupiaq;
IO Ido; IS Icelandic; IT Italian; IU Inuktitut; JA Japanese; JV Javanese; KA Georgian;
KAB Kabyle; KAM Kamba; KEA Kabuverdianu; KG Kongo; KI Kikuyu; KJ Kuanyama; KK Kazakh;
KL Kalaallisut; KM Khmer; KN Kannada; KO Korean; KR Kanuri; KS Kashmiri; KU Kurdish;
KV Komi; KW Cornish; KY Kyrgyz; LA Latin; LB Luxembourgish; LG Luganda; LI Limburgish;
LN Lingala; LO Lao; LT Lithuanian; LU Luba-Katanga; LUO Luo (Kenya and Tanzania);
LV Latvian; MG Malagasy; MH Marshallese; MI Māori; MK Macedonian; ML Malayalam;
MN Mongolian; MR Marathi; MS Malay; MT Maltese; MY Burmese; NA Nauru;
NAN Min Nan Chinese; NB Norwegian Bokmål; ND North Ndebele; NE Nepali; NG Ndonga;
NL Dutch; NN Norwegian Nynorsk; NO Norwegian; NR South Ndebele; NSO Northern Sotho;
NV Navajo; NY Chichewa; OC Occitan; OJ Ojibwa; OM Oromo; OR Odia; OS Ossetic;
PA Punjabi; PI Pali; PL Polish; PS Pashto; PT Portuguese; QU Quechua; RM Romansh;
RN Rundi; RO Romanian; RU Russian; RW Kinyarwanda; SA Sanskrit; SAH Yakut;
SC Sardinian; SD Sindhi; SE Northern Sami; SG Sango; SI Sinhala; SK Slovak;
SL Slovenian; SM Samoan; SN Shona; SO Somali; SQ Albanian; SR Serbian; SS Swati;
ST Southern Sotho; SU Sundanese; SV Swedish; SW Swahili; TA Tamil; TE Telugu;
TG Tajik; TH Thai; TI Tigrinya; TK Turkmen; TL Tagalog; TN Tswana; TO Tongan;
TR Turkish; TS Tsonga; TT Tatar; TW Twi; TY Tahitian; UG Uyghur;
UK Ukrainian; UMB Umbundu; UR Urdu; UZ Uzbek; VE Venda; VI Vietnamese; VO Volapük;
WA Walloon; WO Wolof; WUU Wu Chinese; XH Xhosa; YI Yiddish; YO Yoruba; YUE Cantonese;
ZA Zhuang; ZH Chinese (Mandarin); ZU Zulu
"""
#: English name of each language by its code.
LANGUAGES = dict(
    entry.split(maxsplit=1) for entry in _TABLE.replace("\n", " ").split(";")
)
_BY_NAME = {name.lower(): code for code, name in LANGUAGES.items()}
# What corpora say instead.
_OTHER_NAMES = {
    "bengali": "BN",
    "chinese": "ZH",
    "cmn": "ZH",
    "farsi": "FA",
    "mandarin": "ZH",
    "oriya": "OR",
    "persian": "FA",
    "sorani": "CKB",
}


def is_language(code: str) -> bool:
    """Whether a manifest may have this code; `-` (unknown) is not one.

    Example
    -------
    >>> is_language("CEB"), is_language("en"), is_language("-")
    (True, False, False)
    """
    return code in LANGUAGES


def find_language(text: str) -> str | None:
    """Code of a language given by code, tag or English name, in any case.

    Arguments
    ---------
    text : str
        Such as `en`, `zh-CN`, `English` or `chinese`.

    Returns
    -------
    str or None
        The code; None if the language is not known, or several are named.

    Example
    -------
    >>> find_language("Portuguese"), find_language("pt-BR"), find_language("cmn")
    ('PT', 'PT', 'ZH')
    >>> find_language("unknown") is None
    True
    """
    name = text.strip().lower()
    tag = name.replace("_", "-").partition("-")[0].upper()
    if tag in LANGUAGES:
        return tag
    return _OTHER_NAMES.get(name) or _BY_NAME.get(name)


def language_name(code: str) -> str:
    """English name of a language.

    Raises
    ------
    ValueError
        If the code is not known.

    Example
    -------
    >>> language_name("CKB")
    'Central Kurdish (Sorani)'
    """
    try:
        return LANGUAGES[code]
    except KeyError:
        raise ValueError(
            f"no language {code!r}: codes are ISO 639-1 in upper case where they "
            "exist, else ISO 639-3. See data_prep/languages.py."
        ) from None


def bcp47(code: str) -> str:
    """Language tag as other tools want it.

    Raises
    ------
    ValueError
        If the code is not known.

    Example
    -------
    >>> bcp47("YUE")
    'yue'
    """
    language_name(code)
    return code.lower()
