"""Lengths stay exact, normalisation ignores padding."""

import pytest
import torch
import torch.nn.functional as F

from lobes.masking import absolute_lengths, masked_group_norm, normalise_wav


@pytest.mark.parametrize("size", [401, 16001, 207999, 4_800_001])
def test_lengths_survive_float32_fractions(size):
    lengths = torch.tensor([1, 399, 400, size // 3, size // 2 + 1, size - 1, size])
    fractions = (lengths.double() / size).float()
    wav = torch.empty(1, 1).expand(len(lengths), size)
    assert absolute_lengths(wav, fractions).tolist() == lengths.tolist()


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.5, float("nan"), float("inf")])
def test_impossible_fractions_are_errors(fraction):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\]"):
        absolute_lengths(torch.zeros(2, 100), torch.tensor([1.0, fraction]))


def test_half_precision_fractions_are_an_error():
    with pytest.raises(ValueError, match="too coarse"):
        absolute_lengths(torch.zeros(1, 100), torch.ones(1, dtype=torch.bfloat16))


def test_one_fraction_per_row():
    with pytest.raises(ValueError, match="one relative length per row"):
        absolute_lengths(torch.zeros(2, 100), torch.ones(3))


def test_normalise_equals_layer_norm_bit_for_bit():
    rows = [3 + 0.1 * torch.randn(n) for n in (5000, 401, 16000)]
    rows.append(torch.full((700,), 1e-5).cumsum(0))  # variance below eps
    wav = torch.full((4, 16000), 9.0)
    for index, row in enumerate(rows):
        wav[index, : len(row)] = row
    lens = torch.tensor([len(row) / 16000 for row in rows])
    out = normalise_wav(wav, lens)
    for index, row in enumerate(rows):
        expected = F.layer_norm(row, row.shape)
        assert torch.equal(out[index, : len(row)], expected)
        assert torch.equal(normalise_wav(row), expected)
        assert not out[index, len(row) :].any()


def test_normalise_without_lengths_takes_every_row_whole():
    wav = torch.randn(2, 300)
    assert torch.equal(normalise_wav(wav), F.layer_norm(wav, (300,)))


def test_normalise_is_differentiable_and_keeps_its_input():
    wav = torch.randn(2, 300)
    before = wav.clone()
    wav.requires_grad_()
    normalise_wav(wav, torch.tensor([1.0, 0.5])).square().sum().backward()
    assert torch.equal(wav.detach(), before)
    assert not wav.grad[1, 150:].any()


@pytest.mark.parametrize("groups", [6, 2, 1])
def test_masked_group_norm_equals_group_norm_of_the_unpadded(groups):
    norm = torch.nn.GroupNorm(groups, 6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    hidden, lengths = 3 + torch.randn(3, 6, 50), torch.tensor([50, 17, 1])
    out = masked_group_norm(hidden, lengths, norm)
    for row, length in enumerate(lengths.tolist()[:2]):
        expected = norm(hidden[row : row + 1, :, :length])[0]
        torch.testing.assert_close(out[row, :, :length], expected)
    assert out.isfinite().all()
