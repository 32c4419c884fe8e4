"""What tests share: audio, models and commands."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch

from data_prep.manifest import write_manifest
from lobes.classifiers import MLPClassifier
from lobes.detector import Detector
from lobes.pooling import AttentiveStatsPooling
from lobes.ssl import SSLEncoder

ROOT = Path(__file__).resolve().parents[1]
RATE = 16000


def voice(rng: np.random.Generator, seconds: float, fake: bool) -> np.ndarray:
    """A voiced sound of gliding pitch; the fake has no jitter, as a cheap vocoder."""
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = rng.uniform(90, 250) * 2 ** (
        0.3 * np.sin(2 * np.pi * rng.uniform(1, 3) * time)
    )
    if not fake:
        drift = np.cumsum(rng.standard_normal(len(time))) / RATE**0.5
        pitch = pitch * (1 + 0.2 * drift)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wav = sum(np.sin(k * phase) / k for k in range(1, 12))
    wav = wav + rng.uniform(0.01, 0.1) * rng.standard_normal(len(time))
    return (rng.uniform(0.05, 0.5) * wav / np.abs(wav).max()).astype(np.float32)


def manifest_row(name: str, label: str, seconds: float, path: str, **others) -> dict:
    """A complete manifest row."""
    return {
        "ID": name,
        "Label": label,
        "Duration": f"{seconds:.2f}",
        "SampleRate": RATE,
        "Path": path,
        "Attack": "-" if label == "real" else "smooth",
        "Speaker": "-",
        "Proportion": "-",
        "AudioChannel": 1,
        "AudioEncoding": "FLAC",
        "AudioBitSample": 16,
        "Language": "EN",
        "Start": "-",
        "Stop": "-",
        "Corpus": "voices",
        "Recording": "-",
    } | others


def build_corpus(folder: Path, split: str, count: int, seed: int) -> Path:
    """Write audio and the manifest of one split; give the manifest."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        label = "fake" if i % 2 else "real"
        seconds = rng.uniform(0.4, 1.6)
        name = f"{split}-{i:03d}"
        wav = voice(rng, seconds, label == "fake")
        (folder / "audio").mkdir(exist_ok=True)
        soundfile.write(folder / "audio" / f"{name}.flac", wav, RATE)
        language = "EN" if i % 3 else "CS"
        path = f"$ROOT/audio/{name}.flac"
        rows.append(manifest_row(name, label, seconds, path, Language=language))
    write_manifest(folder / f"{split}.csv", rows)
    return folder / f"{split}.csv"


def tiny_ssl_folder(folder: Path, kind: str = "hubert", norm: str = "layer") -> Path:
    """Write a tiny random SSL model in Hugging Face layout."""
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(
        kind,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
        vocab_size=32,
        layerdrop=0.0,
    )
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def new_detector(source: Path, seed: int = 0) -> Detector:
    """A random detector of which every part has weights of its own."""
    torch.manual_seed(seed)
    encoder = SSLEncoder(source=source, num_layers=1)
    pooling = AttentiveStatsPooling(encoder.output_size, attention_channels=7)
    classifier = MLPClassifier(pooling.output_size, hidden_sizes=[5], dropout=0.5)
    return Detector(encoder, pooling, classifier)


def training_command(corpus, ssl_source, output, **others) -> list[str]:
    """Arguments of train.py for a few steps of the paper's YAML on a tiny model."""
    values = {
        "data_folder": corpus,
        "train_csv": corpus / "train.csv",
        "valid_csv": corpus / "valid.csv",
        "ssl_source": ssl_source,
        "output_folder": output,
        "total_steps": 12,
        "valid_interval": 4,
        "warmup_steps": 2,
        "lr": 0.003,
        "max_batch_length": 6.0,
        "num_buckets": 4,
        "num_workers": 0,
        "crop": "[0.5, 0.9]",
        "longest_crop": 0.9,
        "precision": "fp32",
        "device": "cpu",
    } | others
    options = [text for key, value in values.items() for text in (f"--{key}", value)]
    return ["hparams/posttrain_hubert.yaml", *map(str, options)]


def run_python(*arguments, check=True, **kwargs) -> subprocess.CompletedProcess:
    """Run a command of the project as a user does."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        **kwargs,
    )
    if check and done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done
