"""Merging: which rows go where, in which order, and what is refused."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.merge import make_manifests, make_spec
from data_prep.manifest import COLUMNS, ManifestError, read_manifest
from data_prep.merge import merge
from data_prep.merge_spec import find_spec, read_spec


def row(name, **changes):
    """A complete row of the compulsory columns."""
    return {
        "ID": name,
        "Label": "real",
        "Duration": "36.00",
        "SampleRate": "16000",
        "Path": f"$ROOT/{name}.wav",
        "Attack": "-",
        "Speaker": "-",
        "Proportion": "train",
        "AudioChannel": "1",
        "AudioEncoding": "PCM_S",
        "AudioBitSample": "16",
        "Language": "EN",
    } | changes


def put(folder: Path, corpus: str, rows: list[dict], name: str = "", summary=True):
    """Write one manifest of a corpus, and the summary that names all of them."""
    path = folder / corpus / f"{name or corpus}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    if summary:
        listed = [{"file": file.name} for file in sorted(path.parent.glob("*.csv"))]
        (path.parent / "summary.json").write_text(json.dumps({"manifests": listed}))


@pytest.fixture
def folder(tmp_path):
    """A in two languages with all splits, B of fakes, C without split."""
    manifests = tmp_path / "manifests"
    for language in ("EN", "DE"):
        for split, count in (("train", 60), ("valid", 6), ("test", 4)):
            names = [f"A-{language}-{split}-{i:03d}" for i in range(count)]
            rows = [row(n, Proportion=split, Language=language) for n in names]
            put(manifests, "A", rows, f"A_{language}_{split}")
    fakes = [
        row(f"B-{i:03d}", Label="fake", Attack=f"a{i % 3}", Recording=f"r{i}")
        for i in range(90)
    ]
    put(manifests, "B", fakes)
    put(manifests, "C", [row(f"C-{i:03d}", Proportion="-") for i in range(10)])
    return tmp_path


def run(folder, lists, out="out", seed=None, workers=1, **options):
    """Merge by a spec; give the rows of each list, and the summary."""
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump({"lists": lists}, sort_keys=False))
    made = merge(
        read_spec(path),
        folder / "manifests",
        folder / out,
        seed,
        workers=workers,
        **options,
    )
    assert json.loads((folder / out / "summary.json").read_text()) == made
    rows = {name: read_manifest(folder / out / f"{name}.csv") for name in made["lists"]}
    return rows, made


def ids(rows):
    return [row["ID"] for row in rows]


def take(*corpora, **others):
    return {"take": [{"corpora": list(corpora), **others}]}


def test_splits_go_to_lists(folder):
    everything = ["A", "B", "C"]
    rows, summary = run(
        folder,
        {
            "train": take(*everything, splits=["train", "test", "-"]),
            "valid": take(*everything, splits=["valid"]),
        },
    )
    assert len(rows["train"]) == 128 + 90 + 10 and len(rows["valid"]) == 12
    assert {row["Proportion"] for row in rows["valid"]} == {"valid"}
    assert summary["seed"] == summary["spec"]["seed"] == 0
    assert [made["name"] for made in summary["spec"]["lists"]] == ["train", "valid"]
    train = summary["lists"]["train"]
    assert train["rows"] == 228 and train["purpose"] == "train"
    assert train["real"] == {"rows": 138, "hours": 1.38}
    assert train["fake"] == {"rows": 90, "hours": 0.9}
    assert train["parts"][0] == {
        "corpus": "A",
        "language": "DE",
        "split": "test",
        "label": "real",
        "rows": 4,
        "hours": 0.04,
    }
    for name, made in summary["lists"].items():
        content = (folder / "out" / f"{name}.csv").read_bytes()
        assert made["sha256"] == hashlib.sha256(content).hexdigest()
    first = summary["inputs"][0]
    content = (folder / "manifests" / first["file"]).read_bytes()
    assert first["sha256"] == hashlib.sha256(content).hexdigest()


def test_training_is_shuffled_and_the_rest_is_in_file_order(folder):
    lists = {"train": take("B"), "valid": take("A", splits=["valid"])}
    rows, _ = run(folder, lists)
    assert ids(rows["train"]) != sorted(ids(rows["train"]))
    assert ids(rows["valid"]) == [
        f"A-{language}-valid-{i:03d}" for language in ("DE", "EN") for i in range(6)
    ]
    assert sorted(ids(rows["train"])) == [f"B-{i:03d}" for i in range(90)]


def test_optional_columns_are_joined_and_the_corpus_is_named(folder):
    rows, _ = run(folder, {"train": take("A", "B", languages=["EN"])})
    header = (folder / "out" / "train.csv").read_text().partition("\n")[0]
    assert header == ",".join([*COLUMNS, "Corpus", "Recording"])
    by_id = {row["ID"]: row for row in rows["train"]}
    assert by_id["B-007"]["Recording"] == "r7" and by_id["B-007"]["Corpus"] == "B"
    assert by_id["A-EN-test-000"]["Recording"] == "-"


def test_values_stay_text(folder):
    odd = row(
        "D-1",
        Speaker="001",
        Attack="None",
        Duration="1.50",
        Label="fake",
        Corpus="-",
        Emotion='so "so", \nyes',
    )
    put(folder / "manifests", "D", [odd, row("D-2", Corpus="own", Emotion="")])
    rows, _ = run(folder, {"valid": take("D", "A", splits=["train"])})
    first, second, third = rows["valid"][:3]
    assert first == odd | {"Corpus": "D", "Start": "-", "Stop": "-", "Recording": "-"}
    assert second["Corpus"] == "own" and second["Emotion"] == ""
    assert third["Emotion"] == "-", "a file without the column has no value"


def test_same_seed_same_bytes_whatever_the_number_of_threads(folder):
    lists = {"train": take("A", "B", "C"), "valid": take("A", splits=["valid"])}
    lists["train"]["take"][0]["splits"] = ["train", "-"]
    run(folder, lists, "one", seed=5, workers=1)
    run(folder, lists, "two", seed=5, workers=2)
    for name in ("train.csv", "valid.csv", "summary.json"):
        one, two = (folder / out / name for out in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    run(folder, lists, "three", seed=6)
    assert (folder / "three/train.csv").read_bytes() != (
        folder / "one/train.csv"
    ).read_bytes()


@pytest.mark.parametrize("limit", [{"share": 0.3}, {"hours": 0.3}, {}], ids=str)
def test_another_corpus_changes_neither_rows_nor_order_of_the_others(folder, limit):
    def lists(*corpora):
        return {
            "train": {"take": [{"corpora": name, **limit} for name in corpora]},
        }

    alone, _ = run(folder, lists("B"), "alone")
    beside, _ = run(folder, lists("A", "B", "C"), "beside")
    kept = [row["ID"] for row in beside["train"] if row["Corpus"] == "B"]
    assert kept == ids(alone["train"]) and len(beside["train"]) > len(kept)


def test_a_share_is_near_and_grows(folder):
    small, _ = run(folder, {"train": take("A", "B", share=0.2)}, "small")
    large, _ = run(folder, {"train": take("A", "B", share=0.5)}, "large")
    assert 20 < len(small["train"]) < 70 < len(large["train"]) < 160
    assert set(ids(small["train"])) < set(ids(large["train"]))
    whole, _ = run(folder, {"train": take("B", share=1.0)}, "whole")
    assert len(whole["train"]) == 90


def test_hours_of_each_language(folder):
    limited = take("A", "B", hours=0.105, each=["corpus", "language"])
    _, summary = run(folder, {"train": limited})
    parts = summary["lists"]["train"]["parts"]
    hours = {}
    for part in parts:
        key = part["corpus"], part["language"]
        hours[key] = hours.get(key, 0) + part["hours"]
    assert hours == {
        ("A", "DE"): pytest.approx(0.1),
        ("A", "EN"): pytest.approx(0.1),
        ("B", "EN"): pytest.approx(0.1),
    }


def test_parts_of_a_corpus(folder):
    for part in ("4s", "10s"):
        rows = [row(f"D-{part}-{i}", Proportion="test") for i in range(3)]
        put(folder / "manifests", "D", rows, f"D_{part}_EN_test")
    selection = {"corpora": "D", "parts": ["4s"]}
    found, _ = run(folder, {"test": {"take": [selection]}})
    assert {one["ID"] for one in found["test"]} == {f"D-4s-{i}" for i in range(3)}
    with pytest.raises(ManifestError, match="its parts"):
        run(folder, {"test": {"take": [selection | {"parts": ["13s"]}]}})


def test_hours_of_all_together(folder):
    _, summary = run(folder, {"train": take("A", "B", hours=0.5)})
    assert summary["lists"]["train"]["rows"] == 50


def test_a_row_is_taken_by_the_first_selection_that_matches(folder):
    lists = {
        "train": {
            "take": [
                {"corpora": "B", "attacks": ["a0"]},
                {"corpora": "B", "hours": 0.05},
            ]
        }
    }
    rows, _ = run(folder, lists)
    attacks = [row["Attack"] for row in rows["train"]]
    assert attacks.count("a0") == 30 and len(attacks) == 35


def test_one_row_may_be_in_several_test_lists(folder):
    rows, _ = run(folder, {"test": take("A", "C"), "test_C": take("C")})
    assert len(rows["test"]) == 150 and len(rows["test_C"]) == 10


def test_a_row_may_not_be_in_train_and_test(folder):
    lists = {"train": take("A", "B"), "test": take("B", attacks=["a1"])}
    with pytest.raises(ManifestError, match="train and test: 30 rows are in both"):
        run(folder, lists)
    rows, _ = run(folder, lists, allow_contamination=True)
    assert len(rows["test"]) == 30


def test_identical_duplicates_keep_the_first_copy(folder):
    again = [row("C-001", Proportion="-"), row("C-100", Proportion="-")]
    put(folder / "manifests", "C", again, "C_more")
    rows, summary = run(folder, {"train": take("C", "A")})
    assert summary["duplicates_removed"] == 1
    assert ids(rows["train"]).count("C-001") == 1
    assert len(rows["train"]) == 140 + 11


def test_conflicting_duplicates_name_both_files(folder):
    put(folder / "manifests", "D", [row("C-003", Proportion="-", Duration="2")])
    with pytest.raises(ManifestError) as error:
        run(folder, {"train": take("C", "D")})
    message = str(error.value)
    assert "'C-003'" in message and "C/C.csv" in message and "D/D.csv" in message


def test_missing_corpora(folder):
    lists = {"train": take("A", "Nowhere", "DECRO"), "test_N": take("Nowhere")}
    put(folder / "manifests", "DECRO", [row("x")], summary=False)
    with pytest.raises(ManifestError, match="of Nowhere, DECRO") as error:
        run(folder, lists)
    assert "--allow-missing" in str(error.value)
    assert not (folder / "out").exists()
    rows, summary = run(folder, lists, allow_missing=True)
    assert summary["missing_corpora"] == ["Nowhere", "DECRO"]
    assert list(rows) == ["train"] and len(rows["train"]) == 140


def test_a_manifest_that_its_summary_lists_may_not_be_gone(folder):
    (folder / "manifests/A/A_DE_test.csv").unlink()
    with pytest.raises(ManifestError, match="A_DE_test.csv of its summary.json"):
        run(folder, {"train": take("A")})


@pytest.mark.parametrize("content", ["{", "{}", "[3]", '{"manifests": [{"file": 3}]}'])
def test_a_summary_that_is_damaged(folder, content):
    (folder / "manifests/A/summary.json").write_text(content)
    with pytest.raises(ManifestError, match=r"A/summary\.json: does not list the mani"):
        run(folder, {"train": take("A")})


def test_a_folder_is_no_manifest(folder):
    put(folder / "manifests", "Own", [row("own")], summary=False)
    (folder / "manifests/Own/old.csv").mkdir()
    assert run(folder, {"train": take("Own")})[1]["lists"]["train"]["rows"] == 1


def test_a_folder_whose_name_is_not_utf8(folder):
    with pytest.raises(ManifestError, match="the name is not UTF-8. Rename"):
        run(folder, {"train": take("A")}, out=os.fsdecode(b"na\xff"))


def test_columns_of_two_files_that_differ_by_case(folder):
    put(folder / "manifests", "Own", [row("a") | {"mood": "x"}], summary=False)
    put(folder / "manifests", "Other", [row("b") | {"Mood": "x"}], summary=False)
    with pytest.raises(ManifestError, match="has the column 'mood', .* has 'Mood'"):
        run(folder, {"train": take("Own", "Other")})


def test_files_that_a_summary_does_not_list_are_no_manifests(folder):
    (folder / "manifests/A/skipped.csv").write_text("what,reason\n")
    rows, _ = run(folder, {"train": take("A")})
    assert len(rows["train"]) == 140


def test_own_data_needs_no_summary(folder):
    put(folder / "manifests", "Mine", [row("m")], summary=False)
    assert ids(run(folder, {"train": take("Mine")})[0]["train"]) == ["m"]


def test_a_selection_without_rows_is_a_mistake(folder):
    with pytest.raises(ManifestError, match="list train: its selection 1"):
        run(folder, {"train": take("A", languages=["FR"])})


def test_an_error_leaves_everything_as_it_was(folder):
    run(folder, {"train": take("B")})
    before = {path: path.read_bytes() for path in (folder / "out").iterdir()}
    put(folder / "manifests", "C", [row("B-001", Proportion="-")])
    with pytest.raises(ManifestError):
        run(folder, {"train": take("B", "C")})
    assert {path: path.read_bytes() for path in (folder / "out").iterdir()} == before


def test_bad_rows_are_told_with_file_and_line(folder):
    put(folder / "manifests", "D", [row("d1"), row("d2", Label="spoof")])
    with pytest.raises(ManifestError, match=r"D\.csv, line 3 \(ID d2\): Label"):
        run(folder, {"train": take("D")})


def test_line_ends_and_byte_order_mark_of_windows(folder):
    path = folder / "manifests/C/C.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(run(folder, {"train": take("C")})[0]["train"]) == 10


def test_tables_that_programs_read_differently_are_refused(folder):
    path = folder / "manifests/C/C.csv"
    path.write_text(path.read_text().replace("PCM_S", '"PCM"_S', 1))
    with pytest.raises(ManifestError, match="programs disagree"):
        run(folder, {"train": take("C")})


def test_many_rows(tmp_path):
    make_manifests(tmp_path / "manifests", 24_000)
    rows, summary = run(tmp_path, make_spec(24_000)["lists"], workers=2)
    assert len(rows["valid"]) == len(rows["test"]) == 4_000
    hours = dict.fromkeys(("real", "fake"), 0.0)
    for part in summary["lists"]["train"]["parts"]:
        if part["corpus"] == "Three":
            hours[part["label"]] += part["hours"]
    assert all(4.79 < found <= 4.8 for found in hours.values())
    assert len(rows["train"]) == summary["lists"]["train"]["rows"] > 8_000


# Contamination


def decro(folder):
    """DECRO's English training part is made from ASVspoof 2019 train and dev."""
    put(folder / "manifests", "DECRO", [row("D-1"), row("D-2", Proportion="test")])
    splits = ("train", "valid", "test")
    rows = [row(f"S-{split}", Proportion=split) for split in splits]
    put(folder / "manifests", "ASVspoof2019-LA", rows)


def test_test_lists_that_share_audio_with_training_are_refused(folder):
    decro(folder)
    lists = {
        "train": take("DECRO", splits=["train"]),
        "test": take("ASVspoof2019-LA", splits=["train"]),
    }
    with pytest.raises(ManifestError) as error:
        run(folder, lists)
    message = str(error.value)
    assert "ASVspoof2019-LA:train and DECRO:train" in message
    assert "--allow-contamination" in message
    assert not list((folder / "out").iterdir())
    _, summary = run(folder, lists, allow_contamination=True)
    assert summary["contamination"]["test"][0]["severity"] == "same audio"


def test_valid_lists_that_share_audio_are_reported(folder):
    decro(folder)
    lists = {
        "train": take("DECRO", splits=["train"]),
        "valid": take("ASVspoof2019-LA", splits=["valid"]),
        "test": take("ASVspoof2019-LA", splits=["test"]),
    }
    _, summary = run(folder, lists)
    (leak,) = summary["contamination"]["valid"]
    assert (leak["severity"], leak["via"]) == ("same audio", "ASVspoof2019-LA")
    (related,) = summary["contamination"]["test"]
    assert related["severity"] == "shared source"


def test_a_corpus_without_splits_may_be_divided(folder):
    rows = [row("D-0", Proportion="-"), row("D-1", Proportion="-", Language="DE")]
    put(folder / "manifests", "LJSpeech", rows)
    lists = {
        "train": take("LJSpeech", languages=["EN"]),
        "test": take("LJSpeech", languages=["DE"]),
    }
    assert run(folder, lists)[1]["contamination"]["test"] == []


# Specs


@pytest.mark.parametrize(
    "content, message",
    [
        ("lists: {train: {take: [{corpora: [A], languages: [NO]}]}}", "has False"),
        ("lists: {train: {take: [{corpora: [A], label: real}]}}", "the key 'label'"),
        ("lists: {train: {take: [{corpora: [A], share: 2}]}}", "no single limit"),
        ("lists: {train: {take: [{corpora: [A], hours: no}]}}", "hours is False"),
        ("lists: {train: {take: [{corpora: A, each: [label]}]}}", "stands alone"),
        ("lists: {train: {take: [{corpora: A, hours: 1, each: x}]}}", "has 'x'"),
        ("lists: {other: {take: [{corpora: [A]}]}}", "purpose is 'other'"),
        ("lists: {train: {order: random, take: [{corpora: A}]}}", "order is 'random'"),
        ("lists: {train: {take: []}}", "take is no list"),
        ("lists: {train: {take: [{corpora: []}]}}", "corpora is empty"),
        ("lists: {train/a: {take: [{corpora: A}]}}", "no name for a file"),
        ("lists: {}", "lists is empty"),
        ("seed: x\nlists: {train: {take: [{corpora: A}]}}", "seed is 'x'"),
        ("lists: {train: {take: [{corpora: A, hours: .nan}]}}", "hours is nan"),
        ("lists: {train: {take: [{corpora: A, hours: .inf}]}}", "hours is inf"),
        ("lists: {train: {take: [{corpora: ''}]}}", "has ''; give the names"),
        ("lists: {train: {take: [{corpora: ../A}]}}", "has '../A'; give the names"),
        ("lists: {test: {}, Test: {purpose: test}}", "one file where upper and lower"),
        ("seed: true\nlists: {train: {take: [{corpora: A}]}}", "seed is True"),
        ("- train", "is no mapping"),
        ("a: [", "not YAML"),
    ],
    ids=lambda text: text[:40],
)
def test_specs_that_are_refused(tmp_path, content, message):
    (tmp_path / "spec.yaml").write_text(content)
    with pytest.raises(ManifestError, match=message):
        read_spec(tmp_path / "spec.yaml")


def test_a_spec_that_is_not_there(tmp_path):
    with pytest.raises(ManifestError, match="own_data, paper"):
        read_spec(tmp_path / "none.yaml")


def test_the_lists_of_the_paper(tmp_path):
    """One row for each split of each corpus; the test sets are not refused."""
    spec = read_spec(find_spec("paper"))
    assert len(spec.corpora) == 34
    for corpus in spec.corpora:
        rows = [
            row(f"{corpus}-{split}", Proportion=split, Label=label)
            for split, label in zip(
                ("train", "valid", "test", "-"), ("real", "fake") * 2, strict=True
            )
        ]
        put(tmp_path / "manifests", corpus, rows)
    summary = merge(spec, tmp_path / "manifests", tmp_path / "out")
    rows = {name: made["rows"] for name, made in summary["lists"].items()}
    assert rows == {
        "train": 29 * 3,
        "valid": 29,
        "test_ADD2023": 4,
        "test_DEEP-VOICE": 4,
        "test_FoR-original": 1,
        "test_FoR-norm": 1,
        "test_In-the-Wild": 4,
        "test": 14,
    }
    leaks = {
        (leak["test"], leak["train"])
        for leak in summary["contamination"]["valid"]
        if leak["severity"] == "same audio"
    }
    assert ("ASVspoof2019-LA:valid", "DECRO:train") in leaks
    assert ("DECRO:valid", "ASVspoof2019-LA:test") in leaks
    assert not [
        o for o in summary["contamination"]["test"] if o["severity"] == "same audio"
    ]


def test_the_lists_of_deepfake_eval_2024(tmp_path):
    corpus = "Deepfake-Eval-2024"
    for length in (4, 10, 13, 30, 50):
        for split in ("train", "test"):
            rows = [
                row(f"DFE24-{length}s-{split}-{i}", Proportion=split) for i in range(2)
            ]
            put(tmp_path / "manifests", corpus, rows, f"{corpus}_{length}s_{split}")
    made = merge(
        read_spec(find_spec("df2024")), tmp_path / "manifests", tmp_path / "out"
    )
    assert len(made["lists"]) == 10
    for name, found in made["lists"].items():
        split, _, length = name.split("_")
        rows = read_manifest(tmp_path / "out" / found["file"])
        assert [one["ID"] for one in sorted(rows, key=lambda one: one["ID"])] == [
            f"DFE24-{length}-{split}-{i}" for i in range(2)
        ]


def test_the_example_of_own_data_is_understood():
    assert [wanted.name for wanted in read_spec(find_spec("own_data")).lists] == [
        "train",
        "valid",
        "test",
    ]


CODE = """
import sys
from argparse import ArgumentParser
from data_prep import merge
parser = ArgumentParser()
merge.add_arguments(parser)
code = merge.run(parser.parse_args())
assert not {"torch", "speechbrain"} & set(sys.modules)
sys.exit(code)
"""


def test_command(folder):
    decro(folder)
    lists = {
        "train": take("DECRO", "B", splits=["train"]),
        "valid": take("ASVspoof2019-LA", splits=["valid"]),
    }
    (folder / "s.yaml").write_text(yaml.safe_dump({"lists": lists}))
    arguments = ["s.yaml", "--manifests", "manifests", "--out", "out", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    header, train, valid, _, where = done.stdout.splitlines()
    assert where == "lists and summary.json: out"
    assert header.split() == ["list", "rows", "real", "h", "fake", "h"]
    assert train.split() == ["train", "91", "0.01", "0.90"]
    assert "ASVspoof2019-LA:valid and DECRO:train" in done.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "summary.json",
        "train.csv",
        "valid.csv",
    ]
