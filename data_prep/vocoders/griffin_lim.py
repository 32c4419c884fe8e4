"""Griffin and Lim's phase reconstruction, from linear and from mel spectrograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from data_prep.vocoders.base import TorchVocoder

if TYPE_CHECKING:
    import torch

__all__ = ["GriffinLim", "MelGriffinLim"]


class GriffinLim(TorchVocoder):
    """A waveform that fits the magnitude spectrogram, from a random phase.

    D. Griffin, J. Lim, "Signal estimation from modified short-time Fourier transform",
    1984, https://doi.org/10.1109/TASSP.1984.1164317, with the momentum of N. Perraudin
    et al., "A fast Griffin-Lim algorithm", 2013. Window and hop are those of Tacotron
    (Y. Wang et al., 2017, https://arxiv.org/abs/1703.10135); the transform is the next
    power of two that holds the window.
    """

    name = "griffin_lim"
    summary = "Griffin-Lim from the linear spectrogram"
    settings = {"window": 0.05, "hop": 0.0125, "iterations": 32, "momentum": 0.99}

    def synthesise(self, wav: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Make a copy, see `TorchVocoder`."""
        from torchaudio import transforms

        window = round(self.settings["window"] * sample_rate)
        frames = {
            "n_fft": 1 << (window - 1).bit_length(),
            "win_length": window,
            "hop_length": round(self.settings["hop"] * sample_rate),
            "power": 1.0,
        }
        spectrogram = transforms.Spectrogram(**frames).to(wav.device)
        invert = transforms.GriffinLim(
            **frames,
            n_iter=self.settings["iterations"],
            momentum=self.settings["momentum"],
            length=len(wav),
        ).to(wav.device)
        return invert(self.reduce(spectrogram(wav), sample_rate))

    def reduce(self, magnitude: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """What is left of a spectrogram, [bins, frames], before the reconstruction."""
        return magnitude


class MelGriffinLim(GriffinLim):
    """The same from a mel spectrogram, as neural synthesis began.

    The bands (torchaudio's, HTK scale) go up to half the sample rate, so that the copy
    has the bandwidth of its source.
    """

    name = "mel_griffin_lim"
    summary = "Griffin-Lim from 80 mel bands"
    settings = GriffinLim.settings | {"mel_bands": 80}

    def reduce(self, magnitude: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Spectrogram that has the same mel bands, [bins, frames]."""
        from torchaudio import transforms

        bins, bands = len(magnitude), self.settings["mel_bands"]
        to_mel = transforms.MelScale(bands, sample_rate, n_stft=bins)
        from_mel = transforms.InverseMelScale(bins, bands, sample_rate)
        device = magnitude.device
        return from_mel.to(device)(to_mel.to(device)(magnitude))
