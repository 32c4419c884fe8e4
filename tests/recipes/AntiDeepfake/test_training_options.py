"""Numbers of an experiment that cannot be, told before anything is built."""

import pytest
from helpers import ROOT, training_command

import train
from recipes.AntiDeepfake.training_options import check_numbers
from recipes.AntiDeepfake.usage import UsageError

GOOD = {
    "total_steps": 240,
    "valid_interval": 60,
    "number_of_epochs": 4,
    "warmup_steps": 30,
    "lr": 1e-7,
    "max_batch_length": 100,
    "num_workers": 0,
    "layer_decay": None,
    "ema_decay": 0.999,
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"valid_interval": 240, "number_of_epochs": 1},
        # The number of epochs was given itself.
        {"valid_interval": 7, "number_of_epochs": 1},
        {"total_steps": 50, "number_of_epochs": 3},
        {"warmup_steps": 240},
        {"layer_decay": 1},
        {"crop": [13.0, 13.0]},
        {"crop": None},
    ],
    ids=str,
)
def test_what_makes_sense(changes):
    check_numbers(GOOD | changes)


def test_nothing_is_said_of_what_is_not_there():
    check_numbers({})
    check_numbers({"total_steps": 240})


@pytest.mark.parametrize(
    "key, value, wanted",
    [
        ("lr", 0, "a number above 0"),
        ("lr", -1e-7, "a number above 0"),
        ("lr", "fast", "a number above 0"),
        ("lr", float("nan"), "a number above 0"),
        ("max_batch_length", -5.0, "a number above 0"),
        ("max_batch_length", float("inf"), "a number above 0"),
        ("max_grad_norm", -1.0, "a number above 0"),
        ("valid_interval", 0, "a whole number from 1"),
        ("total_steps", float("inf"), "a whole number from 1"),
        ("total_steps", -240, "a whole number from 1"),
        ("number_of_epochs", 0, "a whole number from 1"),
        ("number_of_epochs", True, "a whole number from 1"),
        ("num_buckets", 0, "a whole number from 1"),
        ("grad_accumulation_factor", 0, "a whole number from 1"),
        ("warmup_steps", -1, "a whole number from 0"),
        ("num_workers", 1.5, "a whole number from 0"),
        ("nonfinite_patience", -1, "a whole number from 0"),
        ("ema_decay", 1.0, "a number between 0 and 1"),
        ("layer_decay", 0.0, "a number above 0, up to 1"),
        ("crop", [13.0, 10.0], "seconds as [shortest, longest]"),
        ("crop", [10.0], "seconds as [shortest, longest]"),
        ("most_waiting", 1.1, "a number from 0 to 1"),
    ],
)
def test_what_does_not(key, value, wanted):
    with pytest.raises(UsageError) as caught:
        check_numbers(GOOD | {key: value})
    assert f"{key} is {value!r}; give {wanted}" in str(caught.value)


def test_all_are_told_at_once():
    with pytest.raises(UsageError, match="(?s)lr is 0.*num_workers is -1"):
        check_numbers(GOOD | {"lr": 0, "num_workers": -1})


@pytest.mark.parametrize(
    "options, remedy",
    [
        ({"total_steps": 3}, "--valid_interval 3,"),
        ({"total_steps": 14}, "--total_steps 12 or 16,"),
        ({"warmup_steps": 30}, "--warmup_steps 1,"),
        ({"valid_interval": 0}, "--valid_interval 1 "),
        ({"valid_interval": -4}, "valid_interval is -4;"),
        ({"grad_accumulation_factor": -1}, "grad_accumulation_factor is -1;"),
        ({"grad_accumulation_factor": 3}, "last 1 batches of each nominal epoch"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_training_does_not_begin(options, remedy, corpus, tmp_path, capsys):
    # There is no such model: it is not looked for.
    assert train.main(training_command(corpus, "no/model", tmp_path, **options)) == 2
    assert remedy in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_remedies_help(corpus, tmp_path, capsys):
    name = str(ROOT / "hparams/posttrain_hubert.yaml")
    command = [name, "--data_folder", str(corpus), "--output_folder", str(tmp_path)]
    for split in ("train", "valid"):
        command += [f"--{split}_csv", str(corpus / f"{split}.csv")]
    command += ["--ssl_source", "no/model", "--device", "cpu", "--total_steps", "50"]
    told = []
    for more in (
        ("--precision", "bf16"),
        ("--valid_interval", "50", "--warmup_steps", "5"),
        (),
    ):
        assert train.main(command) == 2
        told.append(capsys.readouterr().err)
        command += more
    assert "--precision fp32 or bf16" in told[0]
    assert "--valid_interval 50" in told[1] and "--warmup_steps 5," in told[1]
    # Everything else is in order: the model is looked for at last.
    assert "no/model" in told[2]
