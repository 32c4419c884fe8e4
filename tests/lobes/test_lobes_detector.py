"""Classifier, loss and the detector as a whole."""

import pytest
import torch
import torch.nn.functional as F

from lobes.classifiers import LinearClassifier, MLPClassifier
from lobes.detector import Detector, scores
from lobes.losses import CrossEntropyLoss
from lobes.pooling import MeanPooling
from lobes.ssl import SSLEncoder


class TestClassifiers:
    def test_linear_is_one_linear_layer(self):
        classifier = LinearClassifier(5)
        x = torch.randn(3, 5)
        expected = x @ classifier.linear.weight.T + classifier.linear.bias
        torch.testing.assert_close(classifier(x), expected)
        assert expected.shape == (3, 2)

    def test_mlp_layers(self):
        classifier = MLPClassifier(5, hidden_sizes=[7, 3], dropout=0.5, num_classes=4)
        sizes = [
            (layer.in_features, layer.out_features)
            for layer in classifier.layers
            if isinstance(layer, torch.nn.Linear)
        ]
        assert sizes == [(5, 7), (7, 3), (3, 4)]
        assert sum(isinstance(m, torch.nn.ReLU) for m in classifier.layers) == 2
        x = torch.randn(8, 5)
        assert not torch.equal(classifier(x), classifier(x))
        classifier.eval()
        assert torch.equal(classifier(x), classifier(x))

    @pytest.mark.parametrize("make", [LinearClassifier, MLPClassifier])
    def test_arguments_stay_readable(self, make):
        classifier = make(5, num_classes=3)
        assert (classifier.input_size, classifier.num_classes) == (5, 3)

    def test_mlp_without_hidden_layers_is_linear(self):
        assert len(MLPClassifier(5, hidden_sizes=[]).layers) == 1


class TestLoss:
    logits = torch.tensor([[2.0, -1.0], [0.3, 0.1], [-4.0, 5.0], [1.0, 1.5]])
    labels = torch.tensor([0, 1, 1, 0])

    def test_by_hand(self):
        log_p = [-F.softplus(torch.tensor(m)).item() for m in (-3.0, 0.2, -9.0, 0.5)]
        loss = CrossEntropyLoss()(self.logits, self.labels)
        assert loss.item() == pytest.approx(-sum(log_p) / 4, abs=1e-6)
        weighted = CrossEntropyLoss([1.0, 3.0])(self.logits, self.labels)
        by_hand = -(log_p[0] + 3 * log_p[1] + 3 * log_p[2] + log_p[3]) / 8
        assert weighted.item() == pytest.approx(by_hand, abs=1e-6)

    def test_smoothing_equals_torch(self):
        loss = CrossEntropyLoss([2.0, 1.0], label_smoothing=0.1)
        expected = F.cross_entropy(
            self.logits,
            self.labels,
            weight=torch.tensor([2.0, 1.0]),
            label_smoothing=0.1,
        )
        assert loss(self.logits, self.labels).item() == pytest.approx(expected.item())

    def test_float32_under_autocast(self):
        loss = CrossEntropyLoss()
        expected = loss(self.logits, self.labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss(self.logits.bfloat16(), self.labels)
        assert value.dtype == torch.float32
        # these logits are nearly exact in bf16; a bf16 loss is off by 1e-3
        exact = loss(self.logits.bfloat16().float(), self.labels)
        assert value.item() == exact.item() == pytest.approx(expected.item(), abs=1e-3)

    def test_weights_are_not_in_the_state_dict(self):
        assert not CrossEntropyLoss([1.0, 2.0]).state_dict()

    @pytest.mark.parametrize(
        "weights", [[], [1.0, -1.0], [0.0, 1.0], [1.0, float("nan")]]
    )
    def test_impossible_weights_are_errors(self, weights):
        with pytest.raises(ValueError, match="class_weights"):
            CrossEntropyLoss(weights)

    def test_one_weight_per_class(self):
        with pytest.raises(ValueError, match="one weight per class"):
            CrossEntropyLoss([1.0, 2.0, 3.0])(self.logits, self.labels)

    @pytest.mark.parametrize("smoothing", [-0.1, 1.0])
    def test_impossible_smoothing_is_an_error(self, smoothing):
        with pytest.raises(ValueError, match="label_smoothing"):
            CrossEntropyLoss(label_smoothing=smoothing)


class TestDetector:
    @pytest.fixture(params=["wav2vec2-group", "whisper"])
    def detector(self, request, tiny_named):
        torch.manual_seed(0)
        encoder = SSLEncoder(config=tiny_named(request.param).settings)
        pooling = MeanPooling(encoder.output_size)
        return Detector(encoder, pooling, LinearClassifier(pooling.output_size)).eval()

    def test_score_of_a_batch_equals_the_score_alone(self, detector, waves, pad):
        rows = waves([9000, 16000, 400])
        with torch.no_grad():
            logits = detector(*pad(rows))
            alone = torch.cat([detector(row[None]) for row in rows])
        assert logits.shape == (3, 2)
        torch.testing.assert_close(logits, alone, atol=1e-5, rtol=0)

    def test_embedding_is_what_the_classifier_sees(self, detector, waves, pad):
        batch = pad(waves([9000, 5000]))
        with torch.no_grad():
            embeddings = detector.embed(*batch)
            assert torch.equal(detector.classifier(embeddings), detector(*batch))
        assert embeddings.shape == (2, 32)

    def test_every_part_learns(self, detector, waves, pad):
        detector.train()
        logits = detector(*pad(waves([4000, 2500])))
        CrossEntropyLoss()(logits, torch.tensor([0, 1])).backward()
        without = [
            name
            for name, parameter in detector.named_parameters()
            if parameter.requires_grad and parameter.grad is None
        ]
        assert without == []

    def test_higher_score_is_more_genuine(self):
        value = scores(torch.tensor([[3.0, -1.0], [-2.0, 2.5]]))
        assert value.tolist() == [-4.0, 4.5]
        assert scores(torch.zeros(1, 2).bfloat16()).dtype == torch.float32

    @pytest.mark.parametrize("label", [0, 1])
    def test_a_step_moves_the_score_towards_the_label(
        self, detector, waves, pad, label
    ):
        detector.train()
        batch = pad(waves([4000, 2500]))
        optimiser = torch.optim.SGD(detector.parameters(), lr=1e-3)
        before = scores(detector(*batch))
        CrossEntropyLoss()(detector(*batch), torch.tensor([label] * 2)).backward()
        optimiser.step()
        after = scores(detector(*batch))
        assert ((after > before) == bool(label)).all()
