"""Published checkpoints become detector folders, and training starts from them."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from helpers import ROOT, new_detector, run_python, training_command
from safetensors.torch import load_file, save_file

import convert as command
from lobes.checkpoint_file import CheckpointError
from lobes.classifiers import LinearClassifier
from lobes.detector import Detector
from lobes.fairseq_import import read_checkpoint
from lobes.pooling import MeanPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake import sources
from recipes.AntiDeepfake.conversion import known_model
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.sources import find_source, init_weights
from recipes.AntiDeepfake.weights import WeightsError

CHECKPOINTS = ROOT / "tests" / "lobes" / "checkpoints"
FAMILIES = {"w2v_small": "wav2vec2", "w2v_large": "wav2vec2", "hubert": "hubert"}


def load(folder):
    return DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


def config_file(family, folder):
    """The architecture of a stored family, as people give it."""
    about = json.loads((CHECKPOINTS / family / "arch.json").read_text())
    path = folder / "config.json"
    path.write_text(json.dumps({"model_type": FAMILIES[family], **about["hf_config"]}))
    return path


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Folders of the three families."""
    folder = tmp_path_factory.mktemp("converted")
    for family in FAMILIES:
        source = CHECKPOINTS / family / "model.safetensors"
        ssl = config_file(family, folder)
        assert run(source, folder / family, "--ssl", ssl) == 0
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_the_original(converted, family):
    detector = load(converted / family)
    waves = np.load(CHECKPOINTS / "waveforms.npz")
    reference = np.load(CHECKPOINTS / family / "reference.npz")
    for name in waves.files:
        wav = torch.from_numpy(waves[name].astype(np.float32) / 32768)
        found = detector.logits(wav[None])[0].numpy()
        assert np.abs(found - reference[f"{name}.logits"]).max() < 2e-5, name


@pytest.mark.parametrize("family", FAMILIES)
def test_both_containers_give_the_same_folder(converted, family, tmp_path, capsys):
    ssl = config_file(family, tmp_path)
    source = CHECKPOINTS / family / "model.ckpt"
    assert run(source, tmp_path / "out", "--ssl", ssl) == 0
    one = load_file(tmp_path / "out" / "model.safetensors")
    other = load_file(converted / family / "model.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    told = capsys.readouterr().out
    assert "tensors used" in told and "canary [" in told


def test_card_tells_origin_and_licence(converted):
    card = (converted / "hubert" / "README.md").read_text()
    assert "\nlicense: cc-by-nc-sa-4.0\n" in card
    assert "SpoofCeleb" in card and "arxiv.org/abs/2506.21090" in card


def test_known_names(tmp_path):
    (tmp_path / "mms_300m.ckpt").touch()
    for name in ("MMS-300M", "nii-yamagishilab/mms-300m-anti-deepfake-nda"):
        assert known_model(name).name == "MMS-300M"
    assert known_model(str(tmp_path / "mms_300m.ckpt")).name == "MMS-300M"
    assert known_model("some/mms-300m-anti-deepfake").name == "MMS-300M"
    assert known_model("model.ckpt") is None


WRONG = [
    # arguments after OUT, exit code, message
    (
        [],
        1,
        "architecture is unknown: .*--ssl with one of W2V-Small, .*--ssl FILE.json",
    ),
    (["--ssl", "no-such-model"], 2, "neither a JSON file nor one of W2V-Small"),
    (["--ssl", "{text}"], 2, "no architecture of an encoder"),
    (["--ssl", "MMS-300M"], 1, "hubert model, but the encoder is wav2vec2"),
    (["--int8"], 2, "give --onnx as well"),
]


@pytest.mark.parametrize(("options", "code", "message"), WRONG)
def test_what_cannot_be_converted(tmp_path, capsys, options, code, message):
    (tmp_path / "text.json").write_text('{"hidden_size": 3}')
    options = [o.format(text=tmp_path / "text.json") for o in options]
    source = CHECKPOINTS / "hubert" / "model.ckpt"
    assert run(source, tmp_path / "out", *options) == code
    told = capsys.readouterr().err
    assert told.startswith("error: ") and re.search(message, told), told
    assert not (tmp_path / "out").exists()


def test_a_pre_trained_model_is_no_detector(tmp_path, capsys):
    source = CHECKPOINTS / "hubert" / "pretrained_cfg.pt"
    assert run(source, tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "no head" in told and "--init_from" in told


def test_other_folders_are_not_overwritten(tmp_path, capsys):
    (tmp_path / "precious.txt").touch()
    assert run(CHECKPOINTS / "hubert" / "model.ckpt", tmp_path) == 2
    assert "something else" in capsys.readouterr().err
    assert (tmp_path / "precious.txt").exists()


@pytest.mark.parametrize("files", [[], ["a.ckpt", "b.ckpt"]])
def test_a_folder_must_have_one_checkpoint(tmp_path, files):
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=f"{len(files)} files of weights"):
        find_source(tmp_path)
    (tmp_path / "b.ckpt").unlink(missing_ok=True)
    if files:
        assert find_source(tmp_path) == tmp_path / "a.ckpt"


@pytest.mark.parametrize("is_folder", [False, True])
def test_hub_ids(converted, monkeypatch, is_folder):
    """Released checkpoints are one file, our detectors a folder."""
    hub = converted / "hubert"
    monkeypatch.setattr(sources, "hf_hub_download", lambda source, name: hub / name)
    monkeypatch.setattr(sources, "file_exists", lambda source, name: is_folder)
    found = find_source("someone/some-detector")
    assert found == (hub if is_folder else hub / "model.safetensors")


def test_unknown_hub_ids_are_explained(monkeypatch):
    def unreachable(source, name):
        raise OSError("no network")

    monkeypatch.setattr(sources, "hf_hub_download", unreachable)
    with pytest.raises(CheckpointError, match="some/id: no such file .*no network"):
        find_source("some/id")


def test_help_teaches(capsys):
    assert run("--help") == 0
    told = capsys.readouterr().out
    assert "python convert.py" in told and "--ssl" in told
    assert run() == 2


def test_round_trip_keeps_every_bit(trained, corpus, tiny_ssl, tmp_path):
    """train -> folder -> interface -> convert -> --init_from -> folder."""
    files = [corpus / "audio" / f"test-{i:03d}.flac" for i in range(4)]
    first = load(trained / "detector")
    scores = [first.score_file(file) for file in files]
    assert run(trained / "detector", tmp_path / "converted") == 0
    assert [load(tmp_path / "converted").score_file(f) for f in files] == scores
    # A learning rate so small that float32 weights stay as they are.
    arguments = training_command(
        *(corpus, tiny_ssl, tmp_path / "out"),
        **{"init_from": tmp_path / "converted", "lr": 1e-30, "total_steps": 2},
        valid_interval=2,
    )
    run_python("train.py", *arguments)
    last = load(tmp_path / "out" / "detector")
    assert [last.score_file(file) for file in files] == scores
    card = (tmp_path / "out" / "detector" / "README.md").read_text()
    # The whole descent: a converted folder is the same detector.
    assert "\n- started from: converted\n  - stage: post-training\n" in card
    assert "\n  - training data: train.csv\n    - voices: 20 real, 20 fake\n" in card
    assert str(tmp_path) not in card and str(corpus) not in card


def test_a_folder_converted_in_place_stays_as_it_is(converted, tmp_path):
    folder = shutil.copytree(converted / "hubert", tmp_path / "x")
    (folder / "model.onnx").write_bytes(b"an export of before")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for _ in range(2):
        assert run(folder, folder) == 0
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    # Also after a kill in the middle of it.
    folder.rename(tmp_path / ".x.replaced")
    assert run(folder, folder) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_converted_folder_has_the_card_of_its_source(converted, tmp_path):
    source = converted / "hubert"
    assert run(source, tmp_path / "anew") == 0
    for name in ("README.md", "hyperparams.yaml"):
        text = (source / name).read_text()
        assert (tmp_path / "anew" / name).read_text() == text
        assert str(CHECKPOINTS) not in text
    (source / "README.md").rename(source / "elsewhere")
    try:
        assert run(source, tmp_path / "bare") == 0
    finally:
        (source / "elsewhere").rename(source / "README.md")
    assert "- copy of: hubert\n" in (tmp_path / "bare" / "README.md").read_text()


def test_onnx_files_of_another_detector_are_set_aside(converted, tmp_path, capsys):
    out = shutil.copytree(converted / "hubert", tmp_path / "x")
    (out / "model.onnx").touch()
    assert run(converted / "w2v_small", out) == 0
    assert (tmp_path / "x.old" / "model.onnx").is_file()
    assert not (out / "model.onnx").exists()


def original(family, tmp_path, seed=0):
    """A detector of the original's shape, with random weights."""
    torch.manual_seed(seed)
    config = json.loads(config_file(family, tmp_path).read_text())
    encoder = SSLEncoder(config=config)
    pooling = MeanPooling(encoder.output_size)
    return Detector(encoder, pooling, LinearClassifier(pooling.output_size))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "kind", ["folder", "weights", "model.ckpt", "model.safetensors"]
)
def test_training_starts_from_any_detector(converted, family, kind, tmp_path):
    source = CHECKPOINTS / family / kind
    if kind == "folder":
        source = converted / family
    elif kind == "weights":
        source = converted / family / "model.safetensors"
    detector = original(family, tmp_path)
    init_weights(detector, source)
    wanted = load_file(converted / family / "model.safetensors")
    found = detector.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_starts_from_a_pre_trained_model(family, tmp_path):
    detector = original(family, tmp_path)
    before = detector.classifier.linear.weight.clone()
    init_weights(detector, CHECKPOINTS / family / "pretrained_cfg.pt")
    wanted = read_checkpoint(CHECKPOINTS / family / "model.ckpt").encoder
    found = detector.encoder.model.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert torch.equal(detector.classifier.linear.weight, before)


def test_another_head_or_encoder_is_refused(tiny_ssl, tmp_path):
    detector = original("hubert", tmp_path)
    before = {name: t.clone() for name, t in detector.state_dict().items()}
    detector.pooling, mean = new_detector(tiny_ssl).pooling, detector.pooling
    with pytest.raises(CheckpointError, match="but the detector has AttentiveStats"):
        init_weights(detector, CHECKPOINTS / "hubert" / "model.ckpt")
    detector.pooling = mean
    with pytest.raises(CheckpointError, match="wav2vec2 model, but the encoder is h"):
        init_weights(detector, CHECKPOINTS / "w2v_large" / "model.ckpt")
    assert all(torch.equal(before[n], t) for n, t in detector.state_dict().items())


def test_train_explains_weights_that_do_not_fit(trained, corpus, tiny_ssl, tmp_path):
    shutil.copytree(trained / "detector", tmp_path / "detector")
    weights = load_file(tmp_path / "detector" / "model.safetensors")
    weights.pop("classifier.linear.bias")
    save_file(weights, tmp_path / "detector" / "model.safetensors")
    arguments = training_command(
        corpus, tiny_ssl, tmp_path / "out", init_from=tmp_path / "detector"
    )
    done = run_python("train.py", *arguments, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "missing classifier.linear.bias" in last


def test_a_file_of_weights_that_is_none(tiny_ssl, tmp_path):
    export_detector(tmp_path / "detector", new_detector(tiny_ssl), {})
    (tmp_path / "detector" / "model.safetensors").write_bytes(b"<html>")
    with pytest.raises(WeightsError, match=r"model\.safetensors: no weights"):
        init_weights(new_detector(tiny_ssl), tmp_path / "detector")
