"""The manifest schema: what loads, what is refused, and what the message says."""

import pytest

from data_prep.manifest import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    ManifestError,
    read_manifest,
    resolve_path,
    write_manifest,
)

# Lines in the published format of the original, invented.
ORIGINAL = """\
ID,Label,Duration,SampleRate,Path,Attack,Speaker,Proportion,AudioChannel,AudioEncoding,AudioBitSample,Language
ASV19LA-LA_T_1,real,3.31,16000,$ROOT/ASVspoof2019-LA/LA_T_1.flac,-,001,train,1,FLAC,16,EN
ASV19LA-LA_D_2,fake,2.04,16000,$ROOT/ASVspoof2019-LA/LA_D_2.flac,A04,None,valid,1,FLAC,16,EN
"""


def row(name="a", **changes):
    """A complete row of the original 12 columns."""
    values = {
        "ID": name,
        "Label": "real",
        "Duration": 1.5,
        "SampleRate": 16000,
        "Path": f"$ROOT/{name}.wav",
        "Attack": "-",
        "Speaker": "-",
        "Proportion": "train",
        "AudioChannel": 1,
        "AudioEncoding": "PCM_S",
        "AudioBitSample": 16,
        "Language": "EN",
    }
    return values | changes


@pytest.fixture
def csv_file(tmp_path):
    """Write text (or bytes) as a manifest, unchecked."""

    def write(content, name="m.csv"):
        if isinstance(content, str):
            content = content.encode()
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def test_manifest_of_the_original_loads_unchanged(csv_file):
    first, second = read_manifest(csv_file(ORIGINAL))
    assert first["Speaker"] == "001" and second["Speaker"] == "None"
    assert first["Duration"] == "3.31"
    assert [first[name] for name in OPTIONAL_COLUMNS] == ["-"] * 4
    assert list(first)[:12] == list(COLUMNS)


def test_windows_file_with_byte_order_mark(csv_file):
    text = "\ufeff" + ORIGINAL.replace("\n", "\r\n")
    assert [row["ID"][-1] for row in read_manifest(csv_file(text))] == ["1", "2"]


def test_other_columns_are_kept(csv_file):
    lines = ORIGINAL.splitlines()
    text = "\n".join([f",Emotion,{lines[0]}", f"0,calm,{lines[1]}"])
    (loaded,) = read_manifest(csv_file(text))
    assert loaded["Emotion"] == "calm"


def test_round_trip(tmp_path):
    rows = [
        row("a", Start=0.5, Stop=1.5, Corpus="c, with comma"),
        row("é", Label="fake", Path="/abs/é.wav", Start="-", Stop="-", Corpus='"c"'),
    ]
    assert write_manifest(tmp_path / "m.csv", rows) == 2
    loaded = read_manifest(tmp_path / "m.csv")
    expected = [{k: str(v) for k, v in r.items()} | {"Recording": "-"} for r in rows]
    assert loaded == expected


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a.csv", "b.csv"):
        write_manifest(tmp_path / name, [row(), row("b")])
    content = (tmp_path / "a.csv").read_bytes()
    assert content == (tmp_path / "b.csv").read_bytes()
    assert content.startswith(",".join(COLUMNS).encode() + b"\na,real,1.5,16000,")


def test_optional_columns_of_later_rows_are_filled(tmp_path):
    write_manifest(tmp_path / "m.csv", [row("a", Corpus="c"), row("b")])
    assert [r["Corpus"] for r in read_manifest(tmp_path / "m.csv")] == ["c", "-"]


def test_files_follow_one_another(tmp_path):
    for name in "ba":
        write_manifest(tmp_path / f"{name}.csv", [row(name)])
    loaded = read_manifest([tmp_path / "b.csv", str(tmp_path / "a.csv")])
    assert [r["ID"] for r in loaded] == ["b", "a"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ID": ""}, "ID is empty"),
        ({"Label": "bonafide"}, "Label is 'bonafide'.*'real' or 'fake'"),
        ({"Label": "Real"}, "Label is 'Real'"),
        ({"Duration": "-1"}, "Duration is -1; it must be above 0"),
        ({"Duration": "nan"}, "Duration is 'nan'; it must be a number"),
        ({"Duration": ""}, "Duration is ''"),
        ({"SampleRate": "16k"}, "SampleRate is '16k'"),
        ({"SampleRate": "0"}, "SampleRate is 0"),
        ({"Path": ""}, "Path is ''; it must name an audio file"),
        ({"Path": "-"}, "Path is '-'"),
        ({"Path": "$ROOT/"}, r"Path is '\$ROOT/'"),
        ({"Path": "$OTHER/a.wav"}, r"Path is '\$OTHER/a.wav'; '\$' is allowed only"),
        ({"Path": "$ROOT/a$b.wav"}, r"Path is '\$ROOT/a\$b.wav'"),
        ({"Speaker": "$ROOT/x"}, r"Speaker is '\$ROOT/x'"),
        ({"Start": "1", "Stop": "-"}, "Stop is '-'; it must be a number"),
        ({"Start": "2", "Stop": "1"}, "Start 2 and Stop 1"),
        ({"Start": "-1", "Stop": "1"}, "Start -1 and Stop 1 .*0 <= Start < Stop"),
        ({"Start": "1", "Stop": "1"}, "Start 1 and Stop 1"),
    ],
)
def test_refused_values_name_file_line_id_and_key(csv_file, tmp_path, changes, message):
    good = {**row("good"), "Start": "-", "Stop": "-"}
    bad = {**good, "ID": "bad"} | changes
    lines = [",".join(map(str, line)) for line in (good, good.values(), bad.values())]
    place = r"m\.csv, line 3" + (r" \(ID bad\)" if bad["ID"] else "") + ": "
    with pytest.raises(ManifestError, match=place + message):
        read_manifest(csv_file("\n".join(lines)))
    with pytest.raises(ManifestError, match=r"written\.csv, line 2.*" + message):
        write_manifest(tmp_path / "written.csv", [bad])
    assert not (tmp_path / "written.csv").exists()


def test_repeated_id_names_both_places(csv_file):
    again = ORIGINAL + ORIGINAL.splitlines()[1] + "\n"
    message = r"m\.csv, line 4: ID 'ASV19LA-LA_T_1' .* first at .*m\.csv, line 2"
    with pytest.raises(ManifestError, match=message):
        read_manifest(csv_file(again))


def test_repeated_id_across_files(csv_file):
    files = [csv_file(ORIGINAL, "one.csv"), csv_file(ORIGINAL, "two.csv")]
    message = r"two\.csv, line 2: ID .* first at .*one\.csv, line 2"
    with pytest.raises(ManifestError, match=message):
        read_manifest(files)


def test_missing_columns_are_named(csv_file):
    text = ORIGINAL.replace("Label,Duration", "label,duration")
    with pytest.raises(
        ManifestError, match=r"m\.csv: the header lacks Label, Duration"
    ):
        read_manifest(csv_file(text))
    with pytest.raises(ManifestError, match="the header lacks ID, Label"):
        read_manifest(csv_file(""))


@pytest.mark.parametrize(("change", "kind"), [(",EN,extra", "more"), ("", "fewer")])
def test_wrong_number_of_fields(csv_file, change, kind):
    lines = ORIGINAL.splitlines()
    lines[2] = lines[2].removesuffix(",EN") + change
    with pytest.raises(ManifestError, match=f"line 3: {kind} fields than the header"):
        read_manifest(csv_file("\n".join(lines)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("Attack", "the columns 'Attack' and 'Attack'", id="twice"),
        pytest.param("speaker", "the columns 'Speaker' and 'speaker'", id="by case"),
        pytest.param("start", "the columns 'start' and 'Start'", id="optional"),
    ],
)
def test_columns_have_different_names(csv_file, name, message):
    lines = ORIGINAL.splitlines()
    path = csv_file("\n".join([f"{lines[0]},{name}", f"{lines[1]},x"]))
    with pytest.raises(ManifestError, match=message):
        read_manifest(path)


def test_text_has_no_nul(csv_file):
    with pytest.raises(
        ManifestError, match=r"line 2 .*Language is 'E\\x00'; it has a NUL"
    ):
        read_manifest(csv_file(ORIGINAL.replace("EN", "E\0")))


def test_manifest_without_rows(csv_file):
    with pytest.raises(ManifestError, match=r"no rows in .*m\.csv"):
        read_manifest(csv_file(ORIGINAL.splitlines()[0]))


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(ManifestError, match=r"none\.csv: cannot be read \(No such"):
        read_manifest(tmp_path / "none.csv")


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("place", ["header", "rows"])
def test_other_encodings_are_refused(csv_file, place):
    text = ORIGINAL.replace("001", "José").encode("latin-1")
    if place == "rows":
        # Far enough behind the header to be decoded later.
        extra = [ORIGINAL.splitlines()[1].replace("_1", f"_x{i}") for i in range(500)]
        text = "\n".join(ORIGINAL.splitlines()[:1] + extra).encode() + b"\n\xe9"
    with pytest.raises(ManifestError, match=r"m\.csv: not UTF-8"):
        read_manifest(csv_file(text))


def test_field_too_long_for_a_csv(csv_file):
    text = ORIGINAL.replace("001", "x" * 200_000)
    with pytest.raises(ManifestError, match=r"m\.csv: not a CSV file"):
        read_manifest(csv_file(text))


def test_write_refuses_unknown_and_missing_columns(tmp_path):
    path = tmp_path / "m.csv"
    with pytest.raises(ManifestError, match=r"m\.csv: .*'Emotion'.*known"):
        write_manifest(path, [row(Emotion="calm")])
    incomplete = row("b")
    del incomplete["Language"]
    with pytest.raises(ManifestError, match=r"m\.csv: row 2 \(ID b\) lacks Language"):
        write_manifest(path, [row("a"), incomplete])
    with pytest.raises(ManifestError, match="no rows"):
        write_manifest(path, [])
    assert not list(tmp_path.iterdir())


def test_failed_write_keeps_the_old_manifest(tmp_path):
    path = tmp_path / "m.csv"
    write_manifest(path, [row("old")])
    before = path.read_bytes()
    with pytest.raises(ManifestError, match=r"m\.csv, line 3: ID 'new'"):
        write_manifest(path, [row("new"), row("new")])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_resolve_path():
    assert resolve_path("$ROOT/a/b.wav", "data") == "data/a/b.wav"
    assert resolve_path("/abs/b.wav", None) == "/abs/b.wav"
    with pytest.raises(
        ManifestError, match=r"\$ROOT/b.wav.*none was given.*data_folder"
    ):
        resolve_path("$ROOT/b.wav", None)
