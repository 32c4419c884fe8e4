"""Multi-head factorised attentive pooling (MHFA)."""

from __future__ import annotations

import torch
from torch import nn

from lobes.masking import at_least_float32, length_mask
from lobes.weighted_layers import WeightedLayers


class MHFAPooling(nn.Module):
    """Attention whose keys and values are two weighted sums of all layers.

    Peng et al. 2022, "An attention-based backend allowing efficient fine-tuning of
    transformer models for speaker verification", https://arxiv.org/abs/2210.01273,
    the section on multi-head factorised attentive pooling. Keys decide which frames
    count and values what they say, each compressed; every head has one query of its
    own, and all heads share the values::

        K = sum_l softmax(a)_l Z_l S_k        V = sum_l softmax(b)_l Z_l S_v
        A = softmax over frames of K Q        c_h = sum_t A_th V_t

    The heads' vectors, joined, pass one linear layer. Keys, values and queries have no
    biases, which the code of the authors has, without effect on what can be learned:
    what is the same for all frames does not change a softmax over frames, and a bias of
    the values adds up with that of the last layer. Sizes are those of that code,
    https://github.com/JunyiPeng00/SLT22_MultiHead-Factorized-Attentive-Pooling, which
    trains this part with a learning rate of 0.005 and the transformer with 0.00002.

    Arguments
    ---------
    input_size : int
        Size of a frame.
    num_layers : int
        Layers of the encoder's transformer; the encoder has ``output_layer="all"``.
    heads : int
        Number of attention heads.
    compressed_size : int
        Size of keys and values.
    embedding_size : int
        Size of an utterance vector.

    Example
    -------
    >>> pooling = MHFAPooling(8, num_layers=2, heads=4, compressed_size=6)
    >>> pooling(torch.randn(3, 2, 5, 8), torch.tensor([5, 3])).shape
    torch.Size([2, 256])
    """

    def __init__(
        self,
        input_size: int,
        num_layers: int,
        heads: int = 32,
        compressed_size: int = 128,
        embedding_size: int = 256,
    ):
        super().__init__()
        self.input_size = input_size
        self.num_layers = num_layers
        self.heads = heads
        self.compressed_size = compressed_size
        self.embedding_size = self.output_size = embedding_size
        self.key_layers = WeightedLayers(num_layers)
        self.value_layers = WeightedLayers(num_layers)
        self.keys = nn.Linear(input_size, compressed_size, bias=False)
        self.values = nn.Linear(input_size, compressed_size, bias=False)
        self.queries = nn.Linear(compressed_size, heads, bias=False)
        self.embedding = nn.Linear(heads * compressed_size, embedding_size)

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
        values = self.values(self.value_layers(features))
        attention = self.attention(features, frame_lens).transpose(1, 2)
        context = attention @ at_least_float32(values)
        return at_least_float32(self.embedding(context.flatten(1)))

    def attention(
        self, features: torch.Tensor, frame_lens: torch.Tensor
    ) -> torch.Tensor:
        """Compute how much each head attends to each frame.

        Arguments
        ---------
        features : torch.Tensor
            As for :meth:`forward`.
        frame_lens : torch.Tensor
            As for :meth:`forward`.

        Returns
        -------
        torch.Tensor
            ``[batch, frames, heads]``, at least float32, sum 1 over the valid frames.
        """
        energies = self.queries(self.keys(self.key_layers(features)))
        valid = length_mask(frame_lens, features.shape[2]).unsqueeze(-1)
        energies = at_least_float32(energies).masked_fill(~valid, -torch.inf)
        return torch.softmax(energies, dim=1)
