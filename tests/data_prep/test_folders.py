"""Two folders, real and fake, become manifests for training and validation."""

import json

import pytest
from corpus_trees import write_audio

from data_prep.__main__ import main
from data_prep.corpora.base import LayoutError
from data_prep.folders import prepare_folders
from data_prep.manifest import read_manifest


def fill(root, *paths):
    for path in paths:
        write_audio(root / path)
    return root


@pytest.fixture
def own(tmp_path):
    """Ten speakers with two genuine recordings and a fake copy of each."""
    return fill(
        tmp_path / "data" / "own",
        *(
            f"{label}/s{speaker}/{name}.wav"
            for label in ("real", "fake")
            for speaker in range(10)
            for name in "ab"
        ),
    )


def prepared(own, tmp_path, **options):
    """Rows of both manifests, by their paths below the data folder."""
    out = tmp_path / "manifests"
    _, data_folder = prepare_folders(own / "real", own / "fake", out, **options)
    assert data_folder == own.parent
    return {
        split: {
            row["Path"].removeprefix("$ROOT/own/"): row
            for row in read_manifest(out / "OwnData" / f"OwnData_{split}.csv")
        }
        for split in ("train", "valid")
    }


def test_every_file_is_in_one_of_the_two(own, tmp_path):
    rows = prepared(own, tmp_path)
    assert len(rows["train"]) + len(rows["valid"]) == 40
    row = rows["train"] | rows["valid"]
    assert row["real/s3/a.wav"]["Label"] == "real"
    assert row["fake/s3/a.wav"]["Label"] == "fake"
    assert row["fake/s3/a.wav"]["Speaker"] == "s3"
    assert row["fake/s3/a.wav"]["Corpus"] == "OwnData"


@pytest.mark.parametrize(("share", "speakers"), [(0.1, 1), (0.3, 3), (0.5, 5)])
def test_speakers_are_on_one_side_with_their_fakes(own, tmp_path, share, speakers):
    rows = prepared(own, tmp_path, valid_share=share)
    sides = {
        split: {row["Speaker"] for row in rows[split].values()}
        for split in ("train", "valid")
    }
    assert not sides["train"] & sides["valid"]
    assert len(sides["valid"]) == speakers
    assert len(rows["valid"]) == 4 * speakers


def test_files_in_no_folder_go_with_their_copies(tmp_path):
    names = [f"{label}/{i}.wav" for label in ("real", "fake") for i in range(10)]
    rows = prepared(fill(tmp_path / "data" / "own", *names), tmp_path, valid_share=0.2)
    valid = sorted(path.partition("/")[2] for path in rows["valid"])
    assert len(valid) == 4 and valid[0] == valid[1] and valid[2] == valid[3]


def test_folders_of_fakes_can_be_attacks(tmp_path):
    own = fill(
        tmp_path / "data" / "own",
        *(f"real/{i}.wav" for i in range(6)),
        *(f"fake/{attack}/{i}.wav" for attack in ("lpc", "hts") for i in range(6)),
    )
    rows = prepared(own, tmp_path, attack_folders=True)
    both = rows["train"] | rows["valid"]
    assert both["fake/lpc/3.wav"]["Attack"] == "lpc"
    assert both["real/3.wav"]["Attack"] == "-"
    # Copies of one recording by all attacks are on one side.
    assert {len(rows["valid"]), len(rows["train"])} == {3, 15}


def test_more_data_move_few_files(own, tmp_path):
    before = prepared(own, tmp_path, valid_share=0.3)
    fill(own, "real/s10/a.wav", "fake/s10/a.wav")
    after = prepared(own, tmp_path, valid_share=0.3)
    assert len(before["valid"].keys() - after["valid"].keys()) <= 4


def test_one_speaker_only_is_explained(tmp_path):
    own = fill(tmp_path / "own", "real/s/a.wav", "real/s/b.wav", "fake/x.wav")
    with pytest.raises(LayoutError, match="2 real files of 1 speakers"):
        prepare_folders(own / "real", own / "fake", tmp_path / "out")


def test_no_audio_in_a_folder_is_explained(tmp_path):
    own = fill(tmp_path / "own", "real/a.wav", "real/b.wav")
    (own / "fake").mkdir()
    with pytest.raises(LayoutError, match="no fake audio: nothing below"):
        prepare_folders(own / "real", own / "fake", tmp_path / "out")


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        ("own", "own/fake", "one is in the other"),
        ("own/real", "own/real", "one is in the other"),
        ("own/real", "own/fakes", "no such folder"),
    ],
    ids=["nested", "same", "missing"],
)
def test_folders_that_cannot_be_meant(own, real, fake, message):
    data = own.parent
    with pytest.raises(LayoutError, match=message):
        prepare_folders(data / real, data / fake, data / "out")


class TestCommand:
    def test_says_what_was_found_and_what_is_next(self, own, tmp_path, capsys):
        out = tmp_path / "m"
        code = main(command(own, out))
        printed = capsys.readouterr().out
        assert code == 0
        assert "20 real and 20 fake rows" in printed
        assert f"--data_folder {own.parent}" in printed
        assert f"--train_csv {out}/Calls/Calls_train.csv" in printed
        assert (out / "Calls" / "Calls_train.csv").is_file()
        summary = json.loads((out / "Calls" / "summary.json").read_text())
        assert summary["options"]["valid_share"] == "0.2"

    def test_what_cannot_be_read_is_listed(self, own, tmp_path, capsys):
        (own / "real" / "s1" / "c.wav").write_bytes(b"no audio")
        assert main(command(own, tmp_path / "m")) == 1
        assert "real/s1/c.wav" in capsys.readouterr().out

    @pytest.mark.parametrize("share", ["0", "1", "ten"])
    def test_a_share_is_between_0_and_1(self, own, tmp_path, share):
        with pytest.raises(SystemExit) as exit:
            main([*command(own, tmp_path), "--valid-share", share])
        assert exit.value.code == 2


def command(own, out):
    folders = ["--real", str(own / "real"), "--fake", str(own / "fake")]
    rest = ["--out", str(out), "--name", "Calls", "--valid-share", "0.2"]
    return ["folders", *folders, *rest, "--workers", "1", "--noprogressbar"]
