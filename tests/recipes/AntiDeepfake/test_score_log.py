"""Scores on disk as they come."""

import os

import numpy as np
import pytest
import torch

from recipes.AntiDeepfake.score_log import (
    FileStamps,
    ScoreLog,
    trials_digest,
    weights_digest,
)


def test_float32_scores_come_back_to_the_bit(tmp_path):
    values = np.random.default_rng(0).normal(size=(9000, 2)).astype(np.float32).tolist()
    ids = [f'odd, "name" {i}' for i in range(9000)]
    ScoreLog(tmp_path / "log", "key").append(ids, map(tuple, values))
    found = ScoreLog(tmp_path / "log", "key").read()
    assert list(found) == ids
    assert list(found.values()) == list(map(tuple, values))


def test_several_writers_and_runs_are_joined(tmp_path):
    for name in "abc":
        ScoreLog(tmp_path / "log", "key").append([name], [(0.0, 1.0)])
    assert set(ScoreLog(tmp_path / "log", "key").read()) == set("abc")
    assert len(list((tmp_path / "log").iterdir())) == 3


def test_a_torn_last_line_is_not_used(tmp_path):
    ScoreLog(tmp_path / "log", "key").append(["a", "b"], [(0.0, 1.0), (0.5, 1.5)])
    (path,) = (tmp_path / "log").iterdir()
    path.write_text(path.read_text()[:-2])
    assert ScoreLog(tmp_path / "log", "key").read() == {"a": (0.0, 1.0)}


@pytest.mark.parametrize("name", ["süß", 'a"\na'], ids=["letter", "name of two lines"])
def test_a_file_torn_anywhere_is_read(tmp_path, name):
    ScoreLog(tmp_path / "log", "key").append(["b", name], [(0.0, 1.0), (0.5, 1.5)])
    (path,) = (tmp_path / "log").iterdir()
    whole = path.read_bytes()
    for end in range(len(b"key\nb,0,1,\n"), len(whole)):
        path.write_bytes(whole[:end])
        assert ScoreLog(tmp_path / "log", "key").read() == {"b": (0.0, 1.0)}


def test_a_torn_first_line_is_not_used(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "1-0.csv").write_text("ke")
    assert ScoreLog(tmp_path / "log", "key").read() == {}


def test_stamps_come_back(tmp_path):
    log = ScoreLog(tmp_path / "log", "key")
    log.append(["a"], [(0.0, 1.0)], ["12 34"])
    log.append(["b"], [(0.0, 1.0)])
    ((ids, logits, stamps),) = ScoreLog(tmp_path / "log", "key").blocks()
    assert (ids, stamps) == (["a", "b"], ["12 34", ""])
    assert logits.shape == (2, 2)


def test_a_stamp_has_size_and_time(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"1234")
    stamp = FileStamps([{"Path": "$ROOT/a.wav"}], tmp_path)
    found = [stamp(0)]
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    found.append(stamp(0))
    path.write_bytes(b"12345")
    os.utime(path, ns=(0, int(found[0].split()[1])))
    found.append(stamp(0))
    path.unlink()
    found.append(stamp(0))
    assert len(set(found)) == 4 and found[3] == "no file"


def test_digests_tell_trials_and_weights_apart():
    row = {"ID": "a", "Path": "$ROOT/a.wav", "Start": "-", "Stop": "-"}
    digests = {trials_digest([row]), trials_digest([row | {"Start": "1"}])}
    assert len(digests) == 2
    layer = torch.nn.Linear(2, 2).bfloat16()
    before = weights_digest(layer)
    assert weights_digest(layer) == before
    with torch.no_grad():
        layer.bias[1] += 1e-2
    assert weights_digest(layer) != before
