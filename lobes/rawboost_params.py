"""What RawBoost draws its random filters and noises from, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real

__all__ = ["RawBoostParams"]

# The bias is not among them: between two numbers is between them in any order.
_ORDERED = ("freq", "width", "taps", "gain", "snr")
_INTEGERS = ("num_powers", "num_notches", "min_taps", "max_taps")
_LEAST = {
    "num_powers": 1,
    "num_notches": 1,
    "min_freq": 0,
    "min_width": 1,
    "min_taps": 2,
    "max_impulses": 0,
    "impulse_gain": 0,
    "sample_rate": 1,
}


@dataclass(frozen=True)
class RawBoostParams:
    """Parameters of RawBoost; the defaults are those of the post-training paper.

    In brackets the names of the code that was released with the RawBoost paper
    (https://arxiv.org/abs/2111.04433). Where there are a least and a greatest value,
    values are drawn uniformly between them.

    Arguments
    ---------
    num_powers : int
        Highest power of the signal in the convolutive noise (N_f).
    num_notches : int
        Notches in each filter (nBands).
    min_freq, max_freq : float
        Middle of a notch, Hz (minF, maxF).
    min_width, max_width : float
        Width of a notch, Hz, at least 1 (minBW, maxBW).
    min_taps, max_taps : int
        Length of a notch filter, samples. The drawn length is rounded down, and 1
        is added if it is even: 10 to 100 gives 11 to 99 (minCoeff, maxCoeff).
    min_gain, max_gain : float
        Gain of the filter of the signal itself, dB (minG, maxG).
    min_bias, max_bias : float
        How far the gain of the higher powers lies below, dB: it is drawn between
        ``min_gain - min_bias`` and ``max_gain - max_bias`` (minBiasLinNonLin,
        maxBiasLinNonLin).
    max_impulses : float
        Samples that become impulses, %: the share is drawn between 0 and this (P).
    impulse_gain : float
        Greatest strength of an impulse, relative to its sample (g_sd).
    min_snr, max_snr : float
        Signal-to-noise ratio of the stationary noise, dB (SNRmin, SNRmax).

    Raises
    ------
    ValueError
        If a value is out of range; says which, and what is possible.

    Example
    -------
    >>> RawBoostParams(max_freq=4000).max_freq
    4000
    >>> RawBoostParams(min_snr=50)
    Traceback (most recent call last):
        ...
    ValueError: RawBoost: min_snr is 50, above max_snr, which is 40. Exchange or ...
    """

    num_powers: int = 5
    num_notches: int = 5
    min_freq: float = 20
    max_freq: float = 8000
    min_width: float = 100
    max_width: float = 1000
    min_taps: int = 10
    max_taps: int = 100
    min_gain: float = 0
    max_gain: float = 0
    min_bias: float = 5
    max_bias: float = 20
    max_impulses: float = 10
    impulse_gain: float = 2
    min_snr: float = 10
    max_snr: float = 40

    def __post_init__(self):
        for name, value in vars(self).items():
            _check_number(name, value)
        for kind in _ORDERED:
            self._check_order(f"min_{kind}", f"max_{kind}")
        if self.max_impulses > 100:
            raise ValueError(
                f"RawBoost: max_impulses is {self.max_impulses}. It is a share of the "
                "samples in %: give at most 100."
            )

    def _check_order(self, least: str, greatest: str) -> None:
        low, high = getattr(self, least), getattr(self, greatest)
        if low > high:
            raise ValueError(
                f"RawBoost: {least} is {low}, above {greatest}, which is {high}. "
                "Exchange or change them."
            )

    @classmethod
    def of(cls, params: RawBoostParams | Mapping[str, float] | None) -> RawBoostParams:
        """Take parameters as they are, from a mapping of names, or the defaults.

        Arguments
        ---------
        params : RawBoostParams or mapping or None
            A mapping may leave names out; None leaves all out.

        Returns
        -------
        RawBoostParams
            The parameters.

        Raises
        ------
        ValueError
            If a name is unknown or a value out of range.

        Example
        -------
        >>> RawBoostParams.of({"num_powers": 3}).num_powers
        3
        """
        if isinstance(params, cls):
            return params
        params = dict(params or {})
        names = [field.name for field in fields(cls)]
        unknown = sorted(params.keys() - set(names))
        if unknown:
            raise ValueError(
                f"RawBoost: there is no parameter {', '.join(map(repr, unknown))}. "
                f"Use some of {', '.join(names)}."
            )
        return cls(**params)

    @property
    def reach(self) -> int:
        """Samples on either side of its centre that a filter may take."""
        return self.num_notches * (self.max_taps // 2)

    def check_sample_rate(self, sample_rate: int) -> None:
        """Raise ValueError unless the notches fit audio of a sample rate (Hz)."""
        _check_number("sample_rate", sample_rate)
        if self.max_freq > sample_rate / 2:
            raise ValueError(
                f"RawBoost: max_freq is {self.max_freq} Hz, above half the sample "
                f"rate of {sample_rate} Hz. Set max_freq to {sample_rate / 2:g} or "
                "less, or resample the audio."
            )


def _check_number(name: str, value: float) -> None:
    """Raise ValueError unless a value is a number that a parameter can have."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ValueError(f"RawBoost: {name} is {value!r}. Give a finite number.")
    if name in _INTEGERS and value != int(value):
        raise ValueError(f"RawBoost: {name} is {value}. Give a whole number.")
    if value < _LEAST.get(name, -math.inf):
        raise ValueError(f"RawBoost: {name} is {value}. Give at least {_LEAST[name]}.")
