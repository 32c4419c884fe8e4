"""Batch normalisation that does not see padding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) over the valid positions only.

    https://arxiv.org/abs/1502.03167. The layers of PyTorch count padding: how much of
    it a batch has would change the statistics, and with them every score. Statistics
    are those of the process, unless ``torch.nn.SyncBatchNorm`` takes the layer's place.

    Arguments
    ---------
    size : int
        Number of channels.

    Example
    -------
    >>> hidden = torch.tensor([[[1.0], [3.0], [9.0]]])
    >>> MaskedBatchNorm(1)(hidden, torch.tensor([[True, True, False]])).round().mT
    tensor([[[-1.,  1.,  0.]]], grad_fn=<TransposeBackward0>)
    """

    def __init__(self, size: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(size)

    def forward(self, hidden: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Normalise.

        Arguments
        ---------
        hidden : torch.Tensor
            ``[..., size]``.
        valid : torch.Tensor
            ``[...]``, bool.

        Returns
        -------
        torch.Tensor
            ``[..., size]``, zero where not valid.
        """
        if self.training:
            normed = self._train(hidden[valid])
            return torch.zeros_like(hidden).masked_scatter(valid.unsqueeze(-1), normed)
        normed = self.norm(hidden.flatten(0, -2)).view_as(hidden)
        return normed.masked_fill(~valid.unsqueeze(-1), 0)

    def _train(self, rows: torch.Tensor) -> torch.Tensor:
        if len(rows) > 1:
            return self.norm(rows)
        # One value has no variance: take the statistics seen so far.
        norm = self.norm
        return F.batch_norm(
            rows, norm.running_mean, norm.running_var, norm.weight, norm.bias
        )
