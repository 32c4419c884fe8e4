"""Drift between sets of embeddings: the distances, the test, and the command."""

import json
import math

import numpy as np
import pytest
from helpers import new_detector
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import kstest

from data_prep.audio_info import AudioError
from data_prep.manifest import read_manifest
from recipes.AntiDeepfake.drift import EmbeddedSet, drift_table, format_drift, main
from recipes.AntiDeepfake.drift_distance import (
    energy_test,
    frechet_distance,
    measure_drift,
)
from recipes.AntiDeepfake.embeddings import (
    EmbeddingsError,
    embed_rows,
    read_embeddings,
    write_embeddings,
)


def normal(seed, n, dim=6, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (n, dim))


def test_energy_is_the_formula():
    x, y = normal(0, 30), normal(1, 20, shift=0.5)
    spread = np.concatenate([x, y]).std(axis=0)
    between, first, second = (
        cdist(a / spread, b / spread).mean() for a, b in ((x, y), (x, x), (y, y))
    )
    energy, _, _ = energy_test(x, y, 10, np.random.default_rng(0))
    assert energy == pytest.approx((2 * between - first - second) / (2 * between))


def test_p_value_is_that_of_all_permutations():
    """Three against two: of the ten ways to divide them, count the extreme ones."""
    x, y = np.array([[0.0], [0.4], [1.0]]), np.array([[3.0], [3.3]])
    energy, expected, p_value = energy_test(x, y, 20_000, np.random.default_rng(0))
    # Only the division that is there puts the two largest apart.
    assert p_value == pytest.approx(1 / 10, abs=0.01)
    assert expected < energy


def test_without_drift_p_values_are_uniform():
    rng = np.random.default_rng(0)
    p_values = [
        energy_test(rng.normal(size=(30, 4)), rng.normal(size=(20, 4)), 99, rng)[2]
        for _ in range(300)
    ]
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("kind", ["mean", "spread", "shape"])
def test_every_kind_of_drift_is_seen(kind):
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(300, 5))
    incoming = {
        "mean": rng.normal(0.5, 1, (200, 5)),
        "spread": rng.normal(0, 1.7, (200, 5)),
        # Mean and variance of each dimension are those of the reference.
        "shape": rng.choice([-1.0, 1.0], (200, 5)),
    }[kind]
    found = measure_drift(reference, incoming, permutations=199)
    assert found.p_value == 1 / 200
    assert found.energy > 3 * found.expected


def test_large_dimensions_do_not_hide_small_ones():
    reference, incoming = normal(0, 200), normal(1, 200)
    incoming[:, 0] += 1
    scale = np.array([1, 1e4, 1e4, 1, 1, 1])
    found = measure_drift(reference * scale, incoming * scale, permutations=99)
    assert found.p_value == 0.01
    assert found.energy == pytest.approx(
        measure_drift(reference, incoming, permutations=99).energy
    )


@pytest.mark.parametrize("sizes", [(50, 40), (5, 4)], ids=["many", "few"])
def test_frechet_is_the_formula(sizes):
    """Also where the covariances have no full rank."""
    x, y = normal(0, sizes[0], 8), normal(1, sizes[1], 8, shift=0.3) * 1.5
    s1, s2 = np.cov(x.T), np.cov(y.T)
    root = sqrtm(s1 @ s2).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s1 + s2 - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_samples_are_bounded_and_reproducible():
    x, y = normal(0, 500), normal(1, 400)
    first = measure_drift(x, y, permutations=49, most=100)
    assert (first.reference, first.incoming) == (100, 100)
    assert first == measure_drift(x, y, permutations=49, most=100)
    assert first != measure_drift(x, y, permutations=49, most=100, seed=1)


def test_constant_embeddings_are_no_drift():
    found = measure_drift(np.ones((20, 3)), np.ones((20, 3)), permutations=19)
    assert (found.energy, found.p_value, found.frechet) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("x", "y"), [((1, 3), (5, 3)), ((5, 3), (5, 4)), ((5,), (5,))], ids=str
)
def test_sets_that_cannot_be_compared(x, y):
    with pytest.raises(ValueError, match="at least two utterances each"):
        measure_drift(np.zeros(x), np.zeros(y))


def test_a_slice_that_drifted_is_found():
    embeddings = normal(1, 240)
    languages = np.array(["EN", "CS", "DE"])[np.arange(240) % 3]
    embeddings[languages == "CS"] += 0.7
    ids = np.array([f"u{i}" for i in range(240)])
    rows = {
        name: {"Language": "FI" if i < 4 else language, "Corpus": "a"}
        for i, (name, language) in enumerate(zip(ids, languages, strict=True))
    }
    incoming = EmbeddedSet(ids, embeddings, rows, {})
    table = drift_table(normal(0, 300), incoming, permutations=199)
    found = {row["slice"]: row for row in table}
    # The corpus is one and the same, so it is no slice.
    assert list(found) == ["all", *(f"Language {x}" for x in ("CS", "DE", "EN", "FI"))]
    assert found["Language CS"]["p_holm"] == pytest.approx(3 / 200)
    assert found["Language DE"]["p_holm"] > 0.05
    assert found["Language FI"] | {"slice": "", "utterances": 4} == {
        "slice": "",
        "utterances": 4,
        **dict.fromkeys(
            ("reference", "incoming", "energy", "expected", "p_value", "frechet")
        ),
        "p_holm": None,
    }
    text = format_drift(table)
    assert "Language CS" in text and "nan" not in text.lower()


def test_embeddings_files(tmp_path):
    ids, values = ["a", "b č"], np.array([[1.5, 2.0], [3.0, math.pi]], np.float32)
    for name in ("one.npz", "two.npz"):
        write_embeddings(tmp_path / name, ids, values)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    found_ids, found = read_embeddings(tmp_path / "one.npz")
    assert found_ids.tolist() == ids
    assert found.dtype == np.float32 and np.array_equal(found, values)


@pytest.mark.parametrize(
    ("ids", "values", "message"),
    [
        (["a", "a"], [[1.0], [2.0]], "'a' occurs more than once"),
        (["a"], [[1.0], [2.0]], "must be \\[utterances\\]"),
        (["a", "b"], [[1.0], [np.nan]], "the first that of ID 'b'"),
        ([], np.empty((0, 3)), "no embeddings"),
    ],
    ids=["duplicate", "lengths", "NaN", "empty"],
)
def test_embeddings_that_cannot_be_written(tmp_path, ids, values, message):
    with pytest.raises(EmbeddingsError, match=message):
        write_embeddings(tmp_path / "e.npz", ids, values)
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_embeddings(tmp_path):
    with pytest.raises(EmbeddingsError, match="none.npz: no such file"):
        read_embeddings(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("text")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "object.npz", ids=np.array(["a", None]), embeddings=[[1.0]] * 2)
    np.savez(tmp_path / "numbers.npz", ids=[1, 2], embeddings=[[1.0]] * 2)
    for name in ("text", "other", "object", "numbers"):
        with pytest.raises(EmbeddingsError, match=f"{name}.npz: "):
            read_embeddings(tmp_path / f"{name}.npz")


@pytest.fixture(scope="module")
def folder(tiny_ssl, tmp_path_factory):
    from recipes.AntiDeepfake.export import export_detector

    folder = tmp_path_factory.mktemp("drift") / "detector"
    return export_detector(folder, new_detector(tiny_ssl), {})


def test_rows_are_embedded_as_each_alone(folder, corpus):
    from recipes.AntiDeepfake.dataio import read_waveform
    from recipes.AntiDeepfake.interface import DeepfakeDetector

    detector = DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})
    rows = read_manifest(corpus / "test.csv")
    ids, embeddings = embed_rows(detector, rows, corpus, max_batch_length=5.0)
    assert ids.tolist() == [row["ID"] for row in rows]
    assert embeddings.dtype == np.float32
    for name, found in zip(ids, embeddings, strict=True):
        wav = read_waveform(corpus / "audio" / f"{name}.flac")
        alone = detector.encode_batch(wav[None])[0].numpy()
        np.testing.assert_allclose(found, alone, atol=1e-5)

    broken = [*rows[:3], rows[3] | {"Path": "$ROOT/gone.flac"}, rows[4]]
    failures = {}
    ids, _ = embed_rows(detector, broken, corpus, failures=failures)
    assert ids.tolist() == [row["ID"] for row in rows if row["ID"] != rows[3]["ID"]][:4]
    assert list(failures) == [rows[3]["ID"]]
    with pytest.raises(AudioError, match="1 of 5 rows cannot be embedded.*gone.flac"):
        embed_rows(detector, broken, corpus)


def test_command_embeds_and_uses_its_files_again(folder, corpus, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = [
        *(corpus / "valid.csv", corpus / "test.csv", "--detector", folder),
        *("--data-folder", corpus, "--device", "cpu", "--permutations", 49),
    ]
    assert main([*map(str, arguments), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    found = json.loads((out / "drift.json").read_text())
    assert printed.strip() == (out / "drift.txt").read_text().strip()
    assert [row["slice"] for row in found["table"]] == [
        "all",
        "Language CS",
        "Language EN",
    ]
    assert found["reference"] == {"source": "valid.csv", "n": 16}
    assert found["in_both"] == 0
    again = [out / "reference.npz", out / "incoming.npz", "--permutations", 49]
    again += ["--manifest", corpus / "test.csv", "--out", tmp_path / "again"]
    assert main(list(map(str, again))) == 0
    files = [path.name for path in (tmp_path / "again").iterdir()]
    assert sorted(files) == ["drift.json", "drift.txt"]
    table = json.loads((tmp_path / "again" / "drift.json").read_text())["table"]
    assert table == found["table"]
    same = [out / "reference.npz", out / "reference.npz", "--permutations", 9]
    assert main(list(map(str, same))) == 0
    assert "16 utterances are in both sets" in capsys.readouterr().out


def test_command_takes_audio_and_lists_what_cannot_be_read(
    folder, corpus, tmp_path, capsys
):
    for name in ("test-000.flac", "test-001.flac"):
        (tmp_path / name).write_bytes((corpus / "audio" / name).read_bytes())
    (tmp_path / "bad.wav").touch()
    arguments = [corpus / "audio", tmp_path, "--detector", folder, "--device", "cpu"]
    assert main([*map(str, arguments), "--permutations", "9"]) == 1
    done = capsys.readouterr()
    assert "bad.wav" in done.err and "not embedded" in done.err
    assert "all" in done.out


def test_command_fails_clearly(tmp_path, corpus, capsys):
    write_embeddings(tmp_path / "a.npz", ["a", "b"], normal(0, 2, 3))
    write_embeddings(tmp_path / "b.npz", ["a", "b"], normal(0, 2, 4))
    a, b = str(tmp_path / "a.npz"), str(tmp_path / "b.npz")
    for arguments, code, message in [
        ([], 2, "Has the audio that comes in drifted"),
        ([a, str(corpus / "test.csv")], 2, "give --detector, to embed it"),
        ([a, a, "--permutations", "0"], 2, "at least 1 permutation"),
        ([a, "none.npz"], 1, "none.npz: no such file"),
        ([a, b], 1, "3 dimensions and .*b.npz 4"),
        ([a, a, "--manifest", "none.csv"], 1, "none.csv: cannot be read"),
    ]:
        assert main(arguments) == code
        error = capsys.readouterr().err
        assert message.split(".*")[0] in error and message.split(".*")[-1] in error
