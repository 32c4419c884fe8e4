"""Max pooling of frames that does not see padding."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from lobes.masking import length_mask


def masked_max_pool(
    frames: torch.Tensor, frame_lens: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the maxima of patches of ``size`` frames by ``size`` channels.

    Frames that are left at the end of a row make a patch too. Channels that are left
    are dropped, as in ``torch.nn.functional.max_pool2d``.

    Arguments
    ---------
    frames : torch.Tensor
        ``[batch, frames, channels]``.
    frame_lens : torch.Tensor
        Valid frames of every row, ``[batch]``, counts.
    size : int
        Side of a patch, and the way to the next.

    Returns
    -------
    maxima : torch.Tensor
        ``[batch, steps, channels // size]``, zero after the valid steps.
    steps : torch.Tensor
        Valid steps of every row, ``[batch]``.

    Example
    -------
    >>> frames = torch.tensor([[[-1.0, -3.0], [-2.0, -4.0], [-5.0, -6.0], [9.0, 9.0]]])
    >>> masked_max_pool(frames, torch.tensor([3]), size=2)
    (tensor([[[-1.],
             [-5.]]]), tensor([2]))
    """
    # So far below everything that padding never is a maximum.
    lowest = torch.finfo(frames.dtype).min
    valid = length_mask(frame_lens, frames.shape[1]).unsqueeze(-1)
    frames = F.pad(
        frames.masked_fill(~valid, lowest), (0, 0, 0, size - 1), value=lowest
    )
    maxima = F.max_pool2d(frames.unsqueeze(1), size).squeeze(1)
    steps = (frame_lens + size - 1) // size
    valid = length_mask(steps, maxima.shape[1]).unsqueeze(-1)
    return maxima.masked_fill(~valid, 0), steps
