"""How wav2vec 2.0, HuBERT, WavLM and data2vec-audio are run without padding leaks.

The transformers models are used as they are, weights, names and all. What is added:
the group norm of the first convolution uses valid frames only, and whatever the
positional convolutions would carry over from padded frames is zeroed between them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from lobes.masking import masked_group_norm


class Wav2Vec2Family(nn.Module):
    """The steps from waveform to hidden states of a wav2vec 2.0 like model.

    It holds no weights: every method takes the transformers model.

    Arguments
    ---------
    config : transformers.PretrainedConfig
        Configuration of the model; gives the kernels and strides.

    Example
    -------
    >>> from transformers import Wav2Vec2Config
    >>> family = Wav2Vec2Family(Wav2Vec2Config())
    >>> family.min_samples, family.hop
    (400, 320)
    >>> family.frame_lengths(torch.tensor([400, 719, 720]))
    tensor([1, 1, 2])
    """

    #: Longest input in samples; None for no limit.
    window: int | None = None

    def __init__(self, config):
        super().__init__()
        kernels, strides = config.conv_kernel, config.conv_stride
        self.convolutions = list(zip(kernels, strides, strict=True))
        self.hop = math.prod(config.conv_stride)
        self.min_samples = _receptive_field(self.convolutions)

    def frame_lengths(self, lengths: torch.Tensor) -> torch.Tensor:
        """Count the frames of every row, ``[batch]``, from its samples, ``[batch]``."""
        for kernel, stride in self.convolutions:
            lengths = _conv_length(lengths, kernel, stride)
        return lengths

    @staticmethod
    def extractor(model: nn.Module) -> list[nn.Module]:
        """Return the convolution stack, the part that is often frozen."""
        return [model.feature_extractor]

    @staticmethod
    def layers(model: nn.Module) -> list[nn.Module]:
        """Return the transformer layers."""
        return list(model.encoder.layers)

    @staticmethod
    def final_norm(model: nn.Module) -> nn.LayerNorm | None:
        """Return the LayerNorm after the last layer; post-LN models have none."""
        stable = getattr(model.config, "do_stable_layer_norm", False)
        return model.encoder.layer_norm if stable else None

    def extract(
        self, model: nn.Module, wav: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the convolution stack.

        Its convolutions are unpadded, so a valid frame never sees padding; only a
        group norm needs to know the lengths.

        Arguments
        ---------
        model : torch.nn.Module
            The transformers model.
        wav : torch.Tensor
            ``[batch, time]``.
        lengths : torch.Tensor or None
            Valid samples, ``[batch]``; None if nothing is padded.

        Returns
        -------
        torch.Tensor
            ``[batch, frames, channels]``.
        """
        hidden = wav.unsqueeze(1)
        layers = model.feature_extractor.conv_layers
        for layer, (kernel, stride) in zip(layers, self.convolutions, strict=True):
            if lengths is None:
                hidden = layer(hidden)
                continue
            lengths = _conv_length(lengths, kernel, stride)
            if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
                hidden = _group_norm_layer(layer, hidden, lengths)
            else:
                hidden = layer(hidden)
        return hidden.transpose(1, 2)

    def encode(
        self,
        model: nn.Module,
        features: torch.Tensor,
        mask: torch.Tensor | None,
        all_states: bool,
    ) -> list[torch.Tensor]:
        """Run the transformer.

        Arguments
        ---------
        model : torch.nn.Module
            The transformers model.
        features : torch.Tensor
            Output of :meth:`extract`, ``[batch, frames, channels]``.
        mask : torch.Tensor or None
            True on valid frames, ``[batch, frames]``; None if nothing is padded.
        all_states : bool
            Whether to return every hidden state or only the last.

        Returns
        -------
        list of torch.Tensor
            Hidden states ``[batch, frames, dim]``: the input of the first layer,
            then the output of every layer, the last after the final norm.
        """
        hidden = model.feature_projection(features)
        if isinstance(hidden, tuple):
            hidden = hidden[0]
        with contextlib.ExitStack() as hooks:
            if mask is not None:
                for module in _leaking_modules(model.encoder.pos_conv_embed):
                    hooks.enter_context(_zero_padding_after(module, mask))
            outputs: dict[int, torch.Tensor] = {}
            if all_states:
                hooks.enter_context(_record_states(model.encoder, outputs))
            last = model.encoder(hidden, attention_mask=mask).last_hidden_state
        if not all_states:
            return [last]
        return _fill_dropped(outputs, len(model.encoder.layers)) + [last]


def _receptive_field(convolutions: list[tuple[int, int]]) -> int:
    samples = 1
    for kernel, stride in reversed(convolutions):
        samples = (samples - 1) * stride + kernel
    return samples


def _conv_length(lengths: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    return torch.div(lengths - kernel, stride, rounding_mode="floor") + 1


def _group_norm_layer(
    layer: nn.Module, hidden: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Do what the first layer of a group-norm extractor does, over valid frames."""

    def run(inputs: torch.Tensor) -> torch.Tensor:
        normed = masked_group_norm(layer.conv(inputs), lengths, layer.layer_norm)
        return layer.activation(normed)

    # transformers checkpoints its own forward, which is not called here.
    if layer.gradient_checkpointing and layer.training:
        return checkpoint(run, hidden, use_reentrant=False)
    return run(hidden)


def _leaking_modules(pos_conv: nn.Module) -> list[nn.Module]:
    """List the modules that make padded frames non-zero before a convolution.

    data2vec-audio stacks several positional convolutions; some HuBERT models have a
    batch norm in front of theirs. Outputs are ``[batch, dim, frames]``.
    """
    modules = list(getattr(pos_conv, "layers", []))
    if getattr(pos_conv, "batch_norm", None) is not None:
        modules.append(pos_conv.batch_norm)
    return modules


@contextlib.contextmanager
def _zero_padding_after(module: nn.Module, mask: torch.Tensor) -> Iterator[None]:
    padding = ~mask.unsqueeze(1)
    handle = module.register_forward_hook(
        lambda _, inputs, output: output.masked_fill(padding, 0)
    )
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _record_states(
    encoder: nn.Module, outputs: dict[int, torch.Tensor]
) -> Iterator[None]:
    """Collect the transformer's input (key 0) and the output of layer i (key i).

    transformers' own ``output_hidden_states`` is not used: its last state is taken
    before the final norm in some versions and after it in others, and LayerDrop
    makes it miss entries.
    """

    def recorder(key: int):
        def hook(_, inputs, output):
            outputs[key] = output[0] if isinstance(output, tuple) else output

        return hook

    modules = [encoder.dropout, *encoder.layers]
    handles = [m.register_forward_hook(recorder(i)) for i, m in enumerate(modules)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _fill_dropped(outputs: dict[int, torch.Tensor], layers: int) -> list[torch.Tensor]:
    """Order all states but the last; a layer that LayerDrop skipped changed nothing."""
    states = [outputs[0]]
    for key in range(1, layers):
        states.append(outputs.get(key, states[-1]))
    return states
