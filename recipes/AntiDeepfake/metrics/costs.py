"""Detection cost: what a threshold costs, given a prior and a cost for each error.

Notation and defaults are those of the ASVspoof 5 evaluation plan, track 1
(https://www.asvspoof.org/file/ASVspoof5___Evaluation_Plan_Phase2.pdf, equations 3
and 4), whose primary metric is the normalised minimum DCF.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recipes.AntiDeepfake.metrics.checks import require_both, sorted_classes, split

__all__ = ["ASVSPOOF5", "Costs", "act_dcf", "min_dcf", "min_dcf_sorted"]


@dataclass(frozen=True)
class Costs:
    """Prior and costs of an application; the defaults are ASVspoof 5, track 1.

    Arguments
    ---------
    spoof_prior : float
        Probability that a trial is fake, between 0 and 1.
    miss : float
        Cost of rejecting genuine speech.
    false_alarm : float
        Cost of accepting a fake.

    Raises
    ------
    ValueError
        If the prior is not between 0 and 1, or a cost is not positive and finite.

    Example
    -------
    >>> round(Costs().bayes_threshold, 4)
    -0.6419
    >>> Costs(spoof_prior=0.5, miss=1.0, false_alarm=1.0).bayes_threshold == 0
    True
    """

    spoof_prior: float = 0.05
    miss: float = 1.0
    false_alarm: float = 10.0

    def __post_init__(self):
        costs = (self.miss, self.false_alarm)
        if not 0 < self.spoof_prior < 1 or not all(0 < c < math.inf for c in costs):
            raise ValueError(
                f"{self}: give a prior between 0 and 1, and costs that are positive "
                "and finite."
            )

    @property
    def bayes_threshold(self) -> float:
        """Where a log-likelihood ratio is to be cut for the lowest expected cost.

        -log(miss * (1 - spoof_prior) / (false_alarm * spoof_prior)), in nats.
        """
        return -math.log(self._reject_all / self._accept_all)

    def dcf(self, fnr: float | NDArray, fpr: float | NDArray) -> float | NDArray:
        """Normalised detection cost of a pair of error rates.

        miss * (1 - spoof_prior) * fnr + false_alarm * spoof_prior * fpr, divided by
        the cost of the cheaper of the two systems that listen to nothing, which
        accept everything or reject everything. 1 is of no use; 0 is perfect.
        """
        cheaper = min(self._reject_all, self._accept_all)
        return (self._reject_all * fnr + self._accept_all * fpr) / cheaper

    @property
    def _reject_all(self) -> float:
        return self.miss * (1 - self.spoof_prior)

    @property
    def _accept_all(self) -> float:
        return self.false_alarm * self.spoof_prior


ASVSPOOF5 = Costs()


def min_dcf(
    scores: ArrayLike, labels: ArrayLike, costs: Costs = ASVSPOOF5
) -> tuple[float, float]:
    """Normalised detection cost at the best threshold for these very trials.

    The lowest `Costs.dcf` over all thresholds, ties in the scores respected. Scores
    need not be calibrated. Of equally good thresholds, the lowest counts.

    Arguments
    ---------
    scores : array_like
        Score of each trial, [trials]; higher is more genuine.
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    costs : Costs
        Prior and costs; those of ASVspoof 5 track 1 unless others are given.

    Returns
    -------
    value : float
        In [0, 1]; never above 1, since a threshold can accept or reject everything.
    threshold : float
        The score at or below which a trial is rejected; minus infinity when it is
        best to accept everything.

    Raises
    ------
    ValueError
        As `eer`.

    Example
    -------
    >>> value, threshold = min_dcf([3.0, 2.0, 1.0, 1.5, 0.5, -1.0], [1, 1, 1, 0, 0, 0])
    >>> round(value, 4), threshold
    (0.3333, 0.5)
    """
    return min_dcf_sorted(*sorted_classes(scores, labels), costs)


def act_dcf(scores: ArrayLike, labels: ArrayLike, costs: Costs = ASVSPOOF5) -> float:
    """Normalised detection cost at the Bayes threshold, which no label has chosen.

    The scores must be log-likelihood ratios (natural logarithm). Raw scores of a
    detector are not, so calibrate them first: `act_dcf` minus `min_dcf` is what
    poor calibration costs.

    Arguments
    ---------
    scores : array_like
        Log-likelihood ratio of real against fake of each trial, [trials].
    labels : array_like
        Label of each trial, [trials]; 1 is real, 0 is fake.
    costs : Costs
        Prior and costs; those of ASVspoof 5 track 1 unless others are given.

    Returns
    -------
    float
        Not negative; above 1 when the detector is worse than a trivial one.

    Raises
    ------
    ValueError
        As `eer`.

    Example
    -------
    >>> act_dcf([3.0, 2.0, 1.0, 1.5, 0.5, -1.0], [1, 1, 1, 0, 0, 0])
    0.6666666666666666
    """
    real, fake = split(scores, labels)
    require_both(real, fake)
    fnr = np.count_nonzero(real <= costs.bayes_threshold) / len(real)
    fpr = np.count_nonzero(fake > costs.bayes_threshold) / len(fake)
    return float(costs.dcf(fnr, fpr))


def min_dcf_sorted(real: NDArray, fake: NDArray, costs: Costs) -> tuple[float, float]:
    """`min_dcf` of sorted scores.

    A threshold that rejects one more real trial is of use only if it rejects more
    fakes too. So for each real trial the best threshold that accepts it is the
    fake next below it, and to reject all real trials it is the highest fake.

    For real trials with the same score the fakes below are the same, while the
    number of rejected real trials is right for the first of them and too high for
    the others. The minimum is therefore right.
    """
    rejected_fake = np.append(fake.searchsorted(real, "left"), len(fake))
    rejected_real = np.arange(len(real) + 1)
    accepted_fake = len(fake) - rejected_fake
    cost = costs.dcf(rejected_real / len(real), accepted_fake / len(fake))
    best = np.argmin(cost)
    last = rejected_fake[best] - 1
    return float(cost[best]), float(fake[last]) if last >= 0 else -math.inf
