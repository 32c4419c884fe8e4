"""Two processes (gloo) train together and score every trial once."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT, run_python, training_command
from safetensors.torch import load_file
from two_processes import everything, one_bad_loss, train_together, trials_heard

from data_prep.manifest import read_manifest, write_manifest
from data_prep.shard import shard

LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
GLOO = ["--distributed_backend", "gloo"]


@pytest.fixture(scope="module")
def trained_by_two(corpus, tiny_ssl, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    command = training_command(corpus, tiny_ssl, folder, ckpt_interval_steps=1)
    run_python(*LAUNCH, "train.py", *command, *GLOO)
    return folder


def lines(folder):
    """Lines of the log, without what depends on the time."""
    text = (folder / "train_log.txt").read_text()
    return re.sub(r", train hours per hour.*? - ", " - ", text).splitlines()


@pytest.mark.slow
def test_two_processes_train(trained_by_two):
    assert len(lines(trained_by_two)) == 3
    assert (trained_by_two / "detector" / "model.safetensors").exists()


@pytest.mark.slow
def test_two_processes_score_what_one_scores(trained_by_two, corpus, tmp_path):
    command = ["hparams/eval_mini.yaml", "--detector", trained_by_two / "detector"]
    command += ["--data_folder", corpus, "--test_csv", corpus / "test.csv"]
    command += ["--device", "cpu", "--output_folder"]
    run_python("evaluate.py", *command, tmp_path / "one")
    run_python(*LAUNCH, "evaluate.py", *command, tmp_path / "two", *GLOO)
    tables = []
    for folder in ("one", "two"):
        with open(tmp_path / folder / "test/scores.csv") as file:
            tables.append({row["ID"]: row["Score"] for row in csv.DictReader(file)})
    # 17 trials, so the two shares differ in size.
    assert len(tables[0]) == 17 and tables[0].keys() == tables[1].keys()
    for name, score in tables[0].items():
        assert float(tables[1][name]) == pytest.approx(float(score), abs=1e-5)
    metrics = [(tmp_path / f / "metrics.csv").read_text() for f in ("one", "two")]
    assert metrics[0].splitlines()[1][:40] == metrics[1].splitlines()[1][:40]


@pytest.mark.slow
def test_two_processes_go_on_with_shards(trained_by_two, corpus, tmp_path):
    """Files and shards give the same; what one process began two end."""
    rows = read_manifest(corpus / "test.csv")
    rows[5]["Path"] = "$ROOT/audio/gone.flac"
    write_manifest(tmp_path / "test.csv", rows)
    shard([tmp_path / "test.csv"], str(corpus), tmp_path / "shards/test", 150_000)
    command = ["hparams/eval_mini.yaml", "--detector", trained_by_two / "detector"]
    command += ["--data_folder", corpus, "--test_csv", tmp_path / "test.csv"]
    command += ["--device", "cpu", "--num_workers", "0", "--output_folder"]
    shards = ["--test_shards", tmp_path / "shards"]
    one = run_python("evaluate.py", *command, tmp_path / "files", check=False)
    begun = run_python("evaluate.py", *command, tmp_path / "out", *shards, check=False)
    assert one.returncode == begun.returncode == 1
    scores = tmp_path / "out/test/scores.csv"
    by_one = scores.read_bytes()
    scores.unlink()
    # As a process leaves it that is killed while it writes its ninth line.
    (log,) = (tmp_path / "out/test/scored").iterdir()
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:9]) + lines[9][:8])
    two = run_python(
        *[*LAUNCH, "evaluate.py", *command, tmp_path / "out", *shards, *GLOO],
        check=False,
    )
    assert two.returncode == 1
    # In each process there was something left to do.
    assert len(list(log.parent.iterdir())) == 3
    for done in (begun, two):
        assert "not scored: ID test-005: not in the shards: " in done.stderr
        assert "1 of 17" in done.stderr
    by_files = (tmp_path / "files/test/scores.csv").read_bytes()
    tables = []
    for content in (by_one, scores.read_bytes(), by_files):
        tables.append(list(csv.DictReader(content.decode().splitlines())))
    assert [row["ID"] for row in tables[0]] == [
        row["ID"] for row in rows if row["ID"] != "test-005"
    ]
    for table in tables[1:]:
        for row, expected in zip(table, tables[0], strict=True):
            for name in ("Score", "LogitFake", "LogitReal"):
                found, known = float(row.pop(name)), float(expected[name])
                assert found == pytest.approx(known, abs=1e-5)
            assert row.items() <= expected.items()


@pytest.mark.slow
def test_killed_processes_resume(trained_by_two, corpus, tiny_ssl, tmp_path):
    command = training_command(corpus, tiny_ssl, tmp_path, ckpt_interval_steps=1)
    run = subprocess.Popen(
        [sys.executable, *LAUNCH, "train.py", *command, *GLOO],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    log = tmp_path / "train_log.txt"
    deadline = time.monotonic() + 120
    while not log.exists() and time.monotonic() < deadline:
        assert run.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    run_python(*LAUNCH, "train.py", *command, *GLOO)
    assert lines(tmp_path) == lines(trained_by_two)
    expected = load_file(trained_by_two / "detector" / "model.safetensors")
    found = load_file(tmp_path / "detector" / "model.safetensors")
    assert all(expected[name].equal(found[name]) for name in expected)


def ranks_below(pid: int) -> dict[int, int]:
    """Processes of `torchrun` by their rank."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            rank = re.search(rb"\0RANK=(\d+)", (folder / "environ").read_bytes())
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid and rank:
            found[int(rank[1])] = int(folder.name)
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_one_killed_process_stops_all_and_torchrun_resumes(
    trained_by_two, corpus, tiny_ssl, tmp_path
):
    command = training_command(corpus, tiny_ssl, tmp_path, ckpt_interval_steps=1)
    with open(tmp_path / "messages.txt", "w") as messages:
        run = subprocess.Popen(
            [sys.executable, *LAUNCH, "--max-restarts=1", "train.py", *command, *GLOO],
            cwd=ROOT,
            stdout=messages,
            stderr=messages,
            # Or the second attempt finds addresses of the first one.
            env={**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},
        )
    log = tmp_path / "train_log.txt"
    deadline = time.monotonic() + 120
    while not log.exists() and time.monotonic() < deadline:
        assert run.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    first = ranks_below(run.pid)
    os.kill(first[1], signal.SIGKILL)
    try:
        code = run.wait(240)
    finally:
        run.terminate()  # and all below it, if they wait for each other
    text = (tmp_path / "messages.txt").read_text()
    assert code == 0, text
    assert re.search(rf"exitcode: -9\) local_rank: 1 \(pid: {first[1]}\)", text)
    assert not Path(f"/proc/{first[0]}").exists()
    assert lines(tmp_path) == lines(trained_by_two)
    expected = load_file(trained_by_two / "detector" / "model.safetensors")
    found = load_file(tmp_path / "detector" / "model.safetensors")
    assert all(expected[name].equal(found[name]) for name in expected)


@pytest.mark.slow
def test_processes_stay_alike_with_every_option(tiny_ssl, tmp_path):
    one, other = train_together(tmp_path, tiny_ssl, everything)
    for part in ("weights", "average"):
        for name, tensor in one[part].items():
            assert tensor.equal(other[part][name]), name
    assert min(one["encoder"]) > 0
    # Gradients are exchanged with every other batch only, also in the pause of the
    # encoder, when there are fewer of them.
    events = one["events"]
    assert events.count("batch") == 8 and "exchange" in events
    before = [
        events[:i].count("batch") for i, e in enumerate(events) if e == "exchange"
    ]
    assert all(batches % 2 == 0 for batches in before)


@pytest.mark.slow
def test_processes_agree_about_a_bad_loss(tiny_ssl, tmp_path):
    one, other = train_together(tmp_path, tiny_ssl, one_bad_loss)
    assert one["message"] == other["message"]
    assert "batch 3" in one["message"] and "IDs: 8-0, 8-1. Training" in one["message"]
    assert one["step"] == other["step"] == 2
    for name, tensor in one["weights"].items():
        assert tensor.isfinite().all() and tensor.equal(other["weights"][name])


@pytest.mark.slow
def test_processes_hear_every_trial_once_in_a_pass(tiny_ssl, tmp_path):
    parts = train_together(tmp_path, tiny_ssl, trials_heard)
    indices = sorted(index for part in parts for index in part["indices"])
    # All passes but the last, which is not over.
    whole = 41 * (indices[-1] // 41)
    assert whole >= 3 * 41
    assert indices[:whole] == list(range(whole))
