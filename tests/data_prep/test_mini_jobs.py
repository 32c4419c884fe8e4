"""The process pool: order, errors, going on after a kill; and the whole build."""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mini_plan import TINY

from data_prep.files import atomic_path
from data_prep.mini import cli, sources
from data_prep.mini.errors import MiniError
from data_prep.mini.jobs import Job, run_jobs

ROOT = Path(__file__).parents[2]


def write_text(output, text):
    with atomic_path(output) as temporary:
        temporary.write_text(text)


def fail(output, text):
    raise MiniError(text)


def kill_itself(output):
    os.kill(os.getpid(), signal.SIGKILL)


def write_threads(output):
    write_text(output, os.environ["OMP_NUM_THREADS"])


def jobs_in(folder, count=4):
    return [
        Job(folder / f"{i}.txt", write_text, (str(i),), cost=i) for i in range(count)
    ]


def test_every_job_is_run_once(tmp_path):
    counts = []
    run_jobs(jobs_in(tmp_path), 2, counts.append)
    assert counts == [0, 1, 2, 3, 4]
    assert [(tmp_path / f"{i}.txt").read_text() for i in range(4)] == list("0123")
    (tmp_path / "2.txt").write_text("kept")
    (tmp_path / "3.txt").unlink()
    run_jobs(jobs_in(tmp_path), 2, counts.append)
    assert counts[-2:] == [3, 4]
    assert (tmp_path / "2.txt").read_text() == "kept"


def test_nothing_to_do_starts_no_process(tmp_path, monkeypatch):
    run_jobs(jobs_in(tmp_path, 1), 1, lambda done: None)
    monkeypatch.setattr("data_prep.mini.jobs.ProcessPoolExecutor", None)
    run_jobs(jobs_in(tmp_path, 1), 1, lambda done: None)


def test_an_error_of_a_job_arrives(tmp_path):
    with pytest.raises(MiniError, match="engine x, text y"):
        run_jobs([Job(tmp_path / "a", fail, ("engine x, text y",))], 1, print)


def test_a_killed_worker_is_explained(tmp_path):
    with pytest.raises(MiniError, match="--workers 1"):
        run_jobs([Job(tmp_path / "a", kill_itself, ())], 1, lambda done: None)


def test_workers_have_one_thread(tmp_path):
    run_jobs([Job(tmp_path / "a.txt", write_threads, ())], 1, lambda done: None)
    assert (tmp_path / "a.txt").read_text() == "1"


def parse(*options):
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(options)


def test_a_wrong_option_gives_2(tmp_path, capsys):
    assert cli.run(parse("--out", str(tmp_path), "--workers", "0")) == 2
    assert "--workers is 0" in capsys.readouterr().err


def test_a_failure_gives_1_and_the_message(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sources, "PYPI_PACKAGES", {"no-such-package": ""})
    assert cli.run(parse("--out", str(tmp_path), "--noprogressbar")) == 1
    assert "pip install -r requirements-demo.txt" in capsys.readouterr().err


def test_the_help_teaches(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = capsys.readouterr().out
    for word in ("Debian", "requirements-demo.txt", "--seed", "data_folder"):
        assert word in text


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from mini_plan import TINY
from data_prep.mini.build import build_corpus
from data_prep.mini.settings import Settings

if __name__ == "__main__":
    out, cache, workers = sys.argv[1:]
    print(build_corpus(Settings(Path(out), Path(cache), TINY, 0, int(workers),
          lambda step, done, total: print(step, done, flush=True))))
"""


def digests(out):
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def cache():
    """The user's cache folder, if packages have been downloaded to it before."""
    try:
        sources.check_pypi_packages()
    except MiniError as error:
        pytest.skip(str(error))
    folder = Path(os.environ.get("MINI_CACHE", cli._default_cache()))
    if not (folder / "debian" / "packages.json").exists():
        pytest.skip(
            f"no Debian packages in {folder}; run `python -m data_prep mini` once, or "
            "set MINI_CACHE"
        )
    return folder


@pytest.mark.slow
def test_a_tiny_corpus_end_to_end(tmp_path, cache):
    """Built in one go, and killed three times: the same bytes."""
    script = tmp_path / "build.py"
    script.write_text(SCRIPT.format(tests=str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH')}"}

    def start(out, workers):
        command = [sys.executable, str(script), str(out), str(cache), str(workers)]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole, 2).communicate()[0].endswith("True\n")
    for seconds in (3, 5, 8):
        process = start(killed, 1)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert start(killed, 1).communicate()[0].endswith("True\n")
    assert digests(killed) == digests(whole)
    assert len(list(whole.rglob("*.flac"))) == sum(
        sum(part.genuine.values())
        + sum(voice.count for voice in part.voices)
        + sum(sum(counts.values()) for counts in part.copies.values())
        for part in TINY.parts.values()
    )
    begin = time.monotonic()
    assert start(whole, 2).communicate()[0] == "False\n"
    assert time.monotonic() - begin < 10


def test_progress_is_one_bar_for_each_step(capsys):
    report = cli._Bar()
    for step in ("genuine", "synthetic"):
        report(step, 0, 3)
        bar = report.bar
        report(step, 1, 3)
        assert report.bar is bar and bar.n == 1
        report(step, 3, 3)
        assert report.bar is None
    assert capsys.readouterr().err.count("3/3") == 2


def test_without_a_terminal_progress_is_lines(capsys):
    report = cli._Lines()
    for done in range(4):
        report("genuine", done, 3)
    assert capsys.readouterr().err == "genuine: done\n"
