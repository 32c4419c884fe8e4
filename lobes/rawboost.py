"""RawBoost: augmentation that models what telephony does to a waveform.

After Tak et al. 2022, "RawBoost: A Raw Data Boosting and Augmentation Method applied
to Automatic Speaker Verification Anti-Spoofing", https://arxiv.org/abs/2111.04433.
It needs no recordings. Its three noises, with ``x`` the waveform:

convolutive (linear and non-linear)
    ``y = sum_j h_j * x ** j`` for ``j`` from 1 to 5, where each ``h_j`` is a random
    cascade of notches (a Hammerstein model), less the mean of ``y``.
impulsive (signal-dependent)
    ``y[p] = x[p] + g x[p] u v`` at random samples ``p``, ``u`` and ``v`` uniform in
    [-1, 1], ``g`` the strength.
stationary (signal-independent)
    ``y = x + n``, where ``n`` is white noise through a random cascade of notches, at
    a random signal-to-noise ratio.

The first two are divided by their peak if it exceeds 1; the third is not.

Given a ``numpy.random.RandomState``, everything is drawn as in the code that was
released with that paper, and the output is the same up to the last bits of a float.
Given a ``numpy.random.Generator``, the distributions are the same and the draws are
faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lobes.masking import absolute_lengths
from lobes.rawboost_filters import filter_powers, notch_cascades
from lobes.rawboost_params import RawBoostParams

__all__ = ["ALGORITHMS", "RawBoost", "RawBoostParams", "rawboost"]

# The noises of each algorithm, one after the other. Algorithm 8 is the exception:
# it adds up the two, each applied to the waveform itself.
ALGORITHMS = {
    1: ("convolutive",),
    2: ("impulsive",),
    3: ("stationary",),
    4: ("convolutive", "impulsive", "stationary"),
    5: ("convolutive", "impulsive"),
    6: ("convolutive", "stationary"),
    7: ("impulsive", "stationary"),
    8: ("convolutive", "impulsive"),
}
_PARALLEL = 8

# Sums are taken over pieces of this size, which torch never splits among threads:
# the result does not depend on their number.
_PIECE = 16384
# Greatest power of a sample; its square summed over minutes still fits a float32.
_GREATEST_POWER = 1e30

_Random = np.random.RandomState | np.random.Generator


def rawboost(
    wav: NDArray[np.floating],
    sample_rate: int,
    algorithm: int = 5,
    params: RawBoostParams | Mapping[str, float] | None = None,
    rng: np.random.RandomState | np.random.Generator | None = None,
) -> NDArray[np.float32]:
    """Augment one waveform.

    Arguments
    ---------
    wav : numpy.ndarray
        ``[time]``, floating point, full scale being 1. It is not changed.
    sample_rate : int
        In Hz.
    algorithm : int
        What is applied: 1 convolutive, 2 impulsive, 3 stationary noise; 4 all three
        in this order; 5 convolutive, then impulsive; 6 convolutive, then stationary;
        7 impulsive, then stationary; 8 the sum of convolutive and impulsive, each
        of the waveform itself. The post-training paper uses 5.
    params : RawBoostParams or mapping, optional
        What is drawn from; see ``RawBoostParams``.
    rng : numpy.random.RandomState or numpy.random.Generator, optional
        Source of the draws. With a ``RandomState`` they are those of the released
        code, which is left in the same state; a ``Generator`` is faster. Without
        one, a ``Generator`` with a fresh seed.

    Returns
    -------
    numpy.ndarray
        ``[time]``, float32.

    Raises
    ------
    TypeError
        If the waveform does not consist of floating point numbers, or the source of
        the draws is neither of the two.
    ValueError
        If the waveform is not ``[time]``, is empty, not finite or too large, the
        algorithm is unknown, or a parameter is impossible.

    Example
    -------
    >>> wav = np.sin(np.arange(16000) / 8).astype(np.float32)
    >>> noisy = rawboost(wav, 16000, algorithm=5, rng=np.random.default_rng(0))
    >>> noisy.shape, noisy.dtype
    ((16000,), dtype('float32'))
    """
    params = RawBoostParams.of(params)
    noises = _make_noises(algorithm, sample_rate, params)
    rng = np.random.default_rng() if rng is None else rng
    if not isinstance(rng, _Random):
        raise TypeError(
            f"rng is {type(rng).__name__}: give a numpy.random.Generator, or a "
            "numpy.random.RandomState for the draws of the released code."
        )
    samples = torch.from_numpy(_checked(wav, params).astype(np.float32, order="C"))
    return _augment(samples, noises, rng, algorithm == _PARALLEL).numpy()


class RawBoost(torch.nn.Module):
    """RawBoost as an object that a YAML declares.

    ``augment`` is for one waveform in the data pipeline, the call for a batch, as in
    SpeechBrain's ``Augmenter``. Nothing is learned, and no gradient flows.

    Arguments
    ---------
    algorithm : int
        1 to 8, see ``rawboost``.
    sample_rate : int
        Of the batches, Hz.
    probability : float
        With which a waveform is augmented, each for itself.
    **params
        The parameters that are to differ from those of the post-training paper, see
        ``RawBoostParams``.

    Raises
    ------
    ValueError
        If an argument is impossible.

    Example
    -------
    >>> augmentation = RawBoost(algorithm=5, max_impulses=5)
    >>> augmentation(torch.randn(2, 8000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 8000])
    """

    def __init__(
        self,
        algorithm: int = 5,
        sample_rate: int = 16000,
        probability: float = 1.0,
        **params: float,
    ):
        super().__init__()
        if not 0.0 <= probability <= 1.0:
            raise ValueError(
                f"RawBoost: probability is {probability}. Give a number from 0 to 1."
            )
        self.algorithm = algorithm
        self.sample_rate = sample_rate
        self.probability = probability
        self.params = RawBoostParams.of(params)
        self._noises = _make_noises(algorithm, sample_rate, self.params)

    def augment(
        self,
        wav: NDArray[np.floating],
        sample_rate: int,
        generator: np.random.RandomState | np.random.Generator,
    ) -> NDArray[np.floating]:
        """Augment one waveform, or with ``1 - probability`` leave it as it is.

        Arguments
        ---------
        wav : numpy.ndarray
            ``[time]``, floating point, full scale being 1.
        sample_rate : int
            In Hz; it may differ from that of the batches.
        generator : numpy.random.RandomState or numpy.random.Generator
            Source of the draws.

        Returns
        -------
        numpy.ndarray
            ``[time]``, float32 if augmented.

        Example
        -------
        >>> rng = np.random.default_rng(0)
        >>> RawBoost().augment(np.ones(400, np.float32), 16000, rng).shape
        (400,)
        """
        if not self._wanted(generator):
            return wav
        return rawboost(wav, sample_rate, self.algorithm, self.params, generator)

    @torch.no_grad()
    def forward(
        self, waveforms: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Augment a batch, each row with draws of its own.

        All draws follow from the state of torch's default generator, whatever the
        device. The powers presuppose a full scale of 1: a row with a greater peak,
        such as one normalised to unit variance, is scaled down to it before and back
        up after. Rows are processed one by one: each stays in the cache of a processor
        and needs no masks.

        Arguments
        ---------
        waveforms : torch.Tensor
            Right-padded waveforms, ``[batch, time]``.
        lengths : torch.Tensor, optional
            Valid fraction of each row, ``[batch]``; without it everything is valid.

        Returns
        -------
        torch.Tensor
            ``[batch, time]``, of the same type and on the same device, with zeros
            for padding.

        Raises
        ------
        ValueError
            If the waveforms are not ``[batch, time]`` or not finite.
        """
        if waveforms.dim() != 2:
            raise ValueError(
                f"waveforms have shape {tuple(waveforms.shape)}: give [batch, time], "
                "one channel."
            )
        if lengths is None:
            lengths = torch.ones(len(waveforms))
        counts = absolute_lengths(waveforms, lengths).tolist()
        rng = np.random.default_rng(torch.randint(2**63 - 1, ()).item())
        out = torch.zeros_like(waveforms)
        for wav, count, row in zip(waveforms, counts, out, strict=True):
            self._augment_row(wav[:count], rng, row[:count])
        # One sum, because testing every sample would cost as much as the noises do.
        if not out.sum(dtype=torch.float32).isfinite():
            raise ValueError(
                "waveforms hold NaN, infinite or huge samples: find the audio that "
                "has them."
            )
        return out

    def _augment_row(
        self, wav: torch.Tensor, rng: np.random.Generator, out: torch.Tensor
    ) -> None:
        """Write to ``out`` what becomes of ``[time]``."""
        if not self._wanted(rng):
            out.copy_(wav)
            return
        wav = wav.float()
        scale = wav.abs().amax().clamp(min=1.0)
        parallel = self.algorithm == _PARALLEL
        augmented = _augment(wav / scale, self._noises, rng, parallel)
        torch.mul(augmented, scale, out=out)

    def _wanted(self, rng: _Random) -> bool:
        """Whether a waveform is augmented; draws only if that is uncertain."""
        return self.probability == 1.0 or rng.random() < self.probability


def _make_noises(algorithm, sample_rate, params) -> list[_Noise]:
    """The noises of an algorithm in their order."""
    if algorithm not in ALGORITHMS:
        raise ValueError(
            f"RawBoost: algorithm is {algorithm!r}. Give one of {list(ALGORITHMS)}."
        )
    params.check_sample_rate(sample_rate)
    return [_NOISES[name](params, sample_rate) for name in ALGORITHMS[algorithm]]


def _checked(wav: NDArray, params: RawBoostParams) -> NDArray[np.floating]:
    """Raise TypeError or ValueError for a waveform that cannot be augmented."""
    wav = np.asarray(wav)
    if wav.dtype.kind != "f":
        raise TypeError(
            f"the waveform is {wav.dtype}: give floating point with a full scale of "
            "1, for 16-bit samples `wav.astype('float32') / 32768`."
        )
    if wav.ndim != 1 or not wav.size:
        raise ValueError(
            f"the waveform has shape {wav.shape}: give [time], one channel, with at "
            "least one sample."
        )
    peak = max(wav.max(), -wav.min())
    if not np.isfinite(peak):
        raise ValueError("the waveform holds NaN or infinite samples: remove them.")
    loudest = _GREATEST_POWER ** (1 / max(params.num_powers, 2))
    if peak > loudest:
        raise ValueError(
            f"the waveform has a peak of {peak:.3g}, and its power of "
            f"{params.num_powers} overflows: give audio with a full scale of 1."
        )
    return wav


def _augment(
    wav: torch.Tensor, noises: Sequence[_Noise], rng: _Random, parallel: bool
) -> torch.Tensor:
    """Apply noises to ``[time]``: one after the other, or each to it and add up."""
    if parallel:
        return _guard(sum(noise(wav, rng) for noise in noises))
    for noise in noises:
        wav = noise(wav, rng)
    return wav


@dataclass(frozen=True)
class _Noise:
    """What the noises share. Each is called with ``[time]`` and a source of draws."""

    params: RawBoostParams
    sample_rate: int

    def draw_filters(self, count: int, rng: _Random) -> torch.Tensor:
        """Random filters, ``[count, reach + 1]``; the first one louder."""
        params = self.params
        # In the order of the released code: for each filter the middle, width and
        # length of each notch in turn, then the gain of the filter.
        drawn = torch.from_numpy(rng.random((count, 3 * params.num_notches + 1)))
        notches, gain = drawn[:, :-1].reshape(count, -1, 3), drawn[:, -1]
        taps = _between(params.min_taps, params.max_taps, notches[..., 2]).long()
        bias = (torch.arange(count) > 0).double()
        return notch_cascades(
            _between(params.min_freq, params.max_freq, notches[..., 0]),
            _between(params.min_width, params.max_width, notches[..., 1]),
            taps + (taps + 1) % 2,
            _between(
                params.min_gain - params.min_bias * bias,
                params.max_gain - params.max_bias * bias,
                gain,
            ),
            self.sample_rate,
            params.reach,
        )


class _Convolutive(_Noise):
    """Sum of the filtered powers of the waveform, less its mean."""

    def __call__(self, wav: torch.Tensor, rng: _Random) -> torch.Tensor:
        filters = self.draw_filters(self.params.num_powers, rng).to(wav.device)
        out = filter_powers(wav, filters)
        return _guard(out - _sum(out) / len(out))


class _Impulsive(_Noise):
    """Random samples made louder or softer, or turned over."""

    def __call__(self, wav: torch.Tensor, rng: _Random) -> torch.Tensor:
        share = self.params.max_impulses * rng.random() / 100
        count = int(len(wav) * share)
        places = torch.from_numpy(_draw_places(len(wav), count, rng)).to(wav.device)
        strength = (2 * rng.random(count) - 1) * (2 * rng.random(count) - 1)
        factors = torch.from_numpy(1 + self.params.impulse_gain * strength)
        changed = wav.index_select(0, places) * factors.float().to(wav.device)
        return _guard(wav.index_copy(0, places, changed))


class _Stationary(_Noise):
    """Filtered white noise added at a random signal-to-noise ratio."""

    def __call__(self, wav: torch.Tensor, rng: _Random) -> torch.Tensor:
        white = torch.from_numpy(_draw_normal(len(wav), rng)).to(wav.device)
        noise = filter_powers(white, self.draw_filters(1, rng).to(wav.device))
        snr = _between(self.params.min_snr, self.params.max_snr, rng.random())
        # Noise of no energy is no noise, not a division by zero.
        energy = _sum(noise.square()).clamp(min=torch.finfo(noise.dtype).tiny)
        gain = _sum(wav.square()).sqrt() / energy.sqrt() * 10 ** (-snr / 20)
        return wav + gain * noise


_NOISES = {
    "convolutive": _Convolutive,
    "impulsive": _Impulsive,
    "stationary": _Stationary,
}


def _between(least, greatest, share):
    """The number a share of the way from the least to the greatest."""
    return least + (greatest - least) * share


def _draw_places(length: int, count: int, rng: _Random) -> NDArray[np.int64]:
    """Different random samples, in any order."""
    if isinstance(rng, np.random.RandomState):
        return rng.permutation(length)[:count]
    return rng.choice(length, count, replace=False, shuffle=False)


def _draw_normal(length: int, rng: _Random) -> NDArray[np.float32]:
    """Gaussian noise of unit variance."""
    if isinstance(rng, np.random.RandomState):
        return rng.standard_normal(length).astype(np.float32)
    return rng.standard_normal(length, dtype=np.float32)


def _guard(wav: torch.Tensor) -> torch.Tensor:
    """Divide by the peak if it exceeds 1."""
    return wav / wav.abs().amax().clamp(min=1.0)


def _sum(wav: torch.Tensor) -> torch.Tensor:
    """Sum of all samples, the same whatever the number of threads."""
    return sum(piece.sum() for piece in wav.split(_PIECE))
