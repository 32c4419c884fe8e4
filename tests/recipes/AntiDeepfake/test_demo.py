"""Stages of the demo: skipped, resumed or done anew, and the table they lead to."""

import csv
import json

import pytest

from recipes.AntiDeepfake.demo import Stage
from recipes.AntiDeepfake.demo_table import demo_table

APPEND = "import sys; open(sys.argv[1], 'a').write('x')"


@pytest.fixture
def stage(tmp_path):
    """A stage that leaves one mark each time it runs."""
    (tmp_path / "input").write_text("one")
    folder = tmp_path / "out"
    command = ["-c", APPEND, str(folder / "marks")]
    return Stage(command, folder, [tmp_path / "input"])


def marks(stage):
    return (stage.folder / "marks").read_text()


def test_second_run_is_skipped(stage):
    stage.run()
    stage.run()
    assert marks(stage) == "x"


def test_changed_input_starts_anew(stage):
    stage.run()
    (stage.folder / "stale").touch()
    stage.inputs[0].write_text("two")
    stage.run()
    assert marks(stage) == "x"
    assert not (stage.folder / "stale").exists()


def test_interrupted_stage_goes_on(stage):
    stage.run()
    stamp = stage.folder / "stage.json"
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"done": False}))
    stage.run()
    assert marks(stage) == "xx"


def test_other_command_starts_anew(stage):
    stage.run()
    other = Stage([*stage.command, "more"], stage.folder, stage.inputs)
    other.run()
    assert marks(stage) == "x"


def test_failing_stage_is_not_done(stage):
    failing = Stage(["-c", "raise SystemExit(3)"], stage.folder, stage.inputs)
    for _ in range(2):
        with pytest.raises(Exception, match="exit status 3"):
            failing.run()


def write_metrics(folder, eer):
    folder.mkdir(parents=True)
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.writer(file)
        columns = ["corpus", "slice", "real", "fake", "eer", "eer_low", "eer_high"]
        writer.writerow(columns)
        for corpus in ("mini_zeroshot", "mini_target"):
            writer.writerow([corpus, "all", 9, 8, eer, eer - 0.05, eer + 0.05])
            writer.writerow([corpus, "language CS", 9, 0, "nan", "nan", "nan"])
            writer.writerow([corpus, "language IT", 9, 1, eer, "nan", "nan"])


def write_audit(folder):
    folder.mkdir(parents=True)
    (folder / "audit.csv").write_text(
        "manifest,slice,feature,eer,low,high\n"
        "m/zeroshot_test.csv,all,duration,0.5,0.4,0.6\n"
        "m/zeroshot_test.csv,all,all combined,0.33,0.3,0.36\n"
        "m/target_test.csv,all,all combined,0.44,0.4,0.48\n"
    )


def test_table_of_one_seed_has_intervals(tmp_path):
    write_audit(tmp_path / "audit")
    write_metrics(tmp_path / "eval/seed0", 0.2)
    write_metrics(tmp_path / "finetune/original-frozen/seed0/eval", 0.3)
    text = demo_table(tmp_path, [0], ["original, frozen"])
    rows = [line.split("  ") for line in text.splitlines()]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert ["all", "9", "8", "20.0 [15.0, 25.0]", "33.0 [30.0, 36.0]"] in rows
    assert ["all", "9", "8", "20.0 [15.0, 25.0]", "44.0 [40.0, 48.0]"] in rows
    assert "language CS" not in text
    assert ["slices with one class only: 1, not here but in metrics.csv"] in rows
    assert ["language IT", "9", "1", "20.0 [n/a]"] in rows
    assert ["original, frozen", "30.0 [25.0, 35.0]"] in rows


def test_table_of_several_seeds_has_mean_and_deviation(tmp_path):
    write_audit(tmp_path / "audit")
    for seed, eer in enumerate((0.1, 0.2, 0.3)):
        write_metrics(tmp_path / f"eval/seed{seed}", eer)
        write_metrics(tmp_path / f"finetune/original/seed{seed}/eval", eer)
    text = demo_table(tmp_path, [0, 1, 2], ["original"])
    assert "20.0 +- 10.0" in text
