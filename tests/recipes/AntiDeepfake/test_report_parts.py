"""Parts of the report: names of files, calibration curve, maps, clips and cells."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import numpy as np
import pandas
import pytest
import soundfile
from plain_metrics import trials

from recipes.AntiDeepfake.embeddings import EmbeddingsError
from recipes.AntiDeepfake.metrics import min_cllr
from recipes.AntiDeepfake.reporting.inputs import find_sources
from recipes.AntiDeepfake.reporting.isotonic import calibration_curve
from recipes.AntiDeepfake.reporting.maps import OTHERS, embedding_maps
from recipes.AntiDeepfake.reporting.worst import RATE, SECONDS, Clips, worst_errors
from recipes.AntiDeepfake.usage import UsageError


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """Two sets of one system, and a file of another toolkit."""
    for name in ("xlsr/itw", "xlsr/add"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "scores.csv").touch()
    (tmp_path / "arena").mkdir()
    (tmp_path / "arena" / "asvspoof5.txt").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("xlsr/itw/scores.csv", [("xlsr", "itw")]),
        ("xlsr/itw", [("xlsr", "itw")]),
        ("xlsr", [("xlsr", "add"), ("xlsr", "itw")]),
        ("arena/asvspoof5.txt", [("arena", "asvspoof5")]),
        ("ours=xlsr", [("ours", "add"), ("ours", "itw")]),
        ("ours:wild=xlsr/itw/scores.csv", [("ours", "wild")]),
        (":wild=xlsr/itw/scores.csv", [("xlsr", "wild")]),
    ],
)
def test_names_of_systems_and_test_sets(results, argument, expected):
    assert [source[:2] for source in find_sources([argument])] == expected


def test_names_do_not_depend_on_where_one_stands(results, monkeypatch):
    monkeypatch.chdir(results / "xlsr" / "itw")
    assert find_sources(["scores.csv"])[0][:2] == ("xlsr", "itw")


def test_path_with_an_equals_sign_is_a_path(results):
    os.rename("xlsr", "lr=0.1")
    assert find_sources(["lr=0.1/itw"])[0][:2] == ("lr=0.1", "itw")


def test_one_name_for_two_test_sets_is_refused(results):
    with pytest.raises(UsageError, match="2 score files, but one name of a test set"):
        find_sources(["ours:wild=xlsr"])


@pytest.mark.parametrize("kind", ["distinct", "ties"])
def test_calibration_curve_costs_the_least_cllr(kind):
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores, labels = trials(rng, kind, size=30)
        edges, llrs = calibration_curve(scores, labels)
        place = np.searchsorted(edges[:, 1], scores)
        assert (edges[place, 0] <= scores).all() and (np.diff(llrs) > 0).all()
        with np.errstate(over="ignore"):
            cost = np.where(labels == 1, np.exp(-llrs[place]), np.exp(llrs[place]))
        bits = np.log2(1 + cost)
        mean = (bits[labels == 1].mean() + bits[labels == 0].mean()) / 2
        assert mean == pytest.approx(min_cllr(scores, labels), abs=1e-12)


def utterances(count: int) -> pandas.DataFrame:
    number = np.arange(count)
    return pandas.DataFrame(
        {
            "ID": [f"u{i:03d}" for i in number],
            "Label": np.where(number % 2, "fake", "real"),
            "Attack": np.where(number % 2, [f"A{i % 18}" for i in number], "-"),
            "Language": "-",
        }
    )


def test_maps_have_the_same_utterances_and_tell_clusters_apart():
    table = utterances(60)
    rng = np.random.default_rng(0)
    fake = (table["Label"] == "fake").to_numpy()
    apart = (rng.normal(size=(60, 6)) + 30 * fake[:, None]).astype(np.float32)
    ids = table["ID"].to_numpy(str)
    order = rng.permutation(60)
    embeddings = {"a": (ids, apart), "b": (ids[order][5:], apart[order][5:])}
    first, second = embedding_maps(embeddings, [table])
    assert first.points.shape == second.points.shape == (55, 2) and first.total == 55
    assert np.allclose(first.points, second.points)
    is_real = first.groups["label"] == "real"
    real, fake = first.points[is_real], first.points[~is_real]
    between = np.linalg.norm(real[:, None] - fake[None], axis=-1).min()
    assert between > 3 * max(np.ptp(real, axis=0).max(), np.ptp(fake, axis=0).max())
    # Unknown languages are no map; attacks are grouped with genuine speech.
    assert list(first.groups) == ["label", "attack"]
    assert {"genuine", OTHERS} < set(first.groups["attack"])
    assert len(set(first.groups["attack"])) == 8


def test_maps_of_many_utterances_are_of_a_sample_that_is_stated():
    table = utterances(80)
    vectors = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    embeddings = {"a": (table["ID"].to_numpy(str), vectors)}
    (one,) = embedding_maps(embeddings, [table], most_points=30)
    (again,) = embedding_maps(embeddings, [table], most_points=30)
    assert one.points.shape == (30, 2) and one.total == 80
    assert (one.points == again.points).all()


def test_maps_of_too_few_utterances_are_refused():
    table = utterances(9)
    vectors = np.zeros((9, 4), np.float32)
    with pytest.raises(EmbeddingsError, match="9 utterances .* needs 10"):
        embedding_maps({"a": (table["ID"].to_numpy(str), vectors)}, [table])


def test_worst_errors_are_on_the_wrong_side_only():
    table = pandas.DataFrame(
        {
            "ID": list("abcdef"),
            "Label": ["fake", "fake", "fake", "real", "real", "real"],
            "Score": [2.0, 3.0, 1.0, 1.0, 0.0, 5.0],
        }
    )
    found = worst_errors(table, 1.0, 5)
    assert found["fake"]["ID"].tolist() == ["b", "a"]
    assert found["real"]["ID"].tolist() == ["e", "d"]


def clip_of(uri: str, folder: Path) -> np.ndarray:
    head, _, body = uri.partition(",")
    assert head == "data:audio/flac;base64"
    (folder / "clip.flac").write_bytes(base64.b64decode(body))
    samples, rate = soundfile.read(folder / "clip.flac")
    assert rate == RATE
    return samples


def test_clip_is_the_piece_of_the_trial(tmp_path):
    time = np.arange(3 * RATE) / RATE
    wav = 0.5 * np.sin(2 * np.pi * 100 * time**2)
    soundfile.write(tmp_path / "a.wav", np.stack([wav, wav], 1), RATE)
    row = {"Path": "$ROOT/a.wav", "Start": "1.0", "Stop": "1.5"}
    clip = Clips(tmp_path).clip(row)
    samples = clip_of(clip.uri, tmp_path)
    assert clip.number == 1 and not clip.note
    assert np.abs(samples - wav[RATE : RATE + RATE // 2]).max() < 1e-4


def test_long_clip_is_cut_resampled_and_made_once(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((SECONDS + 1) * 8000), 8000)
    clips = Clips(tmp_path)
    row = {"Path": "$ROOT/a.wav", "Start": "-", "Stop": "-"}
    first, second = clips.clip(row), clips.clip(row)
    assert len(clip_of(first.uri, tmp_path)) == SECONDS * RATE
    assert first.note == f"first {SECONDS} s"
    assert (second.number, second.uri) == (first.number, "")
    assert clips.bytes == len(first.uri)


def test_clips_stop_at_their_budget(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.normal(size=8000), RATE)
        rows.append({"Path": f"$ROOT/{name}.wav", "Start": "-", "Stop": "-"})
    one = Clips(tmp_path).clip(rows[0])
    clips = Clips(tmp_path, budget=len(one.uri) + 100)
    assert clips.clip(rows[0]).uri and not clips.clip(rows[1]).uri
    assert clips.clip(rows[1]).note == "left out: the page has its limit of audio"


def test_damaged_audio_is_told(tmp_path):
    (tmp_path / "a.flac").write_bytes(b"fLaC, but no more")
    row = {"Path": "$ROOT/a.flac", "Start": "-", "Stop": "-"}
    clip = Clips(tmp_path).clip(row)
    assert not clip.uri and clip.note
