"""Vocos from mel spectrograms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.vocoders.base import TorchVocoder

if TYPE_CHECKING:
    import torch

__all__ = ["VocosMel"]


class VocosMel(TorchVocoder):
    """H. Siuzdak, "Vocos", 2023, https://arxiv.org/abs/2306.00814.

    By the package `vocos` itself: SpeechBrain's lobe decodes EnCodec tokens only, and
    takes no local folder. The folder's `config.yaml` holds the settings of the mel
    spectrogram (100 bands, hop 256).
    """

    name = "vocos"
    summary = "Vocos from 100 mel bands, LibriTTS"
    sample_rate = 24000
    hub_id = "charactr/vocos-mel-24khz"
    install = "vocos"

    def __init__(self, weights: Path | None = None, device: str = "cpu"):
        super().__init__(weights, device)
        import torch
        from vocos import Vocos

        model = Vocos.from_hparams(str(weights / "config.yaml"))
        state = torch.load(
            weights / "pytorch_model.bin", map_location="cpu", weights_only=True
        )
        model.load_state_dict(state)
        self.model = model.eval().to(device)

    def synthesise(self, wav: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Make a copy, see `TorchVocoder`."""
        return self.model(wav[None])[0]
