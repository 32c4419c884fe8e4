"""Every experiment file loads, says what the paper says, and obeys the command line."""

import shutil

import pytest
import torch
from helpers import ROOT, run_python
from hyperpyyaml import load_hyperpyyaml

import train
from data_prep.corpora import find_corpus
from data_prep.manifest import ManifestError
from lobes.models import MODELS, find_model
from recipes.AntiDeepfake.command import load_hparams
from recipes.AntiDeepfake.experiment import (
    open_experiment,
    read_experiment,
    save_experiment,
)
from recipes.AntiDeepfake.usage import UsageError

HPARAMS = ROOT / "hparams"
FILES = sorted(file.name for file in HPARAMS.glob("*.yaml"))
EVALUATIONS = [name for name in FILES if name.startswith("eval_")]
TRAININGS = [name for name in FILES if name not in EVALUATIONS]

# Learning rate, seconds of audio in a batch, dropouts, feature_grad_mult.
# Sources: "Post-training for Deepfake Speech Detection" (arXiv:2506.21090) and the
# authors' code (https://github.com/nii-yamagishilab/AntiDeepfake, hparams/*.yaml); the
# dropouts are those of pre-training in fairseq's checkpoints.
NONE = {
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "layerdrop": 0.0,
}
INPUT = NONE | {"feat_proj_dropout": 0.1}
SMALL = INPUT | {"hidden_dropout": 0.1, "attention_dropout": 0.1, "layerdrop": 0.05}
PAPER = {
    "hubert": ("HuBERT-XL", 5e-6, 100.0, NONE, 1.0),
    "w2v_small": ("W2V-Small", 1e-7, 100.0, SMALL, 0.1),
    "w2v_large": ("W2V-Large", 1e-7, 100.0, NONE, 1.0),
    "mms_300m": ("MMS-300M", 1e-7, 100.0, NONE, 1.0),
    "mms_1b": ("MMS-1B", 1e-7, 100.0, INPUT, 1.0),
    "xls_r_1b": ("XLS-R-1B", 1e-7, 100.0, INPUT, 1.0),
    "xls_r_2b": ("XLS-R-2B", 1e-7, 50.0, INPUT, 1.0),
}
# Not in the paper: with its settings for models of that size.
OTHERS = {
    "xls_r_300m": ("XLS-R-300M", 1e-7, 100.0, NONE, 1.0),
    "wavlm_large": ("WavLM-Large", 1e-7, 100.0, NONE, 1.0),
}
# Rows of the paper's table of fine-tuning on Deepfake-Eval-2024.
FINE_TUNED = ["w2v_large", "mms_300m", "mms_1b", "xls_r_1b", "xls_r_2b"]


def values(name, **overrides):
    """The values of an experiment with `data_folder` given."""
    given = {"data_folder": "/data"} | overrides
    text = "\n".join(f"{key}: {value}" for key, value in given.items())
    return read_experiment(HPARAMS / name, text)


@pytest.fixture
def tiny(corpus, tiny_ssl, tmp_path):
    """Values from the command line with which every experiment can be built."""
    return "\n".join(
        [
            f"data_folder: {corpus}",
            f"train_csv: {corpus}/train.csv",
            f"valid_csv: {corpus}/valid.csv",
            f"ssl_source: {tiny_ssl}",
            f"output_folder: {tmp_path}",
            "init_from: null",
        ]
    )


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_experiment_is_built(name, tiny):
    hparams = load_hparams(str(HPARAMS / name), tiny)
    wav = torch.randn(2, 8000)
    detector = hparams["modules"]["detector"].eval()
    logits, embeddings = detector(wav), detector.embed(wav)
    assert embeddings.shape[0] == 2 and torch.isfinite(logits).all()
    assert hparams["epoch_counter"].limit == hparams["number_of_epochs"] >= 1
    assert callable(hparams["opt_class"])
    # What is trained is what is saved.
    saved = hparams["checkpointer"].recoverables["detector"]
    assert saved is hparams["modules"]["detector"]


@pytest.mark.parametrize("name", EVALUATIONS)
def test_every_evaluation_is_read(name):
    given = {"detector": "D", "data_folder": "/data", "output_folder": "/out"}
    if "lists_folder" in read_text(name):
        given["lists_folder"] = "/lists"
    text = "\n".join(f"{key}: {value}" for key, value in given.items())
    hparams = load_hparams(str(HPARAMS / name), text)
    assert hparams["detector"] == "D"
    assert all(file.endswith(".csv") for file in hparams["test_csv"])


def test_the_detector_of_own_data_is_where_training_writes_it():
    written = values("posttrain_own_data.yaml")["output_folder"]
    assert values("eval_own_data.yaml")["detector"] == f"{written}/detector"


def read_text(name):
    return open_experiment(HPARAMS / name).getvalue()


class TestPaper:
    @pytest.mark.parametrize("slug", PAPER | OTHERS)
    def test_what_the_models_do_not_share(self, slug):
        name, lr, seconds, dropouts, grad_mult = (PAPER | OTHERS)[slug]
        found = values(f"posttrain_{slug}.yaml")
        assert found["ssl_source"] == MODELS[name].hub_id
        assert found["lr"] == lr
        assert found["max_batch_length"] == seconds
        assert found["train_loader"]["max_batch_length"] == seconds
        assert found["dropouts"] == dropouts
        assert found["encoder"]["config_overrides"] == dropouts
        assert found["encoder"]["feature_grad_mult"] == grad_mult
        assert slug in found["output_folder"]

    @pytest.mark.parametrize("slug", PAPER | OTHERS)
    def test_they_agree_with_the_table_of_models(self, slug):
        found = values(f"posttrain_{slug}.yaml")
        model = find_model(found["ssl_source"])
        assert found["dropouts"] == {key: model.settings[key] for key in NONE}
        assert found["feature_grad_mult"] == model.feature_grad_mult
        assert found["max_batch_length"] == model.batch_seconds

    @pytest.mark.parametrize("slug", PAPER | OTHERS)
    def test_what_all_share(self, slug):
        found = values(f"posttrain_{slug}.yaml")
        expected = {
            "total_steps": 800_000,
            "valid_interval": 100_000,
            "number_of_epochs": 8,
            "warmup_steps": 80_000,
            "max_grad_norm": 100.0,
            "precision": "fp16",
            "num_buckets": 20,
            "crop": [10.0, 13.0],
            "longest_crop": 13.0,
            "init_from": None,
            "augment": None,
        }
        assert {key: found[key] for key in expected} == expected
        assert_object(found["rawboost"], "lobes.rawboost.RawBoost", algorithm=5)
        assert_object(
            found["opt_class"],
            "torch.optim.AdamW",
            kind="!name:",
            lr=found["lr"],
            weight_decay=0.01,
            eps=1e-6,
        )
        assert_object(
            found["lr_schedule"],
            "speechbrain.nnet.schedulers.WarmAndExpDecayLRSchedule",
            lr=found["lr"],
            n_warmup_steps=80_000,
            total_steps=800_000,
            decay_factor=0.01,
        )
        assert_object(found["loss"], "lobes.losses.CrossEntropyLoss")

    def test_every_model_with_a_released_detector_has_its_experiments(self):
        assert {row[0] for row in PAPER.values()} == {
            model.name for model in MODELS.values() if model.detector_id
        }
        for slug in FINE_TUNED:
            assert f"finetune_df2024_{slug}.yaml" in FILES

    @pytest.mark.parametrize("slug", PAPER | OTHERS)
    def test_fine_tuning(self, slug):
        name = (PAPER | OTHERS)[slug][0]
        before = values(f"posttrain_{slug}.yaml")
        found = values(f"finetune_df2024_{slug}.yaml")
        assert found["lr"] == found["opt_class"]["lr"] == 1e-6
        assert found["valid_interval"] == 2025
        assert found["number_of_epochs"] * 2025 == found["total_steps"]
        same = (
            *("ssl_source", "dropouts", "feature_grad_mult", "max_batch_length"),
            *("num_buckets", "crop", "longest_crop", "max_grad_norm", "precision"),
        )
        assert {key: found[key] for key in same} == {key: before[key] for key in same}
        assert_object(found["rawboost"], "lobes.rawboost.RawBoost", algorithm=5)
        start = MODELS[name].detector_id or f"results/posttrain_{slug}/1986/detector"
        assert found["init_from"] == found["card"]["started from"] == start

    def test_the_starting_point_of_others_is_where_post_training_writes(self):
        for slug in OTHERS:
            start = values(f"finetune_df2024_{slug}.yaml")["init_from"]
            written = values(f"posttrain_{slug}.yaml")["output_folder"]
            assert start == f"{written}/detector"

    @pytest.mark.parametrize("segment", ["4s", "10s", "13s", "30s", "50s"])
    def test_segment_chooses_the_list(self, segment):
        found = values("finetune_df2024_mms_1b.yaml", segment=segment, lists_folder="l")
        assert found["train_csv"] == f"l/train_Deepfake-Eval-2024_{segment}.csv"
        assert f"/{segment}/" in found["output_folder"]
        corpus = find_corpus("deepfake_eval_2024")
        assert corpus.name in found["train_csv"]
        assert segment.rstrip("s") in corpus.options["lengths"].default.split(",")

    def test_validation_is_on_the_manifest_that_preparation_makes(self):
        corpus = find_corpus("asvspoof2019_la").name
        found = values("finetune_df2024_mms_1b.yaml")["valid_csv"]
        assert found == f"manifests/{corpus}/{corpus}_EN_valid.csv"


def assert_object(node, name, kind="!new:", **arguments):
    assert node.tag.value == kind + name
    assert dict(node or {}) == arguments


class TestCommandLine:
    def test_values_reach_the_objects(self, tiny):
        text = f"{tiny}\nlr: 1e-5\nwarmup_steps: 10\ntotal_steps: 50"
        text += "\nvalid_interval: 5\nseed: 3"
        hparams = load_hparams(str(HPARAMS / "posttrain_mms_1b.yaml"), text)
        assert hparams["opt_class"].keywords["lr"] == 1e-5
        assert hparams["lr_schedule"].base_lr == 1e-5
        assert hparams["lr_schedule"].decay_steps == 40
        assert hparams["train_loader"]["valid_interval"] == 5
        assert hparams["train_loader"]["seed"] == 3
        assert hparams["epoch_counter"].limit == 10
        assert hparams["card"]["training data"] == hparams["train_csv"]

    @pytest.mark.parametrize("name", TRAININGS)
    def test_every_plain_value_can_be_given(self, name):
        plain = {
            key: 7
            for key, value in values(name).items()
            if value is None or isinstance(value, (str, int, float))
        }
        found = values(name, **plain)
        assert "lr" in plain and {key: found[key] for key in plain} == plain

    @pytest.mark.parametrize("name", ["posttrain_hubert.yaml", "posttrain_mms_1b.yaml"])
    def test_an_unknown_key_is_refused(self, name, tiny):
        with pytest.raises(UsageError, match="learning_rate"):
            load_hparams(str(HPARAMS / name), f"{tiny}\nlearning_rate: 1")

    def test_without_rawboost(self, tiny):
        text = f"{tiny}\nrawboost: null"
        hparams = load_hparams(str(HPARAMS / "posttrain_mms_1b.yaml"), text)
        assert hparams["rawboost"] is None

    def test_without_post_training_the_weights_are_those_of_the_ssl_model(self, tiny):
        name = str(HPARAMS / "finetune_df2024_mms_300m.yaml")
        encoder = load_hparams(name, tiny)["encoder"]
        other = load_hparams(name, f"{tiny}\nseed: 5")["encoder"]
        pairs = zip(encoder.parameters(), other.parameters(), strict=True)
        assert all(torch.equal(one, another) for one, another in pairs)

    def test_dropouts_and_gradient_factor_reach_the_encoder(self, tiny):
        text = f"{tiny}\ndropouts: {{layerdrop: 0.25}}"
        encoder = load_hparams(str(HPARAMS / "posttrain_w2v_small.yaml"), text)[
            "encoder"
        ]
        assert encoder.model.config.layerdrop == 0.25
        assert encoder.model.config.hidden_dropout == 0.1
        assert encoder.feature_grad_mult == 0.1


class TestBases:
    def test_saved_hyperparams_run_by_themselves(self, tiny, tmp_path):
        name = HPARAMS / "finetune_df2024_w2v_small.yaml"
        save_experiment(tmp_path, name, tiny)
        with open(tmp_path / "hyperparams.yaml") as file:
            saved = load_hyperpyyaml(file)
        found = load_hparams(str(name), tiny)
        assert saved.keys() == found.keys()
        assert repr(saved["modules"]) == repr(found["modules"])
        assert saved["train_csv"] == found["train_csv"]

    def test_the_last_one_wins_and_mappings_are_merged(self, tmp_path):
        write(
            tmp_path / "a.yaml", "x: 1", "y: 1", "z: !new:collections.Counter", "  a: 1"
        )
        write(tmp_path / "b.yaml", "y: 2", "z: {b: 2}")
        write(tmp_path / "c.yaml", "base: [a.yaml, b.yaml]", "x: !ref <y> + 1")
        found = load_hyperpyyaml(open_experiment(tmp_path / "c.yaml"))
        assert found == {"x": 3, "y": 2, "z": {"a": 1, "b": 2}}
        assert type(found["z"]).__name__ == "Counter"

    def test_an_object_replaces_another(self, tmp_path):
        write(tmp_path / "a.yaml", "x: !new:collections.Counter", "  a: 1")
        write(tmp_path / "b.yaml", "base: a.yaml", "x: !new:datetime.date [2025, 1, 2]")
        found = load_hyperpyyaml(open_experiment(tmp_path / "b.yaml"))
        assert str(found["x"]) == "2025-01-02"

    def test_bases_of_bases_and_includes_are_found_from_where_they_are_named(
        self, tmp_path
    ):
        (tmp_path / "deep").mkdir()
        write(tmp_path / "deep" / "values.yaml", "v: 1")
        write(tmp_path / "deep" / "a.yaml", "x: !include:values.yaml", "y: 0")
        write(tmp_path / "deep" / "b.yaml", "base: a.yaml", "y: 1")
        write(tmp_path / "c.yaml", "base: deep/b.yaml", "y: 2")
        found = load_hyperpyyaml(open_experiment(tmp_path / "c.yaml"))
        assert found == {"x": {"v": 1}, "y": 2}

    def test_a_slip_is_found(self, tmp_path):
        write(tmp_path / "a.yaml", "max_batch_length: 1")
        write(tmp_path / "b.yaml", "base: a.yaml", "max_batch_lenght: 2")
        with pytest.raises(UsageError, match=r"b\.yaml: the key 'max_batch_lenght'"):
            open_experiment(tmp_path / "b.yaml")

    def test_a_missing_base_is_explained(self, tmp_path):
        write(tmp_path / "b.yaml", "base: nowhere.yaml")
        with pytest.raises(UsageError, match="nowhere.yaml"):
            load_hparams(str(tmp_path / "b.yaml"), "")


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")


class TestMissingData:
    STEPS = {
        "posttrain_hubert.yaml": ("list", "prepare all", "merge paper"),
        "finetune_df2024_mms_1b.yaml": (
            "list deepfake_eval_2024 asvspoof2019_la",
            "prepare deepfake_eval_2024 asvspoof2019_la",
            "merge df2024",
        ),
        "posttrain_own_data.yaml": ("folders --real",),
    }

    @pytest.mark.parametrize("name", STEPS)
    def test_the_commands_are_told_in_order(self, name, capsys):
        assert train.main([str(HPARAMS / name)]) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: ") and "'data_folder'" in told
        places = [told.find(f"data_prep {step}") for step in self.STEPS[name]]
        places.append(told.find("--data_folder DIR"))
        assert -1 not in places and places == sorted(places)

    @pytest.mark.parametrize(
        "name",
        [name for name in TRAININGS if "mini" not in name],
    )
    def test_every_experiment_tells_before_anything_is_loaded(self, name):
        with pytest.raises(UsageError, match="To prepare the data"):
            load_hparams(str(HPARAMS / name), "")
        with pytest.raises(ManifestError, match="(?s)`train_csv` of.*To prepare"):
            load_hparams(str(HPARAMS / name), "data_folder: /d\nlists_folder: /no")

    def test_one_list_of_several_is_missing(self, corpus, tiny):
        text = tiny.replace(f"{corpus}/train.csv", f"[{corpus}/train.csv, gone.csv]")
        with pytest.raises(ManifestError, match=r"gone\.csv: no such file"):
            load_hparams(str(HPARAMS / "posttrain_hubert.yaml"), text)

    def test_own_data_are_where_the_verb_writes_them(self, corpus, tmp_path):
        own = tmp_path / "own"
        for split, label in (("train", "real"), ("valid", "fake")):
            (own / label).mkdir(parents=True)
            for number, file in enumerate(sorted((corpus / "audio").glob(f"{split}*"))):
                shutil.copy(file, own / label / f"{number}.flac")
        folders = ("--real", own / "real", "--fake", own / "fake")
        out = tmp_path / "manifests"
        run_python("-m", "data_prep", "folders", *folders, "--out", out)
        found = values("posttrain_own_data.yaml")
        for key in ("train_csv", "valid_csv"):
            assert (tmp_path / found[key]).is_file()
