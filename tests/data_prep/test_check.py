"""Checks of manifests: what is found, and what is not."""

import csv
import io
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from benchmarks.fingerprint import syllables
from data_prep import check as verb
from data_prep.check import check
from data_prep.findings import Report
from data_prep.manifest import ManifestError
from data_prep.options import UsageError

RATE = 16000


def row(name, **changes):
    """A complete row, of one second of audio."""
    return {
        "ID": name,
        "Label": "real",
        "Duration": "1.00",
        "SampleRate": "16000",
        "Path": f"$ROOT/{name}.wav",
        "Attack": "-",
        "Speaker": "-",
        "Proportion": "-",
        "AudioChannel": "1",
        "AudioEncoding": "PCM_S",
        "AudioBitSample": "16",
        "Language": "EN",
        "Start": "-",
        "Stop": "-",
        "Corpus": "mine",
        "Recording": "-",
    } | changes


def put(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def findings(paths, **options):
    """All findings as a list, written and read again, and the totals."""
    text = io.StringIO()
    totals = check(paths, Report(csv.writer(text)), **options)
    text.seek(0)
    names = ("severity", "kind", "file", "id", "detail")
    return [dict(zip(names, r, strict=True)) for r in csv.reader(text)], totals


def kinds(found):
    return sorted((finding["severity"], finding["kind"]) for finding in found)


def run(*arguments):
    """The verb, as the command line calls it."""
    parser = ArgumentParser()
    verb.add_arguments(parser)
    return verb.run(parser.parse_args([*map(str, arguments), "--workers", "1"]))


def test_sound_lists(tmp_path, capsys):
    put(tmp_path / "train.csv", row("a"), row("b", Label="fake", Duration="3600"))
    put(tmp_path / "test.csv", row("c"))
    assert run(tmp_path) == 0
    header, test, train, _, verdict = capsys.readouterr().out.splitlines()
    assert verdict == "nothing wrong in the rows"
    assert test.split()[1:] == ["test", "1", "0.00", "0.00"]
    assert train.split()[1:] == ["train", "2", "0.00", "1.00"]


def test_every_bad_row_is_listed(tmp_path):
    bad = [
        row("a", Label="spoof"),
        row("b"),
        row("c", Duration="-1"),
        row("d", Speaker="$x"),
        row("", Corpus="x"),
    ]
    path = put(tmp_path / "m.csv", *bad)
    found, totals = findings([path])
    assert kinds(found) == [("error", "row")] * 4
    assert [finding["detail"].partition(":")[0] for finding in found][0].endswith(
        "m.csv, line 2 (ID a)"
    )
    assert totals[0]["rows"] == 5


def test_a_file_with_a_broken_line(tmp_path):
    path = put(tmp_path / "train.csv", row("a"), row("b"))
    path.write_text(path.read_text() + "c,real\n")
    found, totals = findings([path, put(tmp_path / "test.csv", row("d"))])
    assert kinds(found) == [("error", "row")] and "line 4" in found[0]["detail"]
    assert [Path(total["file"]).name for total in totals] == ["test.csv"]


def test_an_empty_manifest_is_an_error(tmp_path):
    path = put(tmp_path / "m.csv", row("a"))
    path.write_text(path.read_text().partition("\n")[0] + "\n")
    assert kinds(findings([path])[0]) == [("error", "row")]


def test_folders_are_searched_and_other_files_named(tmp_path):
    put(tmp_path / "A/A_EN_train.csv", row("a"))
    put(tmp_path / "B/B.csv", row("b"))
    (tmp_path / "A/skipped.csv").write_text("what,reason\nx,y\n")
    found, totals = findings([tmp_path])
    assert [Path(total["file"]).name for total in totals] == ["A_EN_train.csv", "B.csv"]
    assert kinds(found) == [("warning", "other file")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="no manifest in this folder"):
        findings([tmp_path / "empty"])


def test_a_column_without_name_is_named(tmp_path):
    found, _ = findings([put(tmp_path / "m.csv", {"": "0"} | row("a"))])
    assert kinds(found) == [("error", "row")] and "has no name" in found[0]["detail"]


def test_a_folder_called_as_a_manifest_is_none(tmp_path):
    put(tmp_path / "m.csv", row("a"))
    (tmp_path / "old.csv").mkdir()
    assert findings([tmp_path])[0] == []


def test_repeated_ids_in_a_file_are_errors(tmp_path):
    path = put(tmp_path / "m.csv", row("a"), row("b"), row("a"))
    found, _ = findings([path])
    assert kinds(found) == [("error", "repeated ID")] and found[0]["id"] == "a"


def test_repeated_ids_across_files(tmp_path):
    one = put(tmp_path / "test.csv", row("a"), row("b"))
    two = put(tmp_path / "test_x.csv", row("a"), row("b", Duration="2"))
    found, _ = findings([one, two])
    assert {finding["id"]: finding["severity"] for finding in found} == {
        "a": "warning",
        "b": "error",
    }
    assert str(one) in found[0]["file"] and str(two) in found[0]["file"]


def test_lists_of_which_one_has_the_other_are_told_once(tmp_path):
    rows = [row(f"r{i}") for i in range(20)]
    put(tmp_path / "test.csv", *rows)
    put(tmp_path / "test_A.csv", *rows[:8])
    put(tmp_path / "test_B.csv", *rows[7:15], row("other"))
    found, _ = findings([tmp_path])
    kind = "rows in two lists"
    assert kinds(found) == [("note", kind), ("warning", kind), ("warning", kind)]
    details = [finding["detail"].partition(";")[0] for finding in found]
    assert details == [
        "all 8 rows of test_A.csv are in the other list",
        "8 rows, such as this one, are in both",
        "1 rows, such as this one, are in both",
    ]
    assert [finding["id"] for finding in found] == ["r0", "r10", "r7"]
    # What is really wrong is not hidden by that.
    put(tmp_path / "test_B.csv", *rows)
    found, _ = findings([tmp_path])
    assert kinds(found)[2:] == [("warning", kind)], "a list that is there twice"
    put(tmp_path / "test_A.csv", *rows[:8], rows[0], row("r1", Duration="2"))
    found, _ = findings([tmp_path])
    errors = [finding["id"] for finding in found if finding["severity"] == "error"]
    assert errors == ["r0", "r1"]


def test_a_list_that_has_another_is_nothing_wrong(tmp_path, capsys):
    put(tmp_path / "test.csv", row("a"), row("b"))
    put(tmp_path / "test_A.csv", row("a"))
    assert run(tmp_path) == 0
    *_, note, example, verdict = capsys.readouterr().out.splitlines()
    assert note == "note: rows in two lists: 1"
    assert "all 1 rows of test_A.csv are in the other list" in example
    assert verdict == "nothing wrong in the rows"


@pytest.mark.parametrize(
    "first, second",
    [
        pytest.param("train.csv", "more.csv", id="purpose not known"),
        pytest.param("A/train.csv", "B/test.csv", id="folders apart"),
    ],
)
def test_rows_in_lists_that_are_not_compared_are_told(tmp_path, first, second):
    put(tmp_path / first, row("a"), row("b"))
    put(tmp_path / second, row("a"), row("c"))
    found, _ = findings([tmp_path])
    assert kinds(found) == [("warning", "rows in two lists")]


def test_ids_that_differ_by_case_only(tmp_path):
    put(tmp_path / "m.csv", row("CodecF-a"), row("Codecf-a"), row("Codecf-b"))
    found, _ = findings([tmp_path])
    assert kinds(found) == [("warning", "case of IDs")]
    assert found[0]["detail"].startswith("differs from Codecf-a in upper and lower")


@pytest.mark.parametrize(
    "train, test, expected",
    [
        ({}, {}, [("error", "leak: ID"), ("error", "leak: audio")]),
        ({"ID": "x"}, {}, [("error", "leak: audio")]),
        (
            {"Path": "$ROOT/x.wav"},
            {},
            [("error", "leak: ID"), ("error", "repeated ID")],
        ),
        (
            {"ID": "x", "Start": "0", "Stop": "1"},
            {"Start": "0", "Stop": "1"},
            [("error", "leak: piece")],
        ),
        ({"ID": "x", "Start": "1", "Stop": "2"}, {"Start": "0", "Stop": "1"}, []),
        (
            {"ID": "x", "Path": "y", "Recording": "r"},
            {"Recording": "r"},
            [("error", "leak: recording")],
        ),
        (
            {"ID": "x", "Path": "y", "Recording": "r", "Corpus": "other"},
            {"Recording": "r"},
            [],
        ),
        (
            {"ID": "x", "Path": "y", "Speaker": "s"},
            {"Speaker": "s"},
            [("warning", "leak: speaker")],
        ),
        (
            {"ID": "x", "Path": "y", "Speaker": "s", "Corpus": "mine-Vocoded"},
            {"Speaker": "s"},
            [("warning", "leak: speaker")],
        ),
        (
            {"ID": "x", "Path": "y", "Recording": "r", "Corpus": "mine-Vocoded"},
            {"Recording": "r"},
            [("error", "leak: recording")],
        ),
        (
            {"ID": "x", "Path": "y", "Recording": "a", "Corpus": "other"},
            {},
            [("error", "leak: source")],
        ),
    ],
    ids="row path id piece other-piece recording other-corpus speaker speaker-of-copy "
    "recording-of-copy source".split(),
)
def test_leaks(tmp_path, train, test, expected):
    paths = [
        put(tmp_path / "train.csv", row("a", **train), row("t")),
        put(tmp_path / "test.csv", row("a", **test), row("e")),
    ]
    found, _ = findings(paths)
    assert kinds(found) == expected
    for finding in found:
        assert "train.csv" in finding["file"] and "test.csv" in finding["file"]


def test_a_leak_names_examples_of_both_lists(tmp_path):
    put(tmp_path / "train.csv", row("t1", Speaker="s"), row("t2", Speaker="s"))
    put(tmp_path / "valid.csv", row("v1", Speaker="s"))
    (finding,) = findings([tmp_path])[0]
    assert "2 of train (such as t1), 1 of valid (such as v1)" in finding["detail"]
    assert finding["id"] == "v1"


def test_lists_of_different_folders_are_not_compared(tmp_path):
    put(tmp_path / "A/A_train.csv", row("a", Speaker="s"))
    put(tmp_path / "B/B_test.csv", row("b", Speaker="s"))
    assert findings([tmp_path])[0] == []
    together, _ = findings([tmp_path / "A/A_train.csv", tmp_path / "B/B_test.csv"])
    assert kinds(together) == [("warning", "leak: speaker")]


def test_leaks_by_lineage(tmp_path):
    put(tmp_path / "train.csv", row("a", Corpus="DECRO", Proportion="train"))
    dev = row("b", Corpus="ASVspoof2019-LA", Proportion="valid")
    put(tmp_path / "valid.csv", dev)
    found, _ = findings([tmp_path])
    assert kinds(found) == [("warning", "lineage: same audio")]
    put(tmp_path / "test.csv", row("c", Corpus="ASVspoof2019-LA", Proportion="train"))
    assert ("error", "lineage: same audio") in kinds(findings([tmp_path])[0])


def test_findings_of_several_kinds_are_counted_and_cut_short(tmp_path, capsys):
    put(tmp_path / "m.csv", *[row(f"r{i}", Label="x") for i in range(8)])
    out = tmp_path / "out" / "found.csv"
    assert run(tmp_path / "m.csv", "--out", out) == 1
    printed = capsys.readouterr()
    assert "error: row: 8" in printed.out and printed.out.endswith("  ...\n")
    assert "8 errors" in printed.err
    with open(out, newline="") as file:
        assert len(list(csv.DictReader(file))) == 8


# Audio


@pytest.fixture
def audio(tmp_path):
    """Write audio below the data folder."""

    def write(name, wav, rate=RATE, **options):
        path = tmp_path / "data" / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, wav, rate, **options)
        return f"$ROOT/{name}"

    return write


def check_audio(tmp_path, *rows, **options):
    path = put(tmp_path / "m.csv", *rows)
    return findings([path], data_folder=str(tmp_path / "data"), **options)[0]


def test_headers_that_agree(tmp_path, audio):
    audio("a.wav", np.zeros(RATE))
    audio("b.flac", np.zeros((12345, 2)))
    other = {"AudioEncoding": "FLAC", "AudioChannel": "2", "Duration": "0.77"}
    rows = [
        row("a"),
        row("p", Path="$ROOT/a.wav", Start="0.5", Stop="0.75", Duration="0.25"),
        row("b", Path="$ROOT/b.flac", **other),
    ]
    assert check_audio(tmp_path, *rows, decode="all") == []


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"SampleRate": "8000"}, "SampleRate is 16000, the row says 8000"),
        ({"AudioChannel": "2"}, "AudioChannel is 1, the row says 2"),
        ({"Duration": "1.02"}, "lasts 1.00 s, the row says 1.02"),
        ({"Start": "0.5", "Stop": "1.5"}, "ends at 1.00 s, before Stop 1.5"),
        ({"Start": "0", "Stop": "0.5"}, "lasts 0.50 s, the row says 1.00"),
        ({"Path": "$ROOT/none.wav"}, "no such file"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_headers_that_do_not_agree(tmp_path, audio, changes, message):
    audio("a.wav", np.zeros(RATE))
    found = check_audio(tmp_path, row("a", **changes), decode="headers")
    assert kinds(found) == [("error", "audio")]
    assert message in found[0]["detail"] and found[0]["id"] == "a"


def test_another_encoding_is_a_warning(tmp_path, audio):
    audio("a.wav", np.zeros(RATE), subtype="FLOAT")
    found = check_audio(tmp_path, row("a"), decode="headers")
    assert kinds(found) == [("warning", "audio storage")]
    assert "stored as PCM_F 32, the row says PCM_S 16" in found[0]["detail"]


def test_damage_behind_the_header_needs_decoding(tmp_path, audio):
    audio("a.flac", syllables(0, 1.0))
    path = tmp_path / "data/a.flac"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    damaged = row("a", Path="$ROOT/a.flac", AudioEncoding="FLAC")
    assert check_audio(tmp_path, damaged, decode="headers") == []
    assert kinds(check_audio(tmp_path, damaged, decode="all")) == [("error", "audio")]


def test_several_processes_find_the_same(tmp_path, audio):
    for i in range(6):
        audio(f"r{i}.wav", np.zeros(RATE + 1000 * (i % 2)))
    rows = [row(f"r{i}") for i in range(6)]
    one = check_audio(tmp_path, *rows, decode="headers")
    two = check_audio(tmp_path, *rows, decode="headers", workers=2)
    assert one == two and [finding["id"] for finding in one] == ["r1", "r3", "r5"]


def test_the_same_audio_under_other_names(tmp_path, audio):
    """Other format, rate, level, begin; and other audio is not taken for the same."""
    voices = [syllables(seed) for seed in range(8)]
    test = [
        row(f"e{i}", Path=audio(f"e{i}.wav", wav), Duration="3.00")
        for i, wav in enumerate(voices[:5])
    ]
    copies = {
        "t0": ("t0.mp3", voices[0], RATE),
        "t1": ("t1.wav", resample_poly(voices[1], 1, 2), RATE // 2),
        "t2": ("t2.flac", 0.05 * voices[2][4000:], RATE),
        "t5": ("t5.wav", voices[5], RATE),
        "t6": ("t6.ogg", voices[6], RATE),
    }
    train = []
    for name, (path, wav, rate) in copies.items():
        seconds = f"{len(wav) / rate:.2f}"
        facts = {"Duration": seconds, "SampleRate": str(rate)}
        train.append(row(name, Path=audio(path, wav, rate), **facts))
    valid = row("v", Path=audio("v.flac", voices[3]), Duration="3.00")
    put(tmp_path / "train.csv", *train)
    put(tmp_path / "valid.csv", valid)
    put(tmp_path / "test.csv", *test)
    paths = [tmp_path / f"{name}.csv" for name in ("train", "valid", "test")]
    found, _ = findings(paths, data_folder=str(tmp_path / "data"), fingerprints=True)
    leaks = [finding for finding in found if finding["kind"] == "leak: fingerprint"]
    assert sorted(finding["id"] for finding in leaks) == ["e0", "e1", "e2", "e3"]
    by_id = {finding["id"]: finding["detail"] for finding in leaks}
    assert "t0.mp3" in by_id["e0"] and "(ID v) of valid" in by_id["e3"]
    others = [
        f for f in found if f["kind"] not in ("leak: fingerprint", "audio storage")
    ]
    assert others == []


def test_fingerprints_decode_all_audio(tmp_path, audio, capsys):
    wav = syllables(0, 1.0)
    for name in "ab":
        audio(f"{name}.flac", wav if name == "a" else syllables(1, 1.0))
        facts = {"Path": f"$ROOT/{name}.flac", "AudioEncoding": "FLAC"}
        put(tmp_path / f"{name}.csv", row(name, **facts))
    path = tmp_path / "data/a.flac"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    lists = [tmp_path / "a.csv", "--data-root", tmp_path / "data"]
    assert run(*lists) == 0, "damage behind the header"
    assert run(*lists, "--fingerprints") == 1
    printed = capsys.readouterr()
    assert "damaged" in printed.out and "nothing to compare: 1" in printed.out
    lists[0] = tmp_path / "b.csv"
    assert run(*lists, "--fingerprints") == 0
    assert run(*lists, "--fingerprints", "--decode", "all") == 0


@pytest.mark.parametrize("decode", ["none", "headers"])
def test_fingerprints_without_decoding_are_a_usage_error(tmp_path, decode):
    with pytest.raises(UsageError, match=f"--decode {decode} forbids"):
        run(tmp_path, "--fingerprints", "--decode", decode)


def test_command(tmp_path, audio):
    audio("a.wav", np.zeros(RATE))
    put(tmp_path / "m.csv", row("a"), row("b"))
    code = (
        "import sys; from argparse import ArgumentParser; from data_prep import check\n"
        "parser = ArgumentParser(); check.add_arguments(parser)\n"
        "code = check.run(parser.parse_args())\n"
        "assert not {'torch', 'speechbrain'} & set(sys.modules); sys.exit(code)"
    )
    arguments = ["m.csv", "--data-root", "data", "--out", "found.csv"]
    arguments += ["--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, "headers are read when the data folder is known"
    assert "error: audio: 1" in done.stdout and "found.csv" in done.stderr
    assert "no such file" in (tmp_path / "found.csv").read_text()
