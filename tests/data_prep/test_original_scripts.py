"""What the original scripts got wrong in many corpora at once; the page about it."""

import ast
import os
import re
from pathlib import Path

import pytest
from corpus_trees import prepare, write_audio

from data_prep.corpora import corpus_keys, find_corpus
from data_prep.corpora.base import LayoutError
from data_prep.prepare import prepare_corpus

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "original_scripts.md"


def clip(root, number=1):
    return write_audio(root / f"LJSpeech/LJSpeech-1.1/wavs/LJ001-{number:04d}.wav")


@pytest.mark.parametrize("mode", ["complete", "original"])
@pytest.mark.parametrize("key", corpus_keys())
def test_an_empty_folder_gives_no_empty_manifest(tmp_path, key, mode):
    corpus = find_corpus(key)
    folder = tmp_path / "data" / corpus.folders[0]
    folder.mkdir(parents=True)
    with pytest.raises(LayoutError, match=re.escape(str(folder))):
        prepare_corpus(corpus, tmp_path / "data", tmp_path / "out", mode)
    assert list((tmp_path / "out").rglob("*.csv")) == []


@pytest.mark.parametrize("end", ["", "/", "/../LJSpeech", "//"], ids=repr)
def test_the_root_is_cut_off_once_however_it_is_written(tmp_path, end):
    # The name of the root occurs in the path of the file a second time.
    root = tmp_path / "LJSpeech"
    clip(root)
    corpus = find_corpus("ljspeech")
    summary = prepare_corpus(corpus, f"{root}{end}", tmp_path / "out")
    text = (tmp_path / "out/LJSpeech" / summary["manifests"][0]["file"]).read_text()
    assert ",$ROOT/LJSpeech/LJSpeech-1.1/wavs/LJ001-0001.wav," in text
    assert str(tmp_path) not in text


def test_the_working_directory_does_not_matter(tmp_path, monkeypatch):
    clip(tmp_path / "data")
    elsewhere = tmp_path / "elsewhere"
    clip(elsewhere, 2)
    monkeypatch.chdir(elsewhere)
    rows, _ = prepare("ljspeech", tmp_path / "data")
    assert list(rows) == ["LJ-LJ001-0001"]
    assert os.listdir(elsewhere) == ["LJSpeech"], "nothing is written there"


def test_tests_that_the_page_names_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE.read_text("utf-8"))
    assert len(named) > 50
    missing = [
        f"{file}::{name}"
        for file, name in sorted(set(named))
        if not (PROJECT / file).is_file() or name not in functions(PROJECT / file)
    ]
    assert missing == []


def test_every_row_of_the_page_says_what_guards_it():
    rows = re.findall(r"^\| (?!theme).*$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 50
    assert [row for row in rows if "::test_" not in row] == [
        row for row in rows if row.endswith("| by construction |")
    ]


def functions(path):
    """Names of the functions of a test file that pytest runs."""
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
