"""SpeechBrain's rules for recipes, on this tree.

They are those of its `tests/consistency` (https://github.com/speechbrain/speechbrain):
every experiment is listed in `tests/recipes/AntiDeepfake.csv`, what is listed exists,
YAML and script agree, everything public has a docstring, links are in the README; and
the debug flags run.
"""

import ast
import csv
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from helpers import ROOT, run_python
from speechbrain.utils.run_opts import RunOptions

from recipes.AntiDeepfake.experiment import open_experiment, read_experiment

COLUMNS = (
    *("Task", "Dataset", "Script_file", "Hparam_file", "Data_prep_file"),
    *("Readme_file", "Result_url", "HF_repo", "test_debug_flags"),
    *("test_debug_checks", "performance"),
)
TABLE = ROOT / "tests" / "recipes" / "AntiDeepfake.csv"
with open(TABLE, newline="") as file:
    ROWS = list(csv.DictReader(file))
IDS = [Path(row["Hparam_file"]).stem for row in ROWS]
# Where the values of a script's experiments are used.
USERS = {
    "train.py": ("train.py", "loaders.py", "brain.py", "command.py"),
    "evaluate.py": ("evaluate.py",),
}
each_row = pytest.mark.parametrize("row", ROWS, ids=IDS)


def source(name):
    """The text of a script, or of a module of the recipe."""
    path = ROOT / name
    return (path if path.exists() else ROOT / "recipes/AntiDeepfake" / name).read_text()


def used_keys(script):
    """Keys that code takes from its experiment, and those that it looks for if any."""
    text = "\n".join(source(name) for name in USERS[script])
    required = re.findall(r'\bhparams\["(\w+)"\]|\bself\.hparams\.(\w+)', text)
    optional = re.findall(r'(?:hparams, |\.get\(|_option\()"(\w+)"', text)
    return {one or other for one, other in required}, set(optional)


def unused_keys(hparams_file, script):
    """Keys of an experiment that no code and no other key refers to."""
    text = open_experiment(hparams_file).getvalue()
    keys = re.findall(r"^(\w+):", text, re.MULTILINE)
    referred = set(re.findall(r"<(\w+)", text))
    options = {field.name for field in fields(RunOptions)}
    required, optional = used_keys(script)
    known = required | optional | referred | options
    return [key for key in keys if key not in known and not key.startswith("__")]


def missing_keys(hparams_file, script):
    """Keys that the code takes, but the experiment does not have."""
    text = open_experiment(hparams_file).getvalue()
    return used_keys(script)[0] - set(re.findall(r"^(\w+):", text, re.MULTILINE))


def undocumented(path):
    """Public functions, methods and classes of a file that have no docstring."""
    tree = ast.parse(path.read_text(), str(path))
    found = [] if ast.get_docstring(tree) or not tree.body else [path.stem]
    inner = [tree]
    while inner:
        for node in inner.pop().body:
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                continue
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                inner.append(node)
            if not (node.name.startswith("_") or ast.get_docstring(node)):
                found.append(node.name)
    return found


def missing_links(row, readme):
    """Links of a row that its README does not have."""
    links = f"{row['Result_url']} {row['HF_repo']}".split()
    return [link for link in links if link not in readme]


class TestTable:
    def test_columns(self):
        with open(TABLE, newline="") as file:
            assert next(csv.reader(file)) == list(COLUMNS)

    def test_every_experiment_is_listed_once(self):
        listed = [row["Hparam_file"] for row in ROWS]
        assert listed == sorted(
            str(file.relative_to(ROOT)) for file in (ROOT / "hparams").glob("*.yaml")
        )

    @each_row
    def test_what_is_listed_exists(self, row):
        for column in ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file"):
            assert (ROOT / row[column]).is_file(), column
        assert row["test_debug_flags"] and row["test_debug_checks"]

    @each_row
    def test_links_are_in_the_readme(self, row):
        assert missing_links(row, (ROOT / row["Readme_file"]).read_text()) == []

    def test_a_missing_link_is_found(self):
        row = {"Result_url": "", "HF_repo": "https://a.example/x https://a.example/y"}
        assert missing_links(row, "see https://a.example/x") == ["https://a.example/y"]


class TestKeys:
    @each_row
    def test_every_key_is_used(self, row):
        assert unused_keys(ROOT / row["Hparam_file"], row["Script_file"]) == []

    @each_row
    def test_every_key_that_is_used_is_declared(self, row):
        missing = missing_keys(ROOT / row["Hparam_file"], row["Script_file"])
        assert missing == set()

    @each_row
    def test_modules_of_the_brain_are_declared(self, row):
        if row["Script_file"] != "train.py":
            return
        used = set(re.findall(r"self\.modules\.(\w+)", source("brain.py")))
        used = {name for name in used if not hasattr(torch.nn.ModuleDict, name)}
        given = "data_folder: /data"
        declared = read_experiment(ROOT / row["Hparam_file"], given)["modules"]
        assert used and used <= set(declared)

    def test_what_is_wrong_is_found(self, tmp_path):
        text = open_experiment(ROOT / "hparams" / "posttrain_mini.yaml").getvalue()
        text = text.replace("train_csv: ", "train_list: ", 1)
        text = text.replace("<train_csv>", "<train_list>").replace("seed: 0", "x: 0", 1)
        (tmp_path / "odd.yaml").write_text(f"{text}\nleft_over: 1\n")
        assert unused_keys(tmp_path / "odd.yaml", "train.py") == ["x", "left_over"]
        assert missing_keys(tmp_path / "odd.yaml", "train.py") == {"train_csv", "seed"}


class TestDocstrings:
    FILES = sorted(
        file
        for pattern in ("*.py", "data_prep/**/*.py", "lobes/*.py", "recipes/**/*.py")
        for file in ROOT.glob(pattern)
    )

    @pytest.mark.parametrize(
        "path", FILES, ids=lambda path: str(path.relative_to(ROOT).with_suffix(""))
    )
    def test_everything_public_has_one(self, path):
        assert undocumented(path) == []

    def test_a_missing_one_is_found(self, tmp_path):
        code = '"""m"""\nclass A:\n  """a"""\n  def b(self): ...\n  def _c(self): ...'
        (tmp_path / "m.py").write_text(code)
        assert undocumented(tmp_path / "m.py") == ["b"]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A folder with `tests/tmp`, as the debug flags want it."""
    folder = tmp_path_factory.mktemp("samples")
    run_python("tests/recipe_samples.py", folder / "tests" / "tmp")
    return folder


# One for each structure runs always; all of them, in some minutes, with ALL_RECIPES=1.
ALWAYS = ("posttrain_w2v_small", "finetune_df2024_xls_r_1b", "eval_df2024")
WANTED = IDS if os.environ.get("ALL_RECIPES") else ALWAYS


@pytest.mark.slow
@pytest.mark.parametrize("row", [ROWS[IDS.index(name)] for name in WANTED], ids=WANTED)
def test_debug_flags_run(row, samples, tmp_path):
    script, hparams = ROOT / row["Script_file"], ROOT / row["Hparam_file"]
    flags = [f"--output_folder={tmp_path}", *row["test_debug_flags"].split()]
    done = subprocess.run(
        [sys.executable, script, hparams, *flags],
        cwd=samples,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"file_exists=\[(.*?)\]", row["test_debug_checks"])
    for name in found[1].split(","):
        assert (tmp_path / name).is_file(), name
    performance = re.search(
        r"performance_check=\[(.*?), (.*?), <(.*?), (.*?)\]", row["test_debug_checks"]
    )
    if performance:
        log, name, limit, epoch = performance.groups()
        lines = (tmp_path / log).read_text().splitlines()
        line = next(line for line in lines if line.startswith(f"{epoch},"))
        assert float(re.search(rf"{name}: ([\d.e+-]+)", line)[1]) < float(limit)
