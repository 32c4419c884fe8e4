"""A learned weighted sum of the encoder's layers."""

from __future__ import annotations

import torch
from torch import nn

from lobes.masking import at_least_float32


class WeightedLayers(nn.Module):
    """Sum the layers of an encoder with learned weights, one for each, that sum to 1.

    Equation 1 of Peters et al. 2018, "Deep contextualized word representations",
    https://arxiv.org/abs/1802.05365, without the factor, as in SUPERB (Yang et al.
    2021, https://arxiv.org/abs/2105.01051). All layers weigh the same at first.

    Arguments
    ---------
    num_layers : int
        Layers of the encoder's transformer; its input is one more to be weighed.

    Example
    -------
    >>> layers = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    >>> WeightedLayers(num_layers=1)(layers)
    tensor([[[2.]]], grad_fn=<ViewBackward0>)
    """

    def __init__(self, num_layers: int):
        super().__init__()
        self.num_layers = num_layers
        self.energies = nn.Parameter(torch.zeros(num_layers + 1))

    @property
    def weights(self) -> torch.Tensor:
        """Weights, ``[num_layers + 1]``, the first that of the transformer's input."""
        return torch.softmax(self.energies, dim=0)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Sum layers.

        Arguments
        ---------
        features : torch.Tensor
            ``[num_layers + 1, batch, frames, dim]``, of an encoder with
            ``output_layer="all"``.

        Returns
        -------
        torch.Tensor
            ``[batch, frames, dim]``, at least float32.

        Raises
        ------
        ValueError
            If the number of layers is another, or there is only one.
        """
        check_layers(features, self.num_layers)
        # Not in half precision, which would round the weights.
        with torch.autocast(features.device.type, enabled=False):
            features = at_least_float32(features)
            return torch.tensordot(self.weights.to(features), features, dims=1)


def check_layers(features: torch.Tensor, num_layers: int) -> None:
    """Check that features are those of all layers.

    Arguments
    ---------
    features : torch.Tensor
        What the encoder returned.
    num_layers : int
        Layers of its transformer.

    Raises
    ------
    ValueError
        If the shape is not ``[num_layers + 1, batch, frames, dim]``.
    """
    if features.dim() != 4 or len(features) != num_layers + 1:
        raise ValueError(
            f"the encoder's features have shape {list(features.shape)}; a pooling of "
            f"all layers takes [{num_layers + 1}, batch, frames, dim]. Give the "
            "encoder output_layer: all, and the pooling num_layers: !ref "
            "<encoder.num_layers>."
        )
