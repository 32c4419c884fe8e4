"""From an utterance vector to two logits: index 0 is fake, index 1 is real."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from lobes.masking import at_least_float32


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


class CosineClassifier(nn.Module):
    """Cosines between the utterance vector and one learned direction per class.

    The logits lie in [-1, 1]; ``lobes.losses.AMSoftmaxLoss``, which it is for, scales
    them. The score is the difference of the cosines, in [-2, 2]: no log-odds, but
    above 0 where the utterance is closer to real.

    Arguments
    ---------
    input_size : int
        Size of an utterance vector.
    num_classes : int
        Number of logits.

    Example
    -------
    >>> logits = CosineClassifier(16)(100 * torch.randn(3, 16))
    >>> logits.shape, bool(logits.abs().max() <= 1)
    (torch.Size([3, 2]), True)
    """

    def __init__(self, input_size: int, num_classes: int = 2):
        super().__init__()
        self.input_size = input_size
        self.num_classes = num_classes
        self.directions = _directions(num_classes, input_size)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, input_size]`` to logits ``[batch, num_classes]``, float32."""
        return _cosines(embeddings, self.directions)


class OneClassClassifier(nn.Module):
    """The cosine between the utterance vector and one learned direction, that of real.

    With cosine ``c``, the logits are ``(-c / 2, c / 2)``: the score is ``c``, that of
    one-class softmax (``lobes.losses.OCSoftmaxLoss``, which it is for). It is no
    log-odds: what the loss parts are scores around the middle of its two margins, not
    around 0.

    Arguments
    ---------
    input_size : int
        Size of an utterance vector.

    Example
    -------
    >>> from lobes.detector import scores
    >>> classifier, embeddings = OneClassClassifier(16), torch.randn(3, 16)
    >>> cosines = F.cosine_similarity(embeddings, classifier.directions)
    >>> torch.allclose(scores(classifier(embeddings)), cosines)
    True
    """

    def __init__(self, input_size: int):
        super().__init__()
        self.input_size = input_size
        self.directions = _directions(1, input_size)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, input_size]`` to logits ``[batch, 2]``, float32."""
        half = _cosines(embeddings, self.directions) / 2
        return torch.cat([-half, half], dim=1)


def _directions(count: int, size: int) -> nn.Parameter:
    """Random directions of about unit length.

    Length has no effect on a cosine, but it has on how fast an optimiser with steps of
    a given size turns a direction.
    """
    return nn.Parameter(torch.randn(count, size) / size**0.5)


def _cosines(embeddings: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Cosines ``[batch, directions]``, at least float32 even under autocast."""
    with torch.autocast(embeddings.device.type, enabled=False):
        unit = F.normalize(at_least_float32(embeddings), dim=1)
        return unit @ F.normalize(directions.to(unit), dim=1).T
