"""Sensitive layer selection (SLS)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lobes.masked_norm import MaskedBatchNorm
from lobes.masked_pool import masked_max_pool
from lobes.masking import at_least_float32, length_mask
from lobes.weighted_layers import check_layers

# Frames, and channels, that max pooling makes one.
_POOLED = 3


class SLSPooling(nn.Module):
    """Layers weighed anew for every utterance, by what each says about it.

    Zhang, Wen and Hu 2024, "Audio Deepfake Detection with Self-Supervised XLS-R and SLS
    Classifier", https://doi.org/10.1145/3664647.3681345. With the frames ``Z_l`` of
    transformer layer ``l`` and a vector ``w`` and bias ``b`` that all layers share::

        a_l = sigmoid(w mean_t(Z_lt) + b)        Z = sum_l a_l Z_l

    The weights are independent: they do not sum to 1. Batch norm of ``Z`` as one
    channel, SELU, maxima of patches of 3 frames by 3 channels, a linear layer, SELU.

    The code of the authors, https://github.com/QiShanZhang/SLSforASVspoof-2021-DF,
    cuts or repeats audio to 64,600 samples, and its linear layer sees the 67 x 341
    maxima of the 201 frames at once: it takes no other length. Here that layer has
    the same weights at all times, divided by their number - that is, it is applied to
    the mean over time of the maxima - which takes any length, and 350,208 parameters
    in place of 23.4 million. Padding enters neither the means, nor batch norm, nor
    maxima, and frames that are left at the end make a maximum too. The authors pass
    the two logits through SELU as well, which bounds them from below; here the logits
    are those of the classifier. The last layer comes after the encoder's final norm,
    if it has one; in the authors' code before it.

    Arguments
    ---------
    input_size : int
        Size of a frame.
    num_layers : int
        Layers of the encoder's transformer; the encoder has ``output_layer="all"``.
        The transformer's input, which comes with them, has no part.
    embedding_size : int
        Size of an utterance vector.

    Example
    -------
    >>> pooling = SLSPooling(8, num_layers=2, embedding_size=6)
    >>> pooling(torch.randn(3, 2, 5, 8), torch.tensor([5, 3])).shape
    torch.Size([2, 6])
    """

    def __init__(self, input_size: int, num_layers: int, embedding_size: int = 1024):
        super().__init__()
        self.input_size = input_size
        self.num_layers = num_layers
        self.embedding_size = self.output_size = embedding_size
        self.energy = nn.Linear(input_size, 1)
        self.norm = MaskedBatchNorm(1)
        self.embedding = nn.Linear(input_size // _POOLED, embedding_size)

    def forward(self, features: torch.Tensor, frame_lens: torch.Tensor) -> torch.Tensor:
        """Pool frames.

        Arguments
        ---------
        features : torch.Tensor
            ``[num_layers + 1, batch, frames, input_size]``.
        frame_lens : torch.Tensor
            Valid frames of every row, ``[batch]``, counts.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_size]``, at least float32.

        Raises
        ------
        ValueError
            If there are more or fewer layers than expected.
        """
        with torch.autocast(features.device.type, enabled=False):
            weights = self.layer_weights(features, frame_lens)
            layers = at_least_float32(features[1:])
            frames = torch.einsum("lb,lbtd->btd", weights, layers)
            valid = length_mask(frame_lens, frames.shape[1]).unsqueeze(-1)
            valid = valid.expand(frames.shape)
            frames = F.selu(self.norm(frames.unsqueeze(-1), valid).squeeze(-1))
            maxima, steps = masked_max_pool(frames, frame_lens, _POOLED)
            return F.selu(self.embedding(maxima.sum(1) / steps.unsqueeze(1)))

    def layer_weights(
        self, features: torch.Tensor, frame_lens: torch.Tensor
    ) -> torch.Tensor:
        """Compute how much each layer counts in each utterance.

        Arguments
        ---------
        features : torch.Tensor
            As for :meth:`forward`.
        frame_lens : torch.Tensor
            As for :meth:`forward`.

        Returns
        -------
        torch.Tensor
            ``[num_layers, batch]``, in (0, 1), at least float32.

        Raises
        ------
        ValueError
            If there are more or fewer layers than expected.
        """
        check_layers(features, self.num_layers)
        with torch.autocast(features.device.type, enabled=False):
            layers = at_least_float32(features[1:])
            valid = length_mask(frame_lens, layers.shape[2])
            shares = valid / frame_lens.unsqueeze(1)
            means = torch.einsum("bt,lbtd->lbd", shares.to(layers), layers)
            return torch.sigmoid(self.energy(means)).squeeze(-1)
