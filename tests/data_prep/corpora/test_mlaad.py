"""MLAAD."""

import pytest
from corpus_checks import decided, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

BARK = "tts_models_multilingual_multi-dataset_bark"
HEADER = (
    "path|original_file|language|is_original_language|duration|training_data|"
    "model_name|architecture|transcript"
)


def write_meta(folder, *files, speaker=""):
    """A meta.csv whose transcripts have quotes without a partner."""
    later = "|reference_speaker" if speaker else ""
    lines = [
        f'./fake/x/y/{name}|en/{name}|x|False|1.0|many|y|Bark|"Quoted, said he'
        + (f"|{speaker}" if later else "")
        for name in files
    ]
    write_text(folder / "meta.csv", HEADER + later, *lines)


@pytest.fixture
def root(tmp_path):
    fake = tmp_path / "data/MLAAD_v5/fake"
    for language in ("ga", "fil"):
        write_audio(fake / language / BARK / "book_09_f000001.wav", 0.2, 24000)
        write_meta(fake / language / BARK, "book_09_f000001.wav")
    write_audio(fake / "zh-cn/tts_models_zh-CN_x/book_02_f000002.wav", 0.2, 22050)
    return tmp_path / "data"


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_rows(root, mode):
    rows, summary = prepare("mlaad", root, mode=mode)
    bark = ("fake", BARK, "-", "-")
    assert decided(rows) == {
        f"MLAAD-ga-{BARK}-book_09_f000001": (
            f"MLAAD_v5/fake/ga/{BARK}/book_09_f000001.wav",
            *(*bark, "GA", "-"),
        ),
        f"MLAAD-fil-{BARK}-book_09_f000001": (
            f"MLAAD_v5/fake/fil/{BARK}/book_09_f000001.wav",
            *(*bark, "FIL", "-"),
        ),
        "MLAAD-ZH-tts_models_zh-CN_x-book_02_f000002": (
            "MLAAD_v5/fake/zh-cn/tts_models_zh-CN_x/book_02_f000002.wav",
            *("fake", "tts_models_zh-CN_x", "-", "-", "ZH", "-"),
        ),
    }
    assert summary["skipped"] == []


def test_both_folders_of_mandarin_are_zh_and_keep_their_ids(root):
    write_audio(root / "MLAAD_v5/fake/zh/tts_models_zh-CN_x/book_02_f000002.wav")
    rows, _ = prepare("mlaad", root)
    mandarin = {name for name, row in rows.items() if row["Language"] == "ZH"}
    assert mandarin == {
        "MLAAD-ZH-tts_models_zh-CN_x-book_02_f000002",
        "MLAAD-zh-tts_models_zh-CN_x-book_02_f000002",
    }


@pytest.mark.parametrize("folder", ["MLAAD_v6", "MLAAD_v10", "MLAAD"])
def test_later_version_with_speakers(tmp_path, folder):
    root = tmp_path / "data"
    model = root / folder / "fake/en/Vendor (Model-3)"
    for name in ("a_1.wav", "b_2.wav"):
        write_audio(model / name)
    write_meta(model, "a_1.wav", speaker="mary_ann")
    rows, summary = prepare("mlaad", root)
    assert decided(rows) == {
        "MLAAD-en-Vendor (Model-3)-a_1": (
            f"{folder}/fake/en/Vendor (Model-3)/a_1.wav",
            *("fake", "Vendor (Model-3)", "mary_ann", "-", "EN", "-"),
        ),
        "MLAAD-en-Vendor (Model-3)-b_2": (
            f"{folder}/fake/en/Vendor (Model-3)/b_2.wav",
            *("fake", "Vendor (Model-3)", "-", "-", "EN", "-"),
        ),
    }
    assert summary["skipped"] == []


def test_version_of_the_paper_comes_first(root):
    write_audio(root / "MLAAD_v6/fake/en/m/a.wav")
    rows, _ = prepare("mlaad", root)
    assert all(row["Path"].startswith("$ROOT/MLAAD_v5/") for row in rows.values())


def test_damaged_meta_file_costs_the_speakers_only(root):
    folder = root / "MLAAD_v5/fake/en/m"
    write_audio(folder / "a.wav")
    write_text(folder / "meta.csv", HEADER, "a.wav|only|three")
    rows, summary = prepare("mlaad", root)
    assert rows["MLAAD-en-m-a"]["Speaker"] == "-"
    assert "not as many fields" in skipped(summary)["fake/en/m/meta.csv"]


def test_folder_that_is_no_language_is_skipped(root):
    write_audio(root / "MLAAD_v5/fake/Klingon/m/a.wav")
    rows, summary = prepare("mlaad", root)
    assert len(rows) == 3
    assert list(skipped(summary)) == ["fake/Klingon"]


def test_file_without_a_model_is_skipped(root):
    write_audio(root / "MLAAD_v5/fake/ga/a.wav")
    rows, summary = prepare("mlaad", root)
    assert len(rows) == 3
    assert list(skipped(summary)) == ["fake/ga/a.wav"]


def test_genuine_speech_beside_it_is_not_read(root):
    write_audio(root / "MLAAD_v5/real/ga/a.wav")
    rows, _ = prepare("mlaad", root)
    assert len(rows) == 3


def test_missing_folder_is_refused(tmp_path):
    (tmp_path / "data/MLAAD_v5").mkdir(parents=True)
    with pytest.raises(LayoutError, match="fake"):
        prepare("mlaad", tmp_path / "data")


def test_unreadable_file_is_listed(root):
    write_broken(root / f"MLAAD_v5/fake/ga/{BARK}/x.wav")
    rows, summary = prepare("mlaad", root)
    assert len(rows) == 3
    assert mentions(summary, f"fake/ga/{BARK}/x.wav")
