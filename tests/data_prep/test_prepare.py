"""From a corpus on disk to manifests: rows, summary, resumption, refusals."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
import soundfile
from corpus_trees import write_audio

from data_prep.audio_info import audio_info
from data_prep.corpora import corpus_keys, find_corpus
from data_prep.corpora.base import ROLES, Corpus, LayoutError, Option, Utterance
from data_prep.engine import probing, sorting
from data_prep.manifest import read_manifest
from data_prep.prepare import prepare_corpus, prepare_function


def genuine_files(tree):
    """Every audio file below `speech` as genuine English."""
    for file in tree.files("speech"):
        yield Utterance(file.path, "real", key="-".join(file.parts), language="EN")


def make_corpus(utterances=genuine_files, **fields):
    """A corpus `Test` in the folder `test`; `utterances` may be a list."""
    if isinstance(utterances, list):
        rows = utterances

        def utterances(tree):
            return iter(rows)

    described = {
        "key": "test",
        "name": "Test",
        "prefix": "T",
        "folders": ("test",),
        "role": "unused",
        "licence": "none",
        "source": "tests",
        "citation": "none",
        "description": "Noise.",
        "layout": "speech/<name>.wav",
    }
    return Corpus(utterances=utterances, **(described | fields))


@pytest.fixture
def root(tmp_path):
    """A data root with the folder of the corpus."""
    (tmp_path / "data" / "test" / "speech").mkdir(parents=True)
    return tmp_path / "data"


@pytest.fixture
def run(root, tmp_path):
    """Prepare a corpus into `out`; give the summary."""

    def prepare(corpus=None, **settings):
        corpus = make_corpus() if corpus is None else corpus
        return prepare_corpus(corpus, root, tmp_path / "out", **settings)

    return prepare


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out" / "Test"


def speech(root, name, seconds=0.2, **kwargs):
    return write_audio(root / "test" / "speech" / name, seconds, **kwargs)


def rows_of(folder):
    """All rows by ID."""
    paths = sorted(folder.glob("*.csv"))
    return {row["ID"]: row for row in read_manifest(paths)} if paths else {}


def contents(folder):
    """What is visible in the output folder."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def only_reason(summary, kind="skipped"):
    (entry,) = summary[kind]
    return entry["reason"]


def test_a_row_has_the_facts_of_its_file(root, run, folder):
    path = speech(root, "a.wav", 0.3, sample_rate=44100, channels=2)
    run()
    info = audio_info(path)
    assert rows_of(folder)["T-a.wav"] == {
        "ID": "T-a.wav",
        "Label": "real",
        "Duration": "0.3",
        "SampleRate": "44100",
        "Path": "$ROOT/test/speech/a.wav",
        "Attack": "-",
        "Speaker": "-",
        "Proportion": "-",
        "AudioChannel": "2",
        "AudioEncoding": info.encoding,
        "AudioBitSample": str(info.bits),
        "Language": "EN",
        "Start": "-",
        "Stop": "-",
        "Corpus": "Test",
        "Recording": "-",
    }


@pytest.mark.parametrize(
    ("frames", "duration"), [(1000, "0.12"), (3000, "0.38"), (8000, "1.0")]
)
def test_durations_are_rounded_half_to_even(root, run, folder, frames, duration):
    speech(root, "a.wav", frames / 8000, sample_rate=8000)  # 0.125 and 0.375 s
    run()
    assert rows_of(folder)["T-a.wav"]["Duration"] == duration


def test_one_manifest_for_each_part_language_and_split(root, run, folder):
    for name in "abcd":
        speech(root, f"{name}.wav")
    summary = run(
        make_corpus(
            [
                Utterance("speech/b.wav", "real", "b", split="train", language="EN"),
                Utterance("speech/a.wav", "real", "a", split="train", language="EN"),
                Utterance("speech/c.wav", "fake", "c", "X", split="test"),
                Utterance("speech/d.wav", "fake", "d", "X", part="4s", language="CEB"),
            ]
        )
    )
    files = ["Test_4s_CEB.csv", "Test_EN_train.csv", "Test_test.csv"]
    assert [manifest["file"] for manifest in summary["manifests"]] == files
    assert [row["ID"] for row in read_manifest(folder / files[1])] == ["T-a", "T-b"]
    assert sorted(contents(folder)) == [*files, "summary.json"]


def test_the_summary_counts_exactly(root, run, folder):
    for name, rate in (("a", 16000), ("b", 44100), ("c", 16000)):
        speech(root, f"{name}.wav", 0.36, sample_rate=rate)
    rows = [
        Utterance("speech/a.wav", "real", "a", split="train", language="EN"),
        Utterance("speech/b.wav", "real", "b", split="test", language="CS"),
        Utterance("speech/c.wav", "fake", "c", "X", split="test", language="CS"),
    ]
    corpus = make_corpus(
        rows, hours=(0.0002, 0.0), rows={"test": (1, 2)}, deviations=("One.",)
    )
    summary = run(corpus)
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["rows"] == {"real": 2, "fake": 1}
    assert summary["hours"] == {"real": 0.0002, "fake": 0.0001}
    assert summary["splits"]["test"]["rows"] == {"real": 1, "fake": 1}
    assert summary["languages"]["CS"]["hours"] == {"real": 0.0001, "fake": 0.0001}
    assert (summary["mode"], summary["folder"]) == ("complete", "test")
    assert summary["deviations"] == ["One."]
    for manifest in summary["manifests"]:
        content = (folder / manifest["file"]).read_bytes()
        assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
        assert manifest["rows"] == len(read_manifest(folder / manifest["file"]))
    compared = {entry["what"]: entry for entry in summary["published"]}
    assert compared["hours real"]["matches"]
    assert compared["hours fake"]["difference"] is None
    assert not compared["hours fake"]["matches"]
    assert compared["rows fake test"]["difference"] == -0.5
    assert not compared["rows fake test"]["matches"]


def test_pieces_have_start_and_stop(root, run, folder):
    speech(root, "a.wav", 1.0)
    corpus = make_corpus(
        [
            Utterance("speech/a.wav", "real", "1", start=0.0, stop=0.25),
            Utterance("speech/a.wav", "real", "2", start=0.25, recording="a"),
            Utterance("speech/a.wav", "real", "3"),
        ]
    )
    summary = run(corpus)
    rows = rows_of(folder)
    found = [
        [row[key] for key in ("Start", "Stop", "Duration")] for row in rows.values()
    ]
    assert found == [
        ["0.0", "0.25", "0.25"],
        ["0.25", "1.0", "0.75"],
        ["-", "-", "1.0"],
    ]
    assert rows["T-2"]["Recording"] == "a"
    assert summary["hours"]["real"] == round(2 / 3600, 6)


@pytest.mark.parametrize(
    ("start", "stop"), [(0.5, 1.2), (-0.1, 0.5), (0.5, 0.5), (0.6, 0.5)]
)
def test_a_piece_outside_its_file_is_skipped(root, run, start, stop):
    speech(root, "a.wav", 1.0)
    rows = [Utterance("speech/a.wav", "real", "1", start=start, stop=stop)]
    assert "is not inside the file, which has 1.000 s" in only_reason(
        run(make_corpus(rows))
    )


def test_a_file_is_read_once_for_all_of_its_pieces(root, run, monkeypatch):
    speech(root, "a.wav", 1.0)
    read = []
    monkeypatch.setattr(probing, "CHUNK", 4)
    open_header = probing.open_header
    monkeypatch.setattr(
        probing, "open_header", lambda path: read.append(path) or open_header(path)
    )
    rows = [
        Utterance("speech/a.wav", "real", str(number), start=0.0, stop=0.5)
        for number in range(50)
    ]
    assert run(make_corpus(rows))["rows"]["real"] == 50
    assert len(read) == 1


def test_too_short_audio_is_skipped(root, run, folder):
    speech(root, "a.wav", 0.02)
    speech(root, "b.wav", 0.03)
    assert "too short, 0.0200 s" in only_reason(run())
    assert list(rows_of(folder)) == ["T-b.wav"]
    assert run(options={"min_duration": "0.01"})["skipped"] == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a$b.wav", "ID has the character '$'"),
        ("a\nb.wav", "ID has the character '\\n'"),
        (os.fsdecode(b"a\xff.wav"), "ID is not UTF-8"),
    ],
    ids=["dollar", "line end", "not UTF-8"],
)
def test_names_that_no_manifest_can_hold(root, run, folder, name, reason):
    speech(root, "good.wav").rename(root / "test" / "speech" / name)
    speech(root, "good.wav")
    summary = run()
    assert only_reason(summary).startswith(reason)
    assert list(rows_of(folder)) == ["T-good.wav"]
    assert summary["skipped"][0]["what"].isprintable()


def test_commas_quotes_and_blanks_survive(root, run, folder):
    name = 'a, "b" c.wav'
    speech(root, name)
    assert run()["skipped"] == []
    row = rows_of(folder)[f"T-{name}"]
    assert row["Path"] == f"$ROOT/test/speech/{name}"
    with open(folder / "Test_EN.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))[1]) == 14


def test_what_cannot_be_read_is_skipped_with_its_reason(root, run, folder):
    speech(root, "good.wav")
    cut = speech(root, "cut.wav")
    cut.write_bytes(cut.read_bytes()[:-100])
    (root / "test/speech/text.wav").write_text("404: Not Found")
    (root / "test/speech/empty.wav").touch()
    (root / "test/speech/link.wav").symlink_to("nowhere.wav")
    os.mkfifo(root / "test/speech/pipe.wav")
    summary = run()
    reasons = {entry["what"]: entry["reason"] for entry in summary["skipped"]}
    assert reasons.pop("speech/link.wav").startswith("a link to nowhere.wav")
    assert reasons.pop("speech/cut.wav").startswith("truncated, 6300 of 6400 bytes")
    assert "not audio" in reasons.pop("speech/text.wav")
    assert "empty (0 bytes)" in reasons.pop("speech/empty.wav")
    assert "not a file" in reasons.pop("speech/pipe.wav")
    assert not reasons and list(rows_of(folder)) == ["T-good.wav"]


def test_key_rows_without_file_and_files_without_key_row(root, run):
    for name in ("a.wav", "extra.wav", "noted.wav"):
        speech(root, name)

    def utterances(tree):
        tree.cover("speech")
        tree.skip("speech/noted.wav", "odd")
        tree.leave_out("speech/music.wav", "music")
        yield Utterance("speech/a.wav", "real", "a")
        yield Utterance("speech/b.wav", "real", "b")

    summary = run(make_corpus(utterances))
    assert summary["missing"] == [
        {"what": "speech/b.wav", "reason": "no such file, for the ID T-b"}
    ]
    assert summary["unlisted"] == {"count": 1, "files": ["speech/extra.wav"]}
    assert summary["skipped"] == [{"what": "speech/noted.wav", "reason": "odd"}]
    assert summary["left_out"] == [{"what": "speech/music.wav", "reason": "music"}]


def test_a_repeated_id_stops_the_run(root, run, folder):
    for name in ("a.wav", "b.wav"):
        speech(root, name)
    rows = [
        Utterance("speech/a.wav", "real", "x", split="train"),
        Utterance("speech/b.wav", "real", "x", split="test"),
    ]
    with pytest.raises(LayoutError) as raised:
        run(make_corpus(rows))
    assert all(
        part in str(raised.value) for part in ("'T-x'", "speech/a.wav", "speech/b.wav")
    )
    assert contents(folder) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attack": "VC"}, "attack 'VC' of genuine speech"),
        ({"label": "bonafide"}, "label 'bonafide'; known: real, fake"),
        ({"split": "dev"}, "split 'dev'; known: train, valid, test"),
        ({"key": ""}, "key ''"),
        ({"key": "a/b"}, "key 'a/b'"),
        ({"part": "../x"}, "part '../x'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_module_that_breaks_its_contract_is_stopped(root, run, changes, message):
    speech(root, "a.wav")
    row = Utterance("speech/a.wav", "real", "a")._replace(**changes)
    with pytest.raises(LayoutError, match=message):
        run(make_corpus([row]))


def test_an_unknown_language_is_skipped(root, run):
    speech(root, "a.wav")
    summary = run(make_corpus([Utterance("speech/a.wav", "real", "a", language="XX")]))
    assert "language 'XX' is not known" in only_reason(summary)


def test_a_corpus_without_audio_is_an_error(run):
    with pytest.raises(LayoutError, match="no audio of Test"):
        run()


def test_where_the_corpus_is_looked_for(root, tmp_path):
    corpus = make_corpus(folders=("Test", "other/test"))
    with pytest.raises(LayoutError, match="no folder Test or other/test"):
        prepare_corpus(corpus, root, tmp_path / "out")
    (root / "other").mkdir()
    (root / "test").rename(root / "other" / "test")
    write_audio(root / "other/test/speech/a.wav")
    assert prepare_corpus(corpus, root, tmp_path / "out")["folder"] == "other/test"
    with pytest.raises(LayoutError, match="no such folder"):
        prepare_corpus(corpus, tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(LayoutError, match=f"Name the folder above it: {root}/other"):
        prepare_corpus(make_corpus(folders=("test",)), root / "other/test", "out")


def test_modes_and_options_are_checked(root, run):
    speech(root, "a.wav")
    corpus = make_corpus(options={"which": Option("a", "Which.", ("a", "b"))})
    assert run(corpus, options={"which": "b"})["options"]["which"] == "b"
    for settings, message in (
        ({"mode": "fast"}, "mode 'fast' does not exist; known: complete, original"),
        ({"options": {"what": "1"}}, "no option 'what'; it has min_duration, which"),
        ({"options": {"which": "c"}}, "option which of test is 'c'; it can be a, b"),
        ({"options": {"min_duration": "0"}}, "0.005 or more"),
        ({"options": {"min_duration": "x"}}, "0.005 or more"),
    ):
        with pytest.raises(LayoutError, match=message):
            run(corpus, **settings)


def many_files(root, count):
    """Copies of one file, quickly."""
    first = speech(root, "00000.wav", 0.1).read_bytes()
    for number in range(1, count):
        (root / f"test/speech/{number:05d}.wav").write_bytes(first)


def test_the_bytes_do_not_depend_on_the_workers(root, run, folder, monkeypatch):
    many_files(root, 120)
    speech(root, "bad.wav").write_bytes(b"x")
    monkeypatch.setattr(probing, "CHUNK", 16)
    run()
    alone = contents(folder)
    for path in (folder / ".headers").iterdir():
        path.unlink()
    monkeypatch.setattr(probing, "_ALONE", 0.0)
    run(workers=2)
    assert contents(folder) == alone


def test_lines_are_sorted_on_disk_when_there_are_many(root, run, folder, monkeypatch):
    many_files(root, 60)
    run()
    expected = contents(folder)
    monkeypatch.setattr(sorting, "LIMIT", 7)
    run()
    assert contents(folder) == expected


def test_only_what_changed_is_read_again(root, run, folder, monkeypatch):
    for name in ("a.wav", "b.wav", "c.wav"):
        speech(root, name)
    run()
    before = contents(folder)
    read = []
    open_header = probing.open_header
    monkeypatch.setattr(
        probing,
        "open_header",
        lambda path: read.append(os.path.basename(path)) or open_header(path),
    )
    run()
    assert read == [] and contents(folder) == before
    speech(root, "b.wav", 0.5)
    run()
    assert read == ["b.wav"]
    assert rows_of(folder)["T-b.wav"]["Duration"] == "0.5"


def test_a_damaged_cache_is_made_again(root, run, folder):
    speech(root, "a.wav")
    run()
    before = contents(folder)
    (cache,) = (folder / ".headers").iterdir()
    cache.write_bytes(b"damaged")
    run()
    assert contents(folder) == before and cache.stat().st_size > 100


def test_a_failed_run_leaves_what_was_there(root, run, folder, monkeypatch):
    many_files(root, 40)
    monkeypatch.setattr(probing, "CHUNK", 8)
    run()
    before = contents(folder)
    (root / "test/speech/00041.wav").write_bytes(
        (root / "test/speech/00000.wav").read_bytes()
    )

    def breaks(tree):
        yield from genuine_files(tree)
        raise LayoutError("line 7")

    with pytest.raises(LayoutError, match="line 7"):
        run(make_corpus(breaks))
    assert contents(folder) == before
    assert {path.name for path in folder.glob(".*")} == {".headers"}


def test_manifests_that_are_no_longer_made_are_removed(root, run, folder):
    speech(root, "a.wav")
    run(make_corpus([Utterance("speech/a.wav", "real", "a", split="train")]))
    (folder / "notes.csv").write_text("mine")
    run(make_corpus([Utterance("speech/a.wav", "real", "a", split="test")]))
    assert set(contents(folder)) == {"Test_test.csv", "notes.csv", "summary.json"}


KILLED = """
import os, sys, time
from data_prep.engine import cache, probing
from data_prep.prepare import prepare_corpus
from tests.data_prep.test_prepare import genuine_files, make_corpus

def slow(tree):
    for number, utterance in enumerate(genuine_files(tree)):
        if number == 200:
            print("ready", flush=True)
            time.sleep(60)
        yield utterance

if __name__ == "__main__":
    probing.CHUNK, probing._ALONE, cache._PART_RECORDS = 16, 0.0, 32
    prepare_corpus(make_corpus(slow), sys.argv[1], sys.argv[2], workers=2)
"""


def test_a_killed_run_goes_on_where_it_was(root, run, tmp_path, folder, monkeypatch):
    many_files(root, 250)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    root_folder = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join(map(str, (root_folder, root_folder / "tests")))
    process = subprocess.Popen(
        [sys.executable, script, root, tmp_path / "out"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert contents(folder) == {}, "no half-written manifest"
    read = []
    open_header = probing.open_header
    monkeypatch.setattr(
        probing, "open_header", lambda path: read.append(path) or open_header(path)
    )
    run()
    assert 0 < len(read) < 150, "what was read before is not read again"
    assert len(rows_of(folder)) == 250
    resumed = contents(folder)
    for path in (folder / ".headers").iterdir():
        path.unlink()
    run()
    assert contents(folder) == resumed


def test_slow_disks_are_read_by_threads(root, monkeypatch):
    many_files(root, 80)
    probe = probing.probe
    monkeypatch.setattr(probing, "probe", lambda *job: time.sleep(0.01) or probe(*job))
    paths = [f"speech/{number:05d}.wav" for number in range(80)]
    start = time.perf_counter()
    found = probing.probe_batch(str(root / "test"), paths)
    assert time.perf_counter() - start < 0.01 * len(paths)
    assert [outcome[2] for outcome in found] == [1600] * 80


def test_the_function_of_a_corpus(root, tmp_path, folder):
    speech(root, "a.wav")
    prepare = prepare_function(make_corpus())
    assert prepare.__name__ == "prepare_test" and "`test`" in prepare.__doc__
    assert prepare(root, tmp_path / "out", skip_prep=True) is None
    assert not folder.exists()
    summary = prepare(
        data_folder=root, save_folder=tmp_path / "out", min_duration="0.1"
    )
    assert summary["options"] == {"min_duration": "0.1"}
    with pytest.raises(LayoutError, match="no option 'what'"):
        prepare(root, tmp_path / "out", what="1")


def test_other_formats_go_through_the_engine(root, run, folder):
    for name in ("a.flac", "a.mp3", "a.ogg"):
        speech(root, name, 0.3)
    run()
    for name in ("a.flac", "a.mp3", "a.ogg"):
        row, info = (
            rows_of(folder)[f"T-{name}"],
            audio_info(root / "test/speech" / name),
        )
        assert row["AudioEncoding"] == info.encoding
        assert row["Duration"] == str(round(info.frames / info.sample_rate, 2))
    assert soundfile.info(root / "test/speech/a.mp3").format == "MP3"


@pytest.mark.parametrize("key", corpus_keys())
def test_each_corpus_is_described(key):
    module = import_module(f"data_prep.corpora.{key}")
    corpus = find_corpus(key)
    assert corpus.key == key and corpus.role in ROLES
    texts = (corpus.licence, corpus.source, corpus.citation, corpus.description)
    assert all((corpus.name, corpus.prefix, corpus.layout, corpus.folders, *texts))
    assert corpus.prefix.isprintable() and not set(corpus.prefix) & set("/$, ")
    assert all(split in ("all", "train", "valid", "test") for split in corpus.rows)
    for option in corpus.options.values():
        assert option.help and (not option.choices or option.default in option.choices)
    prepare = getattr(module, f"prepare_{key}")
    assert f"prepare_{key}" in module.__all__ and prepare.__name__ == f"prepare_{key}"


def test_corpora_do_not_get_in_each_others_way():
    corpora = [find_corpus(key) for key in corpus_keys()]
    # Names are folders, and some file systems do not tell case; IDs do.
    assert len({corpus.name.lower() for corpus in corpora}) == len(corpora)
    assert len({corpus.prefix for corpus in corpora}) == len(corpora)
    assert not any(key.startswith("_") for key in corpus_keys())
    with pytest.raises(ValueError, match="no corpus 'base'"):
        find_corpus("base")
