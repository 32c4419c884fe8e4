"""Tiny random encoders of every supported kind, in Hugging Face layout."""

import copy

import pytest
import torch
from transformers import (
    Wav2Vec2ForPreTraining,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from lobes import pretrained
from lobes.masking import normalise_wav

# 16 channels per group: torch's CPU bf16 kernels are wrong for 8 and fewer.
_WAV2VEC2 = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "num_codevectors_per_group": 4,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
    # Large weights make attention sharp and leaks visible.
    "initializer_range": 0.2,
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "layerdrop": 0.0,
}
_LAYER_NORM = {
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
_WHISPER = {
    "model_type": "whisper",
    "d_model": 32,
    "encoder_layers": 3,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 32,
    "vocab_size": 40,
    "max_target_positions": 8,
    "init_std": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "begin_suppress_tokens": [3],
}

TINY = {
    "wav2vec2-group": {"model_type": "wav2vec2", **_WAV2VEC2},
    "wav2vec2-layer": {"model_type": "wav2vec2", **_WAV2VEC2, **_LAYER_NORM},
    "hubert-group": {"model_type": "hubert", **_WAV2VEC2},
    "hubert-layer": {"model_type": "hubert", **_WAV2VEC2, **_LAYER_NORM},
    "hubert-batch-norm": {
        "model_type": "hubert",
        **_WAV2VEC2,
        "conv_pos_batch_norm": True,
    },
    "wavlm-group": {"model_type": "wavlm", **_WAV2VEC2, "num_buckets": 16},
    "wavlm-layer": {"model_type": "wavlm", **_WAV2VEC2, **_LAYER_NORM},
    "data2vec-audio": {
        "model_type": "data2vec-audio",
        **_WAV2VEC2,
        "conv_pos_kernel_size": 7,
        "num_conv_pos_embeddings": 3,
    },
    "whisper": _WHISPER,
}


class Tiny:
    """A tiny model: its settings, and the transformers encoder as reference."""

    def __init__(self, name):
        torch.manual_seed(0)
        self.name = name
        self.settings = copy.deepcopy(TINY[name])
        self.is_whisper = name == "whisper"
        self.config = pretrained.make_config(self.settings)
        self.reference = pretrained.build_model(self.config).eval()
        for parameter in self.reference.parameters():  # biases and norms too
            parameter.data += 0.05 * torch.randn_like(parameter)
        for buffer in self.reference.buffers():
            if buffer.is_floating_point():
                buffer += 0.3

    def save(self, folder):
        """Write an encoder-only folder."""
        self.reference.save_pretrained(folder)
        return folder

    def save_published(self, folder):
        """Write a folder as the hub has it: inside the model for its original task."""
        model_class = {
            "wav2vec2": Wav2Vec2ForPreTraining,
            "whisper": WhisperForConditionalGeneration,
        }[self.settings["model_type"]]
        settings = {k: v for k, v in self.settings.items() if k != "model_type"}
        model = model_class(model_class.config_class(**settings))
        encoder = model.model.encoder if self.is_whisper else model.wav2vec2
        encoder.load_state_dict(self.reference.state_dict(), strict=False)
        model.save_pretrained(folder)
        return folder

    def hidden_states(self, wav):
        """Run plain transformers on one unpadded waveform [time]."""
        inputs = wav[None]
        if self.is_whisper:
            extractor = WhisperFeatureExtractor()
            inputs = extractor(
                (0.05 * wav).numpy(), sampling_rate=16000, return_tensors="pt"
            ).input_features
        with torch.no_grad():
            out = self.reference(inputs, output_hidden_states=True)
        # transformers 4 and 5 disagree on whether the last one is normalised
        return torch.stack([*out.hidden_states[:-1], out.last_hidden_state])[:, 0]


@pytest.fixture(scope="session", params=sorted(TINY))
def tiny(request):
    return Tiny(request.param)


@pytest.fixture(scope="session")
def tiny_named():
    return Tiny


def make_waves(lengths, seed=0):
    """Coloured noise with a tone that moves from wave to wave, normalised."""
    generator = torch.Generator().manual_seed(seed)
    waves = []
    for index, length in enumerate(lengths):
        noise = torch.randn(length, generator=generator)
        tone = torch.sin(torch.arange(length) * 0.05 * (index + 1))
        fade = torch.linspace(1.0, 0.2, length)
        waves.append(normalise_wav(fade * (noise + 2 * tone)))
    return waves


@pytest.fixture(scope="session")
def waves():
    return make_waves


@pytest.fixture(scope="session")
def pad():
    """Right-pad waves, with garbage in the padding: nobody may look at it."""

    def pad_waves(waves, extra=0):
        size = max(map(len, waves)) + extra
        batch = torch.full((len(waves), size), 5.0, dtype=waves[0].dtype)
        for row, wave in enumerate(waves):
            batch[row, : len(wave)] = wave
        return batch, torch.tensor([len(wave) / size for wave in waves])

    return pad_waves
