"""HiFi-GAN of SpeechBrain, and the mel spectrogram of its vocoders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.vocoders.base import TorchVocoder

if TYPE_CHECKING:
    import torch

__all__ = ["MEL", "HifiGan", "HifiGan22k", "log_mel"]

# What SpeechBrain trained its HiFi-GAN and DiffWave with, at 16 and at 22.05 kHz:
# https://github.com/speechbrain/speechbrain/blob/develop/recipes/
# LibriTTS/vocoder/hifigan/hparams/train.yaml, LJSpeech/TTS/vocoder/{hifigan,diffwave}/
# hparams/train.yaml. The published models do not carry these values.
MEL = {
    "n_fft": 1024,
    "win_length": 1024,
    "hop_length": 256,
    "n_mels": 80,
    "f_min": 0.0,
    "f_max": 8000.0,
    "power": 1,
    "norm": "slaney",
    "mel_scale": "slaney",
}
FLOOR = 1e-5


def log_mel(sample_rate: int, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The features of SpeechBrain's vocoders, as a function of a waveform.

    Its own function has another name from version to version (`mel_spectogram`,
    `mel_spectrogram`) and builds the filters anew for every waveform.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    device : str
        Where the waveforms will be.

    Returns
    -------
    callable
        From [time] to [bands, frames]; frame k is centred on sample 256 k.
    """
    from torchaudio.transforms import MelSpectrogram

    to_mel = MelSpectrogram(sample_rate, **MEL).to(device)
    return lambda wav: to_mel(wav).clamp(min=FLOOR).log()


class HifiGan(TorchVocoder):
    """J. Kong et al., "HiFi-GAN", 2020, https://arxiv.org/abs/2010.05646."""

    name = "hifigan"
    summary = "HiFi-GAN, LibriTTS"
    sample_rate = 16000
    hub_id = "speechbrain/tts-hifigan-libritts-16kHz"
    settings = {"mel": MEL}

    def __init__(self, weights: Path | None = None, device: str = "cpu"):
        super().__init__(weights, device)
        from speechbrain.inference.vocoders import HIFIGAN

        options = {"device": device}
        self.model = HIFIGAN.from_hparams(str(weights), run_opts=options)
        self.to_mel = log_mel(self.sample_rate, device)

    def synthesise(self, wav: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Make a copy, see `TorchVocoder`."""
        copy = self.model.decode_batch(self.to_mel(wav)[None])[0, 0]
        # The generator is given so many copies of the first frame in front.
        padding = self.model.hparams.generator.inference_padding
        return copy[padding * MEL["hop_length"] :]


class HifiGan22k(HifiGan):
    """The same at 22.05 kHz."""

    name = "hifigan_22k"
    sample_rate = 22050
    hub_id = "speechbrain/tts-hifigan-libritts-22050Hz"
