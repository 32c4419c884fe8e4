"""Supervised contrastive learning beside classification."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class SupervisedContrastiveLoss(nn.Module):
    """A classification loss, plus a term that gathers utterances of the same class.

    Khosla et al. 2020, "Supervised Contrastive Learning",
    https://arxiv.org/abs/2004.11362, the loss "out" of equation 2, on the detector's
    utterance vectors ``z``, normalised to unit length. For utterance ``i`` with the
    others of its class, ``P(i)``::

        -1/|P(i)| sum_{p in P(i)} log(exp(z_i z_p / t) / sum_{a != i} exp(z_i z_a / t))

    and the mean over all utterances that have another of their class in the batch. One
    that is alone in its class only serves as contrast; a batch in which all are alone
    adds nothing. With several processes, each contrasts the utterances of its own
    batch.

    The paper trains in two stages, contrast before classification, and contrasts what a
    projection network, thrown away later, makes of two augmented views of each sample.
    Here one stage minimises the sum of both, on the vectors themselves, each utterance
    once. The code of the authors, https://github.com/HobbitLong/SupContrast, has the
    same default temperature, multiplies the loss by ``t / 0.07``, and counts samples
    that are alone in their class in the mean, as zero.

    A detector is validated by its logits: outside training the term is left out, and
    the loss is that of classification.

    Arguments
    ---------
    classification : torch.nn.Module
        A loss of logits; see ``lobes.losses``.
    weight : float
        What the term is multiplied by; 0 or more.
    temperature : float
        Denoted ``t`` above; positive.

    Raises
    ------
    ValueError
        If a value is out of range.

    Example
    -------
    >>> from lobes.losses import CrossEntropyLoss
    >>> loss = SupervisedContrastiveLoss(CrossEntropyLoss(), weight=0.5)
    >>> labels = torch.tensor([0, 0, 1, 1])
    >>> loss(torch.zeros(4, 2), labels, embeddings=torch.eye(2)[labels])  # log(2)
    tensor(0.6931)
    """

    #: The Brain gives such a loss ``embeddings`` in training.
    needs_embeddings = True

    def __init__(
        self, classification: nn.Module, weight: float = 1.0, temperature: float = 0.07
    ):
        super().__init__()
        if not 0 <= weight < math.inf or not 0 < temperature < math.inf:
            raise ValueError(
                f"weight is {weight} and temperature {temperature}; give a weight of 0 "
                "or more and a positive temperature."
            )
        self.classification = classification
        self.weight = weight
        self.temperature = temperature

    def forward(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        embeddings: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the loss.

        Arguments
        ---------
        logits : torch.Tensor
            ``[batch, classes]``.
        labels : torch.Tensor
            ``[batch]``, int64: 0 fake, 1 real.
        embeddings : torch.Tensor, optional
            Utterance vectors, ``[batch, dim]``; may be missing outside training.

        Returns
        -------
        torch.Tensor
            Scalar, float32.

        Raises
        ------
        ValueError
            If vectors are missing in training.
        """
        loss = self.classification(logits, labels)
        if embeddings is not None:
            return loss + self.weight * self.contrast(embeddings, labels)
        if self.training:
            raise ValueError(
                "SupervisedContrastiveLoss got no embeddings in training: call it with "
                "embeddings=, what the detector returns with return_embeddings=True."
            )
        return loss

    def contrast(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Compute the contrastive term; arguments as for :meth:`forward`."""
        with torch.autocast(embeddings.device.type, enabled=False):
            unit = F.normalize(embeddings.float(), dim=1)
            similarities = unit @ unit.T / self.temperature
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        others = similarities.masked_fill(itself, -torch.inf)
        log_shares = similarities - others.logsumexp(1, keepdim=True)
        positive = (labels[:, None] == labels) & ~itself
        counts = positive.sum(1)
        # Not a product: a batch of one has a share that is infinite.
        sums = torch.where(positive, log_shares, 0).sum(1)
        anchors = counts > 0
        if not bool(anchors.any()):
            return sums.sum()
        return -(sums[anchors] / counts[anchors]).mean()
