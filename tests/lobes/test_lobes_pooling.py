"""Poolings against a loop over unpadded items."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from lobes.pooling import AttentiveStatsPooling, MeanPooling, MeanStdPooling

LENGTHS = [7, 1, 12, 3]


def padded(value=0.0):
    torch.manual_seed(0)
    features = 2 + torch.randn(4, 12, 5)
    lengths = torch.tensor(LENGTHS)
    for row, length in enumerate(LENGTHS):
        features[row, length:] = value
    return features, lengths


def rows(features):
    return [features[row, :length] for row, length in enumerate(LENGTHS)]


def mean_std(frames, weights):
    mean = (weights[:, None] * frames).sum(0)
    variance = (weights[:, None] * (frames - mean) ** 2).sum(0)
    return torch.cat([mean, variance.sqrt()])


@pytest.mark.parametrize("junk", [0.0, 1e3])
def test_mean(junk):
    features, lengths = padded(junk)
    expected = torch.stack([frames.mean(0) for frames in rows(features)])
    torch.testing.assert_close(MeanPooling(5)(features, lengths), expected)


@pytest.mark.parametrize("junk", [0.0, 1e3])
def test_mean_std(junk):
    features, lengths = padded(junk)
    expected = torch.stack(
        [
            torch.cat([frames.mean(0), frames.std(0, correction=0)])
            for frames in rows(features)
        ]
    )
    out = MeanStdPooling(5)(features, lengths)
    torch.testing.assert_close(out, expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("junk", [0.0, 1e3])
def test_attentive(junk):
    features, lengths = padded(junk)
    pooling = AttentiveStatsPooling(5, attention_channels=6)
    out = pooling(features, lengths)
    first, _, last = pooling.attention
    for row, frames in enumerate(rows(features)):
        energies = torch.tanh(frames @ first.weight.T + first.bias) @ last.weight[0]
        expected = mean_std(frames, torch.softmax(energies, 0))
        torch.testing.assert_close(out[row], expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [MeanPooling, MeanStdPooling, AttentiveStatsPooling])
class TestAny:
    def test_output_size(self, make):
        pooling = make(input_size=5)
        assert pooling(*padded()).shape == (4, pooling.output_size)

    def test_gradient_is_finite_even_for_one_frame(self, make):
        features, lengths = padded()
        features[2] = 1.0  # constant: no variance at all
        features.requires_grad_()
        make(5)(features, lengths).square().sum().backward()
        assert features.grad.isfinite().all()
        assert features.grad.abs().max() < 1e3
        for row, length in enumerate(LENGTHS):
            assert not features.grad[row, length:].any()

    def test_statistics_are_float32_under_autocast(self, make):
        features, lengths = padded()
        pooling = make(5)
        expected = pooling(features, lengths)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = pooling(features, lengths)
        assert out.dtype == torch.float32
        torch.testing.assert_close(out, expected, atol=0.05, rtol=0.05)

    def test_yaml_chains_sizes(self, make):
        loaded = load_hyperpyyaml(
            f"""
            encoder: !new:lobes.pooling.MeanPooling {{input_size: 6}}
            pooling: !new:lobes.pooling.{make.__name__}
                input_size: !ref <encoder.output_size>
            classifier: !new:lobes.classifiers.LinearClassifier
                input_size: !ref <pooling.output_size>
            """
        )
        size = loaded["classifier"].linear.in_features
        assert size == loaded["pooling"].output_size == make(6).output_size
