"""Inference through SpeechBrain's pretrained interface."""

from __future__ import annotations

from pathlib import Path

import torch
from speechbrain.inference.interfaces import Pretrained

from data_prep.manifest import UNKNOWN
from lobes.detector import scores
from lobes.masking import normalise_wav
from recipes.AntiDeepfake.dataio import WaveformReader
from recipes.AntiDeepfake.export import check_canary

__all__ = ["DeepfakeDetector"]


class DeepfakeDetector(Pretrained):
    """A trained detector, ready to score speech.

    Waveforms are mono at 16 kHz at any level; each is normalised over its own
    samples. A score is `logit[real] - logit[fake]`: the higher, the more genuine.
    When it is loaded, the detector must reproduce the logits stored with it.

    Arguments are those of `speechbrain.inference.interfaces.Pretrained`.

    Example
    -------
    >>> detector = DeepfakeDetector.from_hparams(
    ...     source="results/mini/posttrain/seed0/detector"
    ... )  # doctest: +SKIP
    >>> detector.score_file("speech.flac")  # doctest: +SKIP
    3.1
    """

    MODULES_NEEDED = ["detector"]
    HPARAMS_NEEDED = ["canary"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        check_canary(self.logits, self.hparams.canary)

    def logits(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits of a batch.

        Arguments
        ---------
        wavs : torch.Tensor
            `[batch, time]`, 16 kHz, padded at the end.
        wav_lens : torch.Tensor, optional
            `[batch]`, relative lengths; without, all are full.

        Returns
        -------
        torch.Tensor
            `[batch, 2]`, index 0 fake, 1 real.
        """
        wavs, wav_lens = self._prepare(wavs, wav_lens)
        with self.inference_ctx:
            return self.mods.detector(wavs, wav_lens)

    def score_batch(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """CM scores `[batch]` of a batch; arguments as for `logits`."""
        return scores(self.logits(wavs, wav_lens))

    def encode_batch(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Utterance embeddings `[batch, dim]`; arguments as for `logits`."""
        wavs, wav_lens = self._prepare(wavs, wav_lens)
        with self.inference_ctx:
            return self.mods.detector.embed(wavs, wav_lens)

    def score_file(self, path: str | Path) -> float:
        """CM score of one audio file, whole, of any sample rate.

        Raises
        ------
        data_prep.audio_info.AudioError
            If the file cannot be scored; says why.
        """
        wav = WaveformReader()(str(path), str(path), UNKNOWN, UNKNOWN, 0)
        return self.score_batch(wav[None]).item()

    def classify_file(self, path: str | Path, threshold: float = 0.0) -> str:
        """Call a file `real` or `fake` by whether its score exceeds a threshold.

        The default is equal posterior probability. It says little about another
        domain: choose a threshold on data like yours.
        """
        return "real" if self.score_file(path) > threshold else "fake"

    def forward(self, wavs, wav_lens=None):
        """Scores, as `score_batch`."""
        return self.score_batch(wavs, wav_lens)

    def _prepare(self, wavs, wav_lens):
        wavs = wavs.to(self.device)
        if wav_lens is not None:
            wav_lens = wav_lens.to(self.device)
        return normalise_wav(wavs, wav_lens), wav_lens
