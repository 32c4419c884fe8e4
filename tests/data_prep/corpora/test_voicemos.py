"""VoiceMOS: packs of the Blizzard Challenge, and BVCC."""

import pytest
from corpus_checks import decided, mentions, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

PACKS = "main/blizzard/blizzard_wavs_and_scores"
# Path within the packs: label, attack, language.
FILES = {
    "2008_release_version_1/A/submission_directory/english/full/2008/conv/a_1": (
        ("real", "-", "EN")
    ),
    "2008_release_version_1/C/submission_directory/mandarin/full/2008/news/a_1": (
        ("fake", "2008-C", "ZH")
    ),
    "2010_release_version_1/N/submission_directory/mandarin/MH1/2010/news/wavs/n_1": (
        ("fake", "2010-N", "ZH")
    ),
    "2010_release_version_1/A/submission_directory/mandarin/MH1/2010/news/wavs/n_1": (
        ("real", "-", "ZH")
    ),
    "2011_release_version_1/B/submission_directory/2011/news/wav/n_1": (
        ("fake", "2011-B", "EN")
    ),
    "2013_release_version_2/B/submission_directory/2013/EH2-English/news/wav/n_1": (
        ("fake", "2013-B", "EN")
    ),
    "2013_release_version_2/K/submission_directory/2013/IH1-Kannada/wiki/wav/k_1": (
        ("fake", "2013-K", "KN")
    ),
    "2013_release_version_2/K/submission_directory/2013/IH2-Bengali/wiki/wav/k_1": (
        ("fake", "2013-K", "BN")
    ),
    "2013_release_version_2/K/submission_directory/2013/IH3-Hindi/wiki/wav/k_1": (
        ("fake", "2013-K", "HI")
    ),
    "2013_release_version_2/K/submission_directory/2013/IH4-Tamil/wiki/wav/k_1": (
        ("fake", "2013-K", "TA")
    ),
    "2013_release_version_2/K/submission_directory/2013/other/wav/k_1": (
        ("fake", "2013-K", "-")
    ),
    "2016_release_version_1/A/submission_directory/2016/audiobook/wav/b_1": (
        ("real", "-", "EN")
    ),
}


def row_id(name):
    """ID of a file of the packs."""
    return "VoiceMOS-" + name.replace("_release_version_", "v").replace("/", "-")


@pytest.fixture
def packs(tmp_path):
    """One file of each kind."""
    folder = tmp_path / "data/VoiceMOS"
    for name in FILES:
        write_audio(folder / f"{PACKS}_{name}.wav", 0.1)
    return folder


def test_rows_of_the_packs(tmp_path, packs):
    rows, summary = prepare("voicemos", tmp_path / "data")
    assert skipped(summary) == {}
    assert decided(rows) == {
        row_id(name): (
            f"VoiceMOS/{PACKS}_{name}.wav",
            *(label, attack, "-", "-", language, "-"),
        )
        for name, (label, attack, language) in FILES.items()
    }


def test_ids_do_not_move_when_a_file_is_added_or_damaged(tmp_path, packs):
    before, _ = prepare("voicemos", tmp_path / "data")
    first = f"{PACKS}_2008_release_version_1/A/submission_directory"
    write_audio(packs / first / "english/full/2008/conv/a_0.wav")
    (packs / f"{PACKS}_{next(iter(FILES))}.wav").write_bytes(b"no audio")
    after, summary = prepare("voicemos", tmp_path / "data")
    assert set(before) - set(after) == {row_id(next(iter(FILES)))}
    assert mentions(summary, "conv/a_1.wav")
    assert len(after) == len(before)
    assert all(after[key] == before[key] for key in set(before) & set(after))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("2010_release_version_1/labels/a_1", id="no-system"),
        pytest.param("2010_release_version_1/AB/news/a_1", id="two-letters"),
        pytest.param("2010_release_version_1/a_1", id="depth"),
        pytest.param("2010/A/news/a_1", id="no-pack"),
    ],
)
def test_what_is_of_no_system_is_skipped_and_not_fake(tmp_path, packs, name):
    write_audio(packs / f"{PACKS}_{name}.wav")
    for mode in ("complete", "original"):
        rows, summary = prepare("voicemos", tmp_path / "data", mode=mode)
        assert len(rows) == len(FILES)
        assert list(skipped(summary)) == [f"{PACKS}_{name}.wav"]


def test_only_the_mode_original_misses_other_formats(tmp_path, packs):
    write_audio(packs / f"{PACKS}_2011_release_version_1/C/news/n_1.flac")
    complete, _ = prepare("voicemos", tmp_path / "data")
    original, _ = prepare("voicemos", tmp_path / "data", mode="original")
    assert set(complete) - set(original) == {"VoiceMOS-2011v1-C-news-n_1"}


# Two published names, of the systems A and B of 2008, and one of another source.
BVCC = {
    "sys64e2f-utt491a78a": ("real", "-"),
    "sys7ab3c-utt1417b69": ("fake", "2008-B"),
    "sysfffff-utt0123abc": ("fake", "sysfffff"),
}


@pytest.mark.parametrize("top", ["main/", ""], ids=["archive", "inner"])
def test_rows_of_bvcc(tmp_path, top):
    for name in BVCC:
        write_audio(tmp_path / f"data/VoiceMOS/{top}DATA/wav/{name}.wav")
    rows, summary = prepare("voicemos", tmp_path / "data", layout="bvcc")
    assert skipped(summary) == {}
    assert decided(rows) == {
        f"VoiceMOS-{name}": (
            f"VoiceMOS/{top}DATA/wav/{name}.wav",
            *(label, attack, "-", "-", "EN", "-"),
        )
        for name, (label, attack) in BVCC.items()
    }


def test_a_foreign_name_in_bvcc_is_skipped(tmp_path):
    folder = tmp_path / "data/VoiceMOS/main/DATA/wav"
    write_audio(folder / "sys64e2f-utt491a78a.wav")
    write_audio(folder / "silence.wav")
    rows, summary = prepare("voicemos", tmp_path / "data", layout="bvcc")
    assert list(rows) == ["VoiceMOS-sys64e2f-utt491a78a"]
    assert list(skipped(summary)) == ["main/DATA/wav/silence.wav"]


@pytest.mark.parametrize(
    ("layout", "wanted", "other"),
    [("blizzard", "main/blizzard", "bvcc"), ("bvcc", "main/DATA/wav", "blizzard")],
)
def test_the_other_layout_stops(tmp_path, layout, wanted, other):
    (tmp_path / "data/VoiceMOS/main").mkdir(parents=True)
    message = f"no folder {wanted}.*--option layout={other}"
    with pytest.raises(LayoutError, match=message):
        prepare("voicemos", tmp_path / "data", layout=layout)
