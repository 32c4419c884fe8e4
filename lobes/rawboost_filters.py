"""Random notch filters, and filtering the powers of a signal with them, fast.

RawBoost's filters are cascades of FIR notches: windowed designs of odd length, thus
symmetric. Here they stay centred on sample 0 from design to use. A response is then
real, a filter is stored as one half of its taps, and filters of different lengths
are aligned without any further care.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

__all__ = ["filter_powers", "notch_cascades"]

# The gain of a cascade is taken at 512 frequencies from 0 to below half the sample
# rate, which are the first half of a Fourier transform of this size.
_GAIN_GRID = 1024
# Shortest block of the overlap-save filtering: fits the cache of a processor.
_SHORTEST_BLOCK = 4096
# A notch never touches 0 Hz or half the sample rate: it stays this far away, in Hz.
_EDGE = 1e-3


def notch_cascades(
    centres: torch.Tensor,
    widths: torch.Tensor,
    taps: torch.Tensor,
    gains: torch.Tensor,
    sample_rate: int,
    reach: int,
) -> torch.Tensor:
    """Design filters that are each a cascade of notches.

    A notch is a band-stop filter designed with a Hamming window. The cascade is
    scaled so that its greatest magnitude equals the wanted gain.

    Arguments
    ---------
    centres, widths : torch.Tensor
        Middle and width of each notch in Hz, ``[filters, notches]``, float64.
    taps : torch.Tensor
        Length of each notch in samples, odd, ``[filters, notches]``.
    gains : torch.Tensor
        Gain of each filter in dB, ``[filters]``, float64.
    sample_rate : int
        In Hz.
    reach : int
        Samples on either side of its centre that a filter may take,
        ``sum((taps - 1) / 2)`` at least.

    Returns
    -------
    torch.Tensor
        The centre tap and those on one side of it (the other side is the same),
        ``[filters, reach + 1]``, float32.

    Example
    -------
    >>> centre, width = torch.full((2, 1, 1), 1000.0, dtype=torch.float64)
    >>> taps, gain = torch.tensor([[5]]), torch.zeros(1, dtype=torch.float64)
    >>> notch_cascades(centre, width, taps, gain, 16000, reach=2).shape
    torch.Size([1, 3])
    """
    nyquist = sample_rate / 2
    low = centres - widths / 2
    high = centres + widths / 2
    low = torch.where(low <= 0, _EDGE, low) / nyquist
    high = torch.where(high >= nyquist, nyquist - _EDGE, high) / nyquist

    size = max(_GAIN_GRID, _power_of_two(2 * reach + 1))
    responses = _response(_notch_taps(low, high, taps), size)
    # The custom of this design: each notch has unit gain at 0 Hz.
    response = (responses / responses[..., :1]).prod(dim=-2)
    grid = response[..., : size // 2 : size // _GAIN_GRID]
    scale = 10 ** (gains / 20) / grid.abs().amax(dim=-1)
    response = response * scale.unsqueeze(-1)
    return torch.fft.irfft(response, size)[..., : reach + 1].float()


def _notch_taps(
    low: torch.Tensor, high: torch.Tensor, taps: torch.Tensor
) -> torch.Tensor:
    """One half of each band-stop filter; edges relative to half the sample rate."""
    low, high, side = (x.unsqueeze(-1) for x in (low, high, taps // 2))
    index = torch.arange(int(side.max()) + 1, dtype=low.dtype)
    # Everything, less the band from low to high.
    ideal = low * torch.sinc(low * index) - high * torch.sinc(high * index)
    ideal[..., 0] += 1
    window = 0.54 + 0.46 * torch.cos(torch.pi * index / side)
    return ideal * torch.where(index <= side, window, 0.0)


def _response(half_taps: torch.Tensor, size: int) -> torch.Tensor:
    """Real response of filters given by one half, at ``size // 2 + 1`` frequencies."""
    centre, side = half_taps[..., :1], half_taps[..., 1:]
    return 2 * torch.fft.rfft(torch.cat([centre / 2, side], dim=-1), size).real


def filter_powers(wav: torch.Tensor, half_taps: torch.Tensor) -> torch.Tensor:
    """Filter a signal and its powers, each with a filter of its own, and add up.

    Computes ``y[n] = sum_j sum_k h_j[k] x[n + 1 - k] ** j``, j from 1, k from
    ``-reach`` to ``reach``, with zeros around the signal. (That the result comes one
    sample early is how RawBoost was released.) Overlap-save: blocks of the signal
    are filtered in the frequency domain, where the powers are added, so that each
    power costs one transform and their sum one more.

    Arguments
    ---------
    wav : torch.Tensor
        ``[time]``, float32.
    half_taps : torch.Tensor
        A filter for each power, from ``notch_cascades``, ``[powers, reach + 1]``.

    Returns
    -------
    torch.Tensor
        ``[time]``, float32.

    Example
    -------
    >>> identity = torch.tensor([[1.0, 0.0]])
    >>> filter_powers(torch.tensor([1.0, 2.0, 3.0]), identity).round(decimals=4)
    tensor([2., 3., 0.])
    """
    time, reach = len(wav), half_taps.shape[-1] - 1
    block = max(_SHORTEST_BLOCK, _power_of_two(8 * reach))
    hop = block - 2 * reach
    ahead = reach - 1
    whole = (-(-time // hop) - 1) * hop + block
    blocks = F.pad(wav, (ahead, whole - ahead - time)).unfold(0, block, hop)

    first, *others = _response(half_taps, block)
    power = blocks.clone()
    spectrum = torch.fft.rfft(power).mul_(first)
    for response in others:
        power *= blocks
        spectrum += torch.fft.rfft(power).mul_(response)
    filtered = torch.fft.irfft(spectrum, block)[:, reach : reach + hop]
    return filtered.reshape(-1)[:time]


def _power_of_two(size: int) -> int:
    """The smallest power of two that is not below a size."""
    return 1 << (size - 1).bit_length()
