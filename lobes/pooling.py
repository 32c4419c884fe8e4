"""From frames to one vector per utterance, over the valid frames only.

Every pooling takes ``input_size`` and has ``output_size``, so that a YAML can chain
sizes: ``input_size: !ref <pooling.output_size>``. Like every lobe, it keeps the
arguments of its constructor as attributes: a detector folder is written from them.
Statistics are taken in float32, whatever precision the frames arrive in.

With ``num_layers``, a pooling takes all layers of the encoder and begins with a learned
weighted sum of them. Bigger ones: ``lobes.mhfa``, ``lobes.aasist``.
"""

from __future__ import annotations

import torch
from torch import nn

from lobes.masking import at_least_float32, length_mask
from lobes.weighted_layers import WeightedLayers

# Smallest variance: keeps the gradient of the square root finite for a single frame.
_VARIANCE_FLOOR = 1e-10


class FramePooling(nn.Module):
    """What poolings of frames have in common: one layer or all of them come in.

    Arguments
    ---------
    input_size : int
        Size of a frame.
    num_layers : int, optional
        Layers of the encoder's transformer, if the encoder returns all of them
        (``output_layer="all"``): ``lobes.weighted_layers`` makes frames of them.
    """

    def __init__(self, input_size: int, num_layers: int | None = None):
        super().__init__()
        self.input_size = input_size
        self.num_layers = num_layers
        self.layers = None if num_layers is None else WeightedLayers(num_layers)

    def forward(self, features: torch.Tensor, frame_lens: torch.Tensor) -> torch.Tensor:
        """Pool frames.

        Arguments
        ---------
        features : torch.Tensor
            ``[batch, frames, input_size]``; with ``num_layers``
            ``[num_layers + 1, batch, frames, input_size]``.
        frame_lens : torch.Tensor
            Valid frames of every row, ``[batch]``, counts.

        Returns
        -------
        torch.Tensor
            ``[batch, output_size]``, at least float32.

        Raises
        ------
        ValueError
            If there are more or fewer layers than expected.
        """
        if self.layers is not None:
            features = self.layers(features)
        elif features.dim() != 3:
            raise ValueError(
                f"the encoder's features have shape {list(features.shape)}, but "
                f"{type(self).__name__} pools the frames of one layer, [batch, frames, "
                "dim]. Leave output_layer out, or give the pooling num_layers: !ref "
                "<encoder.num_layers>, to weigh all layers."
            )
        return self.pool(features, frame_lens)

    def pool(self, frames: torch.Tensor, frame_lens: torch.Tensor) -> torch.Tensor:
        """Pool the frames of one layer, ``[batch, frames, input_size]``."""
        raise NotImplementedError


class MeanPooling(FramePooling):
    """Mean over the valid frames.

    Arguments
    ---------
    input_size : int
        Size of a frame.
    num_layers : int, optional
        See :class:`FramePooling`.

    Example
    -------
    >>> frames = torch.tensor([[[1.0], [3.0], [0.0]]])
    >>> MeanPooling(1)(frames, torch.tensor([2]))
    tensor([[2.]])
    """

    def __init__(self, input_size: int, num_layers: int | None = None):
        super().__init__(input_size, num_layers)
        self.output_size = input_size

    def pool(self, frames: torch.Tensor, frame_lens: torch.Tensor) -> torch.Tensor:
        """See :class:`FramePooling`."""
        return (at_least_float32(frames) * _uniform_weights(frames, frame_lens)).sum(1)


class MeanStdPooling(FramePooling):
    """Means, then standard deviations (of the population) over the valid frames.

    Arguments
    ---------
    input_size : int
        Size of a frame.
    num_layers : int, optional
        See :class:`FramePooling`.

    Example
    -------
    >>> frames = torch.tensor([[[1.0], [3.0], [0.0]]])
    >>> MeanStdPooling(1)(frames, torch.tensor([2]))
    tensor([[2., 1.]])
    """

    def __init__(self, input_size: int, num_layers: int | None = None):
        super().__init__(input_size, num_layers)
        self.output_size = 2 * input_size

    def pool(self, frames: torch.Tensor, frame_lens: torch.Tensor) -> torch.Tensor:
        """See :class:`FramePooling`."""
        return _mean_std(at_least_float32(frames), _uniform_weights(frames, frame_lens))


class AttentiveStatsPooling(FramePooling):
    """Means, then standard deviations, weighted by a learned attention over frames.

    Okabe et al. 2018, "Attentive Statistics Pooling for Deep Speaker Embedding",
    https://arxiv.org/abs/1803.10963. SpeechBrain's layer of this name is the variant
    of ECAPA-TDNN: its batch norm sees padding in training, and it rebuilds lengths
    from float32 fractions, which can take in a padded frame.

    Arguments
    ---------
    input_size : int
        Size of a frame.
    attention_channels : int
        Hidden size of the attention network.
    num_layers : int, optional
        See :class:`FramePooling`.

    Example
    -------
    >>> pooling = AttentiveStatsPooling(8, attention_channels=4)
    >>> pooling(torch.randn(2, 5, 8), torch.tensor([5, 3])).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        input_size: int,
        attention_channels: int = 128,
        num_layers: int | None = None,
    ):
        super().__init__(input_size, num_layers)
        self.attention_channels = attention_channels
        self.attention = nn.Sequential(
            nn.Linear(input_size, attention_channels),
            nn.Tanh(),
            nn.Linear(attention_channels, 1),
        )
        self.output_size = 2 * input_size

    def pool(self, frames: torch.Tensor, frame_lens: torch.Tensor) -> torch.Tensor:
        """See :class:`FramePooling`."""
        valid = length_mask(frame_lens, frames.shape[1]).unsqueeze(-1)
        energies = at_least_float32(self.attention(frames))
        energies = energies.masked_fill(~valid, -torch.inf)
        return _mean_std(at_least_float32(frames), torch.softmax(energies, dim=1))


def _uniform_weights(frames: torch.Tensor, frame_lens: torch.Tensor) -> torch.Tensor:
    """Weigh valid frames equally, others 0: ``[batch, frames, 1]``, sum 1 per row."""
    valid = length_mask(frame_lens, frames.shape[1])
    return (valid / frame_lens.unsqueeze(1)).unsqueeze(-1)


def _mean_std(frames: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    mean = (weights * frames).sum(1)
    variance = (weights * (frames - mean.unsqueeze(1)).square()).sum(1)
    return torch.cat([mean, variance.clamp(min=_VARIANCE_FLOOR).sqrt()], dim=1)
