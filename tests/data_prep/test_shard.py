"""Shards as files: standard, deterministic, bounded, resumable, and checked."""

import csv
import hashlib
import json
import os
import tarfile

import numpy as np
import pytest
import soundfile
from helpers import RATE, manifest_row, voice

from data_prep import __main__ as cli
from data_prep.audio_info import read_audio
from data_prep.manifest import ManifestError, read_manifest, write_manifest
from data_prep.shard import shard
from data_prep.shards import making
from data_prep.shards.layout import audio_file

webdataset = pytest.importorskip("webdataset")

SHARD_SIZE = 200_000


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Two corpora: mono FLAC, and WAV of another rate with two channels."""
    folder = tmp_path_factory.mktemp("voices")
    rng = np.random.default_rng(0)
    for corpus, rate, suffix in (("A", RATE, "flac"), ("B", 24000, "wav")):
        rows = []
        for i in range(12):
            label = "fake" if i % 3 == 0 else "real"
            wav = voice(rng, rng.uniform(0.5, 1.5), label == "fake")
            wav = wav[:, None] * np.ones(2 if corpus == "B" else 1)
            path = f"{corpus}-{i}.{suffix}"
            soundfile.write(folder / path, wav, rate, subtype="PCM_16")
            name, seconds = f"{corpus}/é {i}.x", len(wav) / rate
            rows.append(manifest_row(name, label, seconds, f"$ROOT/{path}"))
            rows[-1] |= {"Corpus": corpus, "SampleRate": rate}
        rows[4] |= {"Start": "0.1", "Stop": "0.4"}
        write_manifest(folder / f"{corpus}.csv", rows)
    return folder


def manifests(voices):
    return [voices / "A.csv", voices / "B.csv"]


def make(voices, out, **settings):
    settings = {"shard_size": SHARD_SIZE} | settings
    return shard(manifests(voices), str(voices), out, **settings)


@pytest.fixture(scope="module")
def made(voices, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    return out, *make(voices, out)


def samples(out):
    """All samples by ID, as WebDataset itself reads them."""
    urls = sorted(str(path) for path in out.glob("*.tar"))
    found = {}
    for sample in webdataset.WebDataset(urls, shardshuffle=False):
        row = json.loads(sample["json"])
        assert row["ID"] not in found
        found[row["ID"]] = sample | {"row": row}
    return found


def digests(out):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*out.glob("*.tar"), out / "index.json", out / "seconds.npy"]
    }


def test_webdataset_reads_every_row_once(voices, made):
    out, index, failures = made
    found = samples(out)
    rows = {row["ID"]: row for row in read_manifest(manifests(voices))}
    assert {name: sample["row"] for name, sample in found.items()} == rows
    assert not failures and index["samples"] == len(rows) == 24
    keys = [sample["__key__"] for sample in found.values()]
    assert len(set(keys)) == 24 and all(key.replace("-", "").isdigit() for key in keys)


def test_audio_is_what_detectors_hear(voices, made):
    from recipes.AntiDeepfake.dataio import read_waveform

    for name, sample in samples(made[0]).items():
        with audio_file(sample["flac"], "flac") as path:
            samples_, rate = read_audio(path)
        row = sample["row"]
        piece = [None if row[k] == "-" else float(row[k]) for k in ("Start", "Stop")]
        expected = read_waveform(voices / row["Path"][len("$ROOT/") :], *piece).numpy()
        assert rate == RATE and samples_.shape == (len(expected), 1)
        # Half a step of 16 bits; what has one channel at 16 kHz has not changed at all.
        limit = 0 if name.startswith("A") else 0.5 / 2**15
        assert np.abs(samples_[:, 0] - expected).max() <= limit


def test_shards_are_bounded_and_mixed(made):
    out, index, _ = made
    assert len(index["shards"]) > 3
    assert all(path.stat().st_size <= SHARD_SIZE for path in out.glob("*.tar"))
    first = [sample["row"]["Corpus"] for sample in list(samples(out).values())[:12]]
    assert 2 < first.count("A") < 10


def test_the_index_adds_up(voices, made):
    out, index, _ = made
    assert json.loads((out / "index.json").read_text()) == index
    for entry in index["shards"]:
        content = (out / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["bytes"] == len(content)
    for part in ("labels", "corpora"):
        assert sum(p["samples"] for p in index[part].values()) == 24
        total = sum(p["seconds"] for p in index[part].values())
        assert total == pytest.approx(index["seconds"], abs=0.01)
    assert index["labels"]["fake"]["samples"] == 8
    seconds = np.load(out / "seconds.npy")
    assert len(seconds) == 24 and seconds.sum() == pytest.approx(index["seconds"], 1e-4)
    source = (voices / "B.csv").read_bytes()
    assert index["manifests"][1]["sha256"] == hashlib.sha256(source).hexdigest()


def test_members_carry_nothing_of_the_machine(made):
    for path in made[0].glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                facts = (member.mtime, member.uid, member.gid, member.uname)
                assert facts == (0, 0, 0, "") and member.isreg()


def test_bytes_follow_from_the_seed(voices, made, tmp_path):
    make(voices, tmp_path / "same")
    make(voices, tmp_path / "other", seed=1)
    assert digests(tmp_path / "same") == digests(made[0])
    orders = [list(samples(out)) for out in (made[0], tmp_path / "other")]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


@pytest.mark.slow
def test_workers_change_nothing(voices, made, tmp_path, capsys):
    command = ["shard", *map(str, manifests(voices)), "--data-root", str(voices)]
    command += ["--out", str(tmp_path), "--shard-size", "2e5", "--workers", "2"]
    assert cli.main(command) == 0
    assert digests(tmp_path) == digests(made[0])
    assert cli.main(["shard", "--verify", "--out", str(tmp_path)]) == 0
    assert "24 samples, 0 problems" in capsys.readouterr().out


def test_whole_shards_are_kept_and_others_made_again(voices, tmp_path, monkeypatch):
    make(voices, tmp_path)
    expected = digests(tmp_path)
    names = sorted(name for name in expected if name.endswith(".tar"))
    with open(tmp_path / names[1], "r+b") as file:
        file.write(b"damage")
    (tmp_path / names[2]).unlink()
    (tmp_path / "index.json").unlink()
    written = []

    def record(path, job, write=making._make):
        written.append(path.name)
        return write(path, job)

    monkeypatch.setattr(making, "_make", record)
    make(voices, tmp_path)
    assert written == names[1:3]
    assert digests(tmp_path) == expected


def test_an_interrupted_run_leaves_no_index(voices, tmp_path, monkeypatch):
    make(voices, tmp_path)

    def stop(path, job):
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "_make", stop)
    with pytest.raises(KeyboardInterrupt):
        make(voices, tmp_path, seed=5)
    assert not (tmp_path / "index.json").exists()
    assert not list(tmp_path.glob(".table*"))


def test_shards_of_earlier_settings_are_removed(voices, made, tmp_path):
    make(voices, tmp_path, shard_size=60_000)
    assert len(list(tmp_path.glob("*.tar"))) > len(made[1]["shards"])
    make(voices, tmp_path)
    assert digests(tmp_path) == digests(made[0])


def test_unreadable_audio_is_listed(voices, tmp_path, capsys):
    rows = read_manifest(voices / "A.csv")
    rows[3]["Path"] = "$ROOT/gone.flac"
    soundfile.write(tmp_path / "short.wav", np.ones(100), RATE)
    rows[7]["Path"] = str(tmp_path / "short.wav")
    write_manifest(tmp_path / "m.csv", rows)
    out = tmp_path / "out"
    command = ["shard", str(tmp_path / "m.csv"), "--data-root", str(voices)]
    command += ["--out", str(out), "--workers", "1"]
    assert cli.main(command) == 1
    message = capsys.readouterr().err
    assert "gone.flac: no such file" in message and "short.wav: 100" in message
    assert "2 of 12 not stored" in message
    with open(out / "failures.csv", newline="") as file:
        listed = {row["ID"] for row in csv.DictReader(file)}
    assert listed == {rows[3]["ID"], rows[7]["ID"]}
    assert len(samples(out)) == 10
    # What was repaired comes in.
    for row in (rows[3], rows[7]):
        row["Path"] = rows[0]["Path"]
    write_manifest(tmp_path / "m.csv", rows)
    assert cli.main(command) == 0
    assert len(samples(out)) == 12 and not (out / "failures.csv").exists()


def test_a_file_that_comes_back_is_taken(voices, tmp_path):
    rows = read_manifest(voices / "A.csv")[:3]
    rows[1]["Path"] = str(tmp_path / "late.flac")
    write_manifest(tmp_path / "m.csv", rows)
    assert len(shard([tmp_path / "m.csv"], str(voices), tmp_path / "out")[1]) == 1
    soundfile.write(tmp_path / "late.flac", np.ones(8000) / 3, RATE)
    assert not shard([tmp_path / "m.csv"], str(voices), tmp_path / "out")[1]


def test_native_keeps_the_bytes_of_files(voices, tmp_path):
    make(voices, tmp_path, sample_rate="native")
    for sample in samples(tmp_path).values():
        row = sample["row"]
        path = voices / row["Path"][len("$ROOT/") :]
        if row["Start"] == "-":
            assert sample[path.suffix[1:]] == path.read_bytes()
    assert all(path.stat().st_size <= SHARD_SIZE for path in tmp_path.glob("*.tar"))


@pytest.mark.parametrize(
    "subtype, suffix",
    [
        ("PCM_16", "flac"),
        ("PCM_24", "flac"),
        ("PCM_U8", "flac"),
        ("ULAW", "flac"),
        ("PCM_32", "wav"),
        ("FLOAT", "wav"),
    ],
)
def test_native_pieces_are_exact(tmp_path, subtype, suffix):
    wav = np.random.default_rng(0).uniform(-1, 1, (22050, 2))
    soundfile.write(tmp_path / "a.wav", wav, 22050, subtype=subtype)
    row = manifest_row("a", "real", 0.5, str(tmp_path / "a.wav"))
    row |= {"Start": "0.25", "Stop": "0.75", "SampleRate": 22050, "AudioChannel": 2}
    write_manifest(tmp_path / "m.csv", [row])
    shard([tmp_path / "m.csv"], None, tmp_path / "out", sample_rate="native")
    (sample,) = samples(tmp_path / "out").values()
    with audio_file(sample[suffix], suffix) as path:
        found, rate = read_audio(path)
    expected, _ = read_audio(tmp_path / "a.wav", 0.25, 0.75)
    assert rate == 22050 and np.array_equal(found, expected)


def spoil(out, kind):
    """Damage shards; give what the message must say."""
    path = out / "shard-000001.tar"
    content = bytearray(path.read_bytes())
    if kind == "bit":
        content[3000] ^= 1
        path.write_bytes(content)
        return "SHA-256"
    if kind == "gone":
        path.unlink()
        return "cannot be read"
    if kind == "seconds":
        np.save(out / "seconds.npy", np.ones(24, np.float32))
        return "seconds.npy: not the one"
    # The audio itself, with a checksum that fits: only decoding finds it.
    with tarfile.open(path) as tar:
        member = next(m for m in tar if m.name.endswith(".flac"))
    place = member.offset_data + member.size // 2
    content[place : place + 50] = os.urandom(50)
    path.write_bytes(content)
    index = json.loads((out / "index.json").read_text())
    index["shards"][1]["sha256"] = hashlib.sha256(content).hexdigest()
    (out / "index.json").write_text(json.dumps(index))
    return f"shard-000001.tar, {member.name.partition('.')[0]}: "


@pytest.mark.parametrize("kind", ["bit", "gone", "seconds", "audio"])
def test_verify_finds_damage(voices, tmp_path, capsys, kind):
    make(voices, tmp_path)
    command = ["shard", "--verify", "--out", str(tmp_path), "--workers", "1"]
    assert cli.main(command) == 0
    expected = spoil(tmp_path, kind)
    assert cli.main(command) == 1
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, message",
    [
        ({"ID": "A/é 0.x"}, "IDs occur more than once"),
        ({"Label": "real?"}, "Label is 'real\\?'"),
    ],
    ids=["repeated ID", "label"],
)
def test_bad_manifests_write_nothing(voices, tmp_path, change, message):
    with open(voices / "A.csv", newline="", encoding="utf-8") as file:
        rows = [row | change for row in csv.DictReader(file)][:2]
    with open(tmp_path / "bad.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(ManifestError, match=message):
        shard([tmp_path / "bad.csv"], str(voices), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    "arguments",
    [["--out", "x"], ["m.csv", "--out", "x", "--verify"]],
    ids=["nothing to pack", "manifests to verify"],
)
def test_usage_errors(arguments, capsys):
    assert cli.main(["shard", *arguments]) == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0", "-5", "much", "inf"])
def test_shard_size_must_be_a_size(size, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["shard", "m.csv", "--out", "x", "--shard-size", size])
    assert stop.value.code == 2 and "bytes above 0" in capsys.readouterr().err


def test_verify_without_an_index(tmp_path, capsys):
    assert cli.main(["shard", "--verify", "--out", str(tmp_path)]) == 1
    assert "index.json: cannot be read" in capsys.readouterr().err
