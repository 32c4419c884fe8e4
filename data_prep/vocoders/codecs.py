"""Neural codecs by SpeechBrain's lobes: encoded to tokens and decoded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.vocoders.base import TorchVocoder

if TYPE_CHECKING:
    import torch

__all__ = ["Encodec", "Mimi"]


class _Codec(TorchVocoder):
    """A lobe with `encode(wavs, lengths)` and `decode(tokens)`."""

    model: torch.nn.Module

    def synthesise(self, wav: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """Make a copy, see `TorchVocoder`."""
        import torch

        lengths = torch.ones(1, device=wav.device)
        tokens, _ = self.model.encode(wav[None], lengths)
        return self.model.decode(tokens)[0, 0]


class Encodec(_Codec):
    """A. Défossez et al., "EnCodec", 2022, https://arxiv.org/abs/2210.13438."""

    name = "encodec"
    summary = "EnCodec at 6 kbit/s"
    sample_rate = 24000
    hub_id = "facebook/encodec_24khz"
    settings = {"bandwidth": 6.0}

    def __init__(self, weights: Path | None = None, device: str = "cpu"):
        super().__init__(weights, device)
        from speechbrain.integrations.huggingface.encodec import Encodec

        model = Encodec(str(weights), save_path=str(weights), **self.settings)
        self.model = model.eval().to(device)


class Mimi(_Codec):
    """A. Défossez et al., "Moshi", 2024, https://arxiv.org/abs/2410.00037."""

    name = "mimi"
    summary = "Mimi at 1.1 kbit/s"
    sample_rate = 24000
    hub_id = "kyutai/mimi"
    settings = {"num_codebooks": 8}

    def __init__(self, weights: Path | None = None, device: str = "cpu"):
        super().__init__(weights, device)
        from speechbrain.integrations.huggingface.mimi import Mimi

        model = Mimi(str(weights), save_path=str(weights), **self.settings)
        self.model = model.eval().to(device)
