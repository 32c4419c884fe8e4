"""CVoiceFake (large)."""

import pytest
from corpus_checks import facts, left_out, mentions, recordings, skipped
from corpus_trees import prepare, write_audio

from data_prep.corpora.base import LayoutError

GENERATORS = (
    "griffin_lim",
    "vctk_multi_band_melgan.v2",
    "vctk_parallel_wavegan.v1",
    "vctk_style_melgan.v1",
    "world",
)
CLIPS = {
    "DE": "common_voice_de_10000001",
    "EN": "common_voice_en_10000003",
    "FR": "common_voice_fr_10000004",
    "IT": "common_voice_it_10000005",
    "CN": "common_voice_zh-CN_10000002",
}


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "data/CVoiceFake/CVoiceFake_Large"
    for country, clip in CLIPS.items():
        write_audio(folder / f"{country}/Bonafide/{clip}.mp3", 0.2, 32000)
    for generator in GENERATORS:
        name = f"DE/{generator}_generated/{CLIPS['DE']}_Gen.mp3"
        write_audio(folder / name, 0.2, 24000)
    write_audio(folder / f"CN/world_generated/{CLIPS['CN']}_Gen.mp3", 0.2, 24000)
    return folder


def expected():
    root = "$ROOT/CVoiceFake/CVoiceFake_Large"
    languages = {"CN": "ZH"}
    fakes = [("DE", generator) for generator in GENERATORS] + [("CN", "world")]
    rows = {
        f"CVoice-{country}-Bonafide-{clip}": (
            "real",
            "-",
            "-",
            "-",
            languages.get(country, country),
            f"{root}/{country}/Bonafide/{clip}.mp3",
        )
        for country, clip in CLIPS.items()
    }
    for country, generator in fakes:
        clip = f"{CLIPS[country]}_Gen"
        rows[f"CVoice-{country}-{generator}_generated-{clip}"] = (
            "fake",
            generator,
            "-",
            "-",
            languages.get(country, country),
            f"{root}/{country}/{generator}_generated/{clip}.mp3",
        )
    return rows


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_every_row(corpus, mode):
    rows, summary = prepare("cvoicefake", corpus.parents[1], mode)
    assert facts(rows) == expected()
    assert {row["AudioEncoding"] for row in rows.values()} == {"MP3"}
    assert skipped(summary) == {}


def test_copies_share_the_recording(corpus):
    rows, _ = prepare("cvoicefake", corpus.parents[1])
    german = {source for name, source in recordings(rows).items() if "-DE-" in name}
    assert german == {CLIPS["DE"]}


@pytest.mark.parametrize(("choice", "extra"), [({}, 0), ({"diffwave": "yes"}, 1)])
def test_later_update_is_a_choice(corpus, choice, extra):
    write_audio(corpus / f"EN/diffwave_generated/{CLIPS['EN']}_Gen.mp3")
    rows, summary = prepare("cvoicefake", corpus.parents[1], **choice)
    assert len(rows) == len(expected()) + extra
    assert [row["Attack"] for row in rows.values()].count("diffwave") == extra
    assert skipped(summary) == {}
    assert len(left_out(summary)) == 1 - extra


def test_no_extension_is_passed_over(corpus):
    write_audio(corpus / "FR/world_generated/common_voice_fr_1_Gen.wav")
    upper = write_audio(corpus / "IT/world_generated/common_voice_it_1_Gen.mp3")
    upper.rename(upper.with_suffix(".MP3"))
    rows, _ = prepare("cvoicefake", corpus.parents[1])
    assert len(rows) == len(expected()) + 2


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("ES/Bonafide/a.mp3", "'ES' is not one of DE, EN"),
        ("DE/hifigan_generated/a_Gen.mp3", "'hifigan_generated' is not one of"),
        ("DE/a.mp3", "not in <language>/"),
    ],
    ids=["language", "generator", "depth"],
)
def test_unknown_folder_is_listed(corpus, path, reason):
    write_audio(corpus / path)
    rows, summary = prepare("cvoicefake", corpus.parents[1])
    assert len(rows) == len(expected())
    assert reason in skipped(summary)[f"CVoiceFake_Large/{path}"]


def test_missing_language_stops(corpus):
    (corpus / "IT").rename(corpus / "it_")
    with pytest.raises(LayoutError, match="no folder CVoiceFake_Large/IT or IT"):
        prepare("cvoicefake", corpus.parents[1])


def test_archive_directly_in_the_data_folder(corpus):
    corpus.rename(corpus.parents[1] / "CVoiceFake_Large")
    corpus.parent.rmdir()
    rows, _ = prepare("cvoicefake", corpus.parents[1])
    assert len(rows) == len(expected())


def test_unreadable_file_is_listed(corpus):
    path = f"EN/Bonafide/{CLIPS['EN']}.mp3"
    (corpus / path).write_bytes(b"no audio")
    rows, summary = prepare("cvoicefake", corpus.parents[1])
    assert len(rows) == len(expected()) - 1
    assert mentions(summary, path)
