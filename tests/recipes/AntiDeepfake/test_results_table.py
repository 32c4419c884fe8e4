"""The tables in the README of the recipe are what the code and the results say."""

import csv
import re

import pytest
import torch
from helpers import ROOT
from torch.utils.flop_counter import FlopCounterMode

from data_prep.corpora import corpus_keys, find_corpus
from lobes import pretrained
from lobes.model_table import count_parameters
from lobes.models import MODELS
from recipes.AntiDeepfake.demo import FINETUNING
from recipes.AntiDeepfake.published import published_rates
from recipes.AntiDeepfake.readme_sections import (
    SectionError,
    corpora_table,
    markdown_table,
    replace_sections,
)
from recipes.AntiDeepfake.results_table import (
    README,
    Measured,
    main,
    mini_section,
    paper_section,
    read_measured,
)
from recipes.AntiDeepfake.training_cost import (
    cost_table,
    forward_operations,
    training_cost,
)

COLUMNS = ["set", "corpus", "slice", "real", "fake", "eer", "eer_low", "eer_high"]


def write_metrics(folder, *rows):
    """A `metrics.csv`; rows are test set, corpus, slice and EER."""
    folder.mkdir(parents=True)
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for test_set, corpus, piece, eer in rows:
            writer.writerow([test_set, corpus, piece, 100, 100, eer, eer / 2, 2 * eer])


def cells(table, *beginning):
    """The cells of the one row that begins so."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    (found,) = [row for row in rows if row[: len(beginning)] == list(beginning)]
    return found[len(beginning) :]


def section(name):
    """What the README has between the markers."""
    text = README.read_text(encoding="utf-8")
    (found,) = re.findall(
        rf"<!-- begin: {name}\b[^\n]*-->\n(.*?)<!-- end: {name} -->", text, re.DOTALL
    )
    return found.strip()


def test_the_readme_lists_the_corpora_as_they_are():
    assert section("corpora") == corpora_table()
    for key in corpus_keys():
        name, *_, licence, _ = cells(section("corpora"), f"`{key}`")
        assert (name, licence) == (find_corpus(key).name, find_corpus(key).licence)


def test_the_readme_has_the_cost_as_it_is_computed():
    assert section("cost") == cost_table()


def test_the_readme_has_every_published_figure():
    for name, stage, columns in (
        ("test_In-the-Wild", "post-trained, no RawBoost", "In-the-Wild"),
        ("test_Deepfake-Eval-2024_30s", "fine-tuned", "Deepfake-Eval-2024_30s"),
    ):
        column = 0 if stage == "post-trained, no RawBoost" else 2
        rates = [one for one in published_rates(name) if one.stage == stage]
        assert len(rates) in (5, 7)
        for rate in rates:
            row = cells(section("results"), columns, rate.model)
            assert row[column] == f"{100 * rate.eer:.2f}"
    figures = re.findall(r"\| (\d+\.\d\d) (?=\|)", section("results"))
    with open(README.with_name("published.csv"), newline="") as file:
        assert sorted(figures) == sorted(r["eer_percent"] for r in csv.DictReader(file))


def test_without_results_every_cell_is_empty():
    text = paper_section([])
    assert "Nothing was measured" in text
    assert cells(text, "In-the-Wild", "MMS-300M") == ["2.00", "", "2.90", ""]


def test_measured_figures_go_to_their_row(tmp_path):
    wild, pieces = "test_In-the-Wild", "test_Deepfake-Eval-2024_10s"
    write_metrics(
        tmp_path / "MMS-300M_post-trained_seed-1/zeroshot",
        (wild, "In-the-Wild", "all", 0.02),
        (wild, "In-the-Wild", "attack A", 0.5),
        ("test_ADD2023", "ADD2023", "all", 0.1),
    )
    write_metrics(
        tmp_path / "mms-300m_post-trained_released/zeroshot",
        (wild, "In-the-Wild", "all", 0.03),
    )
    write_metrics(
        tmp_path / "XLS-R-300M_post-trained", (wild, "In-the-Wild", "all", 0.04)
    )
    write_metrics(
        tmp_path / "MMS-300M_fine-tuned_13s/df2024",
        (pieces, "Deepfake-Eval-2024", "all", 0.25),
    )
    measured, others = read_measured(tmp_path)
    assert others == []
    text = paper_section(measured)
    assert "Nothing was measured" not in text
    both = "2.00 [1.00, 4.00] (seed-1); 3.00 [1.50, 6.00] (released)"
    assert cells(text, "In-the-Wild", "MMS-300M") == ["2.00", "", "2.90", both]
    assert cells(text, "ADD2023", "MMS-300M")[3] == "10.00 [5.00, 20.00] (seed-1)"
    # A model that the paper has not.
    row = ["-", "", "-", "4.00 [2.00, 8.00]"]
    assert cells(text, "In-the-Wild", "XLS-R-300M") == row
    tuned = cells(text, "Deepfake-Eval-2024_10s", "MMS-300M")
    assert tuned == ["13.37", "", "13.29", "25.00 [12.50, 50.00] (13s)"]


def test_of_several_corpora_the_pooled_figure_is_taken(tmp_path):
    write_metrics(
        tmp_path / "MMS-1B_post-trained",
        ("test", "A", "all", 0.1),
        ("test", "B", "all", 0.2),
        ("test", "all pooled", "all", 0.3),
    )
    one = Measured("test", "MMS-1B", "post-trained", "30.00 [15.00, 60.00]")
    assert read_measured(tmp_path) == ([one], [])


def test_one_class_has_no_rate(tmp_path):
    write_metrics(tmp_path / "MMS-1B_post-trained", ("t", "A", "all", float("nan")))
    assert read_measured(tmp_path)[0][0].text == "one class only"


@pytest.mark.parametrize("folder", ["zeroshot", "MMS-1B_tuned", "Other_post-trained"])
def test_other_folders_are_listed(tmp_path, folder, capsys):
    write_metrics(tmp_path / folder, ("test_In-the-Wild", "A", "all", 0.1))
    assert main(["--results", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert f"left out: {tmp_path / folder}" in printed.err
    assert "Nothing was measured" in printed.out


def test_another_table_is_refused(tmp_path, capsys):
    folder = tmp_path / "MMS-1B_post-trained"
    folder.mkdir()
    (folder / "metrics.csv").write_text("a,b\n1,2\n")
    assert main(["--results", str(tmp_path)]) == 1
    assert "not a table of evaluate.py" in capsys.readouterr().err


def test_a_missing_folder_is_a_usage_error(tmp_path, capsys):
    assert main(["--results", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def write_mini(results, seeds):
    """What the demo leaves behind."""
    mini = results / "mini"
    sets = ("mini_zeroshot", "mini_target")
    rows = [("t", corpus, "all", 0.1) for corpus in sets]
    for seed in seeds:
        write_metrics(mini / f"eval/seed{seed}", *rows)
        for name in FINETUNING:
            folder = name.replace(", ", "-")
            write_metrics(mini / f"finetune/{folder}/seed{seed}/eval", *rows)
    (mini / "audit").mkdir(parents=True)
    columns = "manifest,feature,slice,eer,low,high\n"
    (mini / "audit/audit.csv").write_text(columns)


def test_the_mini_experiment(tmp_path):
    write_mini(tmp_path, [0, 10, 2])
    text, incomplete = mini_section(tmp_path)
    assert incomplete == []
    assert text.startswith('`make demo SEEDS="0 2 10"`\n\n```text\n')
    assert text.endswith("\n```") and "10.0 +- 0.0" in text
    assert str(tmp_path) not in text


def test_seeds_that_are_not_complete_are_named(tmp_path):
    write_mini(tmp_path, [0, 1])
    (tmp_path / "mini/finetune/original/seed1/eval/metrics.csv").unlink()
    text, incomplete = mini_section(tmp_path)
    assert 'SEEDS="0"' in text
    (line,) = incomplete
    assert line.startswith("mini, seed 1: there is no ")


def test_the_mini_experiment_is_not_one_of_the_paper(tmp_path):
    write_mini(tmp_path, [0])
    assert read_measured(tmp_path) == ([], [])


def test_writing(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(README.read_text(encoding="utf-8"), encoding="utf-8")
    results = tmp_path / "results"
    write_metrics(
        results / "MMS-1B_post-trained", ("test_ADD2023", "ADD2023", "all", 0.1)
    )
    command = ["--results", str(results), "--readme", str(readme), "--write"]
    assert main(command) == 0
    once = readme.read_text(encoding="utf-8")
    assert cells(once, "ADD2023", "MMS-1B")[3] == "10.00 [5.00, 20.00]"
    assert main(command) == 0
    assert readme.read_text(encoding="utf-8") == once


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("none", id="none"),
        pytest.param("<!-- begin: a -->\n", id="no end"),
        pytest.param("<!-- begin: a -->\n<!-- end: a -->\n" * 2, id="twice"),
    ],
)
def test_markers_must_be_there_once(tmp_path, text):
    (tmp_path / "a.md").write_text(text)
    with pytest.raises(SectionError, match="a.md"):
        replace_sections(tmp_path / "a.md", {"a": "new"})


def test_text_is_put_in_as_it_is(tmp_path):
    (tmp_path / "a.md").write_text("x\n<!-- begin: a (b) -->\nold\n<!-- end: a -->\n")
    text = replace_sections(tmp_path / "a.md", {"a": r"\1 \n"})
    assert text == "x\n<!-- begin: a (b) -->\n\n\\1 \\n\n\n<!-- end: a -->\n"


def test_bars_in_cells_do_not_end_them():
    assert markdown_table(["a"], [["x|y"]], "l").endswith("| x\\|y |")


@pytest.mark.parametrize("name", ["W2V-Small", "W2V-Large"])
def test_operations_are_those_that_pytorch_counts(name):
    config = MODELS[name].config()
    with torch.device("meta"):
        made = pretrained.make_config(config)
        made._attn_implementation = "eager"
        model = pretrained.build_model(made).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 13 * 16000, device="meta"))
    expected = forward_operations(config, count_parameters(MODELS[name]))
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.01)


def test_cost_of_a_model():
    cost = training_cost(MODELS["XLS-R-2B"])
    assert cost.audio_hours == pytest.approx(800_000 * 50 / 3600)
    assert cost.hours * 3600 == pytest.approx(800_000 * cost.step_seconds)


def test_a_markdown_file_of_the_project_has_the_markers():
    assert README == ROOT / "recipes/AntiDeepfake/README.md"
    assert all(section(name) for name in ("corpora", "cost", "results", "mini"))
