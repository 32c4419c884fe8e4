"""A folder with checkpoints continues the run that they are of, and no other."""

import json
import shutil

import pytest
import torch
from helpers import ROOT, build_corpus, new_detector, run_python, training_command
from speechbrain.utils.run_opts import RunOptions

import train
from data_prep.files import file_digest
from recipes.AntiDeepfake.checkpoints import AtomicCheckpointer
from recipes.AntiDeepfake.experiment import read_experiment, save_experiment
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.run_record import begin_run
from recipes.AntiDeepfake.usage import UsageError

YAML = """
seed: 1
__set_seed: !apply:builtins.int [!ref <seed>]
output_folder: !PLACEHOLDER
save_folder: !ref <output_folder>/save
data_folder: !PLACEHOLDER
train_csv: !ref <data_folder>/train.csv
valid_csv: !ref <data_folder>/valid.csv
train_shards: null
init_from: null
ssl_source: !ref <data_folder>/ssl
encoder: !new:builtins.dict
    source: !ref <ssl_source>
    architecture_only: !ref <init_from>
rawboost: !new:builtins.dict
    algorithm: 5
augment: null
loss: !new:builtins.dict
modules:
    encoder: !ref <encoder>
    loss: !ref <loss>
lr: 0.1
total_steps: 8
number_of_epochs: !ref <total_steps> // 2
num_workers: 4
precision: fp16
crop: [1.0, 2.0]
train_loader:
    seed: !ref <seed>
    num_workers: !ref <num_workers>
valid_loader:
    max_batch_length: 20.0
opt_class: !new:builtins.dict
    lr: !ref <lr>
lr_schedule: !new:builtins.dict
    lr: !ref <lr>
    total_steps: !ref <total_steps>
checkpointer: !new:recipes.AntiDeepfake.checkpoints.AtomicCheckpointer
    checkpoints_dir: !ref <save_folder>
stage: testing
card:
    started from: !ref <init_from>
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for seed, split in enumerate(("train", "valid", "more")):
        build_corpus(folder, split, 4, seed)
    for name, size in (("ssl", 1), ("other_ssl", 2)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(f'{{"hidden_size": {size}}}')
    return folder


class Run:
    """Starts of one run, with values from the command line."""

    def __init__(self, folder, data):
        self.folder, self.data = folder, data
        self.file = folder / "out" / "save" / "run.json"

    def checkpointer(self):
        linear = torch.nn.Linear(1, 1)
        return AtomicCheckpointer(self.file.parent, {"linear": linear})

    def start(self, run_opts=None, text=YAML, **values):
        (self.folder / "run.yaml").write_text(text)
        values = {"output_folder": self.file.parents[1], "data_folder": self.data} | {
            key: "null" if value is None else value for key, value in values.items()
        }
        overrides = "\n".join(f"{key}: {value}" for key, value in values.items())
        record = begin_run(
            read_experiment(self.folder / "run.yaml", overrides),
            RunOptions.from_dictionary(run_opts or {}),
        )
        if record is not None:
            record.write()  # as at the start of training
        return record

    def refuse(self, *args, **kwargs):
        """Start, and give the lines of the message in which keys are named."""
        before = self.file.read_bytes()
        with pytest.raises(UsageError) as raised:
            self.start(*args, **kwargs)
        assert self.file.read_bytes() == before
        told = str(raised.value)
        assert str(self.file.parent) in told and "--output_folder" in told
        return [line[2:] for line in told.splitlines() if line.startswith("  ")]


@pytest.fixture
def run(tmp_path, data):
    """A run of which a checkpoint is there."""
    run = Run(tmp_path, data)
    run.start()
    run.checkpointer().save_checkpoint(meta={"epoch": 2})
    return run


DIFFERENT = {
    "a number": ({"lr": 0.2}, ["lr: 0.1 -> 0.2"]),
    "several": ({"lr": 0.2, "seed": 7}, ["seed: 1 -> 7", "lr: 0.1 -> 0.2"]),
    "a list": ({"crop": "[1.0, 3.0]"}, ["crop: [1.0, 2.0] -> [1.0, 3.0]"]),
    "inside an object": (
        {"opt_class": "{lr: 0.3}"},
        ["opt_class.lr: 0.1 -> 0.3"],
    ),
    "an object less": (
        {"rawboost": None},
        ['rawboost: "!new:builtins.dict" -> null', "rawboost.algorithm: 5 -> null"],
    ),
    "the length of the schedule": (
        {"total_steps": 16},
        ["total_steps: 8 -> 16"],
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_other_settings_are_refused_and_named(run, name):
    values, lines = DIFFERENT[name]
    assert run.refuse(**values) == lines


def test_the_message_says_what_to_do(run):
    with pytest.raises(UsageError) as raised:
        run.start(total_steps=16)
    told = str(raised.value)
    assert "has checkpoints of a run with other settings (old -> new):" in told
    assert "For a longer run keep it, and give --number_of_epochs" in told
    assert "give the old values" in told and f"delete {run.file}" in told


FREE = {
    "nothing": {},
    "workers": {"num_workers": 0},
    "a longer run": {"number_of_epochs": 9},
    "as long as it is": {"number_of_epochs": 2},
    "what the card says": {"stage": "other words"},
    "batches of validation": {"valid_loader": "{max_batch_length: 5.0}"},
    "lanes of shards": {"train_loader": "{lanes: 2}"},
}


@pytest.mark.parametrize("name", FREE)
def test_what_does_not_change_the_run_so_far_may_change(run, name):
    run.start(**FREE[name])


def test_a_run_cannot_be_made_shorter_than_it_is(run):
    with pytest.raises(UsageError, match="2 nominal epochs are trained, but number_of"):
        run.start(number_of_epochs=1)


def test_new_keys_without_a_value_do_not_count(run):
    run.start(text=YAML + "ema_decay: null\n")
    assert run.refuse(text=YAML + "ema_decay: 0.9\n") == ["ema_decay: null -> 0.9"]


def test_folders_may_be_moved(run, data, tmp_path):
    moved = shutil.copytree(data, tmp_path / "elsewhere")
    run.data = moved
    run.start()
    whole = tmp_path / "out"
    whole.rename(tmp_path / "renamed")
    run.file = tmp_path / "renamed" / "save" / "run.json"
    run.start()


def test_data_are_known_by_their_content(run, data, tmp_path):
    shutil.copy(data / "train.csv", tmp_path / "same.csv")
    run.start(train_csv=tmp_path / "same.csv")
    other = data / "more.csv"
    (line,) = run.refuse(valid_csv=other)
    digests = [file_digest(data / name)[:12] for name in ("valid.csv", "more.csv")]
    assert line == (
        f"valid_csv: {data / 'valid.csv'} (digest {digests[0]}) -> "
        f"{other} (digest {digests[1]})"
    )
    (line,) = run.refuse(train_csv=f"[{data / 'train.csv'}, {other}]")
    _, _, new = line.partition(" -> ")
    names = [text.split()[0] for text in new.split(", ")]
    assert names == [str(data / "train.csv"), str(other)]


def test_a_manifest_that_was_edited_is_other_data(run, data, tmp_path):
    run.data = shutil.copytree(data, tmp_path / "elsewhere")
    file = run.data / "train.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    (line,) = run.refuse()
    assert line.startswith(f"train_csv: {data}/train.csv (") and f"-> {file} (" in line


def test_weights_to_start_from_are_known_by_their_content(tiny_ssl, tmp_path, data):
    for seed, name in enumerate("ab"):
        export_detector(tmp_path / name, new_detector(tiny_ssl, seed=seed), {})
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    run = Run(tmp_path, data)
    run.start(init_from=tmp_path / "a")
    run.checkpointer().save_checkpoint()
    run.start(init_from=tmp_path / "copy")
    run.start(init_from=tmp_path / "a" / "model.safetensors")
    (line,) = run.refuse(init_from=tmp_path / "b")
    assert line.startswith("init_from: ") and f"-> {tmp_path / 'b'} (digest" in line
    assert run.refuse(init_from=None)[0].endswith("-> none")
    (tmp_path / "b" / "model.safetensors").unlink()
    assert run.refuse(init_from=tmp_path / "b")[0].endswith("(digest no weights)")


def test_shards_are_known_by_their_content(tmp_path, data, monkeypatch):
    class Shards:
        digest = "1"

    import recipes.AntiDeepfake.shards as shards

    monkeypatch.setattr(shards, "open_shards", lambda source: Shards)
    run = Run(tmp_path, data)
    run.start(train_shards="/shards", train_csv="nowhere.csv")
    run.checkpointer().save_checkpoint()
    run.start(train_shards="http://host/shards", train_csv="nowhere.csv")
    monkeypatch.setattr(Shards, "digest", "2")
    assert run.refuse(train_shards="/shards") == [
        "train_shards: http://host/shards (digest 1) -> /shards (digest 2)"
    ]


@pytest.mark.parametrize("name", ["grad_accumulation_factor", "max_grad_norm"])
def test_run_options_of_the_optimisation_count(run, name):
    assert run.refuse(run_opts={name: 3})[0].startswith(f"{name}: ")
    # Wherever they are given.
    run.start(run_opts={"device": "cpu"})


def test_a_run_may_go_on_with_another_precision(run, caplog):
    run.start(run_opts={"precision": "bf16"})
    assert "the run goes on with precision: fp16 -> bf16." in caplog.text
    run.start(run_opts={"precision": "bf16"})
    starts = json.loads(run.file.read_text())["starts"]
    assert [start["precision"] for start in starts] == ["fp16", "bf16"]


def test_without_a_checkpoint_there_is_nothing_to_continue(tmp_path, data):
    run = Run(tmp_path, data)
    run.start()
    run.start(lr=0.2)
    assert json.loads(run.file.read_text())["settings"]["lr"] == 0.2


def test_nothing_is_written_before_training_begins(run, data, tmp_path):
    before = state(run.file.parents[1])
    values = {"output_folder": run.file.parents[1], "data_folder": data}
    overrides = "\n".join(f"{key}: {value}" for key, value in values.items())
    record = begin_run(
        read_experiment(tmp_path / "run.yaml", overrides),
        RunOptions.from_dictionary({"precision": "bf16"}),
    )
    assert state(run.file.parents[1]) == before
    record.write()
    assert state(run.file.parents[1]) != before


def test_the_ssl_model_is_known_by_its_configuration(run, data, tmp_path):
    shutil.copytree(data / "ssl", tmp_path / "copy")
    run.start(ssl_source=tmp_path / "copy")
    other = data / "other_ssl"
    (line,) = run.refuse(ssl_source=other)
    assert line.startswith("ssl_source: ") and f"-> {other} (digest " in line
    (line,) = run.refuse(ssl_source="facebook/mms-300m")
    assert line.endswith("-> facebook/mms-300m")


def test_checkpoints_of_before_are_compared_with_the_saved_experiment(
    run, data, caplog
):
    output = run.file.parents[1]
    overrides = f"output_folder: {output}\ndata_folder: {data}\ndecay: 0.9\n"
    text = YAML + "decay: null\n"
    (run.folder / "run.yaml").write_text(text)
    save_experiment(output, run.folder / "run.yaml", overrides)
    run.file.unlink()
    with pytest.raises(UsageError) as raised:
        run.start(text=text, lr=0.2)
    told = str(raised.value)
    assert "\n  lr: 0.1 -> 0.2\n  decay: 0.9 -> null\n" in told
    assert f"delete {output}/hyperparams.yaml" in told and not run.file.exists()
    run.start({"max_grad_norm": 3}, text, decay=0.9)
    assert "The values are those of" in caplog.text and run.file.is_file()


def test_a_trial_neither_compares_nor_writes(run):
    before = state(run.file.parents[1])
    assert run.start(run_opts={"debug": True}, lr=0.2) is None
    assert state(run.file.parents[1]) == before
    options = {"debug": True, "debug_persistently": True}
    assert run.refuse(run_opts=options, lr=0.2) == ["lr: 0.1 -> 0.2"]


def test_an_output_folder_that_cannot_be_written(
    corpus, tiny_ssl, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("mine")
    folder = tmp_path / "file" / "out"
    monkeypatch.chdir(ROOT)
    for more in ([], ["--debug"]):
        command = training_command(corpus, tiny_ssl, folder)
        assert train.main(command + more) == 2
        told = capsys.readouterr().err.partition("error: ")[2]
        assert told.startswith(str(folder)) and len(told.splitlines()) == 1
        assert "cannot be written (" in told and "--output_folder" in told


def test_checkpoints_of_before_are_accepted_and_said_to_be(run, caplog):
    run.file.unlink()
    run.start(lr=0.2)
    assert "has checkpoints, but no run.json" in caplog.text
    assert run.refuse(lr=0.1) == ["lr: 0.2 -> 0.1"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": 0}'], ids=repr)
def test_a_record_that_is_none_is_refused(run, text):
    run.file.write_text(text)
    with pytest.raises(UsageError, match=r"run\.json: not as this version"):
        run.start()


def state(folder):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_train_touches_nothing_of_another_run(
    trained, corpus, tiny_ssl, tmp_path, monkeypatch, capsys
):
    folder = shutil.copytree(trained, tmp_path / "out")
    before = state(folder)
    others = {"init_from": trained / "detector", "lr": 0.01, "seed": 7}
    monkeypatch.chdir(ROOT)
    assert train.main(training_command(corpus, tiny_ssl, folder, **others)) == 2
    told = capsys.readouterr().err.partition("error: ")[2]
    assert told.startswith(f"{folder}/save: has checkpoints of a run with other")
    assert f"\n  init_from: none -> {trained}/detector (digest " in told
    assert "\n  lr: 0.003 -> 0.01\n" in told and "\n  seed: 1986 -> 7\n" in told
    assert state(folder) == before


@pytest.mark.slow
def test_a_finished_run_ends_at_once_and_leaves_its_detector(
    trained, corpus, tiny_ssl, tmp_path
):
    folder = shutil.copytree(trained, tmp_path / "out")
    (folder / "detector" / "notes.txt").write_text("mine")
    before = state(folder / "detector")
    command = training_command(corpus, tiny_ssl, folder, num_workers=1)
    run_python("train.py", *command)
    assert state(folder / "detector") == before


@pytest.mark.slow
def test_a_trial_leaves_a_finished_run_as_it_is(trained, corpus, tiny_ssl, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "out")
    before = state(folder)
    # Neither other settings nor a shorter run matter.
    command = training_command(corpus, tiny_ssl, folder, lr=0.01, number_of_epochs=1)
    run_python("train.py", *command, "--debug")
    trial = folder / "debug"
    assert (trial / "detector" / "model.safetensors").is_file()
    assert (trial / "train_log.txt").is_file()
    after = state(folder)
    assert {path: after[path] for path in after if trial not in path.parents} == before


@pytest.mark.slow
def test_of_several_processes_all_stop(trained, corpus, tiny_ssl, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "out")
    command = training_command(corpus, tiny_ssl, folder, lr=0.01)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    logs = ["--redirects=3", f"--log-dir={tmp_path / 'logs'}"]
    backend = ["--distributed_backend", "gloo"]
    done = run_python(*launch, *logs, "train.py", *command, *backend, check=False)
    assert done.returncode != 0
    errors = sorted((tmp_path / "logs").rglob("stderr.log"))
    assert len(errors) == 2
    for error in errors:
        assert (
            "error: " in error.read_text() and "lr: 0.003 -> 0.01" in error.read_text()
        )
