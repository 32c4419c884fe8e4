"""The pre-trained speech encoder in front of every detector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from lobes import pretrained
from lobes.masking import absolute_lengths, length_mask
from lobes.wav2vec2 import Wav2Vec2Family
from lobes.whisper import WhisperFamily


class SSLEncoder(nn.Module):
    """A pre-trained speech encoder: waveforms in, frames out, padding without effect.

    wav2vec 2.0, HuBERT, WavLM, data2vec-audio and the encoder of Whisper, with the
    modules and weights of transformers (https://github.com/huggingface/transformers).
    A row gives the same features alone and in any padded batch, in training as in
    evaluation. SpecAugment is off.

    Arguments
    ---------
    source : str or Path, optional
        Hub id (``facebook/wav2vec2-xls-r-300m``) or local folder in the same layout;
        gives architecture and weights.
    config : dict, str or Path, optional
        Architecture only, as a dict with ``model_type`` or the path of a JSON file:
        random weights, no download. This is how a saved detector is rebuilt. Exactly
        one of ``source`` and ``config`` is needed.
    num_layers : int, optional
        Keep only the first layers.
    output_layer : int or "all", optional
        What to return: the last hidden state, after the final norm (None); the
        transformer's input (0) or the output of its i-th layer; or everything,
        stacked. The layers above an index are still computed: to save that time use
        ``num_layers``.
    config_overrides : dict, optional
        Settings of the architecture to change, e.g. ``{"layerdrop": 0.0}``.
    freeze : bool
        No gradient, and no dropout even in training mode.
    freeze_feature_extractor : bool
        The same for the convolution stack alone: about twice as fast in training.
    feature_grad_mult : float
        Factor on the gradient of the convolution stack, as in fairseq (0.1 for
        wav2vec 2.0 base); 0 freezes it.
    gradient_checkpointing : bool
        Recompute activations in the backward pass: about a quarter of the memory for
        a fifth more time.
    reset_final_norm : bool
        Re-initialise the LayerNorm after the last layer; it was trained for another
        depth when ``num_layers`` cuts the model.
    architecture_only : bool or str, optional
        If true, take no weights from ``source``, because they come from elsewhere:
        nothing big is downloaded only to be overwritten. Any true value will do, so
        that a YAML can give what the weights come from.

    padding_mask : bool
        If false, padding (zeros) is encoded and counted like sound, as AntiDeepfake
        trains; a score then depends on the batch.

    Raises
    ------
    ValueError
        If the arguments or the weights do not fit; see ``lobes.pretrained``.
    OSError
        If the source cannot be found.

    Example
    -------
    >>> tiny = {"model_type": "hubert", "hidden_size": 16, "num_hidden_layers": 2,
    ...         "num_attention_heads": 2, "intermediate_size": 32,
    ...         "conv_dim": [8] * 7, "num_conv_pos_embeddings": 8,
    ...         "num_conv_pos_embedding_groups": 2}
    >>> encoder = SSLEncoder(config=tiny)
    >>> features, frame_lens = encoder(torch.randn(2, 16000), torch.tensor([1.0, 0.5]))
    >>> features.shape, frame_lens
    (torch.Size([2, 49, 16]), tensor([49, 24]))
    """

    sample_rate = 16000

    def __init__(
        self,
        source: str | Path | None = None,
        config: dict[str, Any] | str | Path | None = None,
        num_layers: int | None = None,
        output_layer: int | Literal["all"] | None = None,
        config_overrides: dict[str, Any] | None = None,
        freeze: bool = False,
        freeze_feature_extractor: bool = False,
        feature_grad_mult: float = 1.0,
        gradient_checkpointing: bool = False,
        reset_final_norm: bool = False,
        architecture_only: bool | str | None = False,
        padding_mask: bool = True,
    ):
        super().__init__()
        self.model = _make_model(
            source, config, num_layers, config_overrides, bool(architecture_only)
        )
        hf_config = self.model.config
        is_whisper = hf_config.model_type == "whisper"
        self.family = (WhisperFamily if is_whisper else Wav2Vec2Family)(hf_config)
        self.num_layers = pretrained.num_layers(hf_config)
        self.output_size = hf_config.hidden_size
        self.output_layer = _check_output_layer(output_layer, self.num_layers)
        self.min_samples = self.family.min_samples
        self.frame_shift = self.family.hop / self.sample_rate
        if feature_grad_mult < 0:
            raise ValueError(
                f"feature_grad_mult is {feature_grad_mult}; give 0 or more."
            )
        self.feature_grad_mult = feature_grad_mult
        self.padding_mask = padding_mask
        self.freeze = freeze
        self.freeze_feature_extractor = (
            freeze_feature_extractor or not feature_grad_mult
        )
        if reset_final_norm:
            self._reset_final_norm()
        self._switch_off_gradients()
        if gradient_checkpointing:
            # reentrant checkpoints lose gradients when the input needs none
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.train(self.training)

    def forward(
        self, wav: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode waveforms.

        Arguments
        ---------
        wav : torch.Tensor
            ``[batch, time]``, float, 16 kHz, each row normalised over its own valid
            samples (``lobes.masking.normalise_wav``) and right-padded.
        wav_lens : torch.Tensor, optional
            Valid fraction of every row, ``[batch]``, in (0, 1]; None: no padding.

        Returns
        -------
        features : torch.Tensor
            ``[batch, frames, dim]``, or ``[layers + 1, batch, frames, dim]`` with
            ``output_layer="all"``; zero after the valid frames. Whisper encodes
            inputs over 30 s in consecutive windows of 30 s and joins the features;
            a tail shorter than ``min_samples`` is left out.
        frame_lens : torch.Tensor
            Valid frames of every row, ``[batch]``, int64.

        Raises
        ------
        ValueError
            If the shapes are wrong or a row is shorter than ``min_samples``.
        """
        if wav.dim() != 2 or not wav.is_floating_point():
            raise ValueError(
                f"wav is {wav.dtype} of shape {tuple(wav.shape)}; expected floats "
                "[batch, time]."
            )
        lengths = None if wav_lens is None else absolute_lengths(wav, wav_lens)
        if lengths is not None and bool((lengths == wav.shape[1]).all()):
            lengths = None  # unmasked attention is faster
        self._check_samples(wav, lengths)
        if lengths is not None:
            wav = wav.masked_fill(~length_mask(lengths, wav.shape[1]), 0)
            if not self.padding_mask:
                lengths = None
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze):
            window = self.family.window
            if window is None or wav.shape[1] <= window:
                return self._encode(wav, lengths)
            return self._encode_windows(wav, lengths, window)

    def train(self, mode: bool = True) -> SSLEncoder:
        """Switch training mode, except for the frozen parts."""
        super().train(mode)
        frozen = [self.model] if self.freeze else []
        if self.freeze_feature_extractor:
            frozen += self.family.extractor(self.model)
        for module in frozen:
            module.eval()
        return self

    def config_dict(self) -> dict[str, Any]:
        """Describe the architecture as plain data that ``config=`` accepts.

        Returns
        -------
        dict
            Strings, numbers and lists: fit for JSON and YAML. The cut to
            ``num_layers`` and the overrides are included.
        """
        return pretrained.config_to_dict(self.model.config)

    def declaration(self) -> dict[str, Any]:
        """Give the arguments that build this encoder anew, for inference.

        Returns
        -------
        dict
            ``config`` instead of ``source``, and what changes the features. What
            only matters in training is left out.
        """
        return {
            "config": self.config_dict(),
            "output_layer": self.output_layer,
            "padding_mask": self.padding_mask,
        }

    def _encode(
        self, wav: torch.Tensor, lengths: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode rows of at most one window."""
        features = self._extract(wav, lengths)
        batch, frames = features.shape[:2]
        if lengths is None:
            mask = None
            frame_lens = torch.full((batch,), frames, device=wav.device)
        else:
            frame_lens = self.family.frame_lengths(lengths)
            mask = length_mask(frame_lens, frames)
        all_states = self.output_layer is not None
        states = self.family.encode(self.model, features, mask, all_states)
        if mask is not None:
            states = [state.masked_fill(~mask.unsqueeze(-1), 0) for state in states]
        if self.output_layer == "all":
            return torch.stack(states), frame_lens
        return states[
            -1 if self.output_layer is None else self.output_layer
        ], frame_lens

    def _encode_windows(
        self, wav: torch.Tensor, lengths: torch.Tensor | None, window: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode rows longer than the model's window piece by piece."""
        batch, size = wav.shape
        if lengths is None:
            lengths = torch.full((batch,), size, device=wav.device)
        frame_lens = torch.zeros_like(lengths)
        parts = []
        for start in range(0, size, window):
            piece = wav[:, start : start + window]
            left = (lengths - start).clamp(0, piece.shape[1])
            rows = torch.nonzero(left >= self.min_samples).squeeze(1)
            if len(rows) == 0:
                break
            features, counts = self._encode(piece[rows], left[rows])
            # rows that have ended stay zero
            full = features.shape[:-3] + (batch,) + features.shape[-2:]
            parts.append(features.new_zeros(full).index_copy(-3, rows, features))
            frame_lens[rows] += counts
        return torch.cat(parts, dim=-2), frame_lens

    def _extract(self, wav: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        """Run the convolution stack with the gradient it is meant to have."""
        trained = not self.freeze_feature_extractor
        with torch.set_grad_enabled(torch.is_grad_enabled() and trained):
            features = self.family.extract(self.model, wav, lengths)
        if self.feature_grad_mult != 1.0 and features.requires_grad:
            features.register_hook(lambda grad: grad * self.feature_grad_mult)
        return features

    def _check_samples(self, wav: torch.Tensor, lengths: torch.Tensor | None) -> None:
        shortest = wav.shape[1] if lengths is None else int(lengths.min())
        if shortest < self.min_samples:
            row = 0 if lengths is None else int(lengths.argmin())
            raise ValueError(
                f"row {row} of the batch has {shortest} samples; at least "
                f"{self.min_samples} ({1000 * self.min_samples / self.sample_rate:g} ms"
                " at 16 kHz) are needed. Leave such recordings out or join them."
            )

    def _reset_final_norm(self) -> None:
        norm = self.family.final_norm(self.model)
        if norm is None:
            raise ValueError(
                "reset_final_norm: this model has no LayerNorm after its last layer "
                "(do_stable_layer_norm is false: every layer ends with its own)."
            )
        norm.reset_parameters()

    def _switch_off_gradients(self) -> None:
        """Take parameters that never get a gradient out of the optimiser's sight."""
        modules = [self.model] if self.freeze else []
        if self.freeze_feature_extractor:
            modules += self.family.extractor(self.model)
        if isinstance(self.output_layer, int) and self.output_layer < self.num_layers:
            modules += self.family.layers(self.model)[self.output_layer :]
            modules += [m for m in [self.family.final_norm(self.model)] if m]
        for module in modules:
            module.requires_grad_(False)


def _make_model(
    source: str | Path | None,
    config: dict[str, Any] | str | Path | None,
    num_layers: int | None,
    overrides: dict[str, Any] | None,
    architecture_only: bool,
) -> nn.Module:
    if (source is None) == (config is None):
        raise ValueError(
            "SSLEncoder needs exactly one of source (hub id or folder: architecture "
            "and weights) and config (architecture only); "
            f"got {'neither' if source is None else 'both'}."
        )
    if source is not None:
        settings = pretrained.read_config(source)
    elif isinstance(config, (str, Path)):
        settings = json.loads(Path(config).read_text("utf-8"))
    else:
        settings = dict(config)
    made = pretrained.make_config(settings, num_layers, overrides)
    if source is None or architecture_only:
        return pretrained.build_model(made)
    full = pretrained.make_config(settings)
    return pretrained.load_model(source, made, pretrained.num_layers(full))


def _check_output_layer(
    output_layer: int | str | None, num_layers: int
) -> int | str | None:
    if output_layer is None or output_layer == "all":
        return output_layer
    if isinstance(output_layer, int) and 0 <= output_layer <= num_layers:
        return output_layer
    raise ValueError(
        f"output_layer is {output_layer!r}; give null (the last), 'all', or 0 (the "
        f"input of the transformer) to {num_layers}."
    )
