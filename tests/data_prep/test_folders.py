"""Two folders, real and fake, become manifests for training, validation and test."""

import json
from collections import Counter

import pytest
from corpus_trees import write_audio

from data_prep.__main__ import main
from data_prep.corpora.base import LayoutError
from data_prep.folders import prepare_folders
from data_prep.manifest import read_manifest

LABELS = ("real", "fake")


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
    """Rows of all manifests by split, and by their paths below the data folder."""
    out = tmp_path / "manifests"
    summary, data_folder = prepare_folders(own / "real", own / "fake", out, **options)
    assert data_folder == own.parent
    name = summary["corpus"]
    return {
        path.stem.removeprefix(f"{name}_"): {
            row["Path"].removeprefix("$ROOT/own/"): row for row in read_manifest(path)
        }
        for path in (out / name).glob("*.csv")
    }


def speakers_of(rows):
    return {row["Speaker"] for row in rows.values()}


def test_every_file_is_in_one_of_the_two(own, tmp_path):
    rows = prepared(own, tmp_path)
    assert rows.keys() == {"train", "valid"}
    assert len(rows["train"]) + len(rows["valid"]) == 40
    row = rows["train"] | rows["valid"]
    assert row["real/s3/a.wav"]["Label"] == "real"
    assert row["fake/s3/a.wav"]["Label"] == "fake"
    assert row["fake/s3/a.wav"]["Speaker"] == "s3"
    assert row["fake/s3/a.wav"]["Corpus"] == "OwnData"


@pytest.mark.parametrize(("share", "speakers"), [(0.1, 1), (0.3, 3), (0.5, 5)])
def test_speakers_are_on_one_side_with_their_fakes(own, tmp_path, share, speakers):
    rows = prepared(own, tmp_path, valid_share=share)
    assert not speakers_of(rows["train"]) & speakers_of(rows["valid"])
    assert len(speakers_of(rows["valid"])) == speakers
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


class TestOfATest:
    def test_speakers_are_in_one_of_the_three(self, own, tmp_path):
        rows = prepared(own, tmp_path, valid_share=0.1, test_share=0.3)
        speakers = {split: speakers_of(rows[split]) for split in rows}
        sizes = {split: len(found) for split, found in speakers.items()}
        assert sizes == {"train": 6, "valid": 1, "test": 3}
        assert len(set.union(*speakers.values())) == 10
        # Both recordings of a speaker, and the fake copies of both.
        assert len(rows["test"]) == 12
        assert {row["Proportion"] for row in rows["test"].values()} == {"test"}

    def test_is_taken_from_training_alone(self, own, tmp_path):
        without = prepared(own, tmp_path, valid_share=0.2)
        rows = prepared(own, tmp_path, valid_share=0.2, test_share=0.2)
        assert rows["valid"] == without["valid"]
        assert rows["train"].keys() | rows["test"].keys() == without["train"].keys()

    def test_stays_when_more_is_for_validation(self, own, tmp_path):
        before = prepared(own, tmp_path, valid_share=0.1, test_share=0.3)
        after = prepared(own, tmp_path, valid_share=0.4, test_share=0.3)
        assert after["test"] == before["test"]

    def test_goes_when_it_is_no_longer_asked_for(self, own, tmp_path):
        assert "test" in prepared(own, tmp_path, test_share=0.3)
        assert prepared(own, tmp_path).keys() == {"train", "valid"}

    def test_classes_of_other_speakers_are_in_all_three(self, tmp_path):
        paths = [f"{label}/{label}{i}/a.wav" for label in LABELS for i in range(10)]
        own = fill(tmp_path / "data" / "own", *paths)
        rows = prepared(own, tmp_path, valid_share=0.2, test_share=0.3)
        labels = {
            split: Counter(row["Label"] for row in rows[split].values())
            for split in rows
        }
        sizes = {"train": 5, "valid": 2, "test": 3}
        assert labels == {split: dict.fromkeys(LABELS, n) for split, n in sizes.items()}

    def test_two_speakers_are_too_few(self, tmp_path):
        own = fill(
            tmp_path / "own", *(f"{one}/{i}.wav" for one in LABELS for i in "ab")
        )
        told = "2 real files of 2 speakers.*training, validation, test.*--split test"
        with pytest.raises(LayoutError, match=told):
            prepare_folders(own / "real", own / "fake", tmp_path, test_share=0.1)
        assert not list(tmp_path.rglob("*.csv"))

    def test_can_be_all_there_is(self, own, tmp_path):
        prepared(own, tmp_path)
        rows = prepared(own, tmp_path, split="test")
        assert {split: len(rows[split]) for split in rows} == {"test": 40}
        assert (tmp_path / "manifests/OwnTest/OwnTest_test.csv").is_file()
        # What is for training lies beside it.
        assert (tmp_path / "manifests/OwnData/OwnData_train.csv").is_file()

    def test_of_one_speaker_can_be_all_there_is(self, tmp_path):
        own = fill(tmp_path / "data" / "own", "real/s/a.wav", "fake/s/a.wav")
        assert len(prepared(own, tmp_path, split="test")["test"]) == 2

    def test_has_both_classes_when_it_is_all_there_is(self, tmp_path):
        own = fill(tmp_path / "own", "real/a.wav")
        (own / "fake").mkdir()
        with pytest.raises(LayoutError, match="no fake audio: nothing below"):
            prepare_folders(own / "real", own / "fake", tmp_path, split="test")


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

    def test_summary_without_a_test_has_the_options_that_it_always_had(
        self, own, tmp_path
    ):
        main(command(own, tmp_path))
        summary = json.loads((tmp_path / "Calls" / "summary.json").read_text())
        assert summary["options"] == {
            "min_duration": "0.025",
            "valid_share": "0.2",
            "attack_folders": "False",
        }

    def test_says_how_to_test(self, own, tmp_path, capsys):
        assert main([*command(own, tmp_path), "--test-share", "0.2"]) == 0
        printed = capsys.readouterr().out
        assert "next: python train.py hparams/posttrain_own_data.yaml" in printed
        assert "to test: python evaluate.py hparams/eval_own_data.yaml" in printed
        assert f"--test_csv {tmp_path}/Calls/Calls_test.csv" in printed
        assert (tmp_path / "Calls" / "Calls_test.csv").is_file()

    def test_a_test_alone_trains_nothing(self, own, tmp_path, capsys):
        assert main([*places(own, tmp_path), "--split", "test"]) == 0
        printed = capsys.readouterr().out
        assert f"--test_csv {tmp_path}/OwnTest/OwnTest_test.csv" in printed
        assert "train.py" not in printed

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (("--split", "test", "--valid-share", "0.1"), "Give one or the other"),
            (("--split", "test", "--test-share", "0.1"), "Give one or the other"),
            (("--valid-share", "0.5", "--test-share", "0.5"), "whose sum is below 1"),
        ],
        ids=["split and valid", "split and test", "nothing for training"],
    )
    def test_options_that_contradict_one_another(
        self, own, tmp_path, capsys, options, told
    ):
        assert main([*places(own, tmp_path / "m"), *options]) == 2
        assert told in capsys.readouterr().err
        assert not (tmp_path / "m").exists()

    @pytest.mark.parametrize("option", ["--valid-share", "--test-share"])
    @pytest.mark.parametrize("share", ["0", "1", "ten"])
    def test_a_share_is_between_0_and_1(self, own, tmp_path, option, share):
        with pytest.raises(SystemExit) as exit:
            main([*command(own, tmp_path), option, share])
        assert exit.value.code == 2


def places(own, out):
    folders = ["--real", str(own / "real"), "--fake", str(own / "fake")]
    return ["folders", *folders, "--out", str(out), "--workers", "1", "--noprogressbar"]


def command(own, out):
    return [*places(own, out), "--name", "Calls", "--valid-share", "0.2"]
