"""SpeechBrain's rules for recipes, on a SpeechBrain tree that the recipe was put into.

They are those of its `tests/consistency` and `tests/utils/recipe_tests.py`
(https://github.com/speechbrain/speechbrain): every YAML is listed in the table, what is
listed exists, each key of a YAML is used, links are in the README, and the debug flags
run and pass their checks. Stricter than there: keys that the code takes are declared,
and everything public has a docstring.
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
from helpers import ROOT
from ruamel.yaml import YAML
from speechbrain.utils.run_opts import RunOptions
from speechbrain_tree import (
    PATH_COLUMNS,
    RECIPE,
    TABLE,
    USERS,
    one_file,
    put_into,
    source,
    used_keys,
    with_keys,
)

from recipes.AntiDeepfake.experiment import open_experiment, read_experiment

COLUMNS = (
    *("Task", "Dataset", "Script_file", "Hparam_file", "Data_prep_file"),
    *("Readme_file", "Result_url", "HF_repo", "test_debug_flags"),
    *("test_debug_checks", "performance"),
)
# YAML that is no experiment; SpeechBrain has a list of such files.
NO_EXPERIMENTS = f"{RECIPE}/data_prep/"
with open(ROOT / TABLE, newline="") as file:
    ROWS = list(csv.DictReader(file))
IDS = [Path(row["Hparam_file"]).stem for row in ROWS]
OPTIONS = {field.name for field in fields(RunOptions)}
each_row = pytest.mark.parametrize("row", ROWS, ids=IDS)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The places of a SpeechBrain source tree that recipes go to, with this one."""
    folder = tmp_path_factory.mktemp("speechbrain")
    (folder / "recipes").mkdir()
    (folder / "tests" / "recipes").mkdir(parents=True)
    put_into(folder)
    return folder


def plain(node):
    """A value of a YAML with its tags, without comments and order of keys."""
    tag = getattr(getattr(node, "tag", None), "value", None)
    if isinstance(node, dict):
        return tag, {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return tag, [plain(value) for value in node]
    return tag, getattr(node, "value", node)


def keys_to_look_for(text):
    """Keys of a YAML that no later line refers to, as SpeechBrain reads it."""
    keys = []
    for line in text.splitlines():
        if line.startswith("#") or not (":" in line or "!ref" in line):
            continue
        if not (line[0] in " \t" or "!!" in line or "!apply" in line):
            keys.append(line.partition(":")[0])
        referred = re.findall(r"<(\w+)", line) if "!ref" in line else []
        keys = [key for key in keys if key not in referred]
    return keys


def not_in_script(yaml, script):
    """Keys of a YAML that SpeechBrain does not find in the text of a script."""
    forms = (
        *('["{}"]', "hparams.{}", "modules.{}"),
        *('attr(self.hparams, "{}', 'hparams.get("{}'),
    )
    return [
        key
        for key in keys_to_look_for(yaml)
        if key not in OPTIONS and not any(form.format(key) in script for form in forms)
    ]


def keys_of_users(script):
    """Keys that a script and its modules take, and those that they look for if any."""
    required, optional = zip(*map(used_keys, USERS[script]), strict=True)
    return set().union(*required), set().union(*optional)


def unused_keys(hparams_file, script):
    """Keys of an experiment that no code and no other key refers to."""
    text = open_experiment(hparams_file).getvalue()
    keys = re.findall(r"^(\w+):", text, re.MULTILINE)
    referred = set(re.findall(r"<(\w+)", text))
    required, optional = keys_of_users(script)
    known = required | optional | referred | OPTIONS
    return [key for key in keys if key not in known and not key.startswith("__")]


def missing_keys(hparams_file, script):
    """Keys that the code takes, but the experiment does not have."""
    text = open_experiment(hparams_file).getvalue()
    return keys_of_users(script)[0] - set(re.findall(r"^(\w+):", text, re.MULTILINE))


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
    def test_columns(self, tree):
        with open(tree / TABLE, newline="") as file:
            assert next(csv.reader(file)) == list(COLUMNS)

    def test_every_experiment_is_listed_once(self):
        listed = [row["Hparam_file"] for row in ROWS]
        assert listed == sorted(
            str(file.relative_to(ROOT)) for file in (ROOT / "hparams").glob("*.yaml")
        )

    def test_every_yaml_of_the_recipe_is_listed(self, tree):
        found = {str(file.relative_to(tree)) for file in tree.glob("recipes/**/*.yaml")}
        found = {name for name in found if not name.startswith(NO_EXPERIMENTS)}
        with open(tree / TABLE, newline="") as file:
            assert found == {row["Hparam_file"] for row in csv.DictReader(file)}

    @each_row
    def test_what_is_listed_exists(self, row, tree):
        for column in PATH_COLUMNS:
            assert (ROOT / row[column]).is_file(), column
            assert (tree / RECIPE / row[column]).is_file(), column
        assert row["test_debug_flags"] and row["test_debug_checks"]

    @each_row
    def test_links_are_in_the_readme(self, row):
        assert missing_links(row, (ROOT / row["Readme_file"]).read_text()) == []

    def test_a_missing_link_is_found(self):
        row = {"Result_url": "", "HF_repo": "https://a.example/x https://a.example/y"}
        assert missing_links(row, "see https://a.example/x") == ["https://a.example/y"]


class TestOneFile:
    @each_row
    def test_means_the_same(self, row, tree):
        written = YAML().load((tree / RECIPE / row["Hparam_file"]).read_text())
        own = YAML().load(open_experiment(ROOT / row["Hparam_file"]))
        assert plain(written) == plain(own)

    @each_row
    def test_has_the_style_of_speechbrain(self, row):
        text = one_file(ROOT / row["Hparam_file"])
        assert text.startswith("# ####")
        # Its yamllint wants capitals.
        assert not re.search(r"[:\[,] *(true|false|yes|no)\b *[,\]#\n]", text)
        assert not re.search(r"^base:|[ \t]$|\t", text, re.MULTILINE)

    def test_a_key_goes_above_what_refers_to_it(self, tmp_path):
        (tmp_path / "base.yaml").write_text("a: !ref <b>/x\nc: 1  # one\n")
        (tmp_path / "own.yaml").write_text("# Own\nbase: base.yaml\nb: true\nc: null\n")
        text = "# Own\nb: True\na: !ref <b>/x\nc: null  # one\n"
        assert one_file(tmp_path / "own.yaml") == text


class TestKeys:
    @each_row
    def test_speechbrain_finds_every_key_in_the_script(self, row, tree):
        files = (row["Hparam_file"], row["Script_file"])
        assert (
            not_in_script(*((tree / RECIPE / name).read_text() for name in files)) == []
        )

    def test_speechbrain_misses_a_key(self):
        yaml = "a: 1\nb: !ref <a>\nc: !ref <d>\nd: 2\nseed: !!int 1\ndebug: False\n"
        assert not_in_script(yaml, 'x = hparams["b"]') == ["c", "d"]
        assert not_in_script(yaml, "x = self.hparams.d + hparams.c, modules.b") == []

    def test_a_script_with_keys_is_the_same_code(self):
        for script in USERS:
            written, own = with_keys(script), source(script)
            assert ast.dump(ast.parse(written)) == ast.dump(ast.parse(own))
        assert "# hparams.crop is used in " in with_keys("train.py")

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


def test_a_folder_that_is_not_speechbrain_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="it has no recipes. Give the root"):
        put_into(tmp_path)


def setup_script(row):
    """Where SpeechBrain looks for what prepares the test of a row."""
    script = f"{RECIPE}/{row['Script_file']}".removesuffix(".py").replace("/", "_")
    hparams = row["Hparam_file"].removesuffix(".yaml").replace("/", "_")
    return f"tests/recipes/setup/{script}/{hparams}"


def run(command, tree):
    """Run a shell command in the root of the tree, as SpeechBrain does."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        shell=True,
        cwd=tree,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(tree / RECIPE)},
        capture_output=True,
        text=True,
    )


def performance_holds(check, folder):
    """Whether a `performance_check` of SpeechBrain's form holds."""
    log, name, limit, epoch = (part.strip() for part in check.split(","))
    lines = (folder / log).read_text().splitlines()
    line = next(line for line in lines if epoch in line)
    value = re.search(rf"{name}\s*:\s*([-+]?\d*\.\d+([eE][-+]?\d+)?)", line)[1]
    assert limit[0] == "<"
    return float(value) < float(limit[1:])


# One for each structure runs always; all of them, in some minutes, with ALL_RECIPES=1.
ALWAYS = ("posttrain_w2v_small", "finetune_df2024_xls_r_1b", "eval_df2024")
WANTED = IDS if os.environ.get("ALL_RECIPES") else ALWAYS


@pytest.mark.slow
@pytest.mark.parametrize("row", [ROWS[IDS.index(name)] for name in WANTED], ids=WANTED)
def test_debug_flags_run(row, tree, tmp_path):
    made = run(setup_script(row), tree)
    assert made.returncode == 0, made.stderr
    checks = row["test_debug_checks"]
    performance = re.search(r"performance_check=\[(.*?)\]", checks)
    script, hparams = f"{RECIPE}/{row['Script_file']}", f"{RECIPE}/{row['Hparam_file']}"
    flags = f"{row['test_debug_flags']} --device=cpu --output_folder={tmp_path}"
    if not performance:
        flags += " --debug --debug_persistently"
    done = run(f"python {script} {hparams} {flags}", tree)
    assert done.returncode == 0, done.stderr
    for name in re.search(r"file_exists=\[(.*?)\]", checks)[1].split(","):
        assert (tmp_path / name).is_file(), name
    assert not performance or performance_holds(performance[1], tmp_path)
