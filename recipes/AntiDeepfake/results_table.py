"""The tables in the README of the recipe: published results beside those measured here.

    python -m recipes.AntiDeepfake.results_table --results results
    python -m recipes.AntiDeepfake.results_table --results results --write

Prints the tables, or with --write puts them between the markers of the README. They
are made of the code (corpora, cost), of `published.csv`, and of what was measured:

- `<results>/<model>_<stage>[_<note>]/**/metrics.csv`, which evaluate.py wrote, go to
  the row of that model and stage. `<model>` is a name of `lobes.models`, such as
  MMS-300M; `<stage>` one of post-trained-no-rawboost, post-trained,
  post-trained-fine-tuned and fine-tuned; the note is printed with the figure: the
  seed, or whose weights they are.
- `<results>/mini` is what `make demo` wrote; seeds that are not complete are left out.

A cell without a measurement is empty. What is in the folder and in no table is listed
on standard error.

    --results DIR   where the results are; an empty folder gives tables without any
    --write         change the README
    --readme FILE   another file with such markers
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data_prep.files import atomic_path
from recipes.AntiDeepfake.demo import FINETUNING
from recipes.AntiDeepfake.demo_table import demo_table
from recipes.AntiDeepfake.readme_sections import (
    SectionError,
    corpora_table,
    markdown_table,
    replace_sections,
)
from recipes.AntiDeepfake.usage import UsageError, command

__all__ = ["Measured", "main", "mini_section", "paper_section", "read_measured"]

README = Path(__file__).with_name("README.md")
_PUBLISHED = Path(__file__).with_name("published.csv")
#: How a folder is named for a stage of `published.csv`.
STAGES = {
    "post-trained-no-rawboost": "post-trained, no RawBoost",
    "post-trained": "post-trained",
    "post-trained-fine-tuned": "post-trained, fine-tuned",
    "fine-tuned": "fine-tuned",
}
# Title of a table, and the two stages that it has beside one another.
_TABLES = (
    ("Zero-shot", ("post-trained-no-rawboost", "post-trained")),
    (
        "Fine-tuned on Deepfake-Eval-2024",
        ("post-trained-fine-tuned", "fine-tuned"),
    ),
)
_NOTHING = "Nothing was measured with this code yet."


class Measured(NamedTuple):
    """A result of this code.

    Arguments
    ---------
    test_set : str
        Name of the list.
    model : str
        Name of the SSL model.
    stage : str
        A key of `STAGES`.
    text : str
        EER in per cent with its interval, and the note of the folder.
    """

    test_set: str
    model: str
    stage: str
    text: str


def read_measured(results: Path) -> tuple[list[Measured], list[str]]:
    """Collect what evaluate.py wrote.

    Arguments
    ---------
    results : Path
        See the module.

    Returns
    -------
    measured : list of Measured
        In the order of the folders.
    others : list of str
        Why a folder with metrics is in no table.

    Raises
    ------
    SectionError
        If a `metrics.csv` is not one of evaluate.py.
    """
    from lobes.models import MODELS  # loads nothing heavy, but only this needs it

    measured: list[Measured] = []
    others: list[str] = []
    names = {model.lower(): model for model in MODELS}
    for path in sorted(results.rglob("metrics.csv")):
        folder, *_ = path.relative_to(results).parts
        if folder == "mini":
            continue
        name, stage, note = (*folder.split("_", 2), "", "")[:3]
        if name.lower() not in names or stage not in STAGES:
            others.append(f"{path}: {folder} is not <model>_<stage>[_<note>].")
            continue
        for test_set, eer in _rates(path).items():
            text = f"{eer} ({note})" if note else eer
            measured.append(Measured(test_set, names[name.lower()], stage, text))
    return measured, others


def _rates(path: Path) -> dict[str, str]:
    """EER of all trials by test set, as text."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, str] = {}
    try:
        for row in rows:
            # Of several corpora the pooled row comes last.
            if row["slice"] == "all":
                found[row["set"]] = _interval(row)
    except (KeyError, ValueError, TypeError) as error:
        raise SectionError(
            f"{path}: not a table of evaluate.py ({error}). Evaluate again, or remove "
            "the file."
        ) from None
    return found


def _interval(row: Mapping[str, str]) -> str:
    if row["eer"] == "nan":
        return "one class only"
    rate, low, high = (100 * float(row[key]) for key in ("eer", "eer_low", "eer_high"))
    return f"{rate:.2f} [{low:.2f}, {high:.2f}]"


def paper_section(measured: Sequence[Measured]) -> str:
    """The paper's tables, with what was measured.

    Arguments
    ---------
    measured : list of Measured
        Of any test sets and models; those that the paper has not get rows of their own.

    Returns
    -------
    str
        Markdown.
    """
    published = _published()
    cells: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in measured:
        cells[one.test_set, one.model, one.stage].append(one.text)
    parts = [] if measured else [_NOTHING]
    for title, stages in _TABLES:
        keys = [key[:2] for key in (*published, *cells) if key[2] in stages]
        head = ["test set", "model"]
        for stage in stages:
            head += [f"{STAGES[stage]}: published", "this code"]
        rows = []
        for test_set, model in dict.fromkeys(keys):
            row = [test_set.removeprefix("test_"), model]
            for stage in stages:
                key = (test_set, model, stage)
                row += [published.get(key, "-"), "; ".join(cells[key])]
            rows.append(row)
        table = markdown_table(head, sorted(rows, key=_order), "ll" + "rl" * 2)
        parts.append(f"{title}, EER %:\n\n{table}")
    return "\n\n".join(parts)


def _published() -> dict[tuple[str, str, str], str]:
    """Published EER in per cent, as it is written, by set, model and stage."""
    stages = {text: stage for stage, text in STAGES.items()}
    with open(_PUBLISHED, newline="", encoding="utf-8") as file:
        return {
            (row["set"], row["model"], stages[row["stage"]]): row["eer_percent"]
            for row in csv.DictReader(file)
        }


def _order(row: Sequence[str]) -> tuple[str, int]:
    """Rows by test set, those of pieces by their length; models stay in order."""
    name, _, length = row[0].rpartition("_")
    if length[:-1].isdigit():
        return name, int(length[:-1])
    return row[0], 0


def mini_section(results: Path) -> tuple[str, list[str]]:
    """The table of the demo.

    Arguments
    ---------
    results : Path
        Has `mini/`, which `make demo` wrote, or has not.

    Returns
    -------
    text : str
        Markdown.
    incomplete : list of str
        Seeds that are not in it, and what they lack.
    """
    mini = results / "mini"
    seeds, incomplete = [], []
    for folder in mini.glob("eval/seed*"):
        seed = int(folder.name.removeprefix("seed"))
        tuned = (name.replace(", ", "-") for name in FINETUNING)
        needed = [mini / "audit/audit.csv", folder / "metrics.csv"]
        needed += [mini / f"finetune/{n}/seed{seed}/eval/metrics.csv" for n in tuned]
        missing = [str(path) for path in needed if not path.is_file()]
        if missing:
            incomplete.append(f"mini, seed {seed}: there is no {', '.join(missing)}.")
        else:
            seeds.append(seed)
    if not seeds:
        return _NOTHING, incomplete
    seeds.sort()
    names = " ".join(map(str, seeds))
    table = demo_table(mini, seeds, list(FINETUNING))
    # What the last part says is where the files of the one who ran it are.
    table = table.rpartition("\n\n")[0]
    return f'`make demo SEEDS="{names}"`\n\n```text\n{table}\n```', incomplete


@command(__doc__, (SectionError,))
def main(arguments: list[str]) -> int:
    """Print or write the tables."""
    from recipes.AntiDeepfake.training_cost import cost_table  # needs PyTorch

    parser = argparse.ArgumentParser("recipes.AntiDeepfake.results_table")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--readme", type=Path, default=README)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    if not options.results.is_dir():
        raise UsageError(
            f"--results {options.results}: no such folder. Give the folder that "
            "evaluate.py and `make demo` wrote to; an empty one empties the tables."
        )
    measured, others = read_measured(options.results)
    mini, incomplete = mini_section(options.results)
    sections = {
        "corpora": corpora_table(),
        "cost": cost_table(),
        "results": paper_section(measured),
        "mini": mini,
    }
    for line in (*others, *incomplete):
        print(f"left out: {line}", file=sys.stderr)
    if not options.write:
        print("\n\n".join(sections.values()))
        return 0
    text = replace_sections(options.readme, sections)
    with atomic_path(options.readme) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(
        f"written: {options.readme}; {len(measured)} results in the tables of the paper"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
