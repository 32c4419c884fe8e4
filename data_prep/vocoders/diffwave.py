"""DiffWave of SpeechBrain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.vocoders.base import TorchVocoder
from data_prep.vocoders.hifigan import MEL, log_mel

if TYPE_CHECKING:
    import torch

__all__ = ["DiffWave"]


class DiffWave(TorchVocoder):
    """Z. Kong et al., "DiffWave", 2020, https://arxiv.org/abs/2009.09761.

    Six steps of the fast sampling with the noise schedule of SpeechBrain's recipe,
    instead of the fifty it was trained with; `MEL` tells where the recipe is.
    """

    name = "diffwave"
    summary = "DiffWave with 6 steps, LJSpeech"
    sample_rate = 22050
    hub_id = "speechbrain/tts-diffwave-ljspeech"
    settings = {"mel": MEL, "schedule": (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5)}

    def __init__(self, weights: Path | None = None, device: str = "cpu"):
        super().__init__(weights, device)
        from speechbrain.inference.vocoders import DiffWaveVocoder

        options = {"device": device}
        self.model = DiffWaveVocoder.from_hparams(str(weights), run_opts=options)
        self.to_mel = log_mel(self.sample_rate, device)

    def synthesise(self, wav: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Make a copy, see `TorchVocoder`."""
        return self.model.decode_batch(
            self.to_mel(wav)[None],
            hop_len=MEL["hop_length"],
            fast_sampling=True,
            fast_sampling_noise_schedule=list(self.settings["schedule"]),
        )[0]
