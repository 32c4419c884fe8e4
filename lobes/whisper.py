"""How the Whisper encoder is run on the true length of an utterance.

Whisper (Radford et al. 2023, https://arxiv.org/abs/2212.04356) pads everything to
30 s. Here an utterance keeps its length: it takes the first position encodings, its
frames attend to each other only, and it sees after its end what Whisper always saw
there, digital silence. A full 30 s window gives exactly what transformers'
``WhisperFeatureExtractor`` and ``WhisperEncoder`` give. Longer inputs are encoded
in consecutive 30 s windows.
"""

from __future__ import annotations

import inspect

import torch
import torch.nn.functional as F
from torch import nn
from transformers.audio_utils import mel_filter_bank

from lobes.masking import at_least_float32, length_mask

N_FFT = 400
HOP = 160

# The waveforms that arrive have unit variance, Whisper's training audio had the level
# of ordinary recordings. The log-mel is not invariant to level, so unit variance
# is brought to an RMS of 0.05 (-26 dB of full scale, the usual level of speech).
SPEECH_RMS = 0.05


class LogMel(nn.Module):
    """Whisper's log-mel spectrogram, differentiable and independent of padding.

    Arguments
    ---------
    num_mels : int
        Number of mel bands (80, or 128 for large-v3).
    window : int
        Longest input in samples (480,000: 30 s).

    Example
    -------
    >>> log_mel = LogMel(80, 480000)
    >>> log_mel(torch.randn(1, 16000), torch.tensor([16000])).shape
    torch.Size([1, 80, 102])
    """

    def __init__(self, num_mels: int, window: int):
        super().__init__()
        self.window = window
        filters = mel_filter_bank(
            num_frequency_bins=1 + N_FFT // 2,
            num_mel_filters=num_mels,
            min_frequency=0.0,
            max_frequency=8000.0,
            sampling_rate=16000,
            norm="slaney",
            mel_scale="slaney",
        )
        # Not persistent: constants, and the state dict stays that of transformers.
        self.register_buffer(
            "filters", torch.from_numpy(filters).float().T, persistent=False
        )
        self.register_buffer("hann", torch.hann_window(N_FFT), persistent=False)

    def forward(self, wav: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Compute the spectrogram.

        Two frames of silence follow the longest row, as far as the window allows:
        the encoder's convolutions look at most that far beyond a valid frame, so
        no valid output depends on how much padding the batch has.

        Arguments
        ---------
        wav : torch.Tensor
            ``[batch, time]``, zero after the valid samples.
        lengths : torch.Tensor
            Valid samples, ``[batch]``.

        Returns
        -------
        torch.Tensor
            ``[batch, mels, ceil(time / 160) + 2]``, at most ``window / 160`` frames.
        """
        frames = min((wav.shape[1] + HOP - 1) // HOP + 2, self.window // HOP)
        padded = F.pad(at_least_float32(wav), (0, frames * HOP - wav.shape[1]))
        with torch.autocast(wav.device.type, enabled=False):
            hann = self.hann.to(padded.dtype)
            spectrum = torch.stft(padded, N_FFT, HOP, window=hann, return_complex=True)
            # squared real and imaginary part: abs() has no gradient at zero
            power = torch.view_as_real(spectrum[..., :-1]).square().sum(-1)
            mel = self.filters.to(power.dtype) @ power
            log_mel = mel.clamp(min=1e-10).log10()
        valid = length_mask(_ceil_div(lengths, HOP), frames).unsqueeze(1)
        peak = log_mel.masked_fill(~valid, -torch.inf).amax((1, 2), keepdim=True)
        return (torch.maximum(log_mel, peak - 8.0) + 4.0) / 4.0


class WhisperFamily(nn.Module):
    """The steps from waveform to hidden states of a Whisper encoder.

    It holds no trained weights: every method takes the transformers encoder.

    Arguments
    ---------
    config : transformers.WhisperConfig
        Configuration of the model.

    Example
    -------
    >>> from transformers import WhisperConfig
    >>> family = WhisperFamily(WhisperConfig())
    >>> family.window, family.min_samples
    (480000, 400)
    >>> family.frame_lengths(torch.tensor([400, 480000]))
    tensor([   2, 1500])
    """

    #: One analysis frame, 25 ms, as for the other families.
    min_samples = N_FFT
    hop = 2 * HOP

    def __init__(self, config):
        super().__init__()
        self.window = config.max_source_positions * self.hop
        self.log_mel = LogMel(config.num_mel_bins, self.window)

    def frame_lengths(self, lengths: torch.Tensor) -> torch.Tensor:
        """Count the frames of every row, ``[batch]``, from its samples, ``[batch]``."""
        return _ceil_div(lengths, self.hop)

    @staticmethod
    def extractor(model: nn.Module) -> list[nn.Module]:
        """Return the convolution stack, the part that is often frozen."""
        return [model.conv1, model.conv2]

    @staticmethod
    def layers(model: nn.Module) -> list[nn.Module]:
        """Return the transformer layers."""
        return list(model.layers)

    @staticmethod
    def final_norm(model: nn.Module) -> nn.LayerNorm:
        """Return the LayerNorm after the last layer."""
        return model.layer_norm

    def extract(
        self, model: nn.Module, wav: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Run the log-mel front and the two convolutions.

        Arguments
        ---------
        model : torch.nn.Module
            The transformers encoder.
        wav : torch.Tensor
            ``[batch, time]``, unit variance, zero after the valid samples, at most
            :attr:`window` samples.
        lengths : torch.Tensor or None
            Valid samples, ``[batch]``; None if nothing is padded.

        Returns
        -------
        torch.Tensor
            ``[batch, ceil(time / 320), dim]``.
        """
        if lengths is None:
            lengths = torch.full_like(wav[:, 0], wav.shape[1], dtype=torch.long)
        hidden = self.log_mel(wav * SPEECH_RMS, lengths)
        hidden = F.gelu(model.conv1(hidden))
        hidden = F.gelu(model.conv2(hidden))
        frames = (wav.shape[1] + self.hop - 1) // self.hop
        return hidden[..., :frames].transpose(1, 2)

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
            The transformers encoder.
        features : torch.Tensor
            Output of :meth:`extract`, ``[batch, frames, dim]``.
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
        # WhisperEncoder.forward insists on 30 s and takes no mask: same steps here.
        hidden = features + model.embed_positions.weight[: features.shape[1]]
        hidden = F.dropout(hidden, model.dropout, model.training)
        attention_mask = None if mask is None else mask[:, None, None, :]
        layerdrop = model.layerdrop if model.training else 0.0
        states = []
        for layer in model.layers:
            states.append(hidden)
            if layerdrop == 0.0 or torch.rand([]) >= layerdrop:
                hidden = _run_layer(layer, hidden, attention_mask)
        last = model.layer_norm(hidden)
        return [*states, last] if all_states else [last]


def _run_layer(
    layer: nn.Module, hidden: torch.Tensor, attention_mask: torch.Tensor | None
) -> torch.Tensor:
    # transformers 4 demands a head mask and returns a tuple, 5 does neither.
    parameters = inspect.signature(layer.forward).parameters
    extra = {"layer_head_mask": None} if "layer_head_mask" in parameters else {}
    output = layer(hidden, attention_mask, **extra)
    return output[0] if isinstance(output, tuple) else output


def _ceil_div(lengths: torch.Tensor, divisor: int) -> torch.Tensor:
    return torch.div(lengths + divisor - 1, divisor, rounding_mode="floor")
