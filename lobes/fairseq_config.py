"""The architecture of a fairseq checkpoint, in transformers' terms.

It is known from up to three sides: the shapes of the tensors, the settings that a
training checkpoint carries (``cfg``, formerly ``args``), and the table of known
models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lobes.checkpoint_file import CheckpointError
from lobes.inert_pickle import Call
from lobes.models import MODELS, ModelInfo

# transformers' name: fairseq's name and default (``fairseq/models/wav2vec/wav2vec2.py``
# and ``fairseq/models/hubert/hubert.py``, the same in both).
_SETTINGS = {
    "hidden_size": ("encoder_embed_dim", 768),
    "num_hidden_layers": ("encoder_layers", 12),
    "num_attention_heads": ("encoder_attention_heads", 12),
    "intermediate_size": ("encoder_ffn_embed_dim", 3072),
    "hidden_act": ("activation_fn", "gelu"),
    "do_stable_layer_norm": ("layer_norm_first", False),
    "conv_bias": ("conv_bias", False),
    "num_conv_pos_embeddings": ("conv_pos", 128),
    "num_conv_pos_embedding_groups": ("conv_pos_groups", 16),
    "hidden_dropout": ("dropout", 0.1),
    "attention_dropout": ("attention_dropout", 0.1),
    "activation_dropout": ("activation_dropout", 0.0),
    "feat_proj_dropout": ("dropout_input", 0.0),
    "layerdrop": ("encoder_layerdrop", 0.0),
}
_CONV_LAYERS = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]"
# Not settings in fairseq, but always so.
_FIXED = {"feat_extract_activation": "gelu", "layer_norm_eps": 1e-5}
_CONV = r"feature_extractor\.conv_layers\."
_LAYER = r"encoder\.layers\."
# They leave the features of a trained model alone.
_TRAINING_ONLY = {
    "model_type",
    "hidden_dropout",
    "attention_dropout",
    "activation_dropout",
    "feat_proj_dropout",
    "layerdrop",
}


@dataclass(frozen=True)
class Architecture:
    """What is known of the model of a checkpoint.

    Arguments
    ---------
    config : dict or None
        For ``SSLEncoder(config=...)``; None if not everything is known.
    source : str
        Where it is from, or what is not known.
    feature_grad_mult : float or None
        Factor on the gradient of the convolution stack; None if not known.
    """

    config: dict[str, Any] | None
    source: str
    feature_grad_mult: float | None = None


def find_family(names: set[str], settings: Mapping[str, Any] | None) -> str | None:
    """Tell wav2vec 2.0 from HuBERT.

    Arguments
    ---------
    names : set of str
        Names of all tensors, those for pre-training included: these differ.
    settings : mapping or None
        From :func:`model_settings`.

    Returns
    -------
    str or None
        ``wav2vec2`` or ``hubert``; None if nothing tells.

    Raises
    ------
    CheckpointError
        If the signs contradict each other, or if it is another kind of model.

    Example
    -------
    >>> find_family({"mask_emb", "label_embs_concat"}, None)
    'hubert'
    """
    signs = {}
    if "label_embs_concat" in names:
        signs["its tensor label_embs_concat"] = "hubert"
    for part in ("quantizer.", "project_q."):
        if any(name.startswith(part) for name in names):
            signs[f"its tensors {part}*"] = "wav2vec2"
    if settings is not None:
        kind = str(settings.get("_name") or settings.get("arch"))
        signs[f"its settings ({kind})"] = kind.split("_")[0]
    families = set(signs.values())
    if not families <= {"wav2vec2", "hubert"} or len(families) > 1:
        told = "; ".join(f"{sign} say {family}" for sign, family in signs.items())
        raise CheckpointError(
            f"the family is not clear: {told}. Supported are pre-trained wav2vec2 and "
            "hubert, with the settings and tensors of the same model."
        )
    return families.pop() if families else None


def model_settings(extra: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the settings of the model in a fairseq checkpoint.

    Arguments
    ---------
    extra : mapping
        What the checkpoint holds besides weights: ``cfg`` (a dict or omegaconf's
        DictConfig) with a section ``model``, or ``args`` (a Namespace).

    Returns
    -------
    dict or None
        In fairseq's terms; None if there are none.
    """
    return _fields(_fields(extra.get("cfg")).get("model")) or (
        _fields(extra.get("args")) or None
    )


def architecture_from_shapes(
    shapes: Mapping[str, tuple[int, ...]], family: str | None
) -> dict[str, Any]:
    """Read off what the shapes of the tensors tell.

    Arguments
    ---------
    shapes : mapping
        Shape by fairseq's name.
    family : str or None
        From :func:`find_family`; if None, the one that published models of this
        form belong to.

    Returns
    -------
    dict
        In transformers' terms. Neither strides, number of heads nor the place of the
        layer norms are visible.

    Raises
    ------
    CheckpointError
        If a tensor that is needed for that is missing.
    """
    convs = _count(shapes, rf"{_CONV}(\d+)\.")
    weights = [
        _shape(shapes, f"feature_extractor.conv_layers.{n}.0.weight", 3)
        for n in range(convs)
    ]
    _, per_group, positions = _shape(shapes, "encoder.pos_conv.0.weight_v", 3)
    hidden_size = _length(shapes, rf"{_LAYER}\d+\.(fc2|\w+\.out_proj|\w+norm)\.bias")
    layer_norm = any(re.match(rf"{_CONV}\d+\.2\.1\.", name) for name in shapes)
    conv_bias = any(re.match(rf"{_CONV}\d+\.0\.bias", name) for name in shapes)
    likely = "hubert" if layer_norm and not conv_bias else "wav2vec2"
    return {
        "model_type": family or likely,
        "hidden_size": hidden_size,
        "num_hidden_layers": _count(shapes, rf"{_LAYER}(\d+)\."),
        "intermediate_size": _length(shapes, rf"{_LAYER}\d+\.fc1\.(weight|bias)"),
        "feat_extract_norm": "layer" if layer_norm else "group",
        "conv_bias": conv_bias,
        "conv_dim": [_length(shapes, rf"{_CONV}{n}\.") for n in range(convs)],
        "conv_kernel": [shape[2] for shape in weights],
        "num_conv_pos_embeddings": positions,
        "num_conv_pos_embedding_groups": hidden_size // max(per_group, 1),
    }


def find_architecture(
    from_shapes: Mapping[str, Any], settings: Mapping[str, Any] | None
) -> Architecture:
    """Complete what the shapes tell.

    Arguments
    ---------
    from_shapes : mapping
        From :func:`architecture_from_shapes`.
    settings : mapping or None
        From :func:`model_settings`. Without them, a known model with the same shapes
        stands in; all that share them are alike in the rest, too.

    Returns
    -------
    Architecture
        As complete as it can be. Whether the settings agree with the shapes is left
        to a comparison of all tensors, which can name them.

    Raises
    ------
    CheckpointError
        If the settings are not supported.
    """
    if settings is not None:
        config = {"model_type": from_shapes["model_type"], **_from_settings(settings)}
        mult = _setting(settings, "feature_grad_mult", 1.0)
        return Architecture(config, "the settings in the file", mult)
    twins = [model for model in MODELS.values() if _fits(model, from_shapes)]
    if twins:
        names = ", ".join(model.name for model in twins)
        source = f"that of {names}, by the shapes of the tensors"
        return Architecture(twins[0].config(), source, twins[0].feature_grad_mult)
    return Architecture(
        None,
        "unknown: the file has no settings, the number of attention heads cannot be "
        f"seen in weights, and no known {from_shapes['model_type']} model has "
        f"{from_shapes['num_hidden_layers']} layers of size "
        f"{from_shapes['hidden_size']} with these shapes. Give the architecture.",
    )


def check_agreement(
    one: Mapping[str, Any], other: Mapping[str, Any], one_name: str, other_name: str
) -> None:
    """Compare two descriptions of an architecture, in all that changes the features.

    Arguments
    ---------
    one : mapping
        In transformers' terms.
    other : mapping
        Likewise; what only one of them says is not compared.
    one_name : str
        What to call the first in the message.
    other_name : str
        What to call the second.

    Raises
    ------
    CheckpointError
        If they differ; names the settings.

    Example
    -------
    >>> check_agreement({"num_attention_heads": 12}, {"num_attention_heads": 16},
    ...                 "the file", "the encoder")
    Traceback (most recent call last):
    lobes.checkpoint_file.CheckpointError: num_attention_heads is 12 by the file but \
16 by the encoder. Both must describe the same model.
    """
    keys = (one.keys() & other.keys()) - _TRAINING_ONLY
    differences = [
        f"{key} is {one[key]} by {one_name} but {other[key]} by {other_name}"
        for key in sorted(keys)
        if one[key] != other[key]
    ]
    if differences:
        raise CheckpointError(
            f"{'; '.join(differences)}. Both must describe the same model."
        )


def _from_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Translate fairseq's settings."""
    config = {name: _setting(settings, *source) for name, source in _SETTINGS.items()}
    if config["hidden_act"] not in ("gelu", "relu"):
        raise CheckpointError(
            f"its activation_fn is {config['hidden_act']!r}; supported are gelu, relu."
        )
    mode = _setting(settings, "extractor_mode", "default")
    layers = _conv_layers(_setting(settings, "conv_feature_layers", _CONV_LAYERS))
    dims, kernels, strides = map(list, zip(*layers, strict=True))
    return {
        **_FIXED,
        **config,
        "feat_extract_norm": "group" if mode == "default" else "layer",
        "conv_dim": dims,
        "conv_kernel": kernels,
        "conv_stride": strides,
    }


def _setting(settings: Mapping[str, Any], name: str, default: Any) -> Any:
    value = settings.get(name, default)
    if type(default) is float and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        raise CheckpointError(
            f"its setting {name} is {str(value)[:80]!r}; expected "
            f"{type(default).__name__}, e.g. {default!r}."
        )
    return value


def _conv_layers(text: str) -> list[tuple[int, int, int]]:
    """Parse ``[(512,10,5)] + [(512,3,2)] * 4``; fairseq evaluates it as Python."""
    layers = []
    for group, times in re.findall(r"\[([\d\s,()]+)\](?:\s*\*\s*(\d+))?", text):
        triples = re.findall(r"\((\d+)\s*,\s*(\d+)\s*,\s*(\d+)\)", group)
        layers += [tuple(map(int, t)) for t in triples] * min(int(times or 1), 99)
    if not layers:
        raise CheckpointError(f"its conv_feature_layers cannot be read: {text[:80]!r}.")
    return layers


def _fields(value: Any) -> dict[str, Any]:
    """Give the entries of a dict, Namespace or DictConfig, one level deep."""
    if isinstance(value, Call):
        value = value.state
        if isinstance(value, dict) and "_content" in value:  # omegaconf
            value = value["_content"]
    if not isinstance(value, dict):
        return {}
    return {str(key): _unwrap(entry) for key, entry in value.items()}


def _unwrap(entry: Any) -> Any:
    """Take omegaconf's node off a value."""
    if isinstance(entry, Call) and isinstance(entry.state, dict):
        return entry.state.get("_val", entry)
    return entry


def _fits(model: ModelInfo, from_shapes: Mapping[str, Any]) -> bool:
    config = model.config()
    return all(config[key] == value for key, value in from_shapes.items())


def _count(names: Mapping[str, Any], pattern: str) -> int:
    return len({match[1] for match in map(re.compile(pattern).match, names) if match})


def _length(shapes: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    """Give the first axis of the tensors of these names, as most of them have it."""
    found = [s[0] for name, s in shapes.items() if re.match(pattern, name) and s]
    if not found:
        raise CheckpointError(f"missing: all tensors '{pattern}'.")
    return Counter(found).most_common(1)[0][0]


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str, axes: int) -> tuple:
    if name not in shapes:
        raise CheckpointError(f"missing: {name}.")
    if len(shapes[name]) != axes:
        raise CheckpointError(
            f"wrong shape: {name} ({list(shapes[name])} in the file, {axes} axes "
            "expected)."
        )
    return shapes[name]
