"""Lengths, masks and normalisations that ignore padding.

SpeechBrain hands over *relative* lengths (fractions of the longest row). Here they
become exact sample counts once, and everything downstream uses counts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from speechbrain.dataio.dataio import length_to_mask


def absolute_lengths(wav: torch.Tensor, wav_lens: torch.Tensor) -> torch.Tensor:
    """Turn relative lengths into exact sample counts.

    The product is taken in float64 and rounded: a float32 fraction recovers its
    count up to 2^23 samples (8 minutes at 16 kHz), a half-precision one does not,
    and is refused.

    Arguments
    ---------
    wav : torch.Tensor
        Right-padded signals, ``[batch, time]``.
    wav_lens : torch.Tensor
        Valid fraction of every row, ``[batch]``, in (0, 1].

    Returns
    -------
    torch.Tensor
        Valid samples of every row, ``[batch]``, int64, on the device of ``wav``.

    Raises
    ------
    ValueError
        If ``wav_lens`` has the wrong shape, a half-precision type, or a value
        outside (0, 1].

    Example
    -------
    >>> absolute_lengths(torch.zeros(2, 16001), torch.tensor([1.0, 8000 / 16001]))
    tensor([16001,  8000])
    """
    if wav_lens.shape != wav.shape[:1]:
        raise ValueError(
            f"wav_lens has shape {tuple(wav_lens.shape)} for a batch of "
            f"{wav.shape[0]}: give one relative length per row."
        )
    if wav_lens.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(
            f"wav_lens is {wav_lens.dtype}, too coarse to count samples: keep "
            "relative lengths in float32."
        )
    # On the CPU because some devices lack float64; this is the only transfer.
    fractions = wav_lens.detach().cpu().double()
    lengths = (fractions * wav.shape[1]).round()
    if not bool(((lengths >= 1) & (lengths <= wav.shape[1])).all()):
        raise ValueError(
            f"wav_lens must lie in (0, 1], relative to the {wav.shape[1]} samples of "
            f"the batch; found {fractions.tolist()}."
        )
    return lengths.long().to(wav.device)


def length_mask(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """Mark the valid steps of every row.

    Arguments
    ---------
    lengths : torch.Tensor
        Valid steps of every row, ``[batch]``, integers.
    size : int
        Number of steps of the padded axis.

    Returns
    -------
    torch.Tensor
        ``[batch, size]``, bool, True where valid.

    Example
    -------
    >>> length_mask(torch.tensor([1, 3]), 3)
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    return length_to_mask(lengths, max_len=size, dtype=torch.bool)


def normalise_wav(
    wav: torch.Tensor, wav_lens: torch.Tensor | None = None
) -> torch.Tensor:
    """Give every signal zero mean and unit variance over its own valid samples.

    This is ``torch.nn.functional.layer_norm`` (eps 1e-5, no affine) of each
    unpadded signal, which is what wav2vec 2.0 and its relatives were trained on.
    Row by row, so that a signal gets the same bits alone and in any batch.

    Arguments
    ---------
    wav : torch.Tensor
        One signal ``[time]`` or right-padded signals ``[batch, time]``.
    wav_lens : torch.Tensor, optional
        Valid fraction of every row, ``[batch]``; without it everything is valid.

    Returns
    -------
    torch.Tensor
        The normalised signals in float32, padding zero, same shape as ``wav``.

    Example
    -------
    >>> padded = torch.tensor([[1.0, 3.0, 7.0, 7.0]])
    >>> normalise_wav(padded, torch.tensor([0.5])).round(decimals=3)
    tensor([[-1.,  1.,  0.,  0.]])
    """
    wav = wav.float()
    if wav_lens is None:
        return F.layer_norm(wav, wav.shape[-1:])
    out = torch.zeros_like(wav)
    for row, length in enumerate(absolute_lengths(wav, wav_lens).tolist()):
        out[row, :length] = F.layer_norm(wav[row, :length], (length,))
    return out


def at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    """Convert half precision to float32, where sums over time are safe.

    Arguments
    ---------
    tensor : torch.Tensor
        Of any floating-point type.

    Returns
    -------
    torch.Tensor
        In float32, or in float64 if it came so.

    Example
    -------
    >>> at_least_float32(torch.zeros(1).bfloat16()).dtype
    torch.float32
    """
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def masked_group_norm(
    hidden: torch.Tensor, lengths: torch.Tensor, norm: torch.nn.GroupNorm
) -> torch.Tensor:
    """Apply a group norm whose statistics use the valid steps only.

    ``torch.nn.GroupNorm`` averages over time, padding included: a wav2vec 2.0 base
    model then scores the same file differently in every batch.

    Arguments
    ---------
    hidden : torch.Tensor
        ``[batch, channels, time]``.
    lengths : torch.Tensor
        Valid steps of every row, ``[batch]``.
    norm : torch.nn.GroupNorm
        Supplies the groups, epsilon and affine parameters.

    Returns
    -------
    torch.Tensor
        ``[batch, channels, time]``, at least float32; valid steps equal those of
        ``norm`` on the unpadded row, the others carry no meaning.

    Example
    -------
    >>> norm, row = torch.nn.GroupNorm(2, 2), torch.randn(1, 2, 5)
    >>> padded = torch.nn.functional.pad(row, (0, 3))
    >>> out = masked_group_norm(padded, torch.tensor([5]), norm)
    >>> torch.allclose(out[..., :5], norm(row), atol=1e-5)
    True
    """
    batch, channels, size = hidden.shape
    grouped = at_least_float32(hidden).view(batch, norm.num_groups, -1, size)
    valid = length_mask(lengths, size)[:, None, None, :]
    count = lengths.view(-1, 1, 1, 1) * (channels // norm.num_groups)
    mean = _masked_mean(grouped, valid, count)
    centred = grouped - mean
    variance = _masked_mean(centred.square(), valid, count)
    normed = (centred * torch.rsqrt(variance + norm.eps)).view(batch, channels, size)
    if norm.weight is None:
        return normed
    return normed * norm.weight[:, None] + norm.bias[:, None]


def _masked_mean(
    grouped: torch.Tensor, valid: torch.Tensor, count: torch.Tensor
) -> torch.Tensor:
    return grouped.masked_fill(~valid, 0).sum((2, 3), keepdim=True) / count
