import json
import shutil

import pytest
import soundfile
import torch
from helpers import voice
from safetensors.torch import load_file, save_file

from lobes.classifiers import MLPClassifier
from lobes.detector import Detector, scores
from lobes.masking import normalise_wav
from lobes.pooling import AttentiveStatsPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake.export import export_detector, load_weights
from recipes.AntiDeepfake.interface import DeepfakeDetector

RATE = 16000


def new_detector(source, seed=0):
    torch.manual_seed(seed)
    encoder = SSLEncoder(source=source, num_layers=1)
    pooling = AttentiveStatsPooling(encoder.output_size, attention_channels=7)
    classifier = MLPClassifier(pooling.output_size, hidden_sizes=[5], dropout=0.5)
    return Detector(encoder, pooling, classifier)


@pytest.fixture
def folder(tiny_ssl, tmp_path):
    return export_detector(
        tmp_path / "detector", new_detector(tiny_ssl), {"training data": "voices"}
    )


def test_round_trip_through_the_pretrained_interface(tiny_ssl, folder, corpus):
    expected = new_detector(tiny_ssl).eval()
    loaded = DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})
    wavs = torch.randn(3, 8000)
    lens = torch.tensor([1.0, 0.5, 0.75])
    with torch.no_grad():
        logits = expected(normalise_wav(wavs, lens), lens)
    assert torch.allclose(loaded.logits(wavs, lens), logits, atol=1e-6)
    assert torch.allclose(loaded(wavs, lens), scores(logits), atol=1e-6)
    embeddings = loaded.encode_batch(wavs, lens)
    assert embeddings.shape == (3, expected.pooling.output_size)


def test_a_file_scores_as_its_waveform(folder, corpus):
    loaded = DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})
    path = corpus / "audio" / "test-000.flac"
    wav, _ = soundfile.read(path, dtype="float32")
    expected = loaded.score_batch(torch.from_numpy(wav)[None]).item()
    assert loaded.score_file(path) == pytest.approx(expected, abs=1e-5)
    assert loaded.classify_file(path, expected - 1) == "real"
    assert loaded.classify_file(path, expected + 1) == "fake"


def test_score_does_not_depend_on_level(folder, tmp_path):
    import numpy as np

    loaded = DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})
    wav = torch.from_numpy(voice(np.random.default_rng(0), 1.0, False))[None]
    assert loaded(wav).item() == pytest.approx(loaded(0.1 * wav).item(), abs=1e-3)


def test_card_tells_what_was_given(folder):
    assert "- training data: voices" in (folder / "README.md").read_text()


def test_an_older_folder_is_replaced(tiny_ssl, folder):
    export_detector(folder, new_detector(tiny_ssl, seed=1), {})
    found = load_file(folder / "model.safetensors")
    expected = new_detector(tiny_ssl, seed=1).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert [path.name for path in folder.parent.iterdir()] == ["detector"]


def altered(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("classifier.layers.0.bias"), "missing classifier.layers.0.b"),
        (lambda w: w.update(extra=torch.zeros(1)), "unexpected extra"),
        (
            lambda w: w.update({"classifier.layers.0.bias": torch.zeros(6)}),
            r"classifier.layers.0.bias is \[6\], wanted \[5\]",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(folder, change, message):
    altered(folder, change)
    with pytest.raises(ValueError, match=message):
        DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


def test_nothing_is_loaded_when_something_does_not_fit(tiny_ssl, folder):
    altered(folder, lambda w: w.pop("classifier.layers.0.bias"))
    detector = new_detector(tiny_ssl, seed=3)
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    with pytest.raises(ValueError, match="Nothing was loaded"):
        load_weights(detector, folder)
    assert all(torch.equal(before[n], v) for n, v in detector.state_dict().items())


def test_canary_finds_changed_weights(folder):
    altered(folder, lambda w: w["classifier.layers.0.weight"].mul_(1.5))
    with pytest.raises(RuntimeError, match="canary"):
        DeepfakeDetector.from_hparams(folder, run_opts={"device": "cpu"})


def test_missing_weights_are_explained(tiny_ssl, tmp_path):
    with pytest.raises(ValueError, match="Give a detector folder"):
        load_weights(new_detector(tiny_ssl), tmp_path)


def test_a_folder_can_be_moved(folder, tmp_path):
    moved = shutil.move(folder, tmp_path / "elsewhere")
    DeepfakeDetector.from_hparams(moved, run_opts={"device": "cpu"})


class Forgetful(torch.nn.Module):
    """A pooling that does not keep its argument."""

    def __init__(self, secret):
        super().__init__()


def test_a_lobe_that_cannot_be_declared_is_named(tiny_ssl, tmp_path):
    detector = new_detector(tiny_ssl)
    detector.classifier = Forgetful(1)
    detector.forward = lambda wav, wav_lens=None: torch.zeros(len(wav), 2)
    with pytest.raises(
        TypeError, match="Forgetful does not keep its argument 'secret'"
    ):
        export_detector(tmp_path / "detector", detector, {})
    assert not (tmp_path / "detector").exists()


def test_configuration_is_plain_data(folder):
    text = (folder / "hyperparams.yaml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("encoder:"))
    assert (
        json.loads(line.partition("SSLEncoder ")[2])["config"]["model_type"] == "hubert"
    )
