"""Configurations and weights of pre-trained encoders in Hugging Face layout.

Loading is strict: a tensor that is missing, left over or of another shape is an
error that names it, unless it belongs to a part that is known not to be used here.
transformers' ``from_pretrained`` fills gaps with random numbers and reports left-over
and missing names differently in each version, hence the small loader below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from torch import nn
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils import cached_file
from transformers.utils.hub import get_checkpoint_shard_files

#: Model types that can be encoders, and the transformers class of each.
MODEL_TYPES = {
    "wav2vec2": transformers.Wav2Vec2Model,
    "hubert": transformers.HubertModel,
    "wavlm": transformers.WavLMModel,
    "data2vec-audio": transformers.Data2VecAudioModel,
    "whisper": WhisperEncoder,
}

# Always so: no SpecAugment (it needs a trained mask embedding), no length adapter.
_FIXED = {
    "apply_spec_augment": False,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
    "add_adapter": False,
}

# Settings of pre-training objectives, other heads, the Whisper decoder and files.
_NOT_ENCODER = re.compile(
    r"_name_or_path|_attn_implementation.*|transformers_version|architectures"
    r"|(torch_)?dtype|gradient_checkpointing|return_dict|output_.*|use_cache"
    r"|use_bfloat16|torchscript|tie_word_embeddings|is_encoder_decoder|id2label"
    r"|label2id|.*_token_id|(begin_)?suppress_tokens|vocab_size|(no_)?mask_.*"
    r"|apply_spec_augment|ctc_.*|num_ctc_classes|classifier_proj_size"
    r"|use_weighted_layer_sum|tdnn_.*|xvector_.*|final_dropout"
    r"|feat_quantizer_dropout|(num_|proj_)?codevector.*|contrastive_.*"
    r"|diversity_.*|num_negatives|add_adapter|adapter_(kernel_size|stride)"
    r"|num_adapter_layers|decoder_.*|max_target_positions|median_filter_width"
    r"|forced_decoder_ids|max_length|num_feat_extract_layers|.*freeze_feat_extract.*"
)

# Task models put the encoder under such a prefix.
_PREFIX = re.compile(r"^(wav2vec2|hubert|wavlm|data2vec_audio)\.")
_WHISPER_PREFIX = re.compile(r"^(model\.)?encoder\.")

# Parts of published checkpoints that the encoder does not have: the pre-training
# objective, other heads, SpecAugment's mask embedding, the Whisper decoder.
_DROPPED = re.compile(
    r"^(quantizer|project_q|project_hid|lm_head|proj_out|adapter|projector|classifier"
    r"|tdnn|objective|(model\.)?decoder)\."
    r"|^(masked_spec_embed|layer_weights|feature_extractor\.(weight|bias))$"
)
_LAYER = re.compile(r"^(?:encoder\.)?layers\.(\d+)\.")

_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


def read_config(source: str | Path) -> dict[str, Any]:
    """Read the configuration of a pre-trained model.

    Arguments
    ---------
    source : str or Path
        Local folder in Hugging Face layout, or hub id such as
        ``facebook/wav2vec2-base`` (https://huggingface.co/facebook/wav2vec2-base).

    Returns
    -------
    dict
        What ``config.json`` says.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or it has no ``config.json``.
    OSError
        If the hub has no such model or cannot be reached.
    """
    source = str(source)
    if Path(source).is_dir():
        if not (Path(source) / "config.json").is_file():
            found = sorted(p.name for p in Path(source).iterdir())
            raise FileNotFoundError(
                f"source '{source}' is a folder without config.json (it holds "
                f"{found[:5] or 'nothing'}): give a folder in Hugging Face layout, "
                "config.json beside model.safetensors or pytorch_model.bin."
            )
    elif source.startswith(("/", ".", "~")) or source.count("/") > 1:
        raise FileNotFoundError(
            f"source '{source}' looks like a local path but is no folder here. "
            + _how_to_download("ID")
        )
    return json.loads(Path(_locate(source, "config.json")).read_text("utf-8"))


def make_config(
    settings: dict[str, Any],
    num_layers: int | None = None,
    overrides: dict[str, Any] | None = None,
) -> transformers.PretrainedConfig:
    """Make the configuration of an encoder.

    Arguments
    ---------
    settings : dict
        As in ``config.json``; ``model_type`` is required, the rest has defaults.
    num_layers : int, optional
        Keep only that many transformer layers.
    overrides : dict, optional
        Settings to change, e.g. ``{"layerdrop": 0.0}``.

    Returns
    -------
    transformers.PretrainedConfig
        Configuration without SpecAugment and without a length adapter.

    Raises
    ------
    ValueError
        For an unsupported model, an unknown setting or an impossible cut.

    Example
    -------
    >>> make_config({"model_type": "wavlm"}, num_layers=3).num_hidden_layers
    3
    """
    model_type = settings.get("model_type")
    if model_type not in MODEL_TYPES:
        raise ValueError(
            f"model_type is {model_type!r}; supported are {', '.join(MODEL_TYPES)}."
        )
    config = transformers.AutoConfig.for_model(model_type)
    defaults = _encoder_settings(config)
    unknown = sorted(set(overrides or {}) - set(defaults))
    if unknown:
        raise ValueError(
            f"config_overrides has {', '.join(unknown)}, not a setting of a "
            f"{model_type} encoder; it has {', '.join(defaults)}."
        )
    # A published config.json may state a setting under its alias as well (Whisper:
    # num_hidden_layers for encoder_layers), which would undo a change of the setting.
    aliases = {a for a, name in config.attribute_map.items() if name in settings}
    kept = {
        key: value
        for key, value in settings.items()
        if key not in aliases and not _NOT_ENCODER.fullmatch(key)
    }
    kept = {**defaults, **kept, **(overrides or {})}
    if num_layers is not None:
        key = _depth_key(model_type)
        if isinstance(num_layers, bool) or not 1 <= num_layers <= kept[key]:
            raise ValueError(
                f"num_layers is {num_layers}; the model has 1 to {kept[key]} layers."
            )
        kept[key] = num_layers
    return transformers.AutoConfig.for_model(**{**kept, **_FIXED})


def config_to_dict(config: transformers.PretrainedConfig) -> dict[str, Any]:
    """Write a configuration down as plain data.

    Arguments
    ---------
    config : transformers.PretrainedConfig
        Made by :func:`make_config`.

    Returns
    -------
    dict
        Strings, numbers and lists, ``model_type`` first; :func:`make_config` turns
        it into the same configuration.

    Example
    -------
    >>> settings = config_to_dict(make_config({"model_type": "whisper"}))
    >>> settings["model_type"], settings["d_model"]
    ('whisper', 384)
    """
    plain = json.loads(json.dumps(_encoder_settings(config)))
    return {"model_type": config.model_type, **plain}


def build_model(config: transformers.PretrainedConfig) -> nn.Module:
    """Build the transformers model of a configuration, with random weights.

    Arguments
    ---------
    config : transformers.PretrainedConfig
        Made by :func:`make_config`.

    Returns
    -------
    torch.nn.Module
        In float32.
    """
    return MODEL_TYPES[config.model_type](config)


def load_model(
    source: str | Path, config: transformers.PretrainedConfig, full_layers: int
) -> nn.Module:
    """Build the transformers model of a configuration and load its weights strictly.

    Arguments
    ---------
    source : str or Path
        Local folder or hub id; see :func:`read_config`.
    config : transformers.PretrainedConfig
        Made by :func:`make_config`.
    full_layers : int
        Layers of the published model: those beyond the cut are known to be dropped.

    Returns
    -------
    torch.nn.Module
        In float32, whatever precision the file has.

    Raises
    ------
    ValueError
        If a tensor is missing, left over or of another shape.
    """
    with torch.device("meta"):  # no time lost on random numbers
        model = build_model(config)
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    cut_layers = range(num_layers(config), full_layers)
    state, left_over, wrong_shape = {}, [], {}
    for raw_name, tensor in _tensors(str(source)):
        name = _model_name(raw_name, config.model_type)
        if name not in expected:
            if not _is_dropped(name, cut_layers):
                left_over.append(raw_name)
        elif tensor.shape != expected[name]:
            wrong_shape[name] = (
                f"{raw_name} ({list(tensor.shape)} in the file, "
                f"{list(expected[name])} by the config)"
            )
        else:
            dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
            # A copy, because the file is memory-mapped and may be replaced later.
            state[name] = tensor.to(dtype, copy=True)
    _raise_if_any(
        source,
        missing=sorted(expected.keys() - state.keys() - wrong_shape.keys()),
        left_over=left_over,
        wrong_shape=list(wrong_shape.values()),
    )
    model.load_state_dict(state, assign=True)
    return model


def num_layers(config: transformers.PretrainedConfig) -> int:
    """Count the transformer layers of an encoder."""
    return getattr(config, _depth_key(config.model_type))


def _depth_key(model_type: str) -> str:
    return "encoder_layers" if model_type == "whisper" else "num_hidden_layers"


def _encoder_settings(config: transformers.PretrainedConfig) -> dict[str, Any]:
    """Keep the settings that shape an encoder."""
    drop = {"model_type"}
    if config.model_type == "whisper":  # an alias of encoder_layers
        drop.add("num_hidden_layers")
    return {
        key: value
        for key, value in sorted(config.to_diff_dict().items())
        if key not in drop and not _NOT_ENCODER.fullmatch(key)
    }


def _how_to_download(model_id: str) -> str:
    return (
        "Without network, download the model elsewhere with `hf download "
        f"{model_id} --local-dir FOLDER` and give the folder: --ssl_source FOLDER."
    )


def _locate(source: str, filename: str, required: bool = True) -> str | None:
    """Return the local path of a file of a folder or hub model, downloading it."""
    try:
        return cached_file(
            source,
            filename,
            _raise_exceptions_for_missing_entries=required,
            _raise_exceptions_for_connection_errors=required,
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OSError(
            f"source '{source}' is neither a local folder with config.json nor a "
            f"model that could be read from the Hugging Face hub ({reason}). Check "
            f"the name. {_how_to_download(source)}"
        ) from error


def _weight_files(source: str) -> list[str]:
    for filename in _WEIGHT_FILES:
        path = _locate(source, filename, required=False)
        if path is not None:
            return [path]
        index = _locate(source, f"{filename}.index.json", required=False)
        if index is not None:
            return get_checkpoint_shard_files(source, index)[0]
    raise FileNotFoundError(
        f"source '{source}' has a config.json, but no weights were found or could be "
        f"downloaded; expected one of {', '.join(_WEIGHT_FILES)} (or their sharded "
        f"form with .index.json). {_how_to_download(source)}"
    )


def _tensors(source: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Go through the tensors of a checkpoint, one at a time where possible."""
    for path in _weight_files(source):
        if path.endswith(".safetensors"):
            with safe_open(path, framework="pt") as file:
                for name in file.keys():
                    yield name, file.get_tensor(name)
        else:
            yield from torch.load(path, map_location="cpu", weights_only=True).items()


def _model_name(name: str, model_type: str) -> str:
    """Translate the name of a stored tensor to that of the encoder's parameter."""
    prefix = _WHISPER_PREFIX if model_type == "whisper" else _PREFIX
    name = prefix.sub("", name)
    # Weight norm's names before torch 2.0.
    name = re.sub(r"\.weight_g$", ".parametrizations.weight.original0", name)
    return re.sub(r"\.weight_v$", ".parametrizations.weight.original1", name)


def _is_dropped(name: str, cut_layers: range) -> bool:
    layer = _LAYER.match(name)
    if layer:
        return int(layer.group(1)) in cut_layers
    return bool(_DROPPED.match(name))


def _raise_if_any(source: str | Path, **problems: list[str]) -> None:
    lines = [
        f"{kind.replace('_', ' ')}: {', '.join(names[:5])}"
        + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        for kind, names in problems.items()
        if names
    ]
    if lines:
        raise ValueError(
            f"the weights of '{source}' do not fit its config; {'; '.join(lines)}. "
            "Use config.json and weights of the same model, unchanged."
        )
