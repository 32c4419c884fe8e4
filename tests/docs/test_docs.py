"""Every command and every piece of code in the documents runs."""

import json
import os
import re
import shutil
import subprocess
import sys

import doc_stand_ins as stand_ins
import pytest
from helpers import ROOT

RUNNER = ROOT / "tests/doc_runner.py"
PAGES = (
    *("README.md", "CONTRIBUTING.md", "recipes/AntiDeepfake/README.md"),
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
# Names files of SpeechBrain's tree.
ELSEWHERE = "docs/speechbrain.md"
FEW_STEPS = {
    "--total_steps": "4",
    "--valid_interval": "2",
    "--warmup_steps": "1",
    "--max_batch_length": "6.0",
    "--num_buckets": "2",
    "--num_workers": "0",
    "--precision": "fp32",
    "--device": "cpu",
    "--noprogressbar": None,
}
EVALUATION = {"--num_workers": "0", "--device": "cpu"}
ONE_WORKER = {"--workers": "1"}


@pytest.fixture
def project(tmp_path):
    """A copy of the project, and beside it data and a model in the place of others."""
    stand_ins.ssl_model(tmp_path / "ssl")
    stand_ins.architecture(tmp_path / "arch.json")
    return stand_ins.copy_project(tmp_path / "project")


def run_document(project, name, replace=(), append=()):
    """Run all blocks of a document; what they print."""
    beside = project.parent
    released = "convert.py nii-yamagishilab/mms-300m-anti-deepfake detectors/mms-300m"
    checkpoint = stand_ins.CHECKPOINT / "model.ckpt"
    changes = {
        "replace": [
            [released, _converted(checkpoint, beside)],
            ["facebook/mms-300m", str(beside / "ssl")],
            ["/data", str(beside / "data")],
            ["torchrun --standalone --nproc_per_node=8 ", "python "],
            *replace,
        ],
        "append": [
            *append,
            ["python train.py", FEW_STEPS],
            ["python evaluate.py", EVALUATION],
            ["python -m data_prep audit", ONE_WORKER],
            ["python -m data_prep check", ONE_WORKER],
            ["python -m data_prep shard", ONE_WORKER],
        ],
    }
    (beside / "changes.json").write_text(json.dumps(changes))
    done = subprocess.run(
        [sys.executable, RUNNER, project / name, beside / "changes.json"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def _converted(checkpoint, beside):
    return f"convert.py {checkpoint} detectors/mms-300m --ssl {beside / 'arch.json'}"


@pytest.mark.slow
def test_tutorial(project):
    stand_ins.own_data(project.parent / "data")
    # Enough for a detector that is better than chance: calibration asks for that.
    learning = {"--lr": "0.003", "--crop": "[0.4, 0.5]", "--rawboost": "null"}
    learning |= {"--total_steps": "20", "--valid_interval": "10"}
    # The tutorial's own numbers of steps are for real data.
    short = [
        ["--total_steps 2000 --valid_interval 200 --warmup_steps 200", ""],
        ["--lr 0.000001 ", ""],
        ["--lr 0.001 --total_steps 500 --valid_interval 100 --warmup_steps 50", ""],
    ]
    printed = run_document(
        project,
        "docs/tutorial.md",
        replace=short,
        append=[
            ["python train.py", learning],
            # These sounds are so easy that their scores do not overlap.
            ["python -m recipes.AntiDeepfake.calibrate", {"--smooth": None}],
        ],
    )
    assert "calibration.json" in printed
    assert (project / "report/report.html").is_file()
    rows = (project / "scores.csv").read_text().splitlines()
    assert rows[0] == "ID,Score,LogitFake,LogitReal" and len(rows) == 13
    assert (project / "drift/drift.json").is_file()
    assert '200 {"label": ' in printed and '422 {"error": ' in printed


@pytest.mark.slow
def test_backends(project):
    stand_ins.mini_corpus(project / "data/mini")
    run_document(project, "docs/backends.md")
    assert (project / "results/mini/eval_sls/seed0/metrics.csv").is_file()


@pytest.mark.slow
def test_extend(project):
    stand_ins.my_corpus(project.parent / "data")
    stand_ins.ssl_model(project / "models/my_model")
    given = {"--ssl_source": str(project.parent / "ssl")}
    printed = run_document(
        project,
        "docs/extend.md",
        append=[["python train.py hparams/posttrain_max_hinge.yaml", given]],
    )
    assert "MyCorpus (complete): 2 real and 2 fake rows" in printed
    folder = project / "results/posttrain_max_hinge/1986/detector"
    assert "class MaxPooling" in (folder / "custom_interface.py").read_text()


@pytest.mark.slow
def test_recipe(project):
    stand_ins.corpora(project.parent / "data")
    # The vocoder that needs no download, on the CPU.
    replace = [
        ["--vocoder hifigan", "--vocoder world"],
        ["--device cuda", ""],
        ["/shards", str(project.parent / "shards")],
    ]
    given = {"--ssl_source": str(project.parent / "ssl"), "--crop": "[0.5, 0.8]"}
    printed = run_document(
        project,
        "recipes/AntiDeepfake/README.md",
        replace=replace,
        append=[
            ["python train.py", given],
            ["python -m data_prep merge paper", {"--allow-missing": None}],
        ],
    )
    assert "absent: add2023" not in printed
    readme = (project / "recipes/AntiDeepfake/README.md").read_text()
    measured = re.findall(r"^\| In-the-Wild \| MMS-300M \|.*\|$", readme, re.M)
    assert len(measured) == 1
    assert "(released); " in measured[0] and "(seed-1986)" in measured[0]


@pytest.mark.slow
def test_contributing(project):
    stand_ins.development_files(project)
    (project / "results").mkdir()
    run_document(project, "CONTRIBUTING.md")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text)
    assert [
        one for one in links if not (ROOT / name).parent.joinpath(one).exists()
    ] == []


@pytest.mark.parametrize("name", [page for page in PAGES if page != ELSEWHERE])
def test_files_that_are_named_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:hparams|lobes|data_prep|recipes|tests|docs)/[\w./-]+\.\w+)`", text
    )
    assert [one for one in named if not (ROOT / one).exists()] == []


def test_what_is_said_of_others_names_the_version_that_was_read():
    text = (ROOT / "docs/peers.md").read_text(encoding="utf-8")
    files = re.findall(r"https://github\.com/[\w.-]+/[\w.-]+/blob/([^/)]+)/", text)
    assert len(files) > 10
    assert [one for one in files if not re.fullmatch("[0-9a-f]{7,40}", one)] == []


def test_the_comparison_with_others_has_all_cells():
    text = (ROOT / "docs/peers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\|$", text, re.M)
    assert len({row.count("|") for row in rows}) == 1
    assert all(cell.strip() for row in rows[1:] for cell in row.split("|")[1:-1])


def examples():
    """Files that the page about extensions has: name and text."""
    text = (ROOT / "docs/extend.md").read_text(encoding="utf-8")
    return re.findall(
        r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )


def test_examples_of_extensions_are_short():
    assert len(examples()) == 7
    assert max(len(text.splitlines()) for _, text in examples()) < 30


def test_examples_of_extensions_keep_the_rules_of_the_project(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    modules = [one for one in examples() if one[0].endswith(".py")]
    for name, text in modules:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(modules) == 4
    for how in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *how, "--no-cache", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
