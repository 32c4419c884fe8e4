"""MLS."""

import pytest
import soundfile
from corpus_checks import decided, left_out, mentions, skipped, write_broken
from corpus_trees import prepare, write_audio, write_text

from data_prep.corpora.base import LayoutError

CLIP = "1001_2001_000327"
LANGUAGES = {
    "mls_dutch": "NL",
    "mls_english": "EN",
    "mls_french": "FR",
    "mls_german": "DE",
    "mls_italian": "IT",
    "mls_polish": "PL",
    "mls_portuguese": "PT",
    "mls_spanish": "ES",
}
WORDS = {"train": "train", "dev": "valid", "test": "test"}


def write_clip(root, part, clip=CLIP, suffix=".flac"):
    speaker, book, _ = clip.split("_")
    path = root / "MLS" / part / "audio" / speaker / book / f"{clip}{suffix}"
    if suffix == ".opus":
        wav = write_audio(path.with_suffix(".wav"))
        samples, rate = soundfile.read(wav)
        soundfile.write(path, samples, rate, format="OGG", subtype="OPUS")
        wav.unlink()
    else:
        write_audio(path)


def row_of(folder, part="train", clip=CLIP, suffix=".flac"):
    speaker, book, _ = clip.split("_")
    return (
        f"MLS/{folder}/{part}/audio/{speaker}/{book}/{clip}{suffix}",
        *("real", "-", speaker, WORDS[part]),
        LANGUAGES[folder.removesuffix("_opus")],
        "-",
    )


def test_all_eight_languages(tmp_path):
    for folder in LANGUAGES:
        write_clip(tmp_path / "data", f"{folder}/train")
    rows, summary = prepare("mls", tmp_path / "data")
    assert decided(rows) == {
        f"MLS-{language}-{CLIP}": row_of(folder)
        for folder, language in LANGUAGES.items()
    }
    assert summary["skipped"] == []


def test_original_has_six_languages(tmp_path):
    for folder in LANGUAGES:
        write_clip(tmp_path / "data", f"{folder}/train")
    rows, summary = prepare("mls", tmp_path / "data", mode="original")
    languages = {row["Language"] for row in rows.values()}
    assert languages == {"NL", "EN", "FR", "DE", "IT", "ES"}
    assert list(left_out(summary)) == ["mls_polish", "mls_portuguese"]


@pytest.mark.parametrize("part", list(WORDS))
def test_split(tmp_path, part):
    write_clip(tmp_path / "data", f"mls_german/{part}")
    rows, _ = prepare("mls", tmp_path / "data")
    assert decided(rows) == {f"MLS-DE-{CLIP}": row_of("mls_german", part)}


def test_transcripts_are_the_list(tmp_path):
    root = tmp_path / "data"
    write_clip(root, "mls_italian/dev")
    write_clip(root, "mls_italian/dev", "1002_2002_000010")
    transcripts = root / "MLS/mls_italian/dev/transcripts.txt"
    # A byte order mark, text that is not UTF-8, no newline at the end.
    transcripts.write_bytes(
        b"\xef\xbb\xbf1001_2001_000327\tperch\xe8 no\n1002_2002_000010\tno"
    )
    rows, summary = prepare("mls", root)
    assert decided(rows) == {
        f"MLS-IT-{CLIP}": row_of("mls_italian", "dev"),
        "MLS-IT-1002_2002_000010": row_of("mls_italian", "dev", "1002_2002_000010"),
    }
    assert summary["skipped"] == []


def test_clip_of_the_transcripts_without_file_is_listed(tmp_path):
    root = tmp_path / "data"
    write_clip(root, "mls_dutch/test")
    write_text(
        root / "MLS/mls_dutch/test/transcripts.txt",
        f"{CLIP}\tja",
        "1002_2002_000010\tnee",
    )
    rows, summary = prepare("mls", root)
    assert list(rows) == [f"MLS-NL-{CLIP}"]
    assert mentions(summary, "test/audio/1002/2002/1002_2002_000010.flac")


@pytest.mark.parametrize(
    "line", [f"{CLIP} no tab", "1001_2001\ttoo short"], ids=["no tab", "name"]
)
def test_transcripts_of_another_form_are_refused(tmp_path, line):
    root = tmp_path / "data"
    write_clip(root, "mls_dutch/test")
    transcripts = root / "MLS/mls_dutch/test/transcripts.txt"
    write_text(transcripts, f"{CLIP}\tja", line)
    with pytest.raises(LayoutError, match=r"transcripts\.txt, line 2"):
        prepare("mls", root)


@pytest.mark.parametrize("transcribed", [False, True], ids=["files", "transcripts"])
def test_opus_release(tmp_path, transcribed):
    root = tmp_path / "data"
    write_clip(root, "mls_polish_opus/train", suffix=".opus")
    if transcribed:
        write_text(
            root / "MLS/mls_polish_opus/train/transcripts.txt", f"{CLIP}\tproszę"
        )
    rows, _ = prepare("mls", root)
    name = f"MLS-PL-{CLIP}"
    assert decided(rows) == {name: row_of("mls_polish_opus", suffix=".opus")}
    assert rows[name]["AudioEncoding"] == "OPUS"


@pytest.mark.parametrize("mode", ["complete", "original"])
def test_opus_beside_flac_gives_no_second_rows(tmp_path, mode):
    root = tmp_path / "data"
    write_clip(root, "mls_german/train")
    write_clip(root, "mls_german_opus/train", suffix=".opus")
    rows, summary = prepare("mls", root, mode=mode)
    assert decided(rows) == {f"MLS-DE-{CLIP}": row_of("mls_german")}
    assert summary["skipped"] == []
    assert list(left_out(summary)) == ["mls_german_opus"]


def test_original_does_not_read_opus(tmp_path):
    root = tmp_path / "data"
    write_clip(root, "mls_german_opus/train", suffix=".opus")
    rows, summary = prepare("mls", root, mode="original")
    assert rows == {} and list(left_out(summary)) == ["mls_german_opus"]


def test_unknown_language_never_inherits_one(tmp_path):
    root = tmp_path / "data"
    write_clip(root, "mls_italian/train")
    write_clip(root, "mls_klingon/train", "1002_2002_000010")
    rows, summary = prepare("mls", root)
    assert list(rows) == [f"MLS-IT-{CLIP}"]
    assert list(skipped(summary)) == ["mls_klingon"]


def test_unknown_split_is_skipped(tmp_path):
    root = tmp_path / "data"
    write_clip(root, "mls_italian/train")
    write_clip(root, "mls_italian/extra", "1002_2002_000010")
    rows, summary = prepare("mls", root)
    assert list(rows) == [f"MLS-IT-{CLIP}"]
    assert list(skipped(summary)) == ["mls_italian/extra"]


def test_file_with_another_name_is_skipped(tmp_path):
    root = tmp_path / "data"
    write_clip(root, "mls_italian/train")
    write_audio(root / "MLS/mls_italian/train/audio/1001/2001/copy.flac")
    rows, summary = prepare("mls", root)
    assert list(rows) == [f"MLS-IT-{CLIP}"]
    assert list(skipped(summary)) == ["mls_italian/train/audio/1001/2001/copy.flac"]


def test_unreadable_file_is_listed(tmp_path):
    root = tmp_path / "data"
    write_clip(root, "mls_italian/train")
    write_broken(root / "MLS/mls_italian/train/audio/1/2/1_2_000003.flac")
    rows, summary = prepare("mls", root)
    assert list(rows) == [f"MLS-IT-{CLIP}"]
    assert mentions(summary, "mls_italian/train/audio/1/2/1_2_000003.flac")
