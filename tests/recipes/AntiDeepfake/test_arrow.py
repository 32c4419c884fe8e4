"""Manifests as Arrow files: the rows of the CSV, the same errors, never out of date."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import ROOT

from data_prep.manifest import COLUMNS, ManifestError, read_manifest
from recipes.AntiDeepfake import arrow_cache
from recipes.AntiDeepfake.arrow_cache import arrow_files
from recipes.AntiDeepfake.arrow_rows import ArrowRows, open_manifest
from recipes.AntiDeepfake.score_log import trials_digest

HEADER = ",".join(COLUMNS)
GOOD = "a,real,3.31,16000,$ROOT/c/a.flac,-,001,train,1,FLAC,16,EN"


def line(name="a", **changes):
    values = dict(zip(COLUMNS, GOOD.split(","), strict=True)) | {"ID": name} | changes
    return ",".join(values[column] for column in COLUMNS)


@pytest.fixture
def csv_file(tmp_path):
    """Write lines as a manifest."""

    def write(*lines, header=HEADER, name="m.csv", end="\n"):
        (tmp_path / name).write_bytes(end.join([header, *lines, ""]).encode())
        return tmp_path / name

    return write


def assert_same_rows(path):
    expected, found = read_manifest(path), open_manifest(path)
    assert list(found) == expected
    assert [found[i] for i in range(len(found))] == expected
    assert [list(row) for row in found] == [list(row) for row in expected]
    return found


ODD = {
    "quotes": ([line(Speaker='"x, ""y"""'), line("b")], {}),
    "line end in quotes": ([line(Speaker='"x\ny"'), line("b")], {}),
    "windows": ([line(), line("b")], {"end": "\r\n"}),
    "byte order mark": ([line()], {"header": "\ufeff" + HEADER}),
    "empty lines": ([line(), "", line("b"), ""], {}),
    "empty values": ([line(Attack="", Speaker="")], {}),
    "letters": ([line("é", Speaker="日本"), line("ü" * 300)], {}),
    "numbers with blanks": ([line(Duration=" 1.5 "), line("b", Duration="1_0")], {}),
    "other column": ([f"{line()},calm"], {"header": f"{HEADER},Emotion"}),
    "pieces": (
        [f"{line()},1,2.5", f"{line('b')},-,-"],
        {"header": f"{HEADER},Start,Stop"},
    ),
}


@pytest.mark.parametrize("odd", ODD)
def test_rows_are_those_of_the_csv(csv_file, odd):
    lines, options = ODD[odd]
    assert_same_rows(csv_file(*lines, **options))


BAD = {
    "empty ID": [line(), line("")],
    "label": [line(), line("b", Label="bonafide")],
    "duration": [line(), line("b", Duration="-1")],
    "no number": [line(), line("b", Duration="long")],
    "not finite": [line(), line("b", Duration="inf")],
    "rate": [line(), line("b", SampleRate="nan")],
    "no path": [line(), line("b", Path="$ROOT/")],
    "dollar in path": [line(), line("b", Path="$ROOT/a$b")],
    "dollar elsewhere": [line(), line("b", Attack="$ROOT/")],
    "few fields": [line(), "b,real"],
    "many fields": [line(), f"{line('b')},x"],
    "open quote": [line(), line("b", Speaker='"x')],
    "ID twice": [line(), line("b"), line()],
    "no rows": [],
}


@pytest.mark.parametrize("bad", BAD)
def test_errors_are_those_of_read_manifest(csv_file, bad):
    path = csv_file(*BAD[bad])
    with pytest.raises(ManifestError) as expected:
        read_manifest(path)
    with pytest.raises(ManifestError) as found:
        open_manifest(path)
    assert str(found.value) == str(expected.value)


def test_a_column_twice_is_refused(csv_file):
    with pytest.raises(ManifestError, match="'Speaker' and 'Speaker'.*rename one"):
        open_manifest(csv_file(f"{line()},x", header=f"{HEADER},Speaker"))


@pytest.mark.parametrize("piece", ["1,-", "2,1", "-1,1", "1,inf", "nan,2"])
def test_bad_pieces_are_refused_alike(csv_file, piece):
    path = csv_file(f"{line()},{piece}", header=f"{HEADER},Start,Stop")
    with pytest.raises(ManifestError) as expected:
        read_manifest(path)
    with pytest.raises(ManifestError) as found:
        open_manifest(path)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), (b"ID,Label\n", "lacks"), (b"\xff\n", "not UTF-8")],
    ids=["missing", "no manifest", "not text"],
)
def test_files_that_are_no_manifests(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(ManifestError, match=rf"m\.csv.*{reason}"):
        open_manifest(tmp_path / "m.csv")
    assert not list(tmp_path.glob("*.arrow"))


def test_manifests_follow_one_another_and_share_no_id(csv_file):
    paths = [csv_file(line("b"), line("a"), name="one.csv")]
    paths.append(csv_file(f"{line('c')},x", header=f"{HEADER},Tag", name="two.csv"))
    assert list(open_manifest(paths)) == read_manifest(paths)
    paths.append(csv_file(line("d"), line("a"), name="three.csv"))
    with pytest.raises(ManifestError) as expected:
        read_manifest(paths)
    with pytest.raises(ManifestError) as found:
        open_manifest(paths)
    assert str(found.value) == str(expected.value)


def test_ids_with_one_hash_are_not_taken_for_one(csv_file, monkeypatch):
    monkeypatch.setattr(
        arrow_cache, "_id_hash", lambda ids: np.zeros(len(ids), np.uint64)
    )
    assert len(open_manifest(csv_file(line("a"), line("b")))) == 2


@pytest.fixture
def many(csv_file, monkeypatch):
    """A manifest that is several blocks when read and several batches when written."""
    monkeypatch.setattr(arrow_cache, "_CSV_BLOCK", 2000)
    monkeypatch.setattr(arrow_cache, "BATCH_ROWS", 30)
    monkeypatch.setattr(arrow_cache, "MOST_VALUES", 40)
    lines = [
        line(
            f"i{i}",
            Label=("real", "fake")[i % 2],
            Speaker=str(i // 2),
            Attack=f"{i % 7}",
        )
        for i in range(100)
    ]
    return csv_file(*lines)


def test_many_blocks_and_batches(many):
    rows = assert_same_rows(many)
    expected = read_manifest(many)
    assert rows[-1] == expected[-1] and list(rows[70:10:-7]) == expected[70:10:-7]
    chosen = rows.select([99, 3, 3, 31])
    assert list(chosen) == [expected[i] for i in (99, 3, 3, 31)]
    assert list(chosen[1:]) == [expected[i] for i in (3, 3, 31)]
    assert chosen[0] == chosen[-4] == expected[99]
    assert rows.find("i77") == 77
    for column in ("Label", "Speaker", "ID"):
        codes, values = rows.codes(column)
        assert [values[code] for code in codes] == [row[column] for row in expected]
        codes, values = chosen.codes(column)
        assert [values[code] for code in codes] == [row[column] for row in chosen]
    for index in (100, -101):
        with pytest.raises(IndexError):
            rows[index]
    for missing in (lambda: rows.find("x"), lambda: rows.value(0, "x")):
        with pytest.raises(KeyError):
            missing()


def test_seconds_are_those_of_the_piece(csv_file):
    header = f"{HEADER},Start,Stop"
    path = csv_file(f"{line()},0.25,1.5", f"{line('b')},-,-", header=header)
    assert open_manifest(path).seconds.tolist() == [1.25, 3.31]


def test_pickle_is_a_name(many):
    rows = open_manifest(many)
    text = pickle.dumps(rows)
    assert len(text) < 1000
    assert list(pickle.loads(text)) == list(rows)
    assert list(pickle.loads(pickle.dumps(rows[5:9]))) == list(rows)[5:9]


def test_digest_of_trials_is_that_of_a_list(many):
    assert trials_digest(open_manifest(many)) == trials_digest(read_manifest(many))


def converted(monkeypatch):
    """Count conversions."""
    seen = []
    convert = arrow_cache._convert
    monkeypatch.setattr(
        arrow_cache, "_convert", lambda *args: seen.append(args) or convert(*args)
    )
    return seen


def test_made_once_and_again_when_the_content_changes(csv_file, monkeypatch):
    seen = converted(monkeypatch)
    path = csv_file(line())
    for _ in range(2):
        assert open_manifest(path)[0]["Duration"] == "3.31"
    assert len(seen) == 1
    # Another content of the same size.
    csv_file(line(Duration="3.32"))
    os.utime(path, ns=(1, 1))
    assert open_manifest(path)[0]["Duration"] == "3.32"
    assert len(seen) == 2
    # Another time alone.
    os.utime(path, ns=(5, 5))
    assert open_manifest(path)[0]["Duration"] == "3.32"
    assert path.with_name("m.csv.arrow").stat().st_mtime_ns == 5
    assert len(seen) == 2
    csv_file(line(), line("b"))
    assert len(open_manifest(path)) == 2
    assert len(seen) == 3


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0 and then nothing"])
def test_a_damaged_file_is_made_again(csv_file, content):
    path = csv_file(line())
    path.with_name("m.csv.arrow").write_bytes(content)
    assert_same_rows(path)


def test_a_file_of_another_version_is_made_again(csv_file, monkeypatch):
    path = csv_file(line())
    monkeypatch.setattr(arrow_cache, "VERSION", b"0")
    open_manifest(path)
    monkeypatch.undo()
    seen = converted(monkeypatch)
    assert_same_rows(path)
    assert len(seen) == 1


def test_goes_to_the_cache_if_its_place_is_taken(csv_file, tmp_path, monkeypatch):
    path = csv_file(line())
    (tmp_path / "m.csv.arrow" / "folder").mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen = converted(monkeypatch)
    for _ in range(2):
        (file,) = arrow_files(path)
        assert file.path.parent == tmp_path / "cache" / "antideepfake"
    assert len(seen) == 2  # for the place that was taken, and for the cache
    assert_same_rows(path)
    (tmp_path / "no folder").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no folder"))
    with pytest.raises(
        ManifestError, match=r"m\.csv: .*could not be written.*XDG_CACHE"
    ):
        open_manifest(path)


def test_rows_do_not_change_under_a_worker(csv_file):
    rows = pickle.dumps(open_manifest(csv_file(line())))
    open_manifest(csv_file(line("b")))
    with pytest.raises(ManifestError, match=r"m\.csv: has changed"):
        pickle.loads(rows)


def test_a_manifest_that_changes_while_it_is_read(csv_file, monkeypatch):
    path = csv_file(line())
    scan = arrow_cache._scan

    def scan_and_change(manifest):
        found = scan(manifest)
        os.utime(manifest, ns=(1, 1))
        return found

    monkeypatch.setattr(arrow_cache, "_scan", scan_and_change)
    with pytest.raises(ManifestError, match="changed while it was read"):
        open_manifest(path)


def test_several_may_convert_at_once(csv_file):
    path = csv_file(*(line(f"i{i}") for i in range(2000)))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(open_manifest, [path] * 4))
    assert all(list(rows) == read_manifest(path) for rows in found)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "m.csv",
        "m.csv.arrow",
    ]


def test_same_manifest_same_bytes(csv_file):
    lines = [line(f"i{i}", Speaker=str(i)) for i in range(50)]
    files = [arrow_files(csv_file(*lines, name=name))[0].path for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_detectors_load_without_arrow():
    code = "import sys; sys.modules['pyarrow'] = None; "
    code += "import recipes.AntiDeepfake.interface"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_no_rows_no_arrow_rows():
    assert len(ArrowRows([])) == 0 and list(ArrowRows([])) == []
