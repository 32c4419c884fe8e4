"""The pretrained interface, in this repository and far from it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from helpers import new_detector, voice

from data_prep.audio_info import AudioError
from lobes.classifiers import LinearClassifier
from lobes.detector import Detector, scores
from lobes.masking import normalise_wav
from lobes.pooling import MeanPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake.dataio import read_waveform
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.interface import DeepfakeDetector

RATE = 16000
CPU = {"device": "cpu"}


@pytest.fixture(scope="module")
def folder(tiny_ssl, tmp_path_factory):
    folder = tmp_path_factory.mktemp("interface") / "detector"
    return export_detector(folder, new_detector(tiny_ssl), {})


@pytest.fixture(scope="module")
def detector(folder):
    return DeepfakeDetector.from_hparams(folder, run_opts=CPU)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A file of 2.54 s at 44.1 kHz with two channels."""
    path = tmp_path_factory.mktemp("recording") / "a.flac"
    wav = voice(np.random.default_rng(0), 7.0, False)
    channels = np.stack([wav, 0.5 * wav], axis=1)
    soundfile.write(path, channels, 44100)
    return path


def test_batches_equal_the_exported_detector(detector, tiny_ssl):
    expected = new_detector(tiny_ssl).eval()
    wavs = torch.randn(3, 8000)
    lens = torch.tensor([1.0, 0.5, 0.75])
    with torch.no_grad():
        logits = expected(normalise_wav(wavs, lens), lens)
    assert torch.equal(detector.logits(wavs, lens), logits)
    assert torch.equal(detector(wavs, lens), scores(logits))
    embeddings = detector.encode_batch(wavs, lens)
    assert embeddings.shape == (3, expected.pooling.output_size)


def test_a_file_scores_as_its_waveform(detector, corpus):
    path = corpus / "audio" / "test-000.flac"
    wav, _ = soundfile.read(path, dtype="float32")
    expected = detector.score_batch(torch.from_numpy(wav)[None]).item()
    assert detector.score_file(path) == expected


@pytest.mark.parametrize("level", [1.0, 1e-2, 1e-3])
def test_waveforms_are_normalised_once(detector, tmp_path, level):
    """Below a level of 0.003 the epsilon of the normalisation tells."""
    wav = level * 0.3 * torch.randn(RATE)
    soundfile.write(tmp_path / "a.wav", wav.numpy(), RATE, subtype="FLOAT")
    with torch.no_grad():
        expected = scores(detector.mods.detector(normalise_wav(wav)[None])).item()
    found = detector.score_files([tmp_path / "a.wav"]).score(str(tmp_path / "a.wav"))
    assert found == pytest.approx(expected, abs=1e-6)
    assert detector.score_file(tmp_path / "a.wav") == pytest.approx(expected, abs=1e-6)


def test_many_files_score_as_each_alone_and_none_is_lost(detector, corpus, tmp_path):
    (tmp_path / "empty.wav").touch()
    paths = [corpus / "audio" / f"test-{i:03d}.flac" for i in range(6)]
    found = detector.score_files([*paths, tmp_path, "missing.wav"])
    assert list(found.logits) == [str(path) for path in paths]
    assert set(found.failures) == {str(tmp_path / "empty.wav"), "missing.wav"}
    for path in paths:
        alone = detector.score_file(path)
        assert found.score(str(path)) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize(("shift", "label"), [(-1.0, "real"), (1.0, "fake")])
def test_decision(detector, recording, shift, label):
    score = detector.score_file(recording)
    decision = detector.classify_file(recording, threshold=score + shift)
    assert decision.label == label
    assert decision.llr == score and decision.threshold == score + shift
    odds = decision.probability / (1 - decision.probability)
    assert np.log(odds) == pytest.approx(score, abs=1e-6)


def test_bad_audio_raises_with_a_reason(detector):
    with pytest.raises(AudioError, match="nowhere.wav: no such file"):
        detector.score_file("nowhere.wav")


def test_windows_score_as_their_pieces(detector, recording):
    found = detector.score_long_file(recording, window=1.0, hop=0.5)
    assert found.starts.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert found.stops[:4].tolist() == [1.0, 1.5, 2.0, 2.5]
    samples, rate = soundfile.read(recording, dtype="float32")
    assert found.stops[-1] == pytest.approx(len(samples) / rate, abs=1e-3)
    assert found.score == pytest.approx(found.scores.mean(), abs=1e-6)
    # The last, shorter window has the score of that piece alone.
    last = read_waveform(recording)[32000:]
    alone = detector.score_batch(last[None]).item()
    assert found.scores[-1] == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("rule", ["mean", "median", "min", "max"])
def test_rules(detector, recording, rule):
    found = detector.score_long_file(recording, 1.0, 0.5, rule, max_batch_length=2.0)
    wanted = {"mean": np.mean, "median": np.median, "min": np.min, "max": np.max}
    expected = wanted[rule](found.scores)
    assert found.score == pytest.approx(expected, abs=1e-6)


def test_the_median_of_two_windows_is_between_them(detector, recording):
    found = detector.score_long_file(recording, window=1.5, hop=1.5, rule="median")
    assert len(found.scores) == 2
    assert found.score == pytest.approx(found.scores.mean(), abs=1e-6)
    assert min(found.scores) < found.score < max(found.scores)


@pytest.mark.parametrize(
    ("samples", "count"), [(400, 1), (16000, 1), (16399, 1), (16400, 2), (32000, 2)]
)
def test_a_rest_too_short_goes_to_the_last_window(detector, tmp_path, samples, count):
    wav = 0.1 * np.random.default_rng(0).standard_normal(samples)
    soundfile.write(tmp_path / "a.wav", wav, RATE)
    found = detector.score_long_file(tmp_path / "a.wav", window=1.0, hop=1.0)
    assert len(found.scores) == count
    assert found.stops[-1] * RATE == samples


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "best"}, "'best'.*mean, median, min, max"),
        ({"window": 1.0, "hop": 2.0}, "no longer than the window"),
        ({"window": 0.01, "hop": 0.01}, "at least 0.025 s"),
    ],
)
def test_impossible_windows(detector, recording, arguments, message):
    with pytest.raises(ValueError, match=message):
        detector.score_long_file(recording, **arguments)


def test_half_precision_on_the_cpu(tmp_path):
    # Convolutions with few channels in a group are wrong in bf16; Whisper has none.
    encoder = SSLEncoder(
        config={
            "model_type": "whisper",
            **{"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2},
            "encoder_ffn_dim": 64,
        }
    )
    pooling = MeanPooling(32)
    classifier = LinearClassifier(32)
    torch.nn.init.normal_(classifier.linear.weight, std=5.0)
    export_detector(tmp_path / "d", Detector(encoder, pooling, classifier), {})
    full, half = (
        DeepfakeDetector.from_hparams(
            tmp_path / "d", run_opts={"device": "cpu", "precision": precision}
        )
        for precision in ("fp32", "bf16")
    )
    wavs = torch.randn(4, RATE)
    one, other = full.score_batch(wavs), half.score_batch(wavs)
    assert other.dtype == torch.float32
    # So the canary, which allows 0.001, was not checked in half precision.
    assert 1e-3 < (one - other).abs().max() < 0.2 * one.abs().max()


FAR = """
import json, sys
from speechbrain.inference.interfaces import foreign_class
detectors = [
    foreign_class(
        source=source,
        pymodule_file="custom_interface.py",
        classname="DeepfakeDetector",
        savedir=savedir,
        run_opts={"device": "cpu"},
    )
    for source, savedir in [("one", "saved"), ("two", None)]
]
detector = detectors[0]
print(json.dumps({
    "score": detector.score_file("a.flac"),
    "batched": detector.score_files(["a.flac"]).score("a.flac"),
    "long": detector.score_long_file("a.flac", 1.0, 0.5).scores.tolist(),
    "two": detectors[1].score_file("a.flac"),
    "clash": sorted({"lobes", "data_prep", "recipes"} & set(sys.modules)),
    "path": sys.path,
    "class": type(detector.mods.detector).__module__,
}))
try:
    detector.score_file("gone.flac")
except ValueError as error:
    print(error)
"""


def test_it_loads_where_this_repository_is_not(folder, recording, detector, tmp_path):
    shutil.copytree(folder, tmp_path / "one")
    shutil.copytree(folder, tmp_path / "two")
    # Other code has another name: two detectors of different age can meet.
    for file in ("custom_interface.py", "hyperparams.yaml"):
        text = (tmp_path / "two" / file).read_text()
        package = text[text.index("antideepfake_") :][:21]
        (tmp_path / "two" / file).write_text(
            text.replace(package, package[:-8] + 8 * "0")
        )
    shutil.copy(recording, tmp_path / "a.flac")
    (tmp_path / "data_prep.py").write_text("raise RuntimeError('the user\\'s own')")
    (tmp_path / "far.py").write_text(FAR)
    done = subprocess.run(
        [sys.executable, "far.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    found = json.loads(first)
    assert found["score"] == found["two"] == detector.score_file(recording)
    assert found["batched"] == pytest.approx(found["score"], abs=1e-5)
    here = detector.score_long_file(recording, 1.0, 0.5).scores
    assert found["long"] == pytest.approx(here.tolist(), abs=1e-6)
    assert found["clash"] == []
    assert not any((tmp_path / path / "lobes").is_dir() for path in found["path"])
    assert found["class"].startswith("antideepfake_")
    assert second == "gone.flac: no such file. Check the path and the data folder."
