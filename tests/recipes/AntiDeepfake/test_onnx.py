"""Detectors as ONNX: the same scores at every length."""

import importlib
import sys

import numpy as np
import pytest
import soundfile
import torch

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnx as onnx_package

import convert
import score
from lobes.classifiers import LinearClassifier
from lobes.detector import Detector, scores
from lobes.pooling import AttentiveStatsPooling, MeanPooling, MeanStdPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake import onnx
from recipes.AntiDeepfake.command import UsageError, load_detector
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.interface import DeepfakeDetector
from recipes.AntiDeepfake.onnx_detector import OnnxDetector
from recipes.AntiDeepfake.weights import WeightsError

_WAV2VEC2 = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
_LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
CONFIGS = {
    "wav2vec2-group": {"model_type": "wav2vec2", **_WAV2VEC2},
    "wav2vec2-layer": {"model_type": "wav2vec2", **_WAV2VEC2, **_LAYER_NORM},
    "hubert": {"model_type": "hubert", **_WAV2VEC2, **_LAYER_NORM},
    "wavlm": {"model_type": "wavlm", **_WAV2VEC2, **_LAYER_NORM},
    "whisper": {
        "model_type": "whisper",
        "d_model": 32,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 48,
    },
}
LENGTHS = [400, 401, 719, 720, 1040, 8000, 15999, 16000, 16001, 23457, 64480, 160000]
LONGEST_WHISPER = 479680


def make(folder, config, pooling=MeanPooling):
    """A folder with a random detector whose scores differ from each other."""
    torch.manual_seed(0)
    encoder = SSLEncoder(config=config)
    pooling = pooling(encoder.output_size)
    classifier = LinearClassifier(pooling.output_size)
    export_detector(folder, Detector(encoder, pooling, classifier), {})
    return DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request, tmp_path_factory):
    """A detector and its ONNX."""
    folder = tmp_path_factory.mktemp(request.param)
    detector = make(folder / "detector", CONFIGS[request.param])
    exported = onnx.export_onnx(detector, folder / "model.onnx")
    assert exported.difference < 1e-5
    return detector, OnnxDetector(exported.path)


def worst(detector, exported, lengths, level=0.1):
    generator = torch.Generator().manual_seed(0)
    differences = []
    for length in lengths:
        wav = level * torch.randn(1, length, generator=generator)
        pair = [scores(one.logits(wav)).item() for one in (detector, exported)]
        differences.append(abs(pair[0] - pair[1]))
    return max(differences)


@pytest.mark.parametrize("level", [1.0, 1e-3])
def test_scores_are_the_same_at_every_length(pair, level):
    assert worst(*pair, LENGTHS, level) < 1e-5


def test_silence_and_padding(pair):
    detector, exported = pair
    wavs = torch.zeros(2, 12000)
    wavs[1, :9000] = torch.randn(9000)
    lens = torch.tensor([1.0, 0.75])
    difference = detector.logits(wavs, lens) - exported.logits(wavs, lens)
    assert difference.abs().max() < 1e-5


@pytest.mark.parametrize("pooling", [MeanStdPooling, AttentiveStatsPooling])
def test_other_poolings(tmp_path, pooling):
    detector = make(tmp_path / "detector", CONFIGS["hubert"], pooling)
    path = onnx.export_onnx(detector, tmp_path / "model.onnx").path
    assert worst(detector, OnnxDetector(path), LENGTHS) < 1e-5


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """A Whisper detector as a folder and as an ONNX file in it."""
    folder = tmp_path_factory.mktemp("whisper") / "detector"
    detector = make(folder, CONFIGS["whisper"])
    onnx.export_onnx(detector, folder / "model.onnx")
    return folder, detector


def test_whisper_says_what_is_too_long(whisper, tmp_path):
    folder, detector = whisper
    exported = OnnxDetector(folder / "model.onnx")
    assert worst(detector, exported, [LONGEST_WHISPER]) < 1e-5
    with pytest.raises(ValueError, match=r"takes 29\.98 s at most"):
        exported.logits(torch.zeros(1, LONGEST_WHISPER + 1))
    path = str(tmp_path / "long.wav")
    soundfile.write(path, np.random.default_rng(0).standard_normal(8000 * 31), 8000)
    found = exported.score_files([path])
    assert not found.logits and "31 s long" in found.failures[path]
    assert np.isfinite(exported.score_long_file(path).score)


def test_eight_bits(whisper, tmp_path):
    folder, _ = whisper
    coarse = onnx.quantize(folder / "model.onnx", tmp_path / "int8.onnx")
    assert 0 < coarse.difference < coarse.spread
    text = coarse.difference_text
    assert f"{coarse.difference:.2g}" in text and "standard deviation" in text
    OnnxDetector(coarse.path)  # has a canary of its own


def test_weights_of_large_models_go_beside(whisper, tmp_path, monkeypatch):
    _, detector = whisper
    monkeypatch.setattr(onnx, "LARGEST_FILE", 1000)
    exported = onnx.export_onnx(detector, tmp_path / "model.onnx")
    assert exported.difference < 1e-5
    assert onnx.quantize(exported.path, tmp_path / "int8.onnx").difference > 0
    names = sorted(path.name for path in tmp_path.iterdir())
    files = ["int8.onnx", "int8.onnx.data", "model.onnx", "model.onnx.data"]
    assert names == files


def test_canary_finds_another_model(whisper, tmp_path):
    model = onnx_package.load(whisper[0] / "model.onnx")
    weights = next(t for t in model.graph.initializer if "linear.bias" in t.name)
    values = onnx_package.numpy_helper.to_array(weights) + 1
    weights.CopyFrom(onnx_package.numpy_helper.from_array(values, weights.name))
    onnx_package.save_model(model, tmp_path / "model.onnx")
    with pytest.raises(RuntimeError, match="canary"):
        OnnxDetector(tmp_path / "model.onnx")


def test_other_files_are_refused(whisper, tmp_path):
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(WeightsError, match=r"text\.onnx: not opened.*convert\.py"):
        OnnxDetector(tmp_path / "text.onnx")
    model = onnx_package.load(whisper[0] / "model.onnx")
    del model.metadata_props[:]
    onnx_package.save_model(model, tmp_path / "other.onnx")
    with pytest.raises(WeightsError, match="no detector"):
        OnnxDetector(tmp_path / "other.onnx")


def test_commands(whisper, corpus, tmp_path, capsys):
    folder, detector = whisper
    out = tmp_path / "out"
    assert convert.main([str(folder), str(out), "--onnx", "--int8"]) == 0
    assert capsys.readouterr().out.count("scores off by at most") == 2
    audio = corpus / "audio" / "test-000.flac"
    expected = detector.score_file(audio)
    for name, tolerance in [("model.onnx", 1e-5), ("model.int8.onnx", 0.5)]:
        assert score.main([str(out / name), str(audio)]) == 0
        line = capsys.readouterr().out.splitlines()[1]
        assert float(line.split(",")[1]) == pytest.approx(expected, abs=tolerance)


def test_missing_package_is_named(whisper, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "recipes.AntiDeepfake.onnx_detector")
    with pytest.raises(UsageError, match="onnxruntime is not .*requirements-extra"):
        load_detector(whisper[0] / "model.onnx", {})
    monkeypatch.undo()
    importlib.import_module("recipes.AntiDeepfake.onnx_detector")
