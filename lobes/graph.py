"""Attention between the nodes of graphs, as AASIST has it.

Jung et al. 2022, "AASIST: Audio Anti-Spoofing using Integrated Spectro-Temporal Graph
Attention Networks", https://arxiv.org/abs/2110.01200, sections 2 and 3.

A graph is a batch of nodes ``[batch, nodes, size]``, all connected, with a *membership*
``[batch, nodes]`` in [0, 1]: 0 is padding or a node that was dropped, 1 a node that
counts in full. Nodes stay at their places when others are dropped
(``lobes.graph_pool``), so that rows of different length share a batch. Memory grows
with the square of the number of nodes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lobes.masked_norm import MaskedBatchNorm

# Far below any energy.
_EXCLUDED = -1e9


class PairAttention(nn.Module):
    """How much each node attends to each other node.

    ``softmax_j(w tanh(W (x_i * x_j)) / temperature)`` with the elementwise product of
    two nodes, which are thus treated alike. In a heterogeneous graph, ``w`` depends on
    the kinds of the two.

    Arguments
    ---------
    input_size : int
        Size of a node.
    hidden_size : int
        Rows of ``W``.
    temperature : float
        The higher, the more even the attention.
    kinds : int
        Number of vectors ``w``.

    Example
    -------
    >>> attention = PairAttention(4, 8)
    >>> member = torch.tensor([[1.0, 0.5, 0.0]])
    >>> attention(torch.zeros(1, 3, 4), torch.zeros(1, 3, 4), member)[0, 0]
    tensor([0.6667, 0.3333, 0.0000], grad_fn=<SelectBackward0>)
    """

    def __init__(
        self, input_size: int, hidden_size: int, temperature: float = 1.0, kinds=1
    ):
        super().__init__()
        self.temperature = temperature
        self.hidden = nn.Linear(input_size, hidden_size)
        self.vectors = nn.Linear(hidden_size, kinds, bias=False)

    def forward(
        self,
        queries: torch.Tensor,
        nodes: torch.Tensor,
        member: torch.Tensor,
        kinds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute attention.

        Arguments
        ---------
        queries : torch.Tensor
            Nodes that attend, ``[batch, queries, size]``.
        nodes : torch.Tensor
            Nodes that are attended to, ``[batch, nodes, size]``.
        member : torch.Tensor
            Membership of the latter, ``[batch, nodes]``; not all zero.
        kinds : torch.Tensor, optional
            Which vector each pair takes, ``[batch, queries, nodes]``, int64.

        Returns
        -------
        torch.Tensor
            ``[batch, queries, nodes]``; rows sum to 1.
        """
        # (W * x_i) x_j instead of W (x_i * x_j): no tensor [queries, nodes, size].
        weighed = queries.unsqueeze(2) * self.hidden.weight
        pairs = torch.einsum("bqhs,bns->bqnh", weighed, nodes) + self.hidden.bias
        energies = self.vectors(torch.tanh(pairs))
        if kinds is None:
            energies = energies.squeeze(-1)
        else:
            energies = energies.gather(-1, kinds.unsqueeze(-1)).squeeze(-1)
        return _softmax(energies / self.temperature, member.unsqueeze(1))


def _softmax(energies: torch.Tensor, member: torch.Tensor) -> torch.Tensor:
    """Softmax over the last axis in which every entry counts by its membership."""
    energies = energies.masked_fill(member == 0, _EXCLUDED)
    highest = energies.detach().amax(-1, keepdim=True)
    weights = torch.exp(energies - highest) * member
    return weights / weights.sum(-1, keepdim=True)


class Aggregation(nn.Module):
    """What a node becomes: ``SELU(BN(W_a sum_j a_ij x_j + W_b x_i))``.

    Arguments
    ---------
    input_size : int
        Size of a node.
    output_size : int
        Size of a new node.
    """

    def __init__(self, input_size: int, output_size: int):
        super().__init__()
        # No bias: the norm would take it away.
        self.attended = nn.Linear(input_size, output_size, bias=False)
        self.own = nn.Linear(input_size, output_size, bias=False)
        self.norm = MaskedBatchNorm(output_size)

    def forward(
        self, nodes: torch.Tensor, attention: torch.Tensor, member: torch.Tensor
    ) -> torch.Tensor:
        """Map ``[batch, nodes, input_size]`` to ``[batch, nodes, output_size]``."""
        hidden = self.attended(attention @ nodes) + self.own(nodes)
        return F.selu(self.norm(hidden, member > 0))


class GraphAttention(nn.Module):
    """A graph attention layer for nodes of one kind (section 2.2).

    Arguments
    ---------
    input_size : int
        Size of a node.
    output_size : int
        Size of a new node.
    temperature : float
        See :class:`PairAttention`.
    dropout : float
        Dropout of the nodes.

    Example
    -------
    >>> layer = GraphAttention(4, 6).eval()
    >>> layer(torch.randn(2, 5, 4), torch.ones(2, 5)).shape
    torch.Size([2, 5, 6])
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        temperature: float = 1.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.attention = PairAttention(input_size, output_size, temperature)
        self.aggregation = Aggregation(input_size, output_size)

    def forward(self, nodes: torch.Tensor, member: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, nodes, input_size]`` to ``[batch, nodes, output_size]``."""
        nodes = self.dropout(nodes)
        return self.aggregation(nodes, self.attention(nodes, nodes, member), member)


class HeterogeneousAttention(nn.Module):
    """A heterogeneous stacking graph attention layer, HS-GAL (section 3.1).

    Temporal and spectral nodes, each projected by a layer of its kind, form one graph.
    Pairs of two temporal, two spectral, and one of each have an attention vector each.
    A stack node attends to all and is attended to by none.

    Arguments
    ---------
    input_size : int
        Size of a node.
    output_size : int
        Size of a new node.
    temperature : float
        See :class:`PairAttention`.
    dropout : float
        Dropout of the nodes.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        temperature: float = 1.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.temporal = nn.Linear(input_size, input_size)
        self.spectral = nn.Linear(input_size, input_size)
        self.dropout = nn.Dropout(dropout)
        self.attention = PairAttention(input_size, output_size, temperature, kinds=3)
        self.aggregation = Aggregation(input_size, output_size)
        self.stack_attention = PairAttention(input_size, output_size, temperature)
        self.stack_attended = nn.Linear(input_size, output_size)
        self.stack_own = nn.Linear(input_size, output_size, bias=False)

    def forward(
        self,
        temporal: torch.Tensor,
        spectral: torch.Tensor,
        stack: torch.Tensor,
        members: tuple[torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Update a graph.

        Arguments
        ---------
        temporal, spectral : torch.Tensor
            Nodes, ``[batch, nodes, input_size]``.
        stack : torch.Tensor
            Stack node, ``[batch, 1, input_size]``.
        members : (torch.Tensor, torch.Tensor)
            Membership of temporal and spectral nodes, ``[batch, nodes]`` each.

        Returns
        -------
        temporal, spectral, stack : torch.Tensor
            The same with ``output_size``.
        """
        nodes = [self.temporal(temporal), self.spectral(spectral)]
        nodes = self.dropout(torch.cat(nodes, dim=1))
        member = torch.cat(members, dim=1)
        kinds = [torch.zeros_like(members[0]), torch.ones_like(members[1])]
        kinds = torch.cat(kinds, dim=1).long()
        kinds = kinds.unsqueeze(2) + kinds.unsqueeze(1)
        new = self.aggregation(
            nodes, self.attention(nodes, nodes, member, kinds), member
        )
        heard = self.stack_attention(stack, nodes, member) @ nodes
        stack = self.stack_attended(heard) + self.stack_own(stack)
        count = temporal.shape[1]
        return new[:, :count], new[:, count:], stack
