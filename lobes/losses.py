"""What training minimises: ``(logits, labels) -> scalar``, extra inputs by keyword.

``lobes.contrastive`` has the one that also takes utterance vectors. All are computed in
float32, also under autocast, and are means over the batch. Whatever the loss, the
score stays ``logit[real] - logit[fake]``, see ``lobes.detector.scores``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from lobes.detector import scores

# What rounding may add to a cosine.
_COSINE_SLACK = 1e-3


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
        _check_weights(self.weights, logits)
        return F.cross_entropy(
            logits.float(),
            labels,
            weight=self.weights,
            label_smoothing=self.label_smoothing,
        )


class FocalLoss(nn.Module):
    """Cross entropy in which what is already right counts less.

    Lin et al. 2017, "Focal Loss for Dense Object Detection",
    https://arxiv.org/abs/1708.02002, equation 5:
    ``-alpha_t (1 - p_t)^gamma log(p_t)`` with the probability ``p_t`` of the true
    class. With ``gamma`` 0 it is :class:`CrossEntropyLoss`, class weights included. The
    paper recommends ``gamma`` 2, and ``alpha`` 0.25 for the rare class, 0.75 for the
    other.

    Arguments
    ---------
    gamma : float
        How strongly; 0 or more.
    class_weights : sequence of float, optional
        The weights ``alpha``, (fake, real); the mean over the batch is weighted.

    Raises
    ------
    ValueError
        If a value is out of range.

    Example
    -------
    >>> loss = FocalLoss(gamma=2.0)
    >>> loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0])).item()  # log(2) / 4
    0.1732867956161499
    """

    def __init__(
        self, gamma: float = 2.0, class_weights: Sequence[float] | None = None
    ):
        super().__init__()
        if not 0.0 <= gamma < math.inf:
            raise ValueError(f"gamma is {gamma}; give 0 (cross entropy) or more.")
        self.gamma = gamma
        self.register_buffer("weights", _weight_tensor(class_weights), persistent=False)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Compute the loss; arguments as for :class:`CrossEntropyLoss`."""
        _check_weights(self.weights, logits)
        log_true = _log_true(logits.float(), labels)
        # 1 - p_t without cancellation; the slope of a power of 0 may be infinite.
        wrong = (-torch.expm1(log_true)).clamp(min=torch.finfo(torch.float32).tiny)
        losses = -(wrong**self.gamma) * log_true
        if self.weights is None:
            return losses.mean()
        weights = self.weights[labels]
        return (weights * losses).sum() / weights.sum()


class AMSoftmaxLoss(nn.Module):
    """Cross entropy of cosines, the true one lowered by a margin.

    Wang et al. 2018, "Additive Margin Softmax for Face Verification",
    https://arxiv.org/abs/1801.05599: ``-log(e_t / (e_t + e_o))`` with
    ``e_t = exp(scale (cos_t - margin))`` of the true and ``e_o = exp(scale cos_o)`` of
    the other class. The logits are cosines, those of
    ``lobes.classifiers.CosineClassifier``. The defaults are those of the model that the
    authors released, https://github.com/happynear/AMSoftmax. Against spoofing, Zhang,
    Jiang and Duan 2021 (see :class:`OCSoftmaxLoss`) took margin 0.9 and scale 20.

    Arguments
    ---------
    margin : float
        How much closer to its class than to the other an utterance is to be; 0 gives
        the softmax of cosines.
    scale : float
        What cosines are multiplied by; positive.

    Raises
    ------
    ValueError
        If a value is out of range.

    Example
    -------
    >>> cosines = torch.tensor([[0.0, 0.35]])
    >>> AMSoftmaxLoss()(cosines, torch.tensor([1])).item()  # log(2)
    0.6931471824645996
    """

    def __init__(self, margin: float = 0.35, scale: float = 30.0):
        super().__init__()
        if margin < 0 or not 0 < scale < math.inf:
            raise ValueError(
                f"margin is {margin} and scale {scale}; give a margin of 0 or more and "
                "a positive scale."
            )
        self.margin = margin
        self.scale = scale

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Compute the loss.

        Arguments
        ---------
        logits : torch.Tensor
            Cosines, ``[batch, classes]``.
        labels : torch.Tensor
            ``[batch]``, int64: 0 fake, 1 real.

        Returns
        -------
        torch.Tensor
            Scalar, float32.

        Raises
        ------
        ValueError
            If the logits are no cosines.
        """
        cosines = logits.float()
        _check_cosines(cosines, "CosineClassifier")
        true = F.one_hot(labels, cosines.shape[1])
        return F.cross_entropy(self.scale * (cosines - self.margin * true), labels)


class OCSoftmaxLoss(nn.Module):
    """One-class softmax: real speech within a cone, everything else outside another.

    Zhang, Jiang and Duan 2021, "One-class Learning Towards Synthetic Voice Spoofing
    Detection", https://arxiv.org/abs/2010.13995, section II-B: the mean of
    ``log(1 + exp(scale (real_margin - c)))`` of real and
    ``log(1 + exp(scale (c - fake_margin)))`` of fake utterances, where ``c`` is the
    cosine to the one direction of ``lobes.classifiers.OneClassClassifier``. It is also
    the score, as in the paper. The defaults are those with which the authors train,
    https://github.com/yzyouzhang/AIR-ASVspoof.

    Arguments
    ---------
    real_margin : float
        The cosine that real utterances are to exceed.
    fake_margin : float
        The cosine that fake utterances are to stay below.
    scale : float
        What the differences are multiplied by; positive.

    Raises
    ------
    ValueError
        If a value is out of range.

    Example
    -------
    >>> logits = torch.tensor([[-0.45, 0.45], [-0.1, 0.1]])  # cosines 0.9 and 0.2
    >>> OCSoftmaxLoss()(logits, torch.tensor([1, 0])).item()  # log(2)
    0.6931471824645996
    """

    def __init__(
        self, real_margin: float = 0.9, fake_margin: float = 0.2, scale: float = 20.0
    ):
        super().__init__()
        if not -1 <= fake_margin < real_margin <= 1 or not 0 < scale < math.inf:
            raise ValueError(
                f"real_margin is {real_margin}, fake_margin {fake_margin}, scale "
                f"{scale}; give cosines in [-1, 1], the first higher than the second, "
                "and a positive scale."
            )
        self.real_margin = real_margin
        self.fake_margin = fake_margin
        self.scale = scale

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Compute the loss.

        Arguments
        ---------
        logits : torch.Tensor
            ``[batch, 2]``, half the cosine with either sign.
        labels : torch.Tensor
            ``[batch]``, int64: 0 fake, 1 real.

        Returns
        -------
        torch.Tensor
            Scalar, float32.

        Raises
        ------
        ValueError
            If the logits are no cosines.
        """
        cosines = scores(logits)
        _check_cosines(cosines, "OneClassClassifier")
        too_far = torch.where(
            labels == 1, self.real_margin - cosines, cosines - self.fake_margin
        )
        return F.softplus(self.scale * too_far).mean()


def _log_true(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logarithm of the probability of the true class, ``[batch]``."""
    return -F.cross_entropy(logits, labels, reduction="none")


def _check_cosines(cosines: torch.Tensor, classifier: str) -> None:
    highest = cosines.detach().abs().max().item()
    if highest > 1 + _COSINE_SLACK:
        raise ValueError(
            f"a logit or score of {highest:.3g} is no cosine: with this loss, the "
            f"detector's classifier must be lobes.classifiers.{classifier}."
        )


def _check_weights(weights: torch.Tensor | None, logits: torch.Tensor) -> None:
    if weights is not None and len(weights) != logits.shape[1]:
        raise ValueError(
            f"class_weights has {len(weights)} values, the classifier "
            f"{logits.shape[1]} logits: give one weight per class."
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
