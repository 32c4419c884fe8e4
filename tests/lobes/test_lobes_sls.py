"""Sensitive layer selection against loops, and max pooling of padded frames."""

import pytest
import torch
import torch.nn.functional as F
from hyperpyyaml import load_hyperpyyaml

from lobes.masked_pool import masked_max_pool
from lobes.sls import SLSPooling

LENGTHS = [7, 1, 12, 3]
SIZE = 8


def padded(junk=0.0, layers=3):
    torch.manual_seed(0)
    features = torch.randn(layers, 4, 12, SIZE)
    for row, length in enumerate(LENGTHS):
        features[:, row, length:] = junk
    return features, torch.tensor(LENGTHS)


def make(num_layers=2):
    torch.manual_seed(1)
    pooling = SLSPooling(SIZE, num_layers, embedding_size=6)
    with torch.no_grad():
        for parameter in pooling.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        pooling.norm.norm.running_mean.fill_(0.4)
        pooling.norm.norm.running_var.fill_(2.5)
    return pooling.eval()


def weighed(pooling, layers):
    """Frames of one utterance, ``[frames, size]``, from layers without padding."""
    frames = 0
    for layer in layers[1:]:
        energy = pooling.energy.weight[0] @ layer.mean(0) + pooling.energy.bias[0]
        frames = frames + layer / (1 + (-energy).exp())
    return frames


@pytest.mark.parametrize("junk", [0.0, 1e3, -1e3])
def test_sls(junk):
    pooling, (features, lengths) = make().requires_grad_(False), padded(junk)
    out = pooling(features, lengths)
    norm = pooling.norm.norm
    for row, length in enumerate(LENGTHS):
        frames = weighed(pooling, features[:, row, :length])
        frames = (frames - 0.4) / (2.5 + norm.eps) ** 0.5
        frames = F.selu(norm.weight * frames + norm.bias)
        maxima = [
            [frames[t : t + 3, c : c + 3].max() for c in (0, 3)]  # two channels left
            for t in range(0, length, 3)
        ]
        expected = F.selu(pooling.embedding(torch.tensor(maxima).mean(0)))
        torch.testing.assert_close(out[row], expected, atol=1e-5, rtol=1e-5)


def test_linear_layer_is_the_flattened_one_with_the_same_weights_at_all_times():
    """So the layer of the paper, for utterances of one length, is a special case."""
    pooling, (features, _) = make(), padded()
    lengths = torch.full((4,), 12)
    frames = torch.stack([weighed(pooling, features[:, row]) for row in range(4)])
    norm, embedding = pooling.norm.norm, pooling.embedding
    frames = F.selu(norm(frames.flatten()[:, None])).view(4, 1, 12, SIZE)
    flat = F.max_pool2d(frames, (3, 3)).flatten(1)
    tied = embedding.weight.repeat(1, 4) / 4
    expected = F.selu(F.linear(flat, tied, embedding.bias))
    torch.testing.assert_close(pooling(features, lengths), expected)


def test_padding_changes_nothing_in_training():
    features, lengths = padded()
    more = F.pad(features, (0, 0, 0, 30), value=50.0)
    found = [make().train()(batch, lengths) for batch in (features, more)]
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


def test_order_in_the_batch_changes_nothing():
    pooling, (features, lengths) = make(), padded()
    order = torch.tensor([2, 0, 3, 1])
    expected = pooling(features, lengths)[order]
    torch.testing.assert_close(pooling(features[:, order], lengths[order]), expected)


def test_gradients_reach_everything_and_no_padding():
    pooling, (features, lengths) = make().train(), padded()
    features.requires_grad_()
    pooling(features, lengths).square().sum().backward()
    for name, parameter in pooling.named_parameters():
        assert parameter.grad.any() and parameter.grad.isfinite().all(), name
    assert features.grad[1:].any() and not features.grad[0].any()
    for row, length in enumerate(LENGTHS):
        assert not features.grad[:, row, length:].any()


def test_one_frame_trains():
    pooling = SLSPooling(SIZE, num_layers=1).train()
    out = pooling(torch.randn(2, 1, 1, SIZE, requires_grad=True), torch.tensor([1]))
    out.sum().backward()
    assert out.shape == (1, 1024) and out.isfinite().all()


def test_half_precision():
    pooling, (features, lengths) = make(), padded()
    expected = pooling(features.bfloat16().float(), lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pooling(features.bfloat16(), lengths)
        weights = pooling.layer_weights(1e4 * features, lengths)
    assert found.dtype == weights.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    assert weights.shape == (2, 4) and weights.isfinite().all()


@pytest.mark.parametrize("shape", [(2, 1, 3, SIZE), (1, 3, SIZE)], ids=str)
def test_wrong_number_of_layers(shape):
    with pytest.raises(ValueError, match="output_layer: all"):
        make()(torch.zeros(shape), torch.tensor([3]))


def test_yaml_takes_sizes_from_the_encoder():
    loaded = load_hyperpyyaml(
        """
        encoder: !new:lobes.ssl.SSLEncoder
            output_layer: all
            config: {model_type: whisper, d_model: 16, encoder_layers: 2,
                encoder_attention_heads: 2, encoder_ffn_dim: 32}
        pooling: !new:lobes.sls.SLSPooling
            input_size: !ref <encoder.output_size>
            num_layers: !ref <encoder.num_layers>
        classifier: !new:lobes.classifiers.LinearClassifier
            input_size: !ref <pooling.output_size>
        """
    )
    embeddings = loaded["pooling"](*loaded["encoder"](torch.randn(2, 4000)))
    assert loaded["classifier"](embeddings).shape == (2, 2)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_masked_max_pool(size):
    frames = padded(junk=1e3, layers=1)[0][0] - 5  # all maxima negative
    maxima, steps = masked_max_pool(frames, torch.tensor(LENGTHS), size)
    assert steps.tolist() == [-(-length // size) for length in LENGTHS]
    for row, length in enumerate(LENGTHS):
        for step in range(maxima.shape[1]):
            patch = frames[row, size * step : min(size * (step + 1), length)]
            for column in range(SIZE // size):
                channels = patch[:, size * column : size * (column + 1)]
                expected = channels.max() if len(patch) else 0
                assert maxima[row, step, column] == expected
