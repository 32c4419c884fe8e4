"""How fast a detector scores, and how much the ways to be faster change the scores.

Run from the root of the repository (some minutes on a CPU; the last two columns are the
same on any machine but for rounding):

    OMP_NUM_THREADS=1 python -m benchmarks.inference

Audio is noise at the lengths of speech (log-normal, 1 to 12 s), weights are random:
the scores mean nothing, their differences do. `one by one` in float32 is what the
others are compared with:

- `batches`: sorted by length, at most 32 s each, padding masked;
- `bf16`: autocast, one by one and in batches;
- `ONNX`, `ONNX int8`: ONNX Runtime, one by one (if it is installed; on the CPU).

`ratio` is CPU time against `one by one`, on a GPU elapsed time, the median over rounds
in which all take turns, with its lowest and highest value. `difference` is the largest
of the scores, `of sd` the same in standard deviations of the scores.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from lobes.classifiers import LinearClassifier
from lobes.detector import Detector
from lobes.pooling import MeanPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake.batches import batches_by_length
from recipes.AntiDeepfake.dataio import SAMPLE_RATE
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.file_scoring import FileScorer
from recipes.AntiDeepfake.interface import DeepfakeDetector

ROUNDS = 3
BATCH_SECONDS = 32.0
_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
_TINY = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "conv_dim": [32] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
# Configuration and number of waveforms; without values it is the base model's.
MODELS = {
    "tiny": ({"model_type": "wav2vec2", **_NORM, **_TINY}, 48),
    "base (94 million)": ({"model_type": "wav2vec2", **_NORM}, 6),
}


def make_wavs(count: int) -> list[torch.Tensor]:
    """Noise at the lengths of speech."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.lognormal(1.4, 0.5, count), 1.0, 12.0)
    wavs = [rng.standard_normal(int(s * SAMPLE_RATE)) for s in seconds]
    return [torch.from_numpy(wav).float() for wav in wavs]


def one_by_one(detector: FileScorer, wavs: list[torch.Tensor]) -> torch.Tensor:
    """Scores of each alone."""
    with torch.inference_mode():
        return torch.cat([detector.score_batch(wav[None]).cpu() for wav in wavs])


def in_batches(detector: FileScorer, wavs: list[torch.Tensor]) -> torch.Tensor:
    """Scores of batches of similar length."""
    found = torch.empty(len(wavs))
    seconds = [len(wav) / SAMPLE_RATE for wav in wavs]
    with torch.inference_mode():
        for batch in batches_by_length(seconds, BATCH_SECONDS):
            padded = pad_sequence([wavs[i] for i in batch], batch_first=True)
            lens = torch.tensor([len(wavs[i]) for i in batch]) / padded.shape[1]
            found[batch] = detector.score_batch(padded, lens).cpu()
    return found


def make_ways(config: dict, folder: Path, device: str) -> dict[str, Callable]:
    """What is to be compared, by name."""
    torch.manual_seed(0)
    encoder = SSLEncoder(config=config)
    pooling = MeanPooling(encoder.output_size)
    network = Detector(encoder, pooling, LinearClassifier(pooling.output_size))
    export_detector(folder / "detector", network, {})

    def load(**options) -> DeepfakeDetector:
        return DeepfakeDetector.from_hparams(
            folder / "detector", run_opts={"device": device, **options}
        )

    full, half = load(), load(precision="bf16")
    ways = {
        "one by one": partial(one_by_one, full),
        "batches": partial(in_batches, full),
        "bf16, one by one": partial(one_by_one, half),
        "bf16, batches": partial(in_batches, half),
    }
    has_onnx = all(importlib.util.find_spec(n) for n in ("onnx", "onnxruntime"))
    if device == "cpu" and has_onnx:
        from recipes.AntiDeepfake import onnx

        exported = onnx.export_onnx(full, folder / "model.onnx")
        coarse = onnx.quantize(exported.path, folder / "int8.onnx")
        for name, file in (("ONNX", exported), ("ONNX int8", coarse)):
            ways[name] = partial(one_by_one, onnx.OnnxDetector(file.path))
    return ways


def compare(name: str, config: dict, count: int, device: str) -> None:
    """Time all ways in turns and print a line for each."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    wavs = make_wavs(count)
    audio = sum(map(len, wavs)) / SAMPLE_RATE
    with tempfile.TemporaryDirectory() as folder:
        ways = make_ways(config, Path(folder), device)
        found = {way: function(wavs) for way, function in ways.items()}  # warms up
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, function in ways.items():
                start = clock()
                function(wavs)
                times[way].append(clock() - start)
    wanted = found["one by one"]
    print(f"{name}, {device}: {count} waveforms, {audio:.0f} s")
    for way in ways:
        ratios = np.divide(times["one by one"], times[way])
        worst = (found[way] - wanted).abs().max().item()
        speed = audio / np.median(times[way])
        print(
            f"  {way:18} {speed:>8.1f} {np.median(ratios):>7.2f} "
            f"[{ratios.min():.2f}, {ratios.max():.2f}] {worst:>12.1e} "
            f"{worst / wanted.std().item():>9.1e}",
            flush=True,
        )


def main() -> None:
    """Print a table for each model and device."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"  {'':18} {'audio/s':>8} {'ratio':>7} {'difference':>25} {'of sd':>9}")
    for name in arguments.models:
        for device in ["cpu"] + ["cuda:0"] * torch.cuda.is_available():
            compare(name, *MODELS[name], device)


if __name__ == "__main__":
    main()
