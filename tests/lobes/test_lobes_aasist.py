"""The AASIST back-end: padding has no effect, and everything learns."""

import pytest
import torch
import torch.nn.functional as F
from hyperpyyaml import load_hyperpyyaml

from lobes.aasist import AASISTPooling, Branch, MapAttention, ResidualBlock, _readout

LENGTHS = [31, 1, 2, 3, 4, 20, 48]
SMALL = {"compressed_size": 12, "channels": [4, 6], "node_sizes": [8, 5]}


def make(trained=True, **others):
    """A small back-end; "trained" has norms with statistics, and larger weights."""
    torch.manual_seed(0)
    pooling = AASISTPooling(10, **{**SMALL, **others})
    if trained:
        with torch.no_grad():
            for parameter in pooling.parameters():
                parameter += 0.2 * torch.randn_like(parameter)
            for _ in range(5):
                pooling.pool(2 * torch.randn(6, 30, 10), torch.full((6,), 30))
    return pooling.eval()


def padded(junk=0.0, seed=0):
    torch.manual_seed(seed)
    frames = 2 * torch.randn(len(LENGTHS), max(LENGTHS), 10)
    for row, length in enumerate(LENGTHS):
        frames[row, length:] = junk
    return frames, torch.tensor(LENGTHS)


@pytest.mark.parametrize("junk", [0.0, 1e3, -1e3])
@pytest.mark.parametrize("seed", range(3))
def test_padding_changes_nothing(junk, seed):
    pooling = make()
    frames, lengths = padded(junk, seed)
    with torch.no_grad():
        together = pooling(frames, lengths)
        alone = [
            pooling(frames[row : row + 1, :length], lengths[row : row + 1])
            for row, length in enumerate(LENGTHS)
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)
    assert (together[0] - together[5]).abs().max() > 1e-2


def test_padding_changes_nothing_in_training():
    """Batch norm ties utterances together, but how much padding there is must not."""
    frames, lengths = padded()
    more = F.pad(frames, (0, 0, 0, 30), value=50.0)
    found = []
    for batch in (frames, more):
        pooling = make(trained=False, dropouts=[0.0] * 3).train()
        found.append(pooling(batch, lengths))
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


def test_order_in_the_batch_changes_nothing():
    pooling = make()
    frames, lengths = padded()
    order = torch.randperm(len(LENGTHS))
    expected = pooling(frames, lengths)[order]
    found = pooling(frames[order], lengths[order])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_rounding_of_the_encoder_stays_rounding():
    pooling = make()
    frames = 2 * torch.randn(64, 40, 10)
    lengths = torch.full((64,), 40)
    with torch.no_grad():
        noise = 5e-7 * torch.randn_like(frames)
        change = pooling(frames + noise, lengths) - pooling(frames, lengths)
    assert change.abs().max() < 1e-5


def test_all_frames_equal():
    pooling = make()
    out = pooling(torch.zeros(2, 30, 10), torch.tensor([30, 9]))
    assert out.isfinite().all()


def test_gradients_reach_everything_and_no_padding():
    pooling = make(trained=False).train()
    frames, lengths = padded()
    frames.requires_grad_()
    pooling(frames, lengths).square().sum().backward()
    for name, parameter in pooling.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name
    assert frames.grad.isfinite().all()
    for row, length in enumerate(LENGTHS):
        assert not frames.grad[row, length:].any()


def test_one_short_utterance_trains():
    pooling = make(trained=False).train()
    out = pooling(torch.randn(1, 1, 10, requires_grad=True), torch.tensor([1]))
    out.sum().backward()
    assert out.isfinite().all()


def test_computed_in_float32_under_autocast():
    pooling = make()
    frames, lengths = padded()
    frames = frames.bfloat16()
    expected = pooling(frames.float(), lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pooling(frames, lengths)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


def test_large_frames_stay_finite():
    pooling = make()
    frames, lengths = padded()
    assert pooling(1e4 * frames, lengths).isfinite().all()


def test_all_layers():
    pooling = make(num_layers=2)
    frames, lengths = padded()
    layers = torch.stack([frames, 2 * frames, -frames])
    weights = pooling.layers.weights
    mixed = weights[0] * frames + weights[1] * 2 * frames - weights[2] * frames
    torch.testing.assert_close(
        pooling(layers, lengths), pooling.pool(mixed, lengths), atol=1e-5, rtol=0
    )


def test_map_attention():
    torch.manual_seed(0)
    layer = MapAttention(4).eval()
    maps, valid = torch.randn(1, 3, 5, 4), torch.tensor([[True] * 4 + [False]])
    temporal, spectral = layer(maps, valid)
    hidden = torch.selu(layer.hidden(maps))
    energies = layer.energies(hidden / (1 + layer.norm.norm.eps) ** 0.5)[0]
    for step in range(4):
        shares = energies[:, step].exp() / energies[:, step].exp().sum(0)
        expected = (shares * maps[0, :, step]).sum(0)
        torch.testing.assert_close(temporal[0, step], expected)
    for band in range(3):
        shares = energies[band, :4].exp() / energies[band, :4].exp().sum(0)
        expected = (shares * maps[0, band, :4]).sum(0)
        torch.testing.assert_close(spectral[0, band], expected)


def test_residual_block_is_two_convolutions_and_a_way_around():
    torch.manual_seed(0)
    block = ResidualBlock(2, 4, first=True).eval()
    maps = torch.randn(1, 2, 6, 9)
    hidden = F.conv2d(F.pad(maps, (1, 1, 1, 1)), block.conv1.weight)
    hidden = torch.selu(hidden / (1 + block.norm1.norm.eps) ** 0.5)
    expected = F.conv2d(F.pad(hidden, (1, 1, 0, 0)), block.conv2.weight)
    expected = expected + F.conv2d(F.pad(maps, (1, 1)), block.around.weight)
    found = block(maps, torch.ones(1, 1, 1, 9, dtype=torch.bool))
    torch.testing.assert_close(found, expected)


def test_dropout_of_what_leaves_a_branch():
    torch.manual_seed(0)
    branch = Branch(4, 3, {"dropout": 1.0}, {})
    graph = torch.randn(2, 6, 4), torch.ones(2, 6), torch.tensor([6, 6])
    (temporal, _), (spectral, _), stack = branch(graph, graph)
    assert not temporal.any() and not spectral.any() and not stack.any()
    assert branch.eval()(graph, graph)[2].all()


def test_readout_of_nodes_that_are_kept_or_not():
    one = torch.tensor([[[1.0], [-5.0], [7.0], [9.0]]])
    other = torch.tensor([[[2.0], [3.0], [-8.0], [9.0]]])
    one_member = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    other_member = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    highest, mean = _readout(one, one_member, other, other_member)
    assert highest.item() == 8.0  # of 2, -5 and -8
    assert mean.item() == pytest.approx((2 - 5 - 8) / 3)


def test_yaml_and_paper_sizes():
    pooling = load_hyperpyyaml(
        "pooling: !new:lobes.aasist.AASISTPooling {input_size: 7}"
    )
    pooling = pooling["pooling"]
    assert pooling.output_size == 160
    assert pooling.position.shape == (42, 64)
    assert len(pooling.blocks) == 6
    assert pooling.eval()(torch.randn(1, 9, 7), torch.tensor([9])).shape == (1, 160)
