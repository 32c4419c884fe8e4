"""Put the recipe into a SpeechBrain source tree, as a contributor would.

    python tests/speechbrain_tree.py SPEECHBRAIN

writes `recipes/AntiDeepfake/`, `tests/recipes/AntiDeepfake.csv` and
`tests/recipes/setup/recipes_AntiDeepfake_*/` below SPEECHBRAIN, and nothing else;
what was in these places is replaced. docs/speechbrain.md says what is left to do.
"""

import argparse
import csv
import io
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

from recipes.AntiDeepfake.experiment import BASE, open_experiment

ROOT = Path(__file__).resolve().parents[1]
TABLE = "tests/recipes/AntiDeepfake.csv"
RECIPE = "recipes/AntiDeepfake"
PATH_COLUMNS = ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file")
FOLDERS = ("data_prep", "docs", "lobes", RECIPE)
FILES = (
    *("train.py", "evaluate.py", "score.py", "convert.py", "README.md"),
    *("recipes/__init__.py", "tests/recipe_samples.py", "tests/helpers.py"),
)
# Where the values of a script's experiments are used.
USERS = {
    "train.py": ("train.py", "loaders.py", "brain.py", "command.py"),
    "evaluate.py": ("evaluate.py",),
}
SETUP = f"""#!/bin/sh
# The tiny corpus and models that the debug flags name.
[ -e tests/tmp/detector ] || python {RECIPE}/tests/recipe_samples.py tests/tmp
"""


def put_into(speechbrain: Path) -> Path:
    """Write the recipe into a SpeechBrain source tree.

    Arguments
    ---------
    speechbrain : Path
        The tree; it has `recipes/` and `tests/recipes/`.

    Returns
    -------
    Path
        The folder of the recipe.

    Raises
    ------
    FileNotFoundError
        If that is no SpeechBrain source tree.
    """
    for folder in ("recipes", "tests/recipes"):
        if not (speechbrain / folder).is_dir():
            raise FileNotFoundError(
                f"{speechbrain}: it has no {folder}. Give the root of a SpeechBrain "
                "source tree."
            )
    target = speechbrain / RECIPE
    shutil.rmtree(target, ignore_errors=True)
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for name in FILES:
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    for name in USERS:
        (target / name).write_text(with_keys(name), encoding="utf-8")
    (target / "hparams").mkdir()
    for path in sorted((ROOT / "hparams").glob("*.yaml")):
        (target / "hparams" / path.name).write_text(one_file(path), encoding="utf-8")
    requirements = _extra_requirements((ROOT / "requirements.txt").read_text())
    (target / "extra_requirements.txt").write_text(requirements)
    rows = _write_table(speechbrain)
    _write_setup(speechbrain, rows)
    return target


def one_file(path: Path) -> str:
    """The text of an experiment, with what it takes from its bases written out.

    SpeechBrain's checks read one file line by line: a key is declared above the lines
    that refer to it, lists are indented, and truth values have capitals.

    Arguments
    ---------
    path : Path
        The HyperPyYAML file.

    Returns
    -------
    str
        HyperPyYAML without `base`.
    """
    text = path.read_text(encoding="utf-8")
    if not re.search(rf"^{BASE}:", text, re.MULTILINE):
        return text
    tree = YAML().load(open_experiment(path))
    _declare_first(tree)
    banner = re.match(r"(#.*\n)*", text)[0]
    body = re.sub(r"\A(#.*\n)+", "", _dump(tree))
    return banner + _tidy(body)


def source(name: str) -> str:
    """The text of a script, or of a module of the recipe."""
    path = ROOT / name
    path = path if path.exists() else ROOT / RECIPE / name
    return path.read_text(encoding="utf-8")


def used_keys(name: str) -> tuple[set[str], set[str]]:
    """Keys that a file takes from its experiment.

    Arguments
    ---------
    name : str
        A script, or a module of the recipe.

    Returns
    -------
    tuple of set
        Keys that have to be there, and keys that are looked for.
    """
    text = source(name)
    required = re.findall(r'\bhparams\["(\w+)"\]|\bself\.hparams\.(\w+)', text)
    optional = re.findall(r'(?:hparams, |\.get\(|_option\()"(\w+)"', text)
    return {one or other for one, other in required}, set(optional)


def with_keys(script: str) -> str:
    """A script that says which keys of its experiments its modules use.

    SpeechBrain looks for the keys in the script only, where its recipes have the
    Brain and the data pipeline as well.

    Arguments
    ---------
    script : str
        `train.py` or `evaluate.py`.

    Returns
    -------
    str
        Its text, with a line of comment for each such key.
    """
    named, lines = set().union(*used_keys(script)), []
    for module in USERS[script][1:]:
        keys = set().union(*used_keys(module)) - named
        lines += [
            f"# hparams.{key} is used in {RECIPE}/{module}" for key in sorted(keys)
        ]
        named |= keys
    before, start, after = source(script).partition("\nimport sys\n")
    return "\n".join([before, *lines, start.lstrip() + after])


def _declare_first(tree: dict) -> None:
    """Move keys that are referred to above their own line."""
    values = {key: _dump({key: value}) for key, value in tree.items()}
    for key in values:
        before = list(tree)[: list(tree).index(key)]
        users = [name for name in before if re.search(rf"<{key}[\[.>]", values[name])]
        if users:
            tree.insert(before.index(users[0]), key, tree.pop(key))


def _tidy(text: str) -> str:
    """Move comments and empty lines, which stayed where values ended once."""
    text = re.sub(r"(?<=\S)(\n {9,}| {3,}| )(?=# )", "  ", text)
    text = re.sub(r"\n\n(?= +[^ #\n])", "\n", text)
    return re.sub(r"(\n .*\n)(?=\w)", r"\1\n", text)


def _dump(tree: dict) -> str:
    """YAML text in SpeechBrain's style."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 4096
    yaml.indent(mapping=4, sequence=6, offset=4)
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()


class _Representer(RoundTripRepresenter):
    """Writes `True`, `False` and `null`."""

    def represent_bool(self, data, anchor=None):
        return self.represent_scalar("tag:yaml.org,2002:bool", str(data))

    def represent_none(self, data):
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(bool, _Representer.represent_bool)
_Representer.add_representer(type(None), _Representer.represent_none)


def _extra_requirements(text: str) -> str:
    """Requirements beside SpeechBrain itself, in the order of its linter."""
    lines = [line for line in text.splitlines() if not line.startswith("speechbrain")]
    comments = [line for line in lines if line.startswith("#")]
    packages = sorted(set(lines) - set(comments), key=str.lower)
    return "\n".join([*comments, *packages]) + "\n"


def _write_table(speechbrain: Path) -> list[dict]:
    """The table of recipe tests, with paths in SpeechBrain's tree."""
    with open(ROOT / TABLE, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row |= {column: f"{RECIPE}/{row[column]}" for column in PATH_COLUMNS}
    with open(speechbrain / TABLE, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _write_setup(speechbrain: Path, rows: list[dict]) -> None:
    """One script for each row makes the samples, before SpeechBrain runs the row."""
    for row in rows:
        script, hparams = Path(row["Script_file"]), Path(row["Hparam_file"])
        folder = str(script.with_suffix("")).replace("/", "_")
        path = speechbrain / "tests/recipes/setup" / folder / f"hparams_{hparams.stem}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SETUP)
        path.chmod(0o755)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("speechbrain_tree.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("speechbrain", type=Path)
    try:
        print(f"recipe: {put_into(parser.parse_args().speechbrain)}")
    except FileNotFoundError as error:
        sys.exit(str(error))
