"""Codes of languages."""

import pytest

from data_prep import languages
from data_prep.languages import bcp47, find_language, is_language, language_name


def test_codes_are_upper_case_and_unique():
    assert all(code.isupper() and len(code) in (2, 3) for code in languages.LANGUAGES)
    assert len(set(languages.LANGUAGES.values())) == len(languages.LANGUAGES)


@pytest.mark.parametrize("code", ["EN", "ZH", "YUE", "CKB", "FIL", "NSO", "UMB", "KEA"])
def test_languages_of_the_corpora(code):
    assert is_language(code)
    assert bcp47(code) == code.lower()
    assert find_language(code.lower()) == code
    assert find_language(language_name(code)) == code


@pytest.mark.parametrize("code", ["en", "CN", "CMN", "YUE_HANT", "XX", "-", "", "ENG"])
def test_what_is_no_code(code):
    assert not is_language(code)
    with pytest.raises(ValueError, match="ISO 639"):
        language_name(code)
    with pytest.raises(ValueError, match="ISO 639"):
        bcp47(code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("English", "EN"),
        (" mandarin ", "ZH"),
        ("zh-CN", "ZH"),
        ("pt_BR", "PT"),
        ("English, Spanish", None),
        ("unknown", None),
        ("", None),
        ("-", None),
    ],
)
def test_languages_are_found_by_name_or_tag(text, code):
    assert find_language(text) == code


def test_codes_agree_with_iso_639():
    pycountry = pytest.importorskip("pycountry", reason="pycountry is not installed")
    for code in languages.LANGUAGES:
        if len(code) == 2:
            assert pycountry.languages.get(alpha_2=code.lower()), code
        else:
            found = pycountry.languages.get(alpha_3=code.lower())
            assert found, code
            assert not hasattr(found, "alpha_2"), f"{code} has a shorter code"


def test_tags_agree_with_bcp_47():
    langcodes = pytest.importorskip("langcodes", reason="langcodes is not installed")
    for code in languages.LANGUAGES:
        tag = bcp47(code)
        assert langcodes.Language.get(tag).is_valid(), tag
        # SH and MO, say, are codes that have been replaced.
        assert langcodes.standardize_tag(tag) in (tag, "fil"), tag
