"""Manners of `python -m data_prep`: help, exit codes, messages."""

import subprocess
import sys
from argparse import Namespace

import pytest

from data_prep import __main__ as cli
from data_prep.audio_info import AudioError
from data_prep.corpora.base import LayoutError
from data_prep.manifest import ManifestError


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


@pytest.mark.parametrize("error", [AudioError, LayoutError, ManifestError])
def test_a_new_verb_is_one_line(monkeypatch, capsys, error):
    def fail(arguments):
        raise error("m.csv, line 2")

    module = Namespace(add_arguments=lambda parser: parser.add_argument("x"), run=fail)
    monkeypatch.setitem(cli.VERBS, "shard", ("tests.shard", "cut into shards"))
    monkeypatch.setitem(sys.modules, "tests.shard", module)
    assert cli.main(["shard", "1"]) == 1
    assert capsys.readouterr().err == "error: m.csv, line 2\n"


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
