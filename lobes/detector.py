"""The detector: encoder, pooling and classifier in a row."""

from __future__ import annotations

import torch
from torch import nn


class Detector(nn.Module):
    """Tells genuine from fake speech.

    Arguments
    ---------
    encoder : torch.nn.Module
        ``(wav, wav_lens) -> (features, frame_lens)``, e.g. ``lobes.ssl.SSLEncoder``.
    pooling : torch.nn.Module
        ``(features, frame_lens) -> [batch, dim]``; see ``lobes.pooling``.
    classifier : torch.nn.Module
        ``[batch, dim] -> [batch, 2]``; see ``lobes.classifiers``.

    Example
    -------
    >>> from lobes.classifiers import LinearClassifier
    >>> from lobes.pooling import MeanPooling
    >>> from lobes.ssl import SSLEncoder
    >>> encoder = SSLEncoder(config={
    ...     "model_type": "whisper", "d_model": 16, "encoder_layers": 1,
    ...     "encoder_attention_heads": 2, "encoder_ffn_dim": 32})
    >>> pooling = MeanPooling(encoder.output_size)
    >>> detector = Detector(encoder, pooling, LinearClassifier(pooling.output_size))
    >>> logits = detector(torch.randn(2, 8000), torch.tensor([1.0, 0.5]))
    >>> logits.shape, scores(logits).shape
    (torch.Size([2, 2]), torch.Size([2]))
    """

    def __init__(self, encoder: nn.Module, pooling: nn.Module, classifier: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.classifier = classifier

    def forward(
        self,
        wav: torch.Tensor,
        wav_lens: torch.Tensor | None = None,
        return_embeddings: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Classify waveforms.

        Arguments
        ---------
        wav : torch.Tensor
            ``[batch, time]``, 16 kHz, normalised with
            ``lobes.masking.normalise_wav`` and right-padded.
        wav_lens : torch.Tensor, optional
            Valid fraction of every row, ``[batch]``; None: no padding.
        return_embeddings : bool
            Whether to return what :meth:`embed` gives as well.

        Returns
        -------
        logits : torch.Tensor
            ``[batch, 2]``: fake, real.
        embeddings : torch.Tensor
            ``[batch, dim]``, if so wanted.
        """
        embeddings = self.embed(wav, wav_lens)
        logits = self.classifier(embeddings)
        return (logits, embeddings) if return_embeddings else logits

    def embed(
        self, wav: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return what the classifier sees: one vector per utterance, ``[batch, dim]``.

        Arguments
        ---------
        wav : torch.Tensor
            As for :meth:`forward`.
        wav_lens : torch.Tensor, optional
            As for :meth:`forward`.

        Returns
        -------
        torch.Tensor
            ``[batch, dim]``.
        """
        return self.pooling(*self.encoder(wav, wav_lens))


def scores(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits into countermeasure scores, higher meaning more genuine.

    Arguments
    ---------
    logits : torch.Tensor
        ``[batch, 2]``: fake, real.

    Returns
    -------
    torch.Tensor
        ``[batch]``, float32: logit of real minus logit of fake, the log-odds unless the
        logits are cosines (``lobes.classifiers``).

    Example
    -------
    >>> scores(torch.tensor([[0.5, 2.0]]))
    tensor([1.5000])
    """
    logits = logits.float()
    return logits[:, 1] - logits[:, 0]
