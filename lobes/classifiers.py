"""From an utterance vector to two logits: index 0 is fake, index 1 is real."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class LinearClassifier(nn.Module):
    """One linear layer.

    Arguments
    ---------
    input_size : int
        Size of an utterance vector.
    num_classes : int
        Number of logits.

    Example
    -------
    >>> LinearClassifier(16)(torch.randn(3, 16)).shape
    torch.Size([3, 2])
    """

    def __init__(self, input_size: int, num_classes: int = 2):
        super().__init__()
        self.input_size = input_size
        self.num_classes = num_classes
        self.linear = nn.Linear(input_size, num_classes)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, input_size]`` to logits ``[batch, num_classes]``."""
        return self.linear(embeddings)


class MLPClassifier(nn.Module):
    """Linear layers with ReLU and dropout between them.

    Arguments
    ---------
    input_size : int
        Size of an utterance vector.
    hidden_sizes : sequence of int
        Sizes of the hidden layers; empty gives one linear layer.
    dropout : float
        Dropout after every hidden layer.
    num_classes : int
        Number of logits.

    Example
    -------
    >>> MLPClassifier(16, hidden_sizes=[8, 4], dropout=0.1)(torch.randn(3, 16)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        input_size: int,
        hidden_sizes: Sequence[int] = (256,),
        dropout: float = 0.0,
        num_classes: int = 2,
    ):
        super().__init__()
        self.input_size = input_size
        self.hidden_sizes = list(hidden_sizes)
        self.dropout = dropout
        self.num_classes = num_classes
        layers: list[nn.Module] = []
        for size in hidden_sizes:
            layers += [nn.Linear(input_size, size), nn.ReLU(), nn.Dropout(dropout)]
            input_size = size
        self.layers = nn.Sequential(*layers, nn.Linear(input_size, num_classes))

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, input_size]`` to logits ``[batch, num_classes]``."""
        return self.layers(embeddings)
