"""Takes in checkpoints of fairseq and AntiDeepfake without either of them.

Three kinds of file, told apart by their content: a detector of AntiDeepfake as
``.ckpt`` (Zenodo) or ``model.safetensors`` (Hugging Face), and a pre-training
checkpoint of fairseq (``.pt``: wav2vec 2.0, XLS-R, MMS, HuBERT; zip or legacy
format, float16 or float32). Weights come back in float32 under transformers' names.

Every tensor of a file is used, known to serve pre-training alone, or an error; every
tensor of the model is found in the file, with its shape and finite values, or an
error. Nothing in a file is run (``lobes.inert_pickle``).

The modules of the two sides correspond one to one (:func:`fairseq_name`). fairseq:
https://github.com/facebookresearch/fairseq (MIT); AntiDeepfake:
https://github.com/nii-yamagishilab/AntiDeepfake (BSD-3-Clause).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lobes import fairseq_config, pretrained
from lobes.checkpoint_file import (
    CheckpointError,
    CheckpointFile,
    FileTensor,
    open_checkpoint,
)
from lobes.ssl import SSLEncoder

__all__ = [
    "CheckpointError",
    "Coverage",
    "ImportedCheckpoint",
    "fairseq_name",
    "load_into",
    "read_checkpoint",
]

# AntiDeepfake keeps the SSL model and the linear head under these.
_SSL_PREFIX = "m_ssl.model."
_HEAD_PREFIX = "proj_fc."

# Parts that only pre-training has: masking, quantiser, projections, target labels.
_DROPPED = re.compile(
    r"mask_emb|label_embs_concat"
    r"|(quantizer|input_quantizer|project_q|project_inp|target_glu|final_proj)\..+"
)
_KEPT = re.compile(
    r"(feature_extractor\.conv_layers\.\d+\.(0|2|2\.1)|layer_norm|post_extract_proj"
    r"|encoder\.layer_norm|encoder\.layers\.\d+\.(self_attn\.(k|q|v|out)_proj"
    r"|self_attn_layer_norm|fc1|fc2|final_layer_norm))\.(weight|bias)"
    r"|encoder\.pos_conv\.0\.(bias|weight_g|weight_v)"
)

# transformers' names and fairseq's; {} depends on the kind of extractor.
_POS_CONV_WEIGHT = r"pos_conv_embed\.conv\.parametrizations\.weight\.original"
_NAMES = [
    (r"(conv_layers\.\d+)\.conv\.", r"\1.0."),
    (r"(conv_layers\.\d+)\.layer_norm\.", r"\1.{}."),
    (r"^feature_projection\.layer_norm\.", "layer_norm."),
    (r"^feature_projection\.projection\.", "post_extract_proj."),
    (rf"{_POS_CONV_WEIGHT}0$", "pos_conv.0.weight_g"),
    (rf"{_POS_CONV_WEIGHT}1$", "pos_conv.0.weight_v"),
    (r"pos_conv_embed\.conv\.bias$", "pos_conv.0.bias"),
    (r"(\.layers\.\d+)\.attention\.", r"\1.self_attn."),
    (r"(\.layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"feed_forward\.intermediate_dense\.", "fc1."),
    (r"feed_forward\.output_dense\.", "fc2."),
]

# Parts of names that give away what needs another way in.
_STRANGERS = {
    "feature_projection.": "it is in the layout of transformers already: use it with "
    "its config.json as the source of the encoder",
    "w2v_encoder.": "fairseq fine-tuned it for speech recognition: use the "
    "pre-training checkpoint that it came from",
    "grep_linear.": "it is a WavLM: use its id on the Hugging Face hub, e.g. "
    "microsoft/wavlm-base-plus, as the source of the encoder",
}


@dataclass(frozen=True)
class Coverage:
    """What became of the tensors of a file.

    Arguments
    ---------
    used : tuple of str
        Names of those that are in the result, as fairseq has them.
    dropped : tuple of str
        Names of those that only pre-training needs.
    used_parameters : int
        How many numbers the former hold.
    dropped_parameters : int
        How many numbers the latter hold.
    """

    used: tuple[str, ...]
    dropped: tuple[str, ...]
    used_parameters: int
    dropped_parameters: int

    def __str__(self) -> str:
        """Summarise in a line."""
        names = f": {', '.join(self.dropped)}" if self.dropped else ""
        return (
            f"{len(self.used)} tensors used ({self.used_parameters:,} parameters), "
            f"{len(self.dropped)} dropped that only pre-training needs "
            f"({self.dropped_parameters:,} parameters){names}"
        )


@dataclass(frozen=True, eq=False)
class ImportedCheckpoint:
    """A checkpoint, ready for the lobes of this recipe.

    Arguments
    ---------
    path : Path
        The file.
    encoder : dict
        Tensors of ``SSLEncoder.model``, float32.
    head : dict or None
        ``linear.weight [2, dim]`` and ``linear.bias [2]`` of
        ``lobes.classifiers.LinearClassifier`` (0 = fake, 1 = real); None if the file
        holds no detector.
    family : str or None
        ``wav2vec2`` or ``hubert``; None if nothing in the file tells, because the
        parts for pre-training, the only ones that differ, were taken out.
    config : dict or None
        Architecture for ``SSLEncoder(config=...)``; None if the file does not tell.
    config_source : str
        Where the architecture is from, or why it is not known.
    feature_grad_mult : float or None
        Argument of ``SSLEncoder`` that training should use; None if not known.
    coverage : Coverage
        What became of the tensors of the file.
    """

    path: Path
    encoder: dict[str, torch.Tensor]
    head: dict[str, torch.Tensor] | None
    family: str | None
    config: dict[str, Any] | None
    config_source: str
    feature_grad_mult: float | None
    coverage: Coverage

    def __str__(self) -> str:
        """Summarise in three lines."""
        kind = "pre-trained model" if self.head is None else "detector"
        return (
            f"{self.path}: {kind}, {self.family or 'wav2vec2 or hubert'}\n"
            f"weights: {self.coverage}\n"
            f"architecture: {self.config_source}"
        )


def read_checkpoint(path: str | Path) -> ImportedCheckpoint:
    """Read a checkpoint of fairseq or AntiDeepfake, completely or not at all.

    Arguments
    ---------
    path : str or Path
        The file; its name does not matter.

    Returns
    -------
    ImportedCheckpoint
        Weights, and what is known of the architecture. The number of attention heads
        cannot be seen in weights: it is from the settings in the file or, without
        such, from the known model of the same shapes (``lobes.models``).

    Raises
    ------
    CheckpointError
        If the file is no checkpoint, is damaged or asks for code to be run, or if a
        tensor is missing, unknown, of another shape or not finite; names it.
    """
    try:
        with open_checkpoint(path) as file:
            return _read(Path(path), file)
    except CheckpointError as error:
        raise CheckpointError(f"checkpoint '{path}': {error}") from error


def load_into(encoder: SSLEncoder, checkpoint: ImportedCheckpoint) -> None:
    """Give an encoder the weights of a checkpoint, all of them or none.

    Arguments
    ---------
    encoder : SSLEncoder
        Of the same architecture, all layers.
    checkpoint : ImportedCheckpoint
        From :func:`read_checkpoint`.

    Raises
    ------
    CheckpointError
        If the encoder is of another family, if a tensor is missing, left over or of
        another shape, or if a setting differs that changes the features.
    """
    ours = encoder.config_dict()
    try:
        if checkpoint.family not in (None, ours["model_type"]):
            raise CheckpointError(
                f"it holds a {checkpoint.family} model, but the encoder is "
                f"{ours['model_type']}. Build the encoder for the model in the file."
            )
        _compare(_shapes(encoder.model.state_dict()), _shapes(checkpoint.encoder))
        fairseq_config.check_agreement(
            checkpoint.config or {}, ours, "the checkpoint", "the encoder"
        )
    except CheckpointError as error:
        raise CheckpointError(f"checkpoint '{checkpoint.path}': {error}") from error
    encoder.model.load_state_dict(checkpoint.encoder)


def fairseq_name(name: str, feat_extract_norm: str) -> str:
    """Say what fairseq calls a tensor.

    Arguments
    ---------
    name : str
        Its name in transformers' ``Wav2Vec2Model`` or ``HubertModel``.
    feat_extract_norm : str
        ``group`` or ``layer``, as in transformers' configuration.

    Returns
    -------
    str
        Its name in fairseq's ``Wav2Vec2Model`` or ``HubertModel``.

    Example
    -------
    >>> fairseq_name("encoder.layers.3.attention.k_proj.bias", "layer")
    'encoder.layers.3.self_attn.k_proj.bias'
    >>> fairseq_name("feature_extractor.conv_layers.0.layer_norm.weight", "layer")
    'feature_extractor.conv_layers.0.2.1.weight'
    """
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name.format("2" if feat_extract_norm == "group" else "2.1")


def _read(path: Path, file: CheckpointFile) -> ImportedCheckpoint:
    ssl, head = _split(file.tensors)
    dropped = {name: t for name, t in ssl.items() if _DROPPED.fullmatch(name)}
    kept = {name: t for name, t in ssl.items() if name not in dropped}
    settings = fairseq_config.model_settings(file.extra)
    family = fairseq_config.find_family(set(ssl), settings)
    from_shapes = _architecture_from_shapes(_shapes(kept), family)
    architecture = fairseq_config.find_architecture(from_shapes, settings)
    names, wanted = _model_tensors(architecture.config or from_shapes)
    _compare(wanted, _shapes(kept))
    if head:
        size = from_shapes["hidden_size"]
        _compare({"proj_fc.weight": (2, size), "proj_fc.bias": (2,)}, _shapes(head))
    values = _load({**kept, **head})
    return ImportedCheckpoint(
        path=path,
        encoder={ours: values[theirs] for ours, theirs in names.items()},
        head={n.replace(_HEAD_PREFIX, "linear."): values[n] for n in head} or None,
        family=family,
        config=architecture.config,
        config_source=architecture.source,
        feature_grad_mult=architecture.feature_grad_mult,
        coverage=Coverage(
            used=(*kept, *head),
            dropped=tuple(dropped),
            used_parameters=_parameters(kept) + _parameters(head),
            dropped_parameters=_parameters(dropped),
        ),
    )


def _split(
    tensors: Mapping[str, FileTensor],
) -> tuple[dict[str, FileTensor], dict[str, FileTensor]]:
    """Part the SSL model, under the names of fairseq, from the head of a detector."""
    if not any(name.startswith(_SSL_PREFIX) for name in tensors):
        return dict(tensors), {}
    head = {n: t for n, t in tensors.items() if n.startswith(_HEAD_PREFIX)}
    ssl = {n.removeprefix(_SSL_PREFIX): t for n, t in tensors.items() if n not in head}
    if len(ssl) + len(head) < len(tensors):
        raise CheckpointError(f"it has a tensor both with and without {_SSL_PREFIX}.")
    if not head:
        raise CheckpointError(f"missing: {_HEAD_PREFIX}weight, {_HEAD_PREFIX}bias.")
    return ssl, head


def _architecture_from_shapes(
    shapes: dict[str, tuple[int, ...]], family: str | None
) -> dict[str, Any]:
    """Read off the architecture, and explain what is no model of the two families."""
    unknown = [name for name in shapes if not _KEPT.fullmatch(name)]
    for part, advice in _STRANGERS.items():
        if any(part in name for name in unknown):
            raise CheckpointError(f"{advice}.")
    if len(unknown) == len(shapes):
        raise CheckpointError(
            "no wav2vec 2.0 or HuBERT model of fairseq or AntiDeepfake in it; it has "
            f"{_some(unknown) or 'no tensors'}."
        )
    try:
        return fairseq_config.architecture_from_shapes(shapes, family)
    except CheckpointError as error:
        if not unknown:
            raise
        raise CheckpointError(f"{error} Left over: {_some(unknown)}.") from error


def _model_tensors(
    config: dict[str, Any],
) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """List the tensors of a model: fairseq's name by ours, shape by fairseq's name."""
    # What is not known yet has no influence on the shapes.
    unseen = {"num_attention_heads": 1, "conv_stride": [1] * len(config["conv_dim"])}
    with torch.device("meta"):
        model = pretrained.build_model(pretrained.make_config({**unseen, **config}))
    norm = config["feat_extract_norm"]
    shapes = _shapes(model.state_dict())
    names = {name: fairseq_name(name, norm) for name in shapes}
    return names, {names[name]: shape for name, shape in shapes.items()}


def _compare(
    wanted: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise unless exactly these tensors are there, with these shapes."""
    problems = {
        "missing": [name for name in wanted if name not in found],
        "left over": [name for name in found if name not in wanted],
        "wrong shape": [
            f"{name} ({list(found[name])} in the file, {list(wanted[name])} expected)"
            for name in wanted
            if name in found and found[name] != wanted[name]
        ],
    }
    told = [f"{kind}: {_some(names)}" for kind, names in problems.items() if names]
    if told:
        raise CheckpointError(
            f"its tensors are not those of the model; {'; '.join(told)}. Nothing was "
            "loaded: the file was changed, or is of another architecture."
        )


def _load(tensors: Mapping[str, FileTensor]) -> dict[str, torch.Tensor]:
    """Fetch tensors in float32."""
    values = {}
    for name, tensor in tensors.items():
        value = tensor.load()
        if not value.is_floating_point():
            raise CheckpointError(f"not floating point: {name} ({value.dtype}).")
        # A copy, because a safetensors file is memory-mapped and may be replaced.
        values[name] = value.to(
            torch.float32, copy=True, memory_format=torch.contiguous_format
        )
    broken = [name for name, value in values.items() if not value.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"not finite (NaN or infinity): {_some(broken)}. Its training diverged or "
            "the file is damaged: use another checkpoint."
        )
    return values


def _shapes(
    tensors: Mapping[str, FileTensor | torch.Tensor],
) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _parameters(tensors: Mapping[str, FileTensor]) -> int:
    return sum(tensor.parameters for tensor in tensors.values())


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
