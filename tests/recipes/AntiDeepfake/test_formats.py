"""Score files for benchmarks: what is written is read again, to the last bit."""

import hashlib
import importlib
import subprocess
import sys
import types

import numpy as np
import pandas
import pytest
import yaml
from helpers import new_detector

from recipes.AntiDeepfake.arena_meta import check_meta
from recipes.AntiDeepfake.format_writers import write_df_arena
from recipes.AntiDeepfake.formats import flipped_note, main, rename_trials
from recipes.AntiDeepfake.score_file import ScoreFileError, read_scores

META = {
    "system": {
        "name": "My detector",
        "slug": "my-detector",
        "description": "tiny",
        "code": "https://example.org/code",
        "checkpoint": "https://example.org/weights",
        "params_millions": 0.5,
        "paper": {
            "arxiv_id": "2506.21090",
            "url": "https://arxiv.org/abs/2506.21090",
            "bibtex": "@article{a}",
        },
    },
    "notes": "none",
}


@pytest.fixture
def scores(tmp_path):
    """Float32 logits as `scoring` writes them, and hard numbers."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(300, 2)).astype(np.float32).astype(float)
    logits[0], logits[1] = (1e-30, 1 / 3), (-1e20, 123456.789)
    lines = ["ID,Label,Score,LogitFake,LogitReal,Path"]
    for i, (fake, real) in enumerate(logits.tolist()):
        label, attack = ("real", "bonafide") if i % 3 else ("fake", "A17")
        score = real - fake + 2 * (label == "real")
        lines.append(
            f"ASV5-{attack}-E_{i:010d},{label},{score:.9g},{fake:.9g},{real:.9g},"
            f"$ROOT/flac/E_{i:010d}.flac"
        )
    path = tmp_path / "scores.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(*arguments):
    return main(list(map(str, arguments)))


@pytest.mark.parametrize(
    ("name", "file"),
    [("asvspoof5", "s.tsv"), ("arena", "."), ("df_arena", "."), ("original", "s.csv")],
    ids=["asvspoof5", "arena", "df_arena", "original"],
)
def test_round_trip(scores, tmp_path, name, file):
    out = tmp_path / "out" / file
    assert run(scores, "--to", name, "--out", out) == 0
    written = out if out.is_file() else out / "scores.txt"
    before, after = read_scores(scores), read_scores(written, key=scores)
    assert after["ID"].tolist() == before["ID"].tolist()
    assert after["Label"].tolist() == before["Label"].tolist()
    if name == "original":
        # It has the logits, and the difference is taken again.
        for column in ("LogitFake", "LogitReal"):
            assert after[column].tolist() == before[column].tolist()
        assert read_scores(written)["Label"].tolist() == before["Label"].tolist()
    else:
        assert after["Score"].tolist() == before["Score"].tolist()


def test_asvspoof5_has_its_header_and_names(scores, tmp_path):
    out = tmp_path / "score.tsv"
    assert run(scores, "--to", "asvspoof5", "--out", out, "--strip-prefix") == 0
    lines = out.read_text().splitlines()
    assert lines[0] == "filename\tcm-score"
    assert lines[1].split("\t")[0] == "E_0000000000"
    table = pandas.read_csv(out, sep="\t")  # as the evaluation package does
    assert table["cm-score"].tolist() == read_scores(scores)["Score"].tolist()


def test_arena_digest_and_description(scores, tmp_path, capsys):
    (tmp_path / "meta.yaml").write_text(yaml.safe_dump(META))
    out = tmp_path / "out"
    code = run(
        *(scores, "--to", "arena", "--out", out),
        *("--meta", tmp_path / "meta.yaml", "--slug", "other"),
    )
    assert code == 0
    text = (out / "scores.txt").read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    assert (out / "scores.txt.sha256").read_text() == f"{digest}  scores.txt\n"
    assert digest in capsys.readouterr().out
    # As the harness reads it.
    found = dict(line.split() for line in text.decode().splitlines())
    assert {name: float(score) for name, score in found.items()} == dict(
        read_scores(scores)[["ID", "Score"]].itertuples(index=False)
    )
    meta = yaml.safe_load((out / "meta.yaml").read_text())
    assert meta == META | {"system": META["system"] | {"slug": "other"}}


def changed(**system):
    return META | {"system": META["system"] | system}


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({}, "system is missing"),
        ({"system": []}, "system is no mapping"),
        (META | {"team": "x"}, "team is not known"),
        (changed(slug="My detector"), "system.slug is 'My detector'"),
        (changed(code="example.org"), "system.code is 'example.org'"),
        (changed(name=""), "system.name is ''"),
        (changed(params_millions="many"), "params_millions is no number"),
        (changed(params_millions=-1), "params_millions is below 0"),
        (changed(paper={"arxiv_id": 2506.21}), "arxiv_id is 2506.21; give a text"),
        (changed(paper={}), "paper.bibtex is missing"),
        (changed(paper="x"), "paper is no mapping"),
        ({"system": {"name": "a"}}, "system.slug is missing; .*system.checkpoint"),
        (META | {"notes": 3}, "notes is 3"),
    ],
    ids=lambda value: value[:28] if isinstance(value, str) else "",
)
def test_descriptions_that_will_not_be_taken(meta, message):
    with pytest.raises(ScoreFileError, match=message):
        check_meta(meta)


def test_a_bad_description_leaves_nothing(scores, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(scores, "--to", "arena", "--out", out, "--slug", "A b") == 1
    assert "system.slug is 'A b'" in capsys.readouterr().err
    assert not out.exists()


def test_df_arena_names_are_paths(scores, tmp_path):
    out, data = tmp_path / "out", tmp_path / "data"
    assert run(scores, "--to", "df_arena", "--out", out, "--data-folder", data) == 0
    protocol = pandas.read_csv(out / "protocol.csv")  # as the toolkit does
    lines = pandas.read_csv(out / "scores.txt", sep=" ", names=["file_name", "score"])
    assert list(protocol) == ["file_name", "label"]
    assert protocol["file_name"][0] == f"{data}/flac/E_0000000000.flac"
    assert lines["file_name"].tolist() == protocol["file_name"].tolist()
    expected = read_scores(scores)
    words = {"real": "bonafide", "fake": "spoof"}
    assert protocol["label"].tolist() == expected["Label"].map(words).tolist()
    again = read_scores(out / "scores.txt", out / "protocol.csv")
    assert again["Score"].tolist() == expected["Score"].tolist()


def test_an_id_map_renames(scores, tmp_path):
    table = read_scores(scores)
    lines = [f"{name},trial{i}" for i, name in enumerate(table["ID"])]
    (tmp_path / "names.csv").write_text("\n".join(["ID,name", *lines]))
    renamed = rename_trials(table, id_map=tmp_path / "names.csv")
    assert renamed["ID"].tolist() == [f"trial{i}" for i in range(len(table))]
    (tmp_path / "names.csv").write_text("\n".join(["ID,name", *lines[:-1]]))
    with pytest.raises(ScoreFileError, match="1 of 300 IDs are not in it, the first"):
        rename_trials(table, id_map=tmp_path / "names.csv")


FAILING = {
    "other prefix": (["--to", "asvspoof5", "--strip-prefix", "ITW-"], "do not begin"),
    "same names": (["--to", "asvspoof5", "--strip-prefix", "ASV5.*"], "occur again"),
    "no map": (["--to", "arena", "--id-map", "none.csv"], "none.csv: no table of"),
    "no description": (["--to", "arena", "--meta", "none.yaml"], "none.yaml: cannot"),
    "key": (["--to", "arena", "--key", "none.csv"], "none.csv: cannot be read"),
}


@pytest.mark.parametrize("case", FAILING)
def test_command_fails_clearly(scores, tmp_path, capsys, case):
    arguments, message = FAILING[case]
    assert run(scores, *arguments, "--out", tmp_path / "out") == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_usage(scores, capsys):
    assert run() == 2
    assert "One score file, every benchmark" in capsys.readouterr().err
    assert run(scores, "--to", "arena", "--out", "x", "--data-folder", "y") == 2
    assert "is for --to df_arena" in capsys.readouterr().err


def test_what_a_format_cannot_hold(tmp_path):
    blank = pandas.DataFrame({"ID": ["a b"], "Label": ["-"], "Score": [1.0]})
    with pytest.raises(ScoreFileError, match="have a blank.*'a b'"):
        write_df_arena(blank, tmp_path)
    with pytest.raises(ScoreFileError, match="no column Path"):
        write_df_arena(blank, tmp_path, data_folder="/data")
    (tmp_path / "plain.csv").write_text("ID,Label,Score\na,real,1\n")
    path, out = tmp_path / "plain.csv", tmp_path / "out.csv"
    assert run(path, "--to", "original", "--out", out) == 1
    assert not out.exists()


def test_a_flipped_sign_is_noticed(scores, tmp_path, capsys):
    table = read_scores(scores)
    assert flipped_note("s", table) is None
    note = flipped_note("s", table.assign(Score=-table["Score"]))
    assert "s: the EER is " in note and "Flipped?" in note
    assert flipped_note("s", table.assign(Label="-")) is None
    lines = [
        f"{row.ID},{row.Label},{-row.Score!r}" for row in table.itertuples(index=False)
    ]
    (tmp_path / "flipped.csv").write_text("\n".join(["ID,Label,Score", *lines]))
    out = tmp_path / "s.tsv"
    assert run(tmp_path / "flipped.csv", "--to", "asvspoof5", "--out", out) == 0
    assert "Flipped?" in capsys.readouterr().err


def test_no_pytorch_is_needed():
    code = (
        "import sys, recipes.AntiDeepfake.formats, recipes.AntiDeepfake.calibrate\n"
        "import recipes.AntiDeepfake.embeddings\n"
        "sys.exit('torch' in sys.modules or 'speechbrain' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.fixture
def folder(tiny_ssl, tmp_path):
    from recipes.AntiDeepfake.export import export_detector

    return export_detector(tmp_path / "detector", new_detector(tiny_ssl), {})


def test_the_arena_wrapper_scores_as_the_detector(folder, monkeypatch):
    from recipes.AntiDeepfake.arena import DETECTOR_VARIABLE, ArenaDetector
    from recipes.AntiDeepfake.interface import DeepfakeDetector

    monkeypatch.setenv(DETECTOR_VARIABLE, str(folder))
    model = ArenaDetector(run_opts={"device": "cpu"})
    with pytest.raises(RuntimeError, match="not loaded"):
        model.score_batch([], [])
    model.load()
    rng = np.random.default_rng(0)
    audios = [rng.normal(size=size).astype(np.float32) for size in (8000, 16000, 400)]
    scores = model.score_batch(audios, [model.expected_sample_rate] * 3)
    assert [type(score) for score in scores] == [float] * 3
    detector = DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})
    import torch

    for audio, score in zip(audios, scores, strict=True):
        wav = torch.from_numpy(audio)[None]
        fake, real = detector.logits(wav)[0].tolist()
        assert score == pytest.approx(real - fake, abs=1e-5)
        assert model.score_batch([audio], [16000])[0] == pytest.approx(score, abs=1e-5)
    for audio, rate in [(audios[0], 8000), (audios[0][:399], 16000)]:
        with pytest.raises(ValueError, match="audio 0 of the batch"):
            model.score_batch([audio], [rate])
    with pytest.raises(ValueError, match="not all are finite"):
        model.score_batch([np.full(8000, np.nan, np.float32)], [16000])
    model.unload()
    assert model.detector is None


def test_the_arena_wrapper_needs_a_detector_and_may_have_a_base(monkeypatch):
    from recipes.AntiDeepfake import arena

    monkeypatch.delenv(arena.DETECTOR_VARIABLE, raising=False)
    with pytest.raises(arena.UsageError, match=arena.DETECTOR_VARIABLE):
        arena.ArenaDetector().load()
    harness = types.ModuleType("speech_spoof_bench.model")
    harness.AntiSpoofingModel = type("AntiSpoofingModel", (), {})
    monkeypatch.setitem(sys.modules, "speech_spoof_bench", types.ModuleType("ssb"))
    monkeypatch.setitem(sys.modules, "speech_spoof_bench.model", harness)
    try:
        with_base = importlib.reload(arena).ArenaDetector
        assert issubclass(with_base, harness.AntiSpoofingModel)
        own = type("Own", (with_base,), {"name": "own"})
        assert own().name == "own" and own(name="mine").name == "mine"
    finally:
        monkeypatch.undo()
        importlib.reload(arena)
