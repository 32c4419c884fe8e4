"""Training and scoring on shards: everything once, exact resume, as from files."""

import json
import os
import shutil
import sys
from itertools import islice

import numpy as np
import pytest
import soundfile
import torch
from helpers import RATE, manifest_row, run_python, training_command, voice

from data_prep.audio_info import AudioError
from data_prep.manifest import read_manifest, write_manifest
from data_prep.shard import shard
from recipes.AntiDeepfake import sampling, shard_scoring, shard_source, shards
from recipes.AntiDeepfake.dataio import make_dataset
from recipes.AntiDeepfake.shard_plan import LanePlan, Ref
from recipes.AntiDeepfake.shard_reader import ShardReader
from recipes.AntiDeepfake.shard_scoring import shard_scoring_loader
from recipes.AntiDeepfake.shards import (
    ShardError,
    make_shard_dataset,
    open_shards,
    shard_training_loader,
)

pytest.importorskip("webdataset")

COUNT = 45
BATCHES = {"max_batch_length": 6.0, "longest": 1.2, "num_buckets": 4, "seed": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`m.csv`, its audio, and shards of it: `s`, and `native`."""
    folder = tmp_path_factory.mktemp("sharded")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(COUNT):
        wav = voice(rng, rng.uniform(0.4, 2.0), i % 2)
        soundfile.write(folder / f"{i}.flac", wav, RATE)
        label, seconds = ("real", "fake")[i % 2], len(wav) / RATE
        rows.append(manifest_row(f"n/{i}", label, seconds, f"$ROOT/{i}.flac"))
    rows[5] |= {"Start": "0.05", "Stop": "0.35"}
    write_manifest(folder / "m.csv", rows)
    for name, rate in (("s", 16000), ("native", "native")):
        shard([folder / "m.csv"], str(folder), folder / name, 300_000, rate)
    return folder


@pytest.fixture(scope="module")
def opened(folder):
    found = open_shards(folder / "s")
    assert len(found.urls) > 5
    return found


def halve(wav, rate, generator):
    """An augmentation that shows its random number."""
    return wav * np.float32(generator.uniform(0.5, 1)) + np.float32(0.001)


TRAINING = {"crop": (0.6, 1.2), "augmentation": halve, "seed": 9}


def as_rank(monkeypatch, rank, world):
    for module in (shards, shard_scoring, sampling):
        monkeypatch.setattr(module, "process_rank", lambda: (rank, world))


def training(opened, valid_interval=10, **settings):
    data = make_shard_dataset(opened, **TRAINING, normalise=False)
    return shard_training_loader(data, valid_interval, **BATCHES | settings)


def take(loader, batches):
    """IDs and waveforms of the next batches, whatever the nominal epochs."""
    seen = []
    while len(seen) < batches:
        for batch in loader:
            seen.append((tuple(batch.id), batch.wav.data))
            if len(seen) == batches:
                break
    return seen


def same(left, right):
    assert [ids for ids, _ in left] == [ids for ids, _ in right]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(left, right, strict=True))


def plan(opened, lane=0, lanes=1, **settings):
    settings = {"seed": 3, "shuffle_buffer": 8} | settings
    lengths = np.minimum(opened.seconds, BATCHES["longest"])
    buckets = sampling.EndlessBatchSampler(lengths, 6.0, 4).buckets
    classes = opened.split(buckets.classes)
    return LanePlan(classes, buckets.sizes, lane, lanes, **settings)


def by_pass(batches, opened):
    """How often each sample (shard, number) came in each pass."""
    passes = {}
    order = plan(opened)
    for ref in (ref for batch in batches for ref in batch):
        pass_number, shard_number = order.place(ref.turn)
        counts = passes.setdefault(pass_number, {})
        key = (shard_number, ref.number)
        counts[key] = counts.get(key, 0) + 1
    return passes


@pytest.mark.parametrize("lanes", [1, 3, 4, 12])
def test_every_sample_once_in_every_pass_over_all_lanes(opened, lanes):
    # 12 lanes are more than there are shards.
    plans = [plan(opened, lane, lanes) for lane in range(lanes)]
    passes = by_pass((next(p) for _ in range(400) for p in plans), opened)
    whole = {(s, n) for s, count in enumerate(opened.counts) for n in range(count)}
    finished = 400 * lanes // (COUNT * 4)
    assert finished >= 2
    for pass_number in range(finished):
        assert set(passes[pass_number]) == whole
        assert set(passes[pass_number].values()) == {1}


def test_batches_are_of_one_pass_and_new_in_every_pass(opened):
    batches = list(islice(plan(opened), 100))
    order = plan(opened)
    sets = {}
    for batch in batches:
        (pass_number,) = {order.place(ref.turn)[0] for ref in batch}
        content = frozenset((order.place(r.turn)[1], r.number) for r in batch)
        sets.setdefault(pass_number, set()).add(content)
    assert len(sets[0] & sets[1]) < len(sets[0]) / 2


@pytest.mark.parametrize("kind", sampling.BUCKETS)
def test_batches_are_those_of_files_for_the_same_order(kind):
    lengths = np.random.default_rng(0).uniform(0.5, 13, 5000).astype(np.float32)
    buckets = sampling.EndlessBatchSampler(lengths, 40.0, 20, buckets=kind).buckets
    in_order = LanePlan([buckets.classes], buckets.sizes, shuffle_buffer=1)
    found, seen = [], 0
    while seen < len(lengths):
        found.append([ref.number for ref in next(in_order)])
        seen += len(found[-1])
    expected = buckets.deal(np.arange(len(lengths)), seed=0)
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("done", [0, 1, 7, 40])
def test_reading_goes_on_from_any_batch(opened, done):
    expected = plan(opened)
    read = ShardReader(opened, lambda turn: expected.place(turn)[1])
    rows = [[read(ref).row["ID"] for ref in batch] for batch in islice(expected, 60)]
    later = plan(opened)
    later.skip(done)
    read = ShardReader(
        opened, lambda turn: later.place(turn)[1], later.frontier, later.pending()
    )
    found = []
    for batch in islice(later, 60 - done):
        found.append([read(ref).row["ID"] for ref in batch])
        # Nothing is kept but what waits, and no shard stays open behind.
        assert set(read._kept) <= later.pending()
        waiting = {ref.turn for ref in later.pending()} | {later.frontier.turn}
        assert set(read._streams) <= waiting
    assert found == rows[done:]


def test_items_are_those_of_files(folder, opened):
    rows = read_manifest(folder / "m.csv")
    files = make_dataset(rows, folder, **TRAINING)
    data = make_shard_dataset(opened, **TRAINING)
    read = ShardReader(opened, int)
    places = {row["ID"]: place for place, row in enumerate(rows)}
    for shard_number, count in enumerate(opened.counts):
        for number in range(count):
            sample = read(Ref(shard_number, number))
            if sample.row["ID"] == "n/5":
                continue  # a piece; its crop is a sample off at most
            expected = files[2 * COUNT + places[sample.row["ID"]]]
            found = data.item(sample, 2)
            assert found["label"] == expected["label"]
            assert found["id"] == expected["id"]
            assert torch.equal(found["wav"], expected["wav"])


def waveforms(rows, folder=None):
    """Waveforms of files by ID."""
    dataset = make_dataset(rows, folder)
    items = [dataset[place] for place in range(len(rows))]
    return {item["id"]: item["wav"] for item in items}


def test_a_piece_is_itself(folder, opened):
    expected = waveforms(read_manifest(folder / "m.csv"), folder)
    loader = shard_scoring_loader(make_shard_dataset(opened), 6.0)
    found = {
        name: wav[: len(expected[name])]
        for batch in loader
        for name, wav in zip(batch.id, batch.wav.data, strict=True)
    }
    assert found.keys() == expected.keys() and len(found) == COUNT
    assert len(expected["n/5"]) == 4800
    assert all(torch.equal(found[name], wav) for name, wav in expected.items())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [4, 10, 23])
def test_resumed_batches_are_exactly_the_same(opened, tmp_path, workers, stop):
    settings = {"num_workers": workers, "lanes": 4, "shuffle_buffer": 8}
    expected = take(training(opened, **settings), 40)
    loader = training(opened, **settings)
    begun = take(loader, stop)
    loader.save(tmp_path / "loader")
    resumed = training(opened, **settings)
    resumed.load(tmp_path / "loader", end_of_epoch=stop % 10 == 0)
    same(begun + take(resumed, 40 - stop), expected)
    # And once more, from a position after a resume.
    resumed.save(tmp_path / "again")
    third = training(opened, **settings)
    third.load(tmp_path / "again", end_of_epoch=True)
    same(take(third, 5), take(training_from(opened, 40, settings), 5))


def training_from(opened, done, settings):
    loader = training(opened, **settings)
    take(loader, done)
    return loader


def test_workers_and_processes_share_one_stream(opened, monkeypatch):
    settings = {"lanes": 4, "shuffle_buffer": 8}
    expected = take(training(opened, **settings), 24)
    same(take(training(opened, **settings, num_workers=2), 24), expected)
    parts = []
    for rank in range(2):
        as_rank(monkeypatch, rank, 2)
        parts.append(take(training(opened, **settings, num_workers=2), 12))
    same([b for pair in zip(*parts, strict=True) for b in pair], expected)


def test_workers_know_their_process(opened, monkeypatch):
    settings = {"lanes": 2, "shuffle_buffer": 8}
    expected = take(training(opened, **settings), 8)[1::2]
    as_rank(monkeypatch, 1, 2)
    loader = training(opened, **settings)
    scoring = shard_scoring_loader(make_shard_dataset(opened), 6.0)
    # As it is in a worker that is started afresh.
    as_rank(monkeypatch, 0, 1)
    same(take(loader, 4), expected)
    assert sum(len(batch.id) for batch in scoring) == sum(opened.counts[1::2])


def test_a_run_goes_on_with_other_processes(opened, monkeypatch, tmp_path):
    settings = {"lanes": 6, "shuffle_buffer": 8}
    expected = take(training(opened, **settings), 30)
    for rank in range(2):
        as_rank(monkeypatch, rank, 2)
        loader = training(opened, **settings)
        take(loader, 4)
        loader.save(tmp_path / str(rank))
    assert (tmp_path / "0").read_text().splitlines()[1:2] == ["4"]
    parts = []
    for rank in range(3):
        as_rank(monkeypatch, rank, 3)
        loader = training(opened, **settings)
        loader.load(tmp_path / "0", end_of_epoch=False)
        parts.append(take(loader, 5))
        loader.save(tmp_path / "three")
        assert (tmp_path / "three").read_text().splitlines()[3] == "23"
    same([b for group in zip(*parts, strict=True) for b in group], expected[8:23])


def test_a_position_in_files_is_none_in_shards(opened, tmp_path):
    loader = training(opened)
    sampling.ResumableLoopedLoader(loader.loader, 3, loader.stream).save(
        tmp_path / "loader"
    )
    with pytest.raises(ShardError, match="at a batch of audio files, but"):
        training(opened).load(tmp_path / "loader")


def test_checkpoints_with_one_count_less_resume_exactly(opened, tmp_path):
    loader = training(opened)
    take(loader, 3)
    file = tmp_path / "loader"
    loader.save(file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:3], *lines[4:]]))
    resumed = training(opened)
    resumed.load(file, end_of_epoch=False)
    same(take(resumed, 2), take(loader, 2))


@pytest.mark.parametrize(
    "change",
    [{"lanes": 2}, {"seed": 4}, {"shuffle_buffer": 9}, {"longest": 1.0}],
    ids=str,
)
def test_another_stream_is_no_resume(opened, tmp_path, change):
    loader = training(opened)
    take(loader, 3)
    loader.save(tmp_path / "loader")
    with pytest.raises(ShardError, match="it is to go on with"):
        training(opened, **change).load(tmp_path / "loader", end_of_epoch=False)


def test_the_best_model_is_loaded_without_moving(opened, tmp_path):
    expected = take(training(opened), 8)
    loader = training(opened)
    begun = take(loader, 3)
    loader.save(tmp_path / "loader")
    begun += take(loader, 2)
    loader.load(tmp_path / "loader", end_of_epoch=True)
    same(begun + take(loader, 3), expected)


def test_a_nominal_epoch_has_its_steps(opened):
    loader = training(opened, valid_interval=7)
    assert [len(list(loader)) for _ in range(3)] == [7, 7, 7] and len(loader) == 7


def test_balance_is_refused(opened):
    with pytest.raises(ShardError, match="every sample comes once"):
        training(opened, balance={"columns": ["Label"], "alpha": 0.5})


def test_buckets_are_known(opened):
    with pytest.raises(ValueError, match="buckets is 'no'"):
        training(opened, buckets="no")


@pytest.mark.parametrize("lanes", [0, 3, 5])
def test_lanes_must_fit(opened, lanes):
    with pytest.raises(ShardError, match="give a multiple of 2"):
        training(opened, lanes=lanes, num_workers=2)


@pytest.mark.parametrize("world, workers", [(1, 0), (1, 2), (2, 0), (3, 2)])
def test_scoring_has_every_sample_once(opened, monkeypatch, world, workers):
    seen = []
    for rank in range(world):
        as_rank(monkeypatch, rank, world)
        data = make_shard_dataset(opened)
        for batch in shard_scoring_loader(data, 6.0, num_workers=workers):
            lengths = batch.wav.lengths * batch.wav.data.shape[1]
            assert len(batch.id) == 1 or len(batch.id) * max(lengths) <= 6.0 * RATE
            seen += batch.id
    assert sorted(seen) == sorted(f"n/{i}" for i in range(COUNT))


def test_samples_that_are_not_wanted_are_not_decoded(opened):
    def wanted(samples):
        return [int(sample.row["ID"][2:]) % 2 for sample in samples]

    loader = shard_scoring_loader(
        make_shard_dataset(opened), 6.0, collate_fn=list, wanted=wanted
    )
    items = [item for part in loader for item in part]
    assert sorted(item["id"] for item in items) == sorted(
        f"n/{i}" for i in range(COUNT)
    )
    for item in items:
        assert ("wav" in item) == int(item["id"][2:]) % 2


def scores(batches):
    """What a fixed network says, by ID."""
    torch.manual_seed(0)
    network = torch.nn.Conv1d(1, 2, 400, 160)
    found = {}
    with torch.inference_mode():
        for name, wav in batches:
            found[name] = network(wav[None]).mean(dim=-1)
    return found


@pytest.mark.parametrize(
    "rate, suffix, kind, limit",
    [
        (16000, "flac", "s", 0),
        (24000, "flac", "native", 0),
        (44100, "mp3", "native", 0),
        (24000, "flac", "s", 1e-4),
        (44100, "mp3", "s", 1e-4),
    ],
)
def test_scores_are_those_of_files(tmp_path, rate, suffix, kind, limit):
    rng = np.random.default_rng(1)
    rows = []
    for i in range(6):
        wav = voice(rng, rng.uniform(1.5, 2), False)
        path = tmp_path / f"{i}.{suffix}"
        # The mean of two channels may lie between the steps of 16 bits.
        channels = [1] if rate == RATE else [1, 0.5]
        soundfile.write(path, wav[:, None] * channels, rate)
        rows.append(manifest_row(str(i), "real", len(wav) / rate, str(path)))
    write_manifest(tmp_path / "m.csv", rows)
    stored = "native" if kind == "native" else 16000
    shard([tmp_path / "m.csv"], None, tmp_path / "out", sample_rate=stored)
    expected = scores(waveforms(rows).items())
    data = make_shard_dataset(open_shards(tmp_path / "out"))
    loader = shard_scoring_loader(data, 0.1)  # one by one
    found = scores((batch.id[0], batch.wav.data[0]) for batch in loader)
    assert found.keys() == expected.keys()
    for name, score in expected.items():
        assert (found[name] - score).abs().max() <= limit


def test_what_cannot_be_scored_is_reported(folder, tmp_path):
    rows = read_manifest(folder / "m.csv")[:4]
    shutil.copy(folder / "1.flac", tmp_path / "1.flac")
    rows[1]["Path"] = str(tmp_path / "1.flac")
    write_manifest(tmp_path / "m.csv", rows)
    shard([tmp_path / "m.csv"], str(folder), tmp_path / "s", sample_rate="native")
    tar = tmp_path / "s/shard-000000.tar"
    # The copy of the file is damaged in the shard, behind its header.
    content, inside = tar.read_bytes(), (tmp_path / "1.flac").read_bytes()
    place = content.index(inside) + len(inside) // 2
    tar.write_bytes(content[:place] + bytes(500) + content[place + 500 :])
    opened = open_shards(tmp_path / "s")
    with pytest.raises(AudioError, match=r"ID n/1: .*shard-000000.tar, 000000-0.*:"):
        list(shard_scoring_loader(make_shard_dataset(opened), 6.0))
    data = make_shard_dataset(opened, reporting=True)
    items = [
        item
        for part in shard_scoring_loader(data, 6.0, collate_fn=list)
        for item in part
    ]
    (failure,) = [item["failure"] for item in items if "failure" in item]
    assert "ID n/1: " in failure and "shard-000000.tar" in failure
    assert sorted(item["id"] for item in items) == [row["ID"] for row in rows]


def read_all(source, urls=None):
    loader = shard_scoring_loader(make_shard_dataset(open_shards(source, urls)), 6.0)
    return sorted(name for batch in loader for name in batch.id)


def test_shards_come_from_anywhere(folder):
    expected = sorted(f"n/{i}" for i in range(COUNT))
    place = folder / "s"
    last = len(list(place.glob("*.tar"))) - 1
    braces = f"shard-{{000000..{last:06d}}}.tar"
    assert read_all(place / "index.json") == expected
    assert read_all(f"pipe:cat {place}/index.json") == expected
    assert read_all(place, f"pipe:cat {place}/{braces}") == expected
    assert read_all(place, f"file:{place}/{braces}") == expected


def truncate(path, content):
    path.write_bytes(content[: len(content) // 2])


def lose_the_end(path, content):
    """Cut between two members, which a tar reader takes for the end."""
    from data_prep.shards.layout import sample_key

    path.write_bytes(content[: content.index(f"{sample_key(2, 3)}.json".encode())])


def exchange(path, content):
    shutil.copy(path.with_name("shard-000001.tar"), path)


def remove(path, content):
    path.unlink()


@pytest.mark.parametrize(
    "damage, message",
    [
        (truncate, "ends too early or is damaged"),
        (lose_the_end, r"ends too early or is damaged, after 3 of \d+ samples"),
        (exchange, "sample 000001-000000 where 000002-000000"),
        (remove, "No such file"),
    ],
)
def test_shards_that_are_not_whole(folder, tmp_path, damage, message):
    shutil.copytree(folder / "s", tmp_path / "s")
    path = tmp_path / "s/shard-000002.tar"
    damage(path, path.read_bytes())
    with pytest.raises(ShardError, match=message):
        read_all(tmp_path / "s")


def test_a_command_that_fails_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(shard_source, "FIRST_PAUSE", 0.001)
    with pytest.raises(ShardError, match="cannot be read .*, 5 attempts"):
        open_shards("pipe:cat /nowhere/index.json; exit 5")
    urls = [
        f"pipe:head -c 70000 {url}; exit 5" for url in open_shards(folder / "s").urls
    ]
    with pytest.raises(ShardError, match="ends too early"):
        read_all(folder / "s", urls)


@pytest.mark.parametrize(
    "content, message",
    [
        ("{}", "not the index"),
        ("no json", "not the index"),
        (json.dumps({"format": 99}), "format 99"),
    ],
)
def test_an_index_that_cannot_be_used(tmp_path, content, message):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        open_shards(tmp_path)


def test_urls_must_be_as_many_as_shards(folder):
    with pytest.raises(ShardError, match="but 2 URLs"):
        open_shards(folder / "s", "x/shard-{000000..000001}.tar")


def test_a_missing_package_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(ShardError, match="pip install webdataset"):
        open_shards(folder / "s")


def test_no_index_is_a_message(tmp_path):
    with pytest.raises(ShardError, match="index.json: cannot be read"):
        open_shards(tmp_path)


TWO_PROCESSES = """
import json, sys
from speechbrain.utils.distributed import ddp_init_group
import torch
from recipes.AntiDeepfake.sampling import process_rank
from recipes.AntiDeepfake.shard_scoring import shard_scoring_loader
from recipes.AntiDeepfake.shards import *

folder, out, stop = sys.argv[1:4]
torch.distributed.init_process_group("gloo")
rank, world = process_rank()
data = make_shard_dataset(open_shards(folder), crop=(0.6, 1.2), seed=9)
settings = dict(max_batch_length=6.0, longest=1.2, num_buckets=4, seed=3)
def loader():
    return shard_training_loader(
        data, 5, **settings, lanes=8, num_workers=2, shuffle_buffer=8
    )
def take(loader, count):
    iter(loader)
    seen = []
    while len(seen) < count:
        for batch in loader:
            seen.append([list(batch.id), batch.wav.data.double().sum().item()])
            if len(seen) == count:
                break
    return seen
first = loader()
batches = take(first, int(stop))
if rank == 0:
    first.save(out + "/loader")
torch.distributed.barrier()
second = loader()
second.load(out + "/loader", end_of_epoch=False)
batches += take(second, 12 - int(stop))
scored = [n for b in shard_scoring_loader(data, 6.0, num_workers=2) for n in b.id]
parts = [None] * world
torch.distributed.all_gather_object(parts, (batches, scored))
if rank == 0:
    json.dump(parts, open(out + "/parts.json", "w"))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_resume_and_score(folder, opened, tmp_path):
    (tmp_path / "two.py").write_text(TWO_PROCESSES)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    run_python(
        *launch,
        tmp_path / "two.py",
        folder / "s",
        tmp_path,
        7,
        env=os.environ | {"PYTHONPATH": "."},
    )
    parts = json.loads((tmp_path / "parts.json").read_text())
    data = make_shard_dataset(opened, crop=(0.6, 1.2), seed=9)
    alone = shard_training_loader(data, 5, **BATCHES, lanes=8, shuffle_buffer=8)
    expected = take(alone, 24)
    found = [b for pair in zip(parts[0][0], parts[1][0], strict=True) for b in pair]
    assert [tuple(ids) for ids, _ in found] == [ids for ids, _ in expected]
    for (_, total), (_, wav) in zip(found, expected, strict=True):
        assert total == pytest.approx(wav.double().sum().item(), abs=1e-9)
    assert sorted(parts[0][1] + parts[1][1]) == sorted(f"n/{i}" for i in range(COUNT))


@pytest.mark.slow
def test_train_from_shards(corpus, tiny_ssl, tmp_path):
    index, failures = shard(
        [corpus / "train.csv"], corpus, tmp_path / "shards", 200_000
    )
    assert not failures and len(index["shards"]) > 1
    others = {"train_shards": tmp_path / "shards", "train_csv": "nowhere.csv"}
    command = training_command(corpus, tiny_ssl, tmp_path / "out", **others)
    run_python("train.py", *command)
    lines = (tmp_path / "out" / "train_log.txt").read_text().splitlines()
    assert len(lines) == 3 and "valid EER" in lines[-1]
    assert (tmp_path / "out" / "detector" / "model.safetensors").is_file()
