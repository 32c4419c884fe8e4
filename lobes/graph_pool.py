"""The choice of nodes of a graph: a part of them, whatever the batch."""

from __future__ import annotations

import torch
from torch import nn

# Halvings of an interval after which float32 cannot tell its ends apart.
_BISECTIONS = 30
# Keeps the gradient finite where hardly any node is within the margin.
_SMALLEST_SLOPE = 1e-3


class GraphPool(nn.Module):
    """Keep a part of the nodes, those with the highest learned values.

    Nodes are multiplied by the sigmoid of their values, as in Gao and Ji 2019, "Graph
    U-Nets", https://arxiv.org/abs/1905.05178, which AASIST follows. How many are kept
    depends on the row's own number of nodes, not on the batch. Where that choice is
    hard, float rounding can exchange two nodes of nearly the same value, and the score
    jumps. Here a node is chosen by ``(value - threshold) / margin + 1/2``, cut to
    [0, 1], with the threshold at which memberships add up to the number to keep. That
    is continuous in values and memberships, and with a margin towards 0 the choice of
    the paper.

    Arguments
    ---------
    input_size : int
        Size of a node.
    ratio : float
        Part of the nodes to keep, rounded down, at least one.
    margin : float
        Width of the transition, in units of the values; positive.
    dropout : float
        Dropout of the nodes before they are valued.

    Example
    -------
    >>> pool = GraphPool(1, ratio=0.5)
    >>> pool.value = torch.nn.Identity()
    >>> nodes = torch.tensor([[[0.0], [3.0], [1.0], [2.0]]])
    >>> _, member, counts = pool(nodes, torch.ones(1, 4), torch.tensor([4]))
    >>> member.round(decimals=3), counts
    (tensor([[0., 1., 0., 1.]]), tensor([2]))
    """

    def __init__(
        self,
        input_size: int,
        ratio: float = 0.5,
        margin: float = 0.3,
        dropout: float = 0.0,
    ):
        super().__init__()
        if not 0 < ratio <= 1 or not margin > 0:
            raise ValueError(
                f"ratio is {ratio} and margin {margin}; give a ratio in (0, 1] and a "
                "positive margin."
            )
        self.ratio = ratio
        self.margin = margin
        self.dropout = nn.Dropout(dropout)
        self.value = nn.Linear(input_size, 1)

    def forward(
        self, nodes: torch.Tensor, member: torch.Tensor, counts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Choose nodes.

        Arguments
        ---------
        nodes : torch.Tensor
            ``[batch, nodes, input_size]``.
        member : torch.Tensor
            Membership, ``[batch, nodes]``.
        counts : torch.Tensor
            Nodes of every row, ``[batch]``, int64; a row of one keeps it.

        Returns
        -------
        nodes : torch.Tensor
            ``[batch, nodes, input_size]``, each at its place.
        member : torch.Tensor
            ``[batch, nodes]``.
        counts : torch.Tensor
            Nodes that are kept, ``[batch]``.
        """
        values = self.value(self.dropout(nodes)).squeeze(-1)
        kept = (counts * self.ratio).long().clamp(min=1)
        chosen = _soft_top(values, member, kept.unsqueeze(1), self.margin)
        return nodes * torch.sigmoid(values).unsqueeze(-1), member * chosen, kept


def _soft_top(
    values: torch.Tensor, member: torch.Tensor, kept: torch.Tensor, margin: float
) -> torch.Tensor:
    """In [0, 1], how much each node is chosen; weighted by membership, sum ``kept``."""
    threshold = _threshold(values.detach(), member.detach(), kept, margin)
    chosen = _above(values, threshold, margin)
    # Newton's next step, of value 0: it tells the gradient how the threshold follows
    # values and memberships.
    moving = ((chosen > 0) & (chosen < 1)).to(member) * member.detach() / margin
    excess = (chosen * member).sum(1, keepdim=True)
    step = excess / moving.sum(1, keepdim=True).clamp(min=_SMALLEST_SLOPE)
    return _above(values, threshold + (step - step.detach()), margin)


def _threshold(
    values: torch.Tensor, member: torch.Tensor, kept: torch.Tensor, margin: float
) -> torch.Tensor:
    """Find the threshold by bisection, ``[batch, 1]``."""
    none = member == 0
    low = values.masked_fill(none, torch.inf).amin(1, keepdim=True) - margin
    high = values.masked_fill(none, -torch.inf).amax(1, keepdim=True) + margin
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        too_many = (_above(values, middle, margin) * member).sum(1, keepdim=True) > kept
        low, high = (
            torch.where(too_many, middle, low),
            torch.where(too_many, high, middle),
        )
    return low


def _above(values: torch.Tensor, threshold: torch.Tensor, margin: float):
    return ((values - threshold) / margin + 0.5).clamp(0, 1)
