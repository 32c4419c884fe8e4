"""Multi-head factorised attention against loops, and the weighted sum of layers."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from lobes.mhfa import MHFAPooling
from lobes.pooling import AttentiveStatsPooling, MeanPooling, MeanStdPooling
from lobes.weighted_layers import WeightedLayers

LENGTHS = [7, 1, 12, 3]


def padded(junk=0.0, layers=3):
    torch.manual_seed(0)
    features = torch.randn(layers, 4, 12, 5)
    for row, length in enumerate(LENGTHS):
        features[:, row, length:] = junk
    return features, torch.tensor(LENGTHS)


def make(**others):
    torch.manual_seed(1)
    sizes = {"heads": 3, "compressed_size": 4, "embedding_size": 6}
    pooling = MHFAPooling(5, num_layers=2, **{**sizes, **others})
    with torch.no_grad():
        pooling.key_layers.energies.normal_()
        pooling.value_layers.energies.normal_()
    return pooling


def mixed(layers, weighted):
    weights = weighted.energies.exp() / weighted.energies.exp().sum()
    return sum(weight * layer for weight, layer in zip(weights, layers, strict=True))


@pytest.mark.parametrize("junk", [0.0, 1e3])
def test_mhfa(junk):
    pooling, (features, lengths) = make(), padded(junk)
    out = pooling(features, lengths)
    for row, length in enumerate(LENGTHS):
        layers = features[:, row, :length]
        keys = mixed(layers, pooling.key_layers) @ pooling.keys.weight.T
        values = mixed(layers, pooling.value_layers) @ pooling.values.weight.T
        heads = []
        for query in pooling.queries.weight:
            shares = (keys @ query).exp() / (keys @ query).exp().sum()
            heads.append(sum(s * v for s, v in zip(shares, values, strict=True)))
        expected = pooling.embedding(torch.cat(heads))
        torch.testing.assert_close(out[row], expected, atol=1e-5, rtol=1e-5)


def test_gradients_reach_everything_and_no_padding():
    pooling, (features, lengths) = make(), padded()
    features.requires_grad_()
    pooling(features, lengths).square().sum().backward()
    for name, parameter in pooling.named_parameters():
        assert parameter.grad.any() and parameter.grad.isfinite().all(), name
    for row, length in enumerate(LENGTHS):
        assert not features.grad[:, row, length:].any()


def test_order_in_the_batch_changes_nothing():
    pooling, (features, lengths) = make(), padded()
    order = torch.tensor([2, 0, 3, 1])
    expected = pooling(features, lengths)[order]
    torch.testing.assert_close(pooling(features[:, order], lengths[order]), expected)


def test_half_precision():
    pooling, (features, lengths) = make(), padded()
    expected = pooling(features, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pooling(features.bfloat16(), lengths)
        attention = pooling.attention(1e4 * features, lengths)
    assert found.dtype == attention.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)
    torch.testing.assert_close(attention.sum(1), torch.ones(4, 3))


def test_yaml_takes_sizes_from_the_encoder():
    loaded = load_hyperpyyaml(
        """
        encoder: !new:lobes.ssl.SSLEncoder
            output_layer: all
            config: {model_type: whisper, d_model: 16, encoder_layers: 2,
                encoder_attention_heads: 2, encoder_ffn_dim: 32}
        pooling: !new:lobes.mhfa.MHFAPooling
            input_size: !ref <encoder.output_size>
            num_layers: !ref <encoder.num_layers>
        classifier: !new:lobes.classifiers.LinearClassifier
            input_size: !ref <pooling.output_size>
        """
    )
    embeddings = loaded["pooling"](*loaded["encoder"](torch.randn(2, 4000)))
    assert loaded["classifier"](embeddings).shape == (2, 2)


class TestWeightedLayers:
    def test_all_layers_weigh_the_same_at_first(self):
        features, _ = padded()
        torch.testing.assert_close(WeightedLayers(2)(features), features.mean(0))

    def test_weights_are_not_rounded_to_half_precision(self):
        weighted = WeightedLayers(2)
        with torch.no_grad():
            weighted.energies.copy_(torch.tensor([0.1, 1.7, -2.0]))
        features, _ = padded()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = weighted(features.bfloat16())
        expected = mixed(features.bfloat16().float(), weighted)
        torch.testing.assert_close(found, expected)

    def test_extreme_energies(self):
        weighted = WeightedLayers(2)
        with torch.no_grad():
            weighted.energies.copy_(torch.tensor([0.0, 1e4, 0.0]))
        features, _ = padded()
        torch.testing.assert_close(weighted(features), features[1])

    @pytest.mark.parametrize(
        "make", [MeanPooling, MeanStdPooling, AttentiveStatsPooling]
    )
    def test_before_any_pooling(self, make):
        torch.manual_seed(0)
        pooling, (features, lengths) = make(5, num_layers=2), padded(1e3)
        with torch.no_grad():
            pooling.layers.energies.normal_()
        out = pooling(features, lengths)
        frames = mixed(features, pooling.layers)
        torch.testing.assert_close(out, pooling.pool(frames, lengths))
        out.sum().backward()
        assert pooling.layers.energies.grad.any()

    @pytest.mark.parametrize("shape", [(2, 1, 3, 5), (1, 3, 5)], ids=str)
    def test_wrong_number_of_layers(self, shape):
        for pooling in (MeanPooling(5, num_layers=2), make()):
            with pytest.raises(ValueError, match="output_layer: all"):
                pooling(torch.zeros(shape), torch.tensor([3]))

    def test_layers_that_nobody_asked_for(self):
        with pytest.raises(ValueError, match=r"MeanPooling pools .* num_layers"):
            MeanPooling(5)(torch.zeros(3, 1, 3, 5), torch.tensor([3]))
