"""Inference through SpeechBrain's pretrained interface."""

from __future__ import annotations

import torch
from speechbrain.inference.interfaces import Pretrained

from lobes.masking import normalise_wav
from recipes.AntiDeepfake.calibration import (
    Calibration,
    CalibrationError,
    read_calibration,
)
from recipes.AntiDeepfake.canary import check_canary
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.score_log import weights_digest

__all__ = ["DeepfakeDetector"]


class DeepfakeDetector(FileScorer, Pretrained):
    """A trained detector, ready to score speech.

    Waveforms are mono at 16 kHz at any level; each is normalised over its own
    samples. Files may have any sample rate and number of channels. A score is
    `logit[real] - logit[fake]`: the higher, the more genuine. When it is loaded, the
    detector must reproduce, in float32, the logits stored with it. With a
    `calibration.json` beside them, decisions are taken on calibrated log-likelihood
    ratios; scores stay as they are.

    `run_opts={"device": "cuda:0", "precision": "bf16"}` chooses where and how precisely
    it runs. Arguments are those of `speechbrain.inference.interfaces.Pretrained`.

    SpeechBrain's own `EncoderClassifier` does not load a detector folder. It would
    need the network under four other names with two adapters (its `mean_var_norm`
    stage would normalise waveforms, its `embedding_model` would be encoder and
    pooling) and a label encoder; it would import the code of the folder only where
    this repository is at hand; and nothing would check the canary.

    Example
    -------
    >>> detector = DeepfakeDetector.from_hparams(
    ...     source="results/mini/posttrain/seed0/detector"
    ... )  # doctest: +SKIP
    >>> detector.score_file("speech.flac")  # doctest: +SKIP
    3.1
    """

    MODULES_NEEDED = ["detector"]
    HPARAMS_NEEDED = ["canary", "pretrainer"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Without `inference_ctx`: half precision is no reason to refuse a detector.
        check_canary(
            lambda wav: self.mods.detector(normalise_wav(wav).to(self.device)),
            self.hparams.canary,
        )
        self.calibration = self._find_calibration()

    def logits(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits `[batch, 2]` of waveforms at any level; see `FileScorer.logits`."""
        wavs, wav_lens = self._prepare(wavs, wav_lens)
        with self.inference_ctx:
            return self.mods.detector(wavs, wav_lens)

    def digest(self) -> str:
        """Digest of all weights."""
        return weights_digest(self.mods)

    def encode_batch(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Utterance embeddings `[batch, dim]`; arguments as for `logits`."""
        wavs, wav_lens = self._prepare(wavs, wav_lens)
        with self.inference_ctx:
            return self.mods.detector.embed(wavs, wav_lens)

    def forward(self, wavs, wav_lens=None):
        """Scores, as `score_batch`."""
        return self.score_batch(wavs, wav_lens)

    def _find_calibration(self) -> Calibration | None:
        """The calibration in the detector folder, if it is for this detector."""
        path = self.hparams.pretrainer.calibration_file
        if path is None:
            return None
        calibration = read_calibration(path)
        if calibration.canary != self.hparams.canary:
            raise CalibrationError(
                f"{path}: the calibration of another detector, whose canary logits are "
                f"{calibration.canary}; those of this one are {self.hparams.canary}. "
                "Remove the file, or calibrate again."
            )
        return calibration

    def _prepare(self, wavs, wav_lens):
        wavs = wavs.to(self.device)
        if wav_lens is not None:
            wav_lens = wav_lens.to(self.device)
        return normalise_wav(wavs, wav_lens), wav_lens
