"""What stands in for corpora, models and own data when the documents are run."""

from __future__ import annotations

import json
import shutil
from itertools import count, product
from pathlib import Path

import numpy as np
import soundfile
import torch
from helpers import RATE, ROOT, build_corpus, voice
from transformers import Wav2Vec2Config, Wav2Vec2Model

#: Tiny checkpoint of the original implementation, and what is in it.
CHECKPOINT = ROOT / "tests/lobes/checkpoints/w2v_large"
_CODE = ("train.py", "evaluate.py", "score.py", "convert.py")
_PACKAGES = ("data_prep", "lobes", "recipes", "hparams", "docs")
# What those who change the project need besides.
_DEVELOPMENT = ("tests", "benchmarks", "pyproject.toml", "CONTRIBUTING.md")
_NORM = "_16k.wav_norm.wav_mono.wav_silence.wav"
_seeds = count()


def copy_project(folder: Path) -> Path:
    """A working copy of the project, to which files can be added."""
    folder.mkdir(parents=True)
    for name in _CODE:
        shutil.copy(ROOT / name, folder)
    for name in _PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.png")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def development_files(folder: Path) -> None:
    """Add the tests and the settings of their tools to a copy of the project."""
    for name in _DEVELOPMENT:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "tmp")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)


def sound(path: Path, fake: bool, seconds: float = 0.8, rate: int = RATE) -> None:
    """Write one sound in the format of the extension; genuine ones are noisier."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(next(_seeds))
    wav = voice(rng, seconds, fake)
    if not fake:
        wav = 0.5 * wav + rng.uniform(0, 0.2) * rng.uniform(-1, 1, len(wav))
    soundfile.write(path, wav, rate)


def text(path: Path, *lines: str) -> None:
    """Write a key file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def ssl_model(folder: Path) -> Path:
    """The SSL model of the checkpoint in Hugging Face layout, with random weights."""
    settings = json.loads((CHECKPOINT / "arch.json").read_text())["hf_config"]
    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**settings)).save_pretrained(folder)
    return folder


def architecture(path: Path) -> Path:
    """What `convert.py --ssl` takes for the checkpoint."""
    settings = json.loads((CHECKPOINT / "arch.json").read_text())["hf_config"]
    path.write_text(json.dumps({"model_type": "wav2vec2"} | settings))
    return path


def own_data(data: Path) -> None:
    """Genuine speech and fakes of some speakers, and calls."""
    for place, speakers in {"own": 20, "test": 6}.items():
        for speaker, label in product(range(speakers), ("real", "fake")):
            for number in range(6):
                path = data / place / label / f"{place}{speaker}" / f"{number}.wav"
                sound(path, label == "fake", seconds=0.5)
    for number in range(12):
        sound(data / f"calls/{number}.flac", number % 2 == 0)


def my_corpus(data: Path) -> None:
    """The corpus of the page about extensions, and lists to train on."""
    rows = ["file,speaker,system"]
    for number in range(4):
        system = "-" if number % 2 else "vits"
        rows.append(f"{number}.wav,s{number},{system}")
        sound(data / f"MyCorpus/wav/{number}.wav", system != "-")
    text(data / "MyCorpus/key.csv", *rows)
    lists = data / "lists"
    lists.mkdir(parents=True)
    for seed, split in enumerate(["train", "valid"]):
        build_corpus(lists, split, 8, seed)
        # Paths are relative to the data folder.
        manifest = lists / f"{split}.csv"
        manifest.write_text(manifest.read_text().replace("$ROOT/", "$ROOT/lists/"))


def mini_corpus(data: Path) -> None:
    """A few sounds under the names of the mini corpus, and a model for its encoder."""
    (data / "manifests").mkdir(parents=True)
    names = ("posttrain_train", "posttrain_valid", "zeroshot_test", "target_test")
    for seed, name in enumerate(names):
        build_corpus(data, name, 8, seed).rename(data / "manifests" / f"{name}.csv")
    ssl_model(data / "ssl/whisper-tiny.en")


def corpora(data: Path) -> None:
    """A few files in the layout of the corpora that the lists of the paper need."""
    _asvspoof2019_la(data / "ASVspoof2019-LA/LA")
    for speaker, subset in enumerate(["train-clean-100", "dev-clean"], start=1001):
        name = f"{speaker}/2001/{speaker}_2001_000007_000001"
        sound(data / f"LibriTTS/{subset}/{name}.wav", False, rate=24000)
    sound(data / "VoxCeleb2/dev/aac/id00012/21Uxsk56VDQ/00001.wav", False)
    names = [f"ADD2023_T1.2R2_E_9000000{number}" for number in range(4)]
    labels = ["genuine", "fake"] * 2
    lines = [f"{name}.wav {label}" for name, label in zip(names, labels, strict=True)]
    text(data / "ADD2023/Track1.2/testR2/label.txt", *lines)
    for name, label in zip(names, labels, strict=True):
        sound(data / f"ADD2023/Track1.2/testR2/wav/{name}.wav", label == "fake")
    for number in range(2):
        segments = data / "DeepVoice/AUDIO_SEGMENTS"
        sound(segments / f"FAKE/speaker{number}-to-Biden_seg_1.wav", True)
        sound(segments / f"REAL/speaker{number}-original_seg_1.wav", False)
        for label in ("real", "fake"):
            for variant, end in {"original": ".wav", "norm": f".wav{_NORM}"}.items():
                place = data / f"FakeOrReal/for-{variant}/testing/{label}"
                sound(place / f"file{number}{end}", label == "fake")
    wild = data / "In-the-Wild/release_in_the_wild"
    text(wild / "meta.csv", "file,speaker,label", "0.wav,A,spoof", "1.wav,B,bona-fide")
    sound(wild / "0.wav", True)
    sound(wild / "1.wav", False)
    _deepfake_eval_2024(data / "Deepfake-Eval-2024")


def _asvspoof2019_la(folder: Path) -> None:
    keys = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
    for part, key in keys.items():
        lines = []
        for number in range(6):
            name = f"LA_{part[0].upper()}_100000{number}"
            attack, label = ("A01", "spoof") if number % 2 else ("-", "bonafide")
            lines.append(f"LA_010{number % 3} {name} - {attack} {label}")
            path = f"ASVspoof2019_LA_{part}/flac/{name}.flac"
            sound(folder / path, label == "spoof")
        name = f"ASVspoof2019.LA.cm.{key}.txt"
        text(folder / "ASVspoof2019_LA_cm_protocols" / name, *lines)


def _deepfake_eval_2024(folder: Path) -> None:
    lines = ["Filename,Date,Ground Truth,Public Comments,Finetuning Set"]
    for number in range(8):
        label = "Fake" if number % 2 else "Real"
        part = "Train" if number < 4 else "Test"
        lines.append(f"r{number}.wav,2024-05-01,{label},,{part}")
        sound(folder / f"audio-data/r{number}.wav", label == "Fake", seconds=1.5)
    text(folder / "audio-metadata-publish.csv", *lines)
