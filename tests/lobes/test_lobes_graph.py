"""Graph layers against loops over nodes, and masks against leaving nodes away."""

import math

import pytest
import torch

from lobes.graph import (
    GraphAttention,
    HeterogeneousAttention,
    PairAttention,
)
from lobes.graph_pool import GraphPool
from lobes.masked_norm import MaskedBatchNorm

MEMBER = torch.tensor([[1.0, 0.25, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0, 0.5]])


@pytest.fixture
def nodes():
    torch.manual_seed(0)
    return torch.randn(2, 5, 4)


def warmed(layer):
    """Give norms statistics of their own, then evaluate."""
    for module in layer.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            torch.nn.init.normal_(module.weight)
    return layer.eval()


def attention_loop(layer, queries, nodes, member, kind=lambda i, j: 0):
    """One row: a list of lists."""
    rows = []
    for i, query in enumerate(queries):
        weights = []
        for j, node in enumerate(nodes):
            hidden = torch.tanh(layer.hidden(query * node))
            energy = hidden @ layer.vectors.weight[kind(i, j)] / layer.temperature
            weights.append(math.exp(energy.item()) * member[j].item())
        rows.append([weight / sum(weights) for weight in weights])
    return torch.tensor(rows)


def aggregation_loop(layer, nodes, attention):
    out = []
    for i, node in enumerate(nodes):
        heard = sum(
            share * other for share, other in zip(attention[i], nodes, strict=True)
        )
        hidden = layer.attended.weight @ heard + layer.own.weight @ node
        norm = layer.norm.norm
        hidden = (hidden - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        out.append(torch.selu(hidden * norm.weight + norm.bias))
    return torch.stack(out)


def test_pair_attention(nodes):
    layer = PairAttention(4, 6, temperature=0.5)
    found = layer(nodes, nodes, MEMBER)
    for row in range(2):
        expected = attention_loop(layer, nodes[row], nodes[row], MEMBER[row])
        torch.testing.assert_close(found[row], expected)


def test_graph_attention(nodes):
    layer = warmed(GraphAttention(4, 6, temperature=2.0, dropout=0.5))
    found = layer(nodes, MEMBER)
    for row in range(2):
        attention = attention_loop(layer.attention, nodes[row], nodes[row], MEMBER[row])
        expected = aggregation_loop(layer.aggregation, nodes[row], attention)
        there = MEMBER[row] > 0
        torch.testing.assert_close(found[row, there], expected[there])
        assert not found[row, ~there].any()


def test_heterogeneous_attention(nodes):
    layer = warmed(HeterogeneousAttention(4, 6, temperature=3.0, dropout=0.5))
    members, stack = (MEMBER[:, :3], MEMBER[:, 3:]), torch.randn(2, 1, 4)
    found = layer(nodes[:, :3], nodes[:, 3:], stack, members)
    assert [part.shape[1] for part in found] == [3, 2, 1]
    for row in range(2):
        both = torch.cat(
            [layer.temporal(nodes[row, :3]), layer.spectral(nodes[row, 3:])]
        )
        attention = attention_loop(
            layer.attention,
            both,
            both,
            MEMBER[row],
            lambda i, j: int(i >= 3) + int(j >= 3),
        )
        expected = aggregation_loop(layer.aggregation, both, attention)
        there = MEMBER[row] > 0
        new = torch.cat([found[0][row], found[1][row]])
        torch.testing.assert_close(new[there], expected[there])
        shares = attention_loop(layer.stack_attention, stack[row], both, MEMBER[row])
        heard = (shares.T * both).sum(0, keepdim=True)
        expected = layer.stack_attended(heard) + layer.stack_own(stack[row])
        torch.testing.assert_close(found[2][row], expected)


class TestGraphPool:
    def pool(self, margin, ratio=0.5):
        pool = GraphPool(1, ratio=ratio, margin=margin)
        pool.value = torch.nn.Identity()
        return pool

    @pytest.mark.parametrize(
        ("count", "ratio", "kept"),
        [(1, 0.5, 1), (2, 0.5, 1), (7, 0.5, 3), (8, 0.5, 4), (8, 1.0, 8), (3, 0.1, 1)],
        ids=str,
    )
    def test_keeps_the_best_of_the_rows_own_nodes(self, count, ratio, kept):
        torch.manual_seed(1)
        values = torch.randn(1, 12, 1)
        values[:, count:] = 100.0  # padding
        member = (torch.arange(12) < count).float()[None]
        out, chosen, counts = self.pool(1e-4, ratio)(
            values, member, torch.tensor([count])
        )
        best = values[0, :count, 0].topk(kept).indices.sort().values
        assert counts.tolist() == [kept]
        expected = torch.zeros(12).index_fill(0, best, 1.0)
        torch.testing.assert_close(chosen[0], expected, atol=2e-3, rtol=0)
        torch.testing.assert_close(out, values * torch.sigmoid(values))

    def test_is_continuous_where_two_nodes_change_places(self):
        def chosen(margin, step):
            values = torch.tensor([3.0, 1.0 + step, 1.0 - step, 0.0])[None, :, None]
            count = torch.tensor([4])
            return self.pool(margin)(values, torch.ones(1, 4), count)[1]

        change = (chosen(0.3, 1e-6) - chosen(0.3, -1e-6)).abs().max()
        assert 0 < change < 1e-5
        # With hardly any margin, the same nodes are exchanged.
        jump = (chosen(1e-5, 1e-4) - chosen(1e-5, -1e-4)).abs().max()
        assert jump == pytest.approx(1.0, abs=0.02)

    def test_equal_nodes_are_treated_alike(self):
        _, chosen, _ = self.pool(0.3)(
            torch.zeros(1, 6, 1), torch.ones(1, 6), torch.tensor([6])
        )
        torch.testing.assert_close(chosen, torch.full((1, 6), 0.5))

    def test_memberships_add_up_to_the_number_kept(self):
        torch.manual_seed(0)
        pool, values = self.pool(0.5), torch.randn(50, 20, 1)
        counts = torch.randint(1, 21, (50,))
        member = (torch.arange(20) < counts[:, None]).float()
        for _ in range(2):
            _, member, counts = pool(values, member, counts)
            torch.testing.assert_close(member.sum(1), counts.float())

    def test_gradient_is_that_of_small_changes(self):
        torch.manual_seed(0)
        pool = self.pool(1.0).double()
        values = torch.randn(3, 6, 1, dtype=torch.float64, requires_grad=True)
        member = torch.rand(3, 6, dtype=torch.float64, requires_grad=True)
        counts = torch.tensor([2, 3, 4])
        # The bisection ends at float32's precision.
        assert torch.autograd.gradcheck(
            lambda *x: pool(*x, counts)[1], (values, member), eps=1e-4, atol=1e-3
        )

    def test_a_node_on_its_way_out_does_not_push_others_out(self):
        values = torch.tensor([9.0, 1.0, 0.0, -1.0])[None, :, None]
        for little in (0.0, 1e-4):
            member = torch.tensor([[little, 1.0, 1.0, 1.0]])
            _, chosen, _ = self.pool(0.1)(values, member, torch.tensor([3]))
            torch.testing.assert_close(
                chosen, torch.tensor([[little, 1.0, 0.0, 0.0]]), atol=1e-4, rtol=0
            )

    @pytest.mark.parametrize("bad", [{"ratio": 0.0}, {"ratio": 1.1}, {"margin": 0.0}])
    def test_bad_arguments_are_named(self, bad):
        with pytest.raises(ValueError, match=f"{next(iter(bad))}.* is|and margin"):
            GraphPool(4, **bad)


class TestMaskedBatchNorm:
    VALID = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])

    def test_training_is_that_of_pytorch_on_the_valid_rows(self):
        torch.manual_seed(0)
        hidden = torch.randn(2, 6, 3)
        hidden[1, 2:] = 1e4
        ours, theirs = MaskedBatchNorm(3), torch.nn.BatchNorm1d(3)
        out = ours(hidden, self.VALID)
        torch.testing.assert_close(out[self.VALID], theirs(hidden[self.VALID]))
        torch.testing.assert_close(ours.norm.running_var, theirs.running_var)
        assert not out[~self.VALID].any()

    def test_evaluation_uses_the_statistics_of_training(self):
        norm = MaskedBatchNorm(3)
        norm(torch.randn(2, 6, 3), self.VALID)
        norm.eval()
        hidden = torch.randn(2, 6, 3)
        out = norm(hidden, self.VALID)
        torch.testing.assert_close(out[self.VALID], norm.norm(hidden[self.VALID]))
        assert not out[~self.VALID].any()

    def test_a_single_value_is_no_reason_to_stop(self):
        norm = MaskedBatchNorm(3)
        hidden = torch.ones(1, 2, 3)
        out = norm(hidden, torch.tensor([[True, False]]))
        torch.testing.assert_close(out[0, 0], torch.ones(3), atol=1e-4, rtol=0)
        assert norm.norm.num_batches_tracked == 0
