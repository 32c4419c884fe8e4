"""Losses against loops over a batch, at extremes, and with the scores they lead to."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hyperpyyaml import load_hyperpyyaml

from lobes.classifiers import CosineClassifier, LinearClassifier, OneClassClassifier
from lobes.contrastive import SupervisedContrastiveLoss
from lobes.detector import scores
from lobes.losses import AMSoftmaxLoss, CrossEntropyLoss, FocalLoss, OCSoftmaxLoss
from recipes.AntiDeepfake.metrics import eer

LABELS = torch.tensor([0, 1, 1, 0, 0, 1])


@pytest.fixture
def embeddings():
    torch.manual_seed(0)
    return 3 * torch.randn(6, 5)


def supcon(**others):
    return SupervisedContrastiveLoss(CrossEntropyLoss(), **others)


PAIRS = {
    "focal": (FocalLoss, LinearClassifier),
    "am-softmax": (AMSoftmaxLoss, CosineClassifier),
    "oc-softmax": (OCSoftmaxLoss, OneClassClassifier),
    "supcon": (supcon, LinearClassifier),
}


@pytest.mark.parametrize(("make", "classifier"), PAIRS.values(), ids=list(PAIRS))
class TestAny:
    def parts(self, make, classifier):
        torch.manual_seed(0)
        loss = make()
        extra = getattr(loss, "needs_embeddings", False)

        def compute(embeddings, classify):
            others = {"embeddings": embeddings} if extra else {}
            return loss(classify(embeddings), LABELS, **others)

        return compute, classifier(5)

    def test_gradient_reaches_everything(self, make, classifier, embeddings):
        compute, classify = self.parts(make, classifier)
        embeddings.requires_grad_()
        value = compute(embeddings, classify)
        assert value.shape == () and value.dtype == torch.float32
        value.backward()
        for tensor in (embeddings, *classify.parameters()):
            assert tensor.grad.isfinite().all() and tensor.grad.any()

    def test_order_in_the_batch_changes_nothing(self, make, classifier, embeddings):
        compute, classify = self.parts(make, classifier)
        expected = compute(embeddings, classify)
        others = {}
        order = torch.tensor([3, 0, 5, 1, 4, 2])
        loss = make()
        if getattr(loss, "needs_embeddings", False):
            others = {"embeddings": embeddings[order]}
        found = loss(classify(embeddings[order]), LABELS[order], **others)
        torch.testing.assert_close(found, expected)

    def test_half_precision(self, make, classifier, embeddings):
        compute, classify = self.parts(make, classifier)
        expected = compute(embeddings.bfloat16().float(), classify)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = compute(embeddings.bfloat16(), classify)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)

    @pytest.mark.parametrize("size", [0.0, 1e-20, 1e6], ids=str)
    def test_extreme_embeddings(self, make, classifier, embeddings, size):
        compute, classify = self.parts(make, classifier)
        embeddings = (size * embeddings).requires_grad_()
        value = compute(embeddings, classify)
        value.backward()
        assert value.isfinite() and embeddings.grad.isfinite().all()

    def test_training_lowers_it_and_parts_the_scores(
        self, make, classifier, embeddings
    ):
        compute, classify = self.parts(make, classifier)
        embeddings = embeddings.clone().requires_grad_()
        optimiser = torch.optim.Adam([embeddings, *classify.parameters()], lr=0.1)
        before = compute(embeddings, classify).item()
        for _ in range(60):
            optimiser.zero_grad()
            value = compute(embeddings, classify)
            value.backward()
            optimiser.step()
        assert value.item() < before / 2
        found = scores(classify(embeddings))
        assert found[LABELS == 1].min() > found[LABELS == 0].max()


class TestFocal:
    @pytest.mark.parametrize("weights", [None, [1.0, 3.0]], ids=["even", "weighted"])
    @pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
    def test_value(self, gamma, weights):
        torch.manual_seed(0)
        logits = 2 * torch.randn(6, 2)
        total, weight_sum = 0.0, 0.0
        for row, label in zip(logits.tolist(), LABELS.tolist(), strict=True):
            p = math.exp(row[label]) / sum(map(math.exp, row))
            weight = 1.0 if weights is None else weights[label]
            total += -weight * (1 - p) ** gamma * math.log(p)
            weight_sum += weight
        found = FocalLoss(gamma, weights)(logits, LABELS)
        assert found.item() == pytest.approx(total / weight_sum, rel=1e-5)

    def test_gamma_of_zero_is_cross_entropy(self):
        logits = torch.randn(6, 2)
        expected = CrossEntropyLoss([1.0, 3.0])(logits, LABELS)
        torch.testing.assert_close(FocalLoss(0.0, [1.0, 3.0])(logits, LABELS), expected)

    @pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
    def test_sure_logits(self, gamma):
        logits = torch.tensor([[900.0, -900.0]] * 2, requires_grad=True)
        value = FocalLoss(gamma)(logits, torch.tensor([0, 1]))
        value.backward()
        assert value.item() == pytest.approx(900.0)
        assert logits.grad.isfinite().all() and not logits.grad[0].any()


class TestCosines:
    def test_am_softmax_value(self, embeddings):
        classify = CosineClassifier(5)
        loss = AMSoftmaxLoss(margin=0.2, scale=7.0)
        found = loss(classify(embeddings), LABELS)
        total = 0.0
        for row, label in zip(embeddings, LABELS.tolist(), strict=True):
            cosines = [
                (row @ d / row.norm() / d.norm()).item() for d in classify.directions
            ]
            true = math.exp(7.0 * (cosines[label] - 0.2))
            total -= math.log(true / (true + math.exp(7.0 * cosines[1 - label])))
        assert found.item() == pytest.approx(total / 6, rel=1e-5)

    def test_oc_softmax_value(self, embeddings):
        classify = OneClassClassifier(5)
        loss = OCSoftmaxLoss(real_margin=0.8, fake_margin=-0.1, scale=5.0)
        found = loss(classify(embeddings), LABELS)
        total = 0.0
        for row, label in zip(embeddings, LABELS.tolist(), strict=True):
            w = classify.directions[0]
            cosine = (row @ w / row.norm() / w.norm()).item()
            # As the paper writes it, where the label of real is 0.
            margin = 0.8 if label == 1 else -0.1
            sign = (-1) ** (1 - label)
            total += math.log(1 + math.exp(5.0 * (margin - cosine) * sign))
        assert found.item() == pytest.approx(total / 6, rel=1e-5)

    def test_score_of_one_class_is_that_of_the_paper(self):
        torch.manual_seed(0)
        classify, vectors = OneClassClassifier(4), torch.randn(200, 4)
        labels = (vectors[:, 0] + 0.5 * torch.randn(200) > 0).long()
        ours = scores(classify(vectors)).detach()
        theirs = F.cosine_similarity(vectors, classify.directions).detach()
        torch.testing.assert_close(ours, theirs)
        rates = [eer(one.numpy(), labels.numpy())[0] for one in (ours, theirs)]
        assert rates[0] == rates[1]
        assert 0.0 < rates[0] < 1.0

    @pytest.mark.parametrize(
        ("loss", "name"),
        [(AMSoftmaxLoss(), "CosineClassifier"), (OCSoftmaxLoss(), "OneClassClass")],
        ids=["am-softmax", "oc-softmax"],
    )
    def test_logits_that_are_no_cosines_are_refused(self, loss, name):
        with pytest.raises(ValueError, match=f"no cosine: .*{name}"):
            loss(torch.tensor([[-4.0, 2.0]]), torch.tensor([1]))

    def test_cosines_are_exact_under_autocast(self, embeddings):
        for classify in (CosineClassifier(5), OneClassClassifier(5)):
            expected = classify(embeddings)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                torch.testing.assert_close(classify(embeddings), expected)


class TestSupervisedContrast:
    def loop(self, embeddings, labels, temperature):
        z = [row / np.linalg.norm(row) for row in embeddings.double().numpy()]
        values = []
        for i, label in enumerate(labels):
            positives = [p for p, x in enumerate(labels) if x == label and p != i]
            if not positives:
                continue
            total = sum(
                math.exp(z[i] @ z[a] / temperature) for a in range(len(z)) if a != i
            )
            logs = [
                math.log(math.exp(z[i] @ z[p] / temperature) / total) for p in positives
            ]
            values.append(-sum(logs) / len(positives))
        return sum(values) / len(values) if values else 0.0

    @pytest.mark.parametrize(
        "labels",
        [[0, 1, 1, 0, 0, 1], [0, 1, 1, 1, 1, 1], [1] * 6],
        ids=["both", "one alone", "one class"],
    )
    def test_value(self, embeddings, labels):
        found = supcon(temperature=0.3).contrast(embeddings, torch.tensor(labels))
        expected = self.loop(embeddings, labels, 0.3)
        assert found.item() == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("labels", [[1], [0, 1]], ids=["one", "one of each"])
    def test_nothing_to_gather(self, embeddings, labels):
        vectors = embeddings[: len(labels)].clone().requires_grad_()
        logits = torch.zeros(len(labels), 2, requires_grad=True)
        value = supcon()(logits, torch.tensor(labels), embeddings=vectors)
        value.backward()
        assert value.item() == pytest.approx(math.log(2))
        assert logits.grad.any() and vectors.grad.isfinite().all()
        assert not vectors.grad.any()

    def test_weight(self, embeddings):
        logits = torch.randn(6, 2)
        loss = supcon(weight=0.25)
        expected = CrossEntropyLoss()(logits, LABELS)
        expected = expected + 0.25 * loss.contrast(embeddings, LABELS)
        found = loss(logits, LABELS, embeddings=embeddings)
        torch.testing.assert_close(found, expected)

    def test_embeddings_may_only_be_missing_outside_training(self):
        loss, logits = supcon(), torch.randn(6, 2)
        with pytest.raises(ValueError, match="no embeddings in training"):
            loss(logits, LABELS)
        expected = CrossEntropyLoss()(logits, LABELS)
        assert torch.equal(loss.eval()(logits, LABELS), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FocalLoss(gamma=-1.0), "gamma is -1.0"),
        (lambda: FocalLoss(class_weights=[1.0, 0.0]), "one positive number"),
        (lambda: AMSoftmaxLoss(margin=-0.1), "margin is -0.1"),
        (lambda: AMSoftmaxLoss(scale=0.0), "scale 0.0"),
        (lambda: OCSoftmaxLoss(real_margin=0.2, fake_margin=0.9), "the first higher"),
        (lambda: supcon(temperature=0.0), "temperature 0.0"),
        (lambda: supcon(weight=-1.0), "weight is -1.0"),
    ],
    ids=["gamma", "weights", "margin", "scale", "margins", "temperature", "weight"],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_focal_weights_must_fit_the_classifier():
    with pytest.raises(ValueError, match="one weight per class"):
        FocalLoss(class_weights=[1.0])(torch.zeros(2, 2), torch.tensor([0, 1]))


def test_yaml():
    loaded = load_hyperpyyaml(
        """
        focal: !new:lobes.losses.FocalLoss {gamma: 1.0, class_weights: [1.0, 3.0]}
        am: !new:lobes.losses.AMSoftmaxLoss {margin: 0.2}
        oc: !new:lobes.losses.OCSoftmaxLoss
        contrast: !new:lobes.contrastive.SupervisedContrastiveLoss
            classification: !ref <focal>
            weight: 0.5
        """
    )
    assert loaded["contrast"].classification.weights.tolist() == [1.0, 3.0]
    assert loaded["am"].margin == 0.2 and loaded["oc"].scale == 20.0
