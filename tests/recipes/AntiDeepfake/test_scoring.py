"""Scores do not depend on batches, and nothing that cannot be scored is lost."""

import csv
import os

import numpy as np
import pytest
import soundfile
import torch
from helpers import manifest_row, new_detector, run_python, training_command

import score
from data_prep.manifest import read_manifest, write_manifest
from lobes.classifiers import LinearClassifier
from lobes.detector import Detector
from lobes.pooling import MeanPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.scoring import (
    Scored,
    find_audio,
    score_rows,
    write_scores,
)

RATE = 16000


@pytest.fixture(params=["tiny_ssl", "tiny_ssl_group_norm"])
def detector(request):
    """Detectors with a layer-norm and with a group-norm feature extractor."""
    encoder = SSLEncoder(source=request.getfixturevalue(request.param))
    pooling = MeanPooling(encoder.output_size)
    torch.manual_seed(1)
    classifier = LinearClassifier(pooling.output_size)
    # Differences of scores are then far above rounding.
    torch.nn.init.normal_(classifier.linear.weight, std=5.0)
    return Detector(encoder, pooling, classifier).eval()


def test_scores_do_not_depend_on_batches_or_order(corpus, detector):
    rows = read_manifest(corpus / "test.csv")
    alone = score_rows(detector, rows, corpus, max_batch_length=0.1)
    spread = np.ptp([alone.score(row["ID"]) for row in rows])
    assert spread > 1e-2
    for size in (3.0, 7.0, 1000.0):
        batched = score_rows(detector, rows[::-1], corpus, max_batch_length=size)
        for row in rows:
            expected, found = alone.logits[row["ID"]], batched.logits[row["ID"]]
            assert np.abs(np.subtract(expected, found)).max() < 1e-5


def test_workers_change_nothing(corpus, detector):
    rows = read_manifest(corpus / "test.csv")
    one = score_rows(detector, rows, corpus)
    two = score_rows(detector, rows, corpus, num_workers=2)
    assert one == two


@pytest.fixture(scope="module")
def difficult(tmp_path_factory):
    """A manifest of audio that is odd or bad; gives folder and the bad ones."""
    folder = tmp_path_factory.mktemp("difficult")
    rng = np.random.default_rng(0)

    def noise(seconds, rate=RATE, channels=1):
        return 0.1 * rng.standard_normal((int(seconds * rate), channels))

    soundfile.write(folder / "good.wav", noise(1), RATE)
    soundfile.write(folder / "rate8k.wav", noise(1, 8000), 8000)
    soundfile.write(folder / "rate48k.wav", noise(1, 48000), 48000)
    soundfile.write(folder / "channels5.wav", noise(1, channels=5), RATE)
    soundfile.write(folder / "samples400.wav", noise(0.025), RATE)
    soundfile.write(folder / "samples399.wav", noise(399 / RATE), RATE)
    nan = noise(1)
    nan[100] = np.nan
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("not audio at all, but long enough" * 20)
    soundfile.write(folder / "whole.flac", noise(2), RATE)
    content = (folder / "whole.flac").read_bytes()
    (folder / "cut.flac").write_bytes(content[: len(content) // 2])
    (folder / "whole.flac").unlink()
    names = sorted(file.name for file in folder.iterdir()) + ["missing.wav"]
    rows = [
        manifest_row(name, "fake" if i % 2 else "real", 1.0, f"$ROOT/{name}")
        for i, name in enumerate(names)
    ]
    write_manifest(folder / "difficult.csv", rows)
    bad = {"samples399.wav", "nan.wav", "empty.wav", "text.wav", "cut.flac"}
    return folder, bad | {"missing.wav"}


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_audio_is_reported_and_the_rest_is_scored(difficult, detector, workers):
    folder, bad = difficult
    rows = read_manifest(folder / "difficult.csv")
    scored = score_rows(detector, rows, folder, num_workers=workers)
    assert set(scored.failures) == bad
    assert set(scored.logits) == {row["ID"] for row in rows} - bad
    assert np.isfinite(list(scored.logits.values())).all()
    for name, reason in scored.failures.items():
        assert name in reason and len(reason) > len(name) + 20


@pytest.mark.parametrize("workers", [0, 1])
def test_training_stops_at_bad_audio_and_names_it(
    difficult, tiny_ssl, tmp_path, workers
):
    folder, _ = difficult
    csvs = dict.fromkeys(("train_csv", "valid_csv"), folder / "difficult.csv")
    command = training_command(folder, tiny_ssl, tmp_path, num_workers=workers, **csvs)
    done = run_python("train.py", *command, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ID ") and "Traceback" not in done.stderr


def test_score_file_has_manifest_order_and_columns(corpus, tmp_path):
    rows = read_manifest(corpus / "test.csv")
    logits = {row["ID"]: (0.5, 1.25 + i) for i, row in enumerate(rows)}
    logits.pop(rows[3]["ID"])
    write_scores(tmp_path / "scores.csv", rows, Scored(logits, {rows[3]["ID"]: "gone"}))
    with open(tmp_path / "scores.csv") as file:
        found = list(csv.DictReader(file))
    assert list(found[0])[:5] == ["ID", "Label", "Score", "LogitFake", "LogitReal"]
    assert set(found[0]) == {"Score", "LogitFake", "LogitReal", *rows[0]}
    kept = rows[:3] + rows[4:]
    assert [row["ID"] for row in found] == [row["ID"] for row in kept]
    assert float(found[0]["Score"]) == 0.75
    assert [row["Language"] for row in found] == [row["Language"] for row in kept]


def test_find_audio_takes_files_and_folders(tmp_path, capsys):
    (tmp_path / "deep").mkdir()
    for name in ("b.wav", "deep/a.flac", "deep/c.ogg"):
        soundfile.write(tmp_path / name, np.zeros(500), RATE)
    (tmp_path / "notes.txt").write_text("no audio")
    (tmp_path / "deep/notes.TXT").write_text("no audio")
    (tmp_path / "README").write_text("no audio")
    rows, failures = find_audio([str(tmp_path), "missing.wav"])
    names = ["b.wav", "deep/a.flac", "deep/c.ogg"]
    assert [row["ID"] for row in rows] == [str(tmp_path / name) for name in names]
    assert set(failures) == {"missing.wav"}
    assert capsys.readouterr().err == (
        f"3 files in {tmp_path} without a known audio extension, left out: .txt 2, "
        "no extension 1\n"
    )


@pytest.mark.parametrize(
    "suffix", ["aif", "aifc", "AAC", "webm", "mkv", "mov", "wma", "amr", "sph", "caf"]
)
def test_what_is_called_like_audio_is_taken(tmp_path, suffix):
    soundfile.write(tmp_path / "a.flac", np.zeros(500), RATE)
    (tmp_path / "a.flac").rename(tmp_path / f"a.{suffix}")
    rows, failures = find_audio([str(tmp_path)])
    assert len(rows) == 1 and not failures


def test_linked_folders_are_gone_through_once(tmp_path):
    for name in ("top/a.flac", "elsewhere/b.flac"):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, np.zeros(500), RATE)
    (tmp_path / "top/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "top/second").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "top/loop").symlink_to(tmp_path / "top")
    (tmp_path / "top/gone.wav").symlink_to(tmp_path / "nothing")
    rows, failures = find_audio([str(tmp_path / "top")])
    names = ["top/a.flac", "top/link/b.flac"]
    assert [row["ID"] for row in rows] == [str(tmp_path / name) for name in names]
    assert "no such file" in failures[str(tmp_path / "top/gone.wav")]


def test_a_name_that_is_no_text_is_reported(tmp_path):
    for name in (b"a.wav", b"\xff.wav"):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        with open(path, "wb") as file:
            soundfile.write(file, np.zeros(500), RATE, format="WAV")
    rows, failures = find_audio([str(tmp_path)])
    assert [row["ID"] for row in rows] == [str(tmp_path / "a.wav")]
    assert "the name is not UTF-8" in "".join(failures.values())


def test_folder_without_audio_is_reported(tmp_path):
    rows, failures = find_audio([str(tmp_path)])
    assert not rows and str(tmp_path) in failures


class TestScoreCommand:
    """`score.py --out`; what it prints without is in `test_commands`."""

    @pytest.fixture
    def command(self, corpus, tiny_ssl, tmp_path, monkeypatch):
        """Run it on some files; gives the exit code and the number of waveforms."""
        export_detector(tmp_path / "detector", new_detector(tiny_ssl), {})
        files = [corpus / f"audio/test-{i:03d}.flac" for i in range(6)]

        def run(out, stop_after=None):
            detector = DeepfakeDetector.from_hparams(
                tmp_path / "detector", run_opts={"device": "cpu"}
            )
            seen = []

            def logits(wavs, wav_lens=None):
                if len(seen) == stop_after:
                    raise KeyboardInterrupt
                seen.append(len(wavs))
                return DeepfakeDetector.logits(detector, wavs, wav_lens)

            detector.logits = logits
            monkeypatch.setattr(score, "load_detector", lambda *_: detector)
            arguments = [tmp_path / "detector", *files, "--out", out]
            options = ["--max_batch_length", "0.1", "--device", "cpu"]
            return score.main([*map(str, arguments), *options]), len(seen)

        return run

    def test_a_stopped_run_goes_on(self, command, tmp_path, capsys):
        whole, stopped = tmp_path / "new/folder/a.csv", tmp_path / "b.csv"
        assert command(whole) == (0, 6)
        assert command(stopped, stop_after=4)[0] == 130
        assert not stopped.exists()
        capsys.readouterr()
        assert command(stopped) == (0, 2)
        assert "4 of 6 scores taken from" in capsys.readouterr().err
        assert whole.read_bytes() == stopped.read_bytes()
        assert [path.name for path in whole.parent.iterdir()] == ["a.csv"]
        assert not (tmp_path / "b.csv.scored").exists()

    @pytest.mark.parametrize("place", ["folder", "below a file"])
    def test_where_nothing_can_be_written_is_found_first(
        self, command, tmp_path, capsys, place
    ):
        (tmp_path / "file").touch()
        out = tmp_path if place == "folder" else tmp_path / "file" / "x.csv"
        assert command(out) == (2, 0)
        told = capsys.readouterr().err
        assert f"error: --out {out}: cannot be written (" in told
        assert "Nothing was scored" in told

    def test_scores_that_cannot_be_written_are_kept(
        self, command, tmp_path, capsys, monkeypatch
    ):
        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(score, "write_scores", full)
            assert command(tmp_path / "a.csv")[0] == 2
        told = capsys.readouterr().err
        assert "(No space left on device)" in told and "a.csv.scored" in told
        assert command(tmp_path / "a.csv") == (0, 0)
