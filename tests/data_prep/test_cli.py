"""Manners of `python -m data_prep`: help, exit codes, messages, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

from data_prep import __main__ as cli
from data_prep.audio_info import AudioError
from data_prep.corpora.base import LayoutError
from data_prep.manifest import COLUMNS, ManifestError
from data_prep.options import UsageError
from data_prep.workers import WorkerError

PROJECT = Path(__file__).parents[2]


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "examples:" in printed
    assert all(f"\n    {verb} " in printed for verb in cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_each_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([verb, "--help"])
    assert stop.value.code == 0
    assert f"data_prep {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["unknown"], ["audit"], ["audit", "--what"], ["prepare", "mls"]]
)
def test_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert "error:" in printed.err and not printed.out


def test_failures_are_messages(tmp_path, capsys):
    assert cli.main(["audit", str(tmp_path / "none.csv")]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and "none.csv: cannot be read" in message
    assert "Traceback" not in message


def test_a_missing_data_folder_is_a_message(corpus, capsys):
    assert cli.main(["audit", str(corpus / "valid.csv"), "--workers", "1"]) == 1
    assert "data_folder" in capsys.readouterr().err


@pytest.fixture
def verb(monkeypatch):
    """Put a function in the place of a verb."""

    def put(run):
        module = Namespace(add_arguments=lambda parser: None, run=run)
        monkeypatch.setitem(cli.VERBS, "shard", ("tests.shard", "cut into shards"))
        monkeypatch.setitem(sys.modules, "tests.shard", module)

    return put


def raising(error):
    def run(arguments):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (AudioError("m.csv, line 2"), 1, "error: m.csv, line 2\n"),
        (LayoutError("m.csv, line 2"), 1, "error: m.csv, line 2\n"),
        (ManifestError("m.csv, line 2"), 1, "error: m.csv, line 2\n"),
        (WorkerError("killed"), 1, "error: killed\n"),
        (UsageError("contradiction"), 2, "error: contradiction\n"),
        (OSError(28, "No space left", "a/b"), 1, "error: a/b: cannot be read or writt"),
        (OSError(21, "Is one", ".b.tmp", None, "b"), 1, "error: b: cannot be read or"),
        (KeyboardInterrupt(), 130, "interrupted: shard has replaced no file by half"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_new_verb_is_one_line(verb, capsys, error, code, message):
    verb(raising(error))
    assert cli.main(["shard"]) == code
    assert capsys.readouterr().err.startswith(message)


def test_a_defect_is_not_hidden(verb):
    verb(raising(TypeError("a defect")))
    with pytest.raises(TypeError):
        cli.main(["shard"])


def start(*arguments, **options):
    """The command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "data_prep", *map(str, arguments)]
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


def test_a_reader_that_has_seen_enough(tmp_path):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "data_prep", "list", "--layout"]
    done = subprocess.run(command, cwd=PROJECT, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsdecode(b"na\xff.csv")
    (tmp_path / name).write_text("x")
    (tmp_path / "m.csv").write_text(",".join(COLUMNS) + "\n")
    process = start("check", name, "m.csv", "--out", "found.csv", cwd=tmp_path)
    printed, message = process.communicate()
    assert process.returncode == 1 and b"Traceback" not in message
    assert rb"na\udcff.csv: the header lacks" in printed
    assert rb"na\udcff.csv" in (tmp_path / "found.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_all_processes_without_a_word_too_many(tmp_path, workers):
    row = "{},real,1.0,16000,$ROOT/x.wav,-,-,-,1,PCM_S,16,EN\n"
    paths = []
    for name in "ab":
        paths.append(tmp_path / f"{name}.csv")
        lines = (row.format(f"{name}{number}") for number in range(300_000))
        paths[-1].write_text(",".join(COLUMNS) + "\n" + "".join(lines))
    (tmp_path / "found.csv").write_text("of an earlier run")
    process = start(
        "check", *paths, "--out", tmp_path / "found.csv", "--workers", workers
    )
    while not list(tmp_path.glob(".found.*")):  # it has begun
        time.sleep(0.01)
        assert process.poll() is None
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert message.decode().splitlines() == [
        "interrupted: check has replaced no file by half of one; give the same command "
        "again to finish"
    ]
    assert (tmp_path / "found.csv").read_text() == "of an earlier run"
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv", "found.csv"}


def test_command_line_and_what_it_imports():
    code = (
        "import sys; from data_prep.__main__ import main; import data_prep.audit; "
        "import data_prep.prepare_cli; "
        "sys.exit(sorted({'torch', 'speechbrain', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]", "data_prep must not import torch"
    done = subprocess.run([sys.executable, "-m", "data_prep"], capture_output=True)
    assert done.returncode == 2
