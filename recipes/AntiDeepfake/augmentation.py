"""Augmentation of training batches, which may also multiply their rows."""

from __future__ import annotations

from collections.abc import Callable

import torch

from lobes.masking import normalise_wav
from recipes.AntiDeepfake.usage import UsageError

__all__ = ["augment_batch"]


def augment_batch(
    augment: Callable,
    wavs: torch.Tensor,
    wav_lens: torch.Tensor,
    labels: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Augment a batch and bring each row to zero mean and unit variance again.

    SpeechBrain's `Augmenter` gives more rows than it takes with `concat_original`,
    `parallel_augment` or `repeat_augment`; the labels are multiplied likewise. Padding
    is silence again afterwards, whatever was added to it.

    Arguments
    ---------
    augment : callable
        `(wavs, wav_lens) -> (wavs, wav_lens)`; if it has `replicate_labels`, as an
        `Augmenter` does, that gives the labels of what it returned last.
    wavs : torch.Tensor
        `[batch, time]`.
    wav_lens : torch.Tensor
        Relative lengths, `[batch]`.
    labels : torch.Tensor
        `[batch]`.

    Returns
    -------
    wavs : torch.Tensor
        `[rows, time]`.
    wav_lens : torch.Tensor
        `[rows]`.
    labels : torch.Tensor
        `[rows]`.

    Raises
    ------
    UsageError
        If it gives other numbers of waveforms, lengths and labels.

    Example
    -------
    >>> from speechbrain.augment.augmenter import Augmenter
    >>> from speechbrain.augment.time_domain import AddNoise
    >>> augment = Augmenter(concat_original=True, augmentations=[AddNoise()])
    >>> wavs, lengths, labels = augment_batch(
    ...     augment, torch.randn(2, 400), torch.tensor([0.5, 1.0]), torch.tensor([0, 1])
    ... )
    >>> wavs.shape, lengths.tolist(), labels.tolist()
    (torch.Size([4, 400]), [0.5, 1.0, 0.5, 1.0], [0, 1, 0, 1])
    """
    wavs, wav_lens = augment(wavs, wav_lens)
    replicate = getattr(augment, "replicate_labels", None)
    if replicate is not None:
        labels = replicate(labels)
    if not len(wavs) == len(wav_lens) == len(labels):
        raise UsageError(
            f"augment, a {type(augment).__name__}, made {len(wavs)} waveforms, "
            f"{len(wav_lens)} lengths and {len(labels)} labels of one batch. Give one "
            "that keeps the rows, or has `replicate_labels`; of the options of "
            "SpeechBrain's Augmenter, parallel_augment_fixed_bs cannot be used."
        )
    return normalise_wav(wavs, wav_lens), wav_lens, labels
