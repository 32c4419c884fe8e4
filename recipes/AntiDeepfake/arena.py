"""Any detector of this recipe in the Speech Anti-Spoofing Arena.

With the harness (https://github.com/lab260ru/speech_spoof_bench) installed:

    export ANTIDEEPFAKE_DETECTOR=FOLDER_OR_HUB_ID
    speech-spoof-bench run --model-module recipes.AntiDeepfake.arena:ArenaDetector \\
        --datasets SpeechAntiSpoofingBenchmarks/InTheWild

A score is `logit[real] - logit[fake]`. The real logit alone, which is what some other
wrappers submit, does not rank utterances in the same way. Without the harness
this module can be imported as well; the class has no base then.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from recipes.AntiDeepfake.command import UsageError, load_detector
from recipes.AntiDeepfake.dataio import MIN_SAMPLES, SAMPLE_RATE
from recipes.AntiDeepfake.file_scoring import FileScorer

try:
    from speech_spoof_bench.model import AntiSpoofingModel
except ModuleNotFoundError:
    AntiSpoofingModel = object

__all__ = ["DETECTOR_VARIABLE", "ArenaDetector"]

DETECTOR_VARIABLE = "ANTIDEEPFAKE_DETECTOR"


class ArenaDetector(AntiSpoofingModel):
    """What the harness asks of a model.

    Arguments
    ---------
    source : str, optional
        Detector folder, hub id or ONNX file; by default what the environment variable
        `ANTIDEEPFAKE_DETECTOR` says, since the harness gives no arguments.
    name : str, optional
        Of the system, in the results; by default that of the class.
    run_opts : dict, optional
        Where and how it runs, as for `DeepfakeDetector`; by default on a GPU if there
        is one.

    Example
    -------
    >>> model = ArenaDetector("results/mini/posttrain/seed0/detector")
    >>> model.load()  # doctest: +SKIP
    >>> model.score_batch([np.zeros(16000, np.float32)], [16000])  # doctest: +SKIP
    [-1.25]
    """

    name = "antideepfake"
    expected_sample_rate = SAMPLE_RATE
    # Neighbours in a test set differ in length, and the longest one is the cost.
    batch_size = 8

    def __init__(
        self,
        source: str | None = None,
        name: str | None = None,
        run_opts: dict | None = None,
    ):
        self.source = source or os.environ.get(DETECTOR_VARIABLE)
        self.name = name or type(self).name
        self.run_opts = run_opts
        self.detector: FileScorer | None = None

    def load(self) -> None:
        """Load the detector.

        Raises
        ------
        UsageError
            If none was named, or it cannot be found.
        """
        if not self.source:
            raise UsageError(
                f"no detector is named: set the environment variable "
                f"{DETECTOR_VARIABLE} to a detector folder or a hub id."
            )
        default = {"device": "cuda:0" if torch.cuda.is_available() else "cpu"}
        self.detector = load_detector(self.source, self.run_opts or default)

    def score_batch(
        self, audios: Sequence[np.ndarray], srs: Sequence[int]
    ) -> list[float]:
        """Score a batch; each score is that of the audio alone.

        Arguments
        ---------
        audios : list of numpy.ndarray
            Mono, 16 kHz, each `[time]`.
        srs : list of int
            Sample rates.

        Returns
        -------
        list of float
            Higher is more genuine.

        Raises
        ------
        ValueError
            If audio has another rate or shape, is shorter than one frame, or its
            score is not finite. The harness then tries one by one, and counts what
            fails as skipped.
        """
        if self.detector is None:
            raise RuntimeError("the detector is not loaded: call load() first.")
        for number, (audio, rate) in enumerate(zip(audios, srs, strict=True)):
            if rate != SAMPLE_RATE or audio.ndim != 1 or len(audio) < MIN_SAMPLES:
                raise ValueError(
                    f"audio {number} of the batch: shape {audio.shape} at {rate} Hz. "
                    f"Give mono at {SAMPLE_RATE} Hz, at least {MIN_SAMPLES} samples."
                )
        wavs = [torch.from_numpy(np.array(audio, np.float32)) for audio in audios]
        lengths = torch.tensor([len(wav) for wav in wavs])
        batch = pad_sequence(wavs, batch_first=True)
        scores = self.detector.score_batch(batch, lengths / batch.shape[1]).tolist()
        if not np.isfinite(scores).all():
            raise ValueError(
                f"scores {scores}: not all are finite. Look for NaN in the audio, and "
                "do not run the detector in fp16."
            )
        return scores

    def unload(self) -> None:
        """Let go of the detector."""
        self.detector = None
