"""Poolings, classifiers and losses in the recipe: training, detector folder, ONNX."""

from pathlib import Path

import pytest
import torch
from helpers import ROOT, run_python, training_command

from data_prep.manifest import read_manifest
from lobes.aasist import AASISTPooling
from lobes.classifiers import CosineClassifier, LinearClassifier, OneClassClassifier
from lobes.contrastive import SupervisedContrastiveLoss
from lobes.detector import Detector, scores
from lobes.losses import AMSoftmaxLoss, CrossEntropyLoss, FocalLoss, OCSoftmaxLoss
from lobes.mhfa import MHFAPooling
from lobes.pooling import AttentiveStatsPooling, MeanPooling
from lobes.sls import SLSPooling
from lobes.ssl import SSLEncoder
from recipes.AntiDeepfake.dataio import LABELS, make_dataset
from recipes.AntiDeepfake.experiment import read_experiment
from recipes.AntiDeepfake.export import export_detector
from recipes.AntiDeepfake.interface import DeepfakeDetector

SMALL = {"compressed_size": 12, "channels": [4, 6], "node_sizes": [8, 5]}
# Pooling, its arguments, classifier.
DETECTORS = {
    "weighted": (MeanPooling, {"num_layers": 2}, LinearClassifier),
    "weighted-attentive": (AttentiveStatsPooling, {"num_layers": 2}, LinearClassifier),
    "mhfa": (MHFAPooling, {"num_layers": 2, "heads": 4}, LinearClassifier),
    "sls": (SLSPooling, {"num_layers": 2, "embedding_size": 24}, LinearClassifier),
    "aasist": (AASISTPooling, SMALL, LinearClassifier),
    "aasist-weighted": (AASISTPooling, {**SMALL, "num_layers": 2}, LinearClassifier),
    "cosine": (MeanPooling, {}, CosineClassifier),
    "one-class": (MeanPooling, {}, OneClassClassifier),
}


def make(source, kind):
    pooling, arguments, classifier = DETECTORS[kind]
    torch.manual_seed(0)
    output_layer = "all" if "num_layers" in arguments else None
    encoder = SSLEncoder(source=source, output_layer=output_layer)
    pooling = pooling(encoder.output_size, **arguments)
    return Detector(encoder, pooling, classifier(pooling.output_size))


@pytest.fixture(scope="module", params=DETECTORS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def loaded(kind, tiny_ssl, tmp_path_factory):
    """A detector and what its folder gives."""
    detector = make(tiny_ssl, kind).train()
    with torch.no_grad():  # so that norms have statistics
        detector(torch.randn(4, 16000))
    folder = tmp_path_factory.mktemp(kind) / "detector"
    export_detector(folder, detector, {})
    options = {"device": "cpu"}
    return detector.eval(), DeepfakeDetector.from_hparams(folder, run_opts=options)


def test_a_detector_folder_gives_the_same_scores(loaded):
    detector, again = loaded
    wavs = torch.randn(3, 9000)
    wavs = (wavs - wavs.mean(1, keepdim=True)) / wavs.std(1, correction=0, keepdim=True)
    with torch.no_grad():
        expected = detector(wavs)
    torch.testing.assert_close(again.logits(wavs), expected, atol=1e-5, rtol=0)


def test_score_of_a_batch_equals_the_score_alone(loaded):
    _, detector = loaded
    torch.manual_seed(1)
    lengths = [16000, 400, 1300, 9001, 5000]
    wavs = [torch.randn(length) for length in lengths]
    batch = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True)
    together = scores(detector.logits(batch, torch.tensor(lengths) / 16000))
    alone = torch.cat([scores(detector.logits(wav[None])) for wav in wavs])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_onnx_gives_the_same_scores(loaded, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from recipes.AntiDeepfake.onnx import export_onnx

    exported = export_onnx(loaded[1], tmp_path / "model.onnx")
    assert exported.difference < 1e-5


@pytest.fixture(scope="module")
def batch(corpus):
    """Sixteen utterances: waveforms, relative lengths, labels."""
    rows = read_manifest(corpus / "train.csv")[:16]
    dataset = make_dataset(rows, corpus)
    wavs = [dataset[i]["wav"] for i in range(len(rows))]
    lengths = torch.tensor([len(wav) for wav in wavs])
    labels = torch.tensor([LABELS[row["Label"]] for row in rows])
    padded = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True)
    return padded, lengths / padded.shape[1], labels


def contrast():
    return SupervisedContrastiveLoss(CrossEntropyLoss(), weight=0.5)


@pytest.mark.parametrize(
    ("kind", "make_loss"),
    [
        *[(kind, CrossEntropyLoss) for kind in list(DETECTORS)[:6]],
        ("cosine", AMSoftmaxLoss),
        ("one-class", OCSoftmaxLoss),
        ("weighted", FocalLoss),
        ("mhfa", contrast),
        ("aasist", contrast),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_training_lowers_the_loss(kind, make_loss, tiny_ssl, batch):
    detector, loss = make(tiny_ssl, kind).train(), make_loss()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=0.003)
    wavs, lengths, labels = batch
    values = []
    for _ in range(12):
        logits, embeddings = detector(wavs, lengths, return_embeddings=True)
        extra = getattr(loss, "needs_embeddings", False)
        others = {"embeddings": embeddings} if extra else {}
        value = loss(logits, labels, **others)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert sum(values[-3:]) < 0.97 * sum(values[:3])


@pytest.mark.slow
def test_the_recipe_gives_embeddings_to_the_loss(corpus, tiny_ssl, tmp_path):
    experiment = tmp_path / "experiment.yaml"
    bases = ["posttrain_hubert.yaml", "blocks/loss_supcon.yaml"]
    experiment.write_text(f"base: {[str(ROOT / 'hparams' / b) for b in bases]}\n")
    options = {"total_steps": 4, "valid_interval": 4}
    command = training_command(corpus, tiny_ssl, tmp_path, **options)
    command[0] = str(experiment)
    run_python("train.py", *command)
    log = (tmp_path / "train_log.txt").read_text()
    train, valid = (
        float(log.split(f"{stage} loss: ")[1].split()[0].strip(","))
        for stage in ("train", "valid")
    )
    # The contrast is part of training, but not of validation.
    assert train > valid + 0.5
    DeepfakeDetector.from_hparams(tmp_path / "detector", run_opts={"device": "cpu"})


EXPERIMENTS = sorted((ROOT / "hparams").glob("posttrain_mini_*.yaml"), key=str)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_mini_experiments_are_complete(path):
    values = read_experiment(path)
    variant = path.stem.removeprefix("posttrain_mini_")
    assert values["output_folder"] == f"results/mini/posttrain_{variant}/seed0"
    for part in ("encoder", "pooling", "classifier", "loss"):
        assert values[part].tag.value.startswith("!new:lobes.")
    assert values["rawboost"] is None and values["total_steps"] == 240
    wanted = Path(values["train_csv"]).parent.name
    assert wanted == "manifests"
