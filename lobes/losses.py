"""What training minimises: ``(logits, labels) -> scalar``, extra inputs by keyword."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


class CrossEntropyLoss(nn.Module):
    """Cross entropy, computed in float32 even under autocast.

    Arguments
    ---------
    class_weights : sequence of float, optional
        Weight of every class, (fake, real). The mean over the batch is weighted too,
        as in ``torch.nn.functional.cross_entropy``.
    label_smoothing : float
        Probability mass spread over all classes, in [0, 1).

    Raises
    ------
    ValueError
        If a weight is not positive and finite, or the smoothing is out of range.

    Example
    -------
    >>> loss = CrossEntropyLoss(class_weights=[1.0, 3.0])
    >>> loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0])).item()  # log(2)
    0.6931471824645996
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ):
        super().__init__()
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(
                f"label_smoothing is {label_smoothing}; give a number in [0, 1)."
            )
        self.label_smoothing = label_smoothing
        # Not persistent: a detector saved without the loss must load with any.
        self.register_buffer("weights", _weight_tensor(class_weights), persistent=False)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Compute the loss.

        Arguments
        ---------
        logits : torch.Tensor
            ``[batch, classes]``.
        labels : torch.Tensor
            ``[batch]``, int64: 0 fake, 1 real.

        Returns
        -------
        torch.Tensor
            Scalar, float32.

        Raises
        ------
        ValueError
            If the number of classes differs from that of the weights.
        """
        if self.weights is not None and len(self.weights) != logits.shape[1]:
            raise ValueError(
                f"class_weights has {len(self.weights)} values, the classifier "
                f"{logits.shape[1]} logits: give one weight per class."
            )
        return F.cross_entropy(
            logits.float(),
            labels,
            weight=self.weights,
            label_smoothing=self.label_smoothing,
        )


def _weight_tensor(class_weights: Sequence[float] | None) -> torch.Tensor | None:
    if class_weights is None:
        return None
    weights = [float(weight) for weight in class_weights]
    if not weights or not all(math.isfinite(w) and w > 0 for w in weights):
        raise ValueError(
            f"class_weights is {weights}; give one positive number per class, fake "
            "first."
        )
    return torch.tensor(weights)
