"""The AASIST back-end as a pooling of the frames of an SSL encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from lobes.graph import GraphAttention, HeterogeneousAttention
from lobes.graph_pool import GraphPool
from lobes.masked_norm import MaskedBatchNorm
from lobes.masked_pool import masked_max_pool
from lobes.masking import at_least_float32, length_mask
from lobes.pooling import FramePooling

# Frames, and channels of the compressed frames, that max pooling makes one.
_POOLED = 3


class AASISTPooling(FramePooling):
    """Graph attention over spectral and temporal nodes.

    Jung et al. 2022, "AASIST: Audio Anti-Spoofing using Integrated Spectro-Temporal
    Graph Attention Networks", https://arxiv.org/abs/2110.01200, behind an SSL encoder
    as in Tak et al. 2022, "Automatic speaker verification spoofing and deepfake
    detection using wav2vec 2.0 and data augmentation",
    https://arxiv.org/abs/2202.12233. Frames are compressed and taken for a
    spectrogram; residual blocks make a map of it, in which attention over time leaves
    spectral nodes, and attention over the spectrum temporal nodes (2202.12233,
    self-attentive aggregation). The nodes pass a graph attention layer and a choice of
    nodes each, then twice, in competing branches, two heterogeneous layers
    (``lobes.graph``). The vector: maximum and mean of temporal and of spectral nodes,
    and the stack node.

    Sizes, ratios, temperatures and dropouts are those of the code of the latter,
    https://github.com/TakHemlata/SSL_Anti-spoofing. The AASIST without an SSL encoder,
    https://github.com/clovaai/aasist, takes maxima of magnitudes in place of the
    attention that makes nodes, and keeps 0.7 of the temporal ones at the first choice.

    It differs from the code of Tak et al. where the score of an utterance would depend
    on its batch or jump with float rounding. Padding enters neither convolutions, nor
    batch norm, nor attention, nor readout. How many nodes are kept follows from the
    length of the row, and the choice is continuous, see ``lobes.graph_pool.GraphPool``.
    The branches' maximum (the max graph operation) is taken of the same node in both,
    where the original pairs nodes by rank; a node that one branch dropped is taken from
    the other. A rest of less than three frames makes a node too. Further, a residual
    block convolves what its first norm and SELU give; the code computes that and then
    convolves the block's input. Convolutions have no biases.

    Computed in float32. Memory grows with the square of the duration.

    Arguments
    ---------
    input_size : int
        Size of a frame.
    num_layers : int, optional
        See ``lobes.pooling.FramePooling``.
    compressed_size : int
        Size of a compressed frame; every three channels make a spectral node.
    channels : sequence of int
        Output channels of the residual blocks.
    node_sizes : (int, int)
        Size of a node after the first and after the heterogeneous layers.
    pool_ratios : (float, float)
        Part of the nodes that are kept by the first choice and by that in the branches.
    pool_margin : float
        See ``lobes.graph_pool.GraphPool``; towards 0: the choice of the paper.
    temperatures : (float, float)
        Of the attention in the first and in the heterogeneous layers.
    dropouts : (float, float, float)
        Of nodes that enter a layer or leave a branch, of nodes that are valued for the
        choice, and of the utterance vector.

    Example
    -------
    >>> pooling = AASISTPooling(8, compressed_size=12, channels=[4], node_sizes=[6, 5])
    >>> pooling(torch.randn(2, 10, 8), torch.tensor([10, 4])).shape
    torch.Size([2, 25])
    """

    def __init__(
        self,
        input_size: int,
        num_layers: int | None = None,
        compressed_size: int = 128,
        channels: Sequence[int] = (32, 32, 64, 64, 64, 64),
        node_sizes: Sequence[int] = (64, 32),
        pool_ratios: Sequence[float] = (0.5, 0.5),
        pool_margin: float = 0.3,
        temperatures: Sequence[float] = (2.0, 100.0),
        dropouts: Sequence[float] = (0.2, 0.3, 0.5),
    ):
        super().__init__(input_size, num_layers)
        self.compressed_size = compressed_size
        self.channels = list(channels)
        self.node_sizes = list(node_sizes)
        self.pool_ratios = list(pool_ratios)
        self.pool_margin = pool_margin
        self.temperatures = list(temperatures)
        self.dropouts = list(dropouts)
        self.output_size = 5 * node_sizes[1]
        size, last = node_sizes[0], self.channels[-1]

        self.compress = nn.Linear(input_size, compressed_size)
        self.first_norm = MaskedBatchNorm(1)
        sizes = zip([1, *self.channels], self.channels, strict=False)
        self.blocks = nn.ModuleList(
            ResidualBlock(*pair, first=index == 0) for index, pair in enumerate(sizes)
        )
        self.last_norm = MaskedBatchNorm(last)
        self.attention = MapAttention(last)
        self.position = nn.Parameter(torch.randn(compressed_size // _POOLED, last))
        first = {"temperature": temperatures[0], "dropout": dropouts[0]}
        self.temporal = GraphAttention(last, size, **first)
        self.spectral = GraphAttention(last, size, **first)
        pool = {"ratio": pool_ratios[0], "margin": pool_margin, "dropout": dropouts[1]}
        self.temporal_pool = GraphPool(size, **pool)
        self.spectral_pool = GraphPool(size, **pool)
        branch = {"temperature": temperatures[1], "dropout": dropouts[0]}
        pool["ratio"] = pool_ratios[1]
        self.branches = nn.ModuleList(
            Branch(size, node_sizes[1], branch, pool) for _ in range(2)
        )
        self.dropout = nn.Dropout(dropouts[2])

    def pool(self, frames: torch.Tensor, frame_lens: torch.Tensor) -> torch.Tensor:
        """See :class:`lobes.pooling.FramePooling`."""
        with torch.autocast(frames.device.type, enabled=False):
            maps, steps = self._maps(at_least_float32(frames), frame_lens)
            valid = length_mask(steps, maps.shape[2])
            temporal, spectral = self.attention(maps, valid)
            return self._graphs(temporal, spectral + self.position, valid, steps)

    def _maps(
        self, frames: torch.Tensor, frame_lens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps ``[batch, spectrum, steps, channels]`` and the rows' valid steps."""
        maps, steps = masked_max_pool(self.compress(frames), frame_lens, _POOLED)
        maps = maps.transpose(1, 2).unsqueeze(1)
        valid = length_mask(steps, maps.shape[3])[:, None, None]
        maps = F.selu(_normed(self.first_norm, maps, valid))
        for block in self.blocks:
            maps = block(maps, valid)
        return F.selu(_normed(self.last_norm, maps, valid)).permute(0, 2, 3, 1), steps

    def _graphs(
        self,
        temporal: torch.Tensor,
        spectral: torch.Tensor,
        valid: torch.Tensor,
        steps: torch.Tensor,
    ) -> torch.Tensor:
        """From nodes to an utterance vector, ``[batch, output_size]``."""
        t_member, s_member = valid.to(temporal), torch.ones_like(spectral[..., 0])
        bands = torch.full_like(steps, spectral.shape[1])
        temporal = self.temporal_pool(
            self.temporal(temporal, t_member), t_member, steps
        )
        spectral = self.spectral_pool(
            self.spectral(spectral, s_member), s_member, bands
        )
        one, other = (branch(temporal, spectral) for branch in self.branches)
        readout = [
            *_readout(*one[0], *other[0]),
            *_readout(*one[1], *other[1]),
            torch.maximum(one[2], other[2]).squeeze(1),
        ]
        return self.dropout(torch.cat(readout, dim=1))


class ResidualBlock(nn.Module):
    """Two convolutions and a way around them, as in RawNet2, on maps with padding.

    Arguments
    ---------
    input_size, output_size : int
        Channels.
    first : bool
        The first block of all has no norm in front.
    """

    def __init__(self, input_size: int, output_size: int, first: bool):
        super().__init__()
        # No biases: the norms that follow would take them away. A kernel of two in the
        # spectrum: padding of one at first and none then keeps the size.
        self.norm = None if first else MaskedBatchNorm(input_size)
        self.conv1 = nn.Conv2d(input_size, output_size, (2, 3), 1, (1, 1), bias=False)
        self.norm1 = MaskedBatchNorm(output_size)
        self.conv2 = nn.Conv2d(output_size, output_size, (2, 3), 1, (0, 1), bias=False)
        self.around = (
            nn.Identity()
            if input_size == output_size
            else nn.Conv2d(input_size, output_size, (1, 3), 1, (0, 1), bias=False)
        )

    def forward(self, maps: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, input_size, spectrum, steps]`` to ``output_size`` channels.

        Padding is zero before and after, as what a convolution sees beyond an edge.
        """
        hidden = maps
        if self.norm is not None:
            hidden = F.selu(_normed(self.norm, hidden, valid))
        hidden = F.selu(_normed(self.norm1, self.conv1(hidden), valid))
        return (self.conv2(hidden) + self.around(maps)).masked_fill(~valid, 0)


class MapAttention(nn.Module):
    """Weighted means of a map over the spectrum and over time.

    Arguments
    ---------
    size : int
        Channels of the map.
    """

    def __init__(self, size: int):
        super().__init__()
        self.hidden = nn.Linear(size, 2 * size)
        self.norm = MaskedBatchNorm(2 * size)
        # No bias: it is the same for all places, and the softmax would take it away.
        self.energies = nn.Linear(2 * size, size, bias=False)

    def forward(
        self, maps: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make nodes.

        Arguments
        ---------
        maps : torch.Tensor
            ``[batch, spectrum, steps, size]``.
        valid : torch.Tensor
            ``[batch, steps]``, bool.

        Returns
        -------
        temporal : torch.Tensor
            ``[batch, steps, size]``.
        spectral : torch.Tensor
            ``[batch, spectrum, size]``.
        """
        valid = valid.unsqueeze(1).expand(maps.shape[:3])
        energies = self.energies(self.norm(F.selu(self.hidden(maps)), valid))
        temporal = (maps * torch.softmax(energies, dim=1)).sum(1)
        energies = energies.masked_fill(~valid.unsqueeze(-1), -torch.inf)
        return temporal, (maps * torch.softmax(energies, dim=2)).sum(2)


class Branch(nn.Module):
    """Two heterogeneous layers, the second added to the first; nodes chosen between.

    Arguments
    ---------
    input_size, output_size : int
        Size of a node before and after.
    layer : dict
        Further arguments of ``lobes.graph.HeterogeneousAttention``.
    pool : dict
        Further arguments of ``lobes.graph_pool.GraphPool``.
    """

    def __init__(self, input_size: int, output_size: int, layer: dict, pool: dict):
        super().__init__()
        self.stack = nn.Parameter(torch.randn(1, input_size))
        self.first = HeterogeneousAttention(input_size, output_size, **layer)
        self.temporal_pool = GraphPool(output_size, **pool)
        self.spectral_pool = GraphPool(output_size, **pool)
        self.second = HeterogeneousAttention(output_size, output_size, **layer)
        self.dropout = nn.Dropout(layer["dropout"])

    def forward(self, temporal: tuple, spectral: tuple) -> tuple:
        """Update two graphs; each is nodes, membership and counts, see ``GraphPool``.

        Returns
        -------
        tuple
            Temporal nodes and membership, spectral nodes and membership, stack node.
        """
        stack = self.stack.expand(len(temporal[0]), 1, -1)
        members = temporal[1], spectral[1]
        t_nodes, s_nodes, stack = self.first(temporal[0], spectral[0], stack, members)
        t_nodes, t_member, _ = self.temporal_pool(t_nodes, members[0], temporal[2])
        s_nodes, s_member, _ = self.spectral_pool(s_nodes, members[1], spectral[2])
        members = t_member, s_member
        t_more, s_more, more = self.second(t_nodes, s_nodes, stack, members)
        return (
            (self.dropout(t_nodes + t_more), t_member),
            (self.dropout(s_nodes + s_more), s_member),
            self.dropout(stack + more),
        )


def _normed(
    norm: MaskedBatchNorm, maps: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Normalise ``[batch, channels, spectrum, steps]``."""
    maps = maps.permute(0, 2, 3, 1)
    return norm(maps, valid[:, 0].expand(maps.shape[:3])).permute(0, 3, 1, 2)


def _readout(
    one: torch.Tensor,
    one_member: torch.Tensor,
    other: torch.Tensor,
    other_member: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Maximum (of magnitudes) and mean over the nodes of two branches.

    Of a node in both branches the maximum counts, of a node in one that one, and in
    between what is between, so that nothing jumps where a membership reaches zero.
    """
    m, n = one_member.unsqueeze(-1), other_member.unsqueeze(-1)
    both = m * n * torch.maximum(one, other)
    nodes = both + m * (1 - n) * one + (1 - m) * n * other
    return nodes.abs().amax(1), nodes.sum(1) / (m + n - m * n).sum(1)
