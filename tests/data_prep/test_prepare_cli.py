"""`python -m data_prep prepare` and `list`: reports, exit codes, messages."""

import csv
import io
import json

import pytest
from corpus_trees import write_audio

from data_prep.__main__ import main
from data_prep.corpora import corpus_keys


@pytest.fixture
def root(tmp_path):
    """A data root with a tiny LJSpeech."""
    wavs = tmp_path / "data" / "LJSpeech" / "LJSpeech-1.1" / "wavs"
    for number in range(3):
        write_audio(wavs / f"LJ001-{number:04d}.wav", 0.2, 22050)
    return tmp_path / "data"


@pytest.fixture
def prepare(root, tmp_path, capsys):
    """Run the command; give its exit code and what it printed."""

    def run(*arguments, data_root=root):
        code = main(
            [
                "prepare",
                *arguments,
                *("--data-root", str(data_root), "--out", str(tmp_path / "out")),
                *("--workers", "1"),
            ]
        )
        return code, capsys.readouterr()

    return run


def test_a_report(prepare, tmp_path):
    code, printed = prepare("ljspeech")
    assert code == 0 and printed.err == ""
    lines = printed.out.splitlines()
    assert lines[0].startswith("LJSpeech (complete): 3 real and 0 fake rows")
    assert f"manifests: 1 in {tmp_path / 'out' / 'LJSpeech'}; languages: EN" in lines[1]
    assert any("23.92 published" in line and "DIFFERS" in line for line in lines)
    assert "hours fake" not in printed.out, "nothing is published and nothing found"
    assert (tmp_path / "out/LJSpeech/LJSpeech_EN.csv").exists()


def test_what_is_skipped_makes_it_fail(prepare, root):
    for number in range(5):
        path = root / f"LJSpeech/LJSpeech-1.1/wavs/LJ002-{number:04d}.wav"
        path.write_bytes(b"not audio")
    code, printed = prepare("ljspeech")
    assert code == 1
    assert "skipped: 5" in printed.out and "LJ002-0002.wav: not audio" in printed.out
    assert "LJ002-0004" not in printed.out, "the first few are enough"
    assert "summary.json" in printed.out
    assert "error: ljspeech: not everything could be used" in printed.err


def test_an_absent_corpus_does_not_stop_the_others(prepare, tmp_path):
    code, printed = prepare("wavefake", "ljspeech")
    assert code == 1
    assert "no folder WaveFake" in printed.err
    assert (tmp_path / "out/LJSpeech/summary.json").exists()


def test_a_broken_corpus_does_not_stop_the_others(prepare, root, tmp_path):
    (root / "In-the-Wild").mkdir()
    code, printed = prepare("in_the_wild", "ljspeech")
    assert code == 1
    assert printed.err.startswith("error: in_the_wild: ") and "meta.csv" in printed.err
    assert (tmp_path / "out/LJSpeech/summary.json").exists()


def test_all_means_those_that_are_there(prepare):
    code, printed = prepare("all")
    assert code == 0
    absent = printed.out.split("absent: ")[1].split()
    assert len(absent) == len(corpus_keys()) - 1


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "nowhere: no such folder"),
        (".", "none of wavefake, mls is in it; there is LJSpeech"),
    ],
)
def test_a_wrong_data_root(prepare, root, place, message):
    code, printed = prepare("wavefake", "mls", data_root=root / place)
    assert code == 1 and message in printed.err and printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ljspeeches"], "no corpus 'ljspeeches'; known: "),
        (["ljspeech", "--option", "a"], "write it as NAME=VALUE"),
        (["ljspeech", "--option", "a=b"], "--option a: none of these corpora has it"),
        (["ljspeech", "--option", "min_duration=x"], "a number of seconds"),
        (["ljspeech", "--option", "min_duration=nan"], "a number of seconds"),
    ],
    ids=["corpus", "no value", "unknown option", "bad value", "no number"],
)
def test_commands_that_cannot_be_meant(prepare, arguments, message):
    code, printed = prepare(*arguments)
    assert code == 2 and message in printed.err and printed.out == ""


@pytest.mark.parametrize(
    "arguments", [["--mode", "fast"], ["--workers", "0"], ["--workers", "x"]]
)
def test_usage_errors_of_options(arguments):
    command = ["prepare", "mls", "--data-root", "x", "--out", "y", *arguments]
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 2


def test_options_and_mode_reach_the_corpus(prepare, tmp_path):
    code, _ = prepare("ljspeech", "--option", "min_duration=0.3", "--mode", "original")
    summary = json.loads((tmp_path / "out/LJSpeech/summary.json").read_text())
    assert code == 1 and len(summary["skipped"]) == 3
    assert summary["mode"] == "original"
    assert summary["options"]["min_duration"] == "0.3"


def test_the_list(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{key} " in printed for key in corpus_keys())
    assert "50558.11" in printed


def test_the_list_with_layout(capsys):
    assert main(["list", "mls", "--layout"]) == 0
    printed = capsys.readouterr().out
    assert "mls_<language>" in printed and "min_duration" in printed
    assert "LJSpeech" not in printed


def test_the_list_as_csv(capsys):
    assert main(["list", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sorted(row["key"] for row in rows) == corpus_keys()
    assert all(None not in row and row["licence"] and row["source"] for row in rows)


def test_the_list_of_an_unknown_corpus(capsys):
    assert main(["list", "nothing"]) == 2
    assert "no corpus 'nothing'" in capsys.readouterr().err
