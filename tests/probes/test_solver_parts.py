"""The parts of the solver: penalty, moments, samples, working sets, small quadratics."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captum_lca.probes import NeuronMoments
from captum_lca.probes.inner import minimise_quadratic
from captum_lca.probes.penalties import ElasticNet
from captum_lca.probes.sampling import sample_rows, working_sets

EVEN = torch.full((5000,), 1 / 5000, dtype=torch.float64)


def test_penalty_by_hand() -> None:
    penalty = ElasticNet(l1=2.0, l2=0.5)
    weight = torch.tensor([3.0, -0.5, 0.0])
    assert penalty.value(weight) == 2 * 3.5 + 0.5 * 9.25
    # Soft threshold at 0.1·2, then divided by 1 + 2·0.1·0.5.
    torch.testing.assert_close(
        penalty.prox(weight, 0.1), torch.tensor([2.8 / 1.1, -0.3 / 1.1, 0.0])
    )
    slope = torch.tensor([1.0, 1.0, -5.0])
    torch.testing.assert_close(penalty.subgradient(weight, slope), torch.tensor([6.0, -1.5, -3.0]))


def test_the_path_leads_down_to_the_penalty() -> None:
    path = ElasticNet(l1=1.0, l2=0.5).path(torch.tensor([[10.0, 2.0]]), ratio=3.0)
    assert path == [(ElasticNet(l1, 0.5), l1) for l1 in (9.0, 3.0, 1.0)]
    ridge = ElasticNet(l1=0.0, l2=0.5)
    assert ridge.path(torch.tensor([[10.0, 2.0]]), ratio=3.0) == [(ridge, 0.0)]


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 50), max_size=4), seed=st.integers(0, 99))
def test_moments_do_not_depend_on_the_batches(cuts: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(50, 4, dtype=torch.float64, generator=generator)
    rows[:, 1] = rows[:, 1] * 1e-3 + 1e4
    edges = [0, *sorted(cuts), 50]
    merged = NeuronMoments(4)
    for start, stop in pairwise(edges):
        part = NeuronMoments(4)
        part.update(rows[start:stop])
        merged.merge(part)
    found = merged.finish()
    torch.testing.assert_close(found.mean, rows.mean(0))
    torch.testing.assert_close(found.scale, rows.std(0, correction=0), rtol=1e-6, atol=0)


def test_constant_neurons_become_zero() -> None:
    rows = torch.full((100, 2), 0.1)
    rows[:, 1] += torch.arange(100)
    moments = NeuronMoments(2)
    moments.update(rows[:30])
    moments.update(rows[30:])
    standardisation = moments.finish()
    assert standardisation.constant.tolist() == [True, False]
    assert standardisation.scale[0] == 1
    assert int(standardisation.apply_(rows)[:, 0].count_nonzero()) == 0


def test_moments_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        NeuronMoments(3).finish()


@pytest.mark.parametrize("weighted", [False, True])
def test_a_sample_estimates_sums_over_all_rows(weighted: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    share = torch.rand(5000, dtype=torch.float64, generator=generator) if weighted else EVEN
    share = share / share.sum()
    diagonal = torch.rand(5000, 3, dtype=torch.float64, generator=generator) ** 8
    sample = sample_rows(share[:, None] * diagonal, share, 1000, 0, generator)
    assert len(sample.rows) <= 1000
    assert torch.equal(sample.rows, sample.rows.unique())
    estimate = (sample.share[:, None] * diagonal[sample.rows]).sum(0)
    torch.testing.assert_close(estimate, share @ diagonal, rtol=0.05, atol=0)


def test_a_sample_of_more_rows_than_there_are_is_all_of_them() -> None:
    share = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    sample = sample_rows(torch.ones(4, 1), share, 10, 0, torch.Generator())
    assert sample.rows.tolist() == [0, 1, 2, 3]
    assert torch.equal(sample.share, share)


def test_rows_without_any_curvature_are_drawn_evenly() -> None:
    generator = torch.Generator().manual_seed(0)
    sample = sample_rows(torch.zeros(5000, 2), EVEN, 10, 0, generator)
    assert len(sample.rows) == 10


def test_working_sets_hold_weights_and_the_worst_violators() -> None:
    weight = torch.zeros(1, 100)
    weight[0, 5] = 1.0
    violation = torch.zeros(1, 100)
    violation[0, :50] = torch.arange(50.0, 0, -1)
    (chosen,) = working_sets(weight, violation)
    assert sorted(chosen.tolist()) == list(range(31))  # 5 has a weight; 30 more may join
    assert [len(some) for some in working_sets(weight, violation, largest=7)] == [7]


@settings(max_examples=30)
@given(size=st.integers(1, 12), l1=st.sampled_from([0.0, 0.1, 1.0]), seed=st.integers(0, 99))
def test_small_quadratics_are_minimised(size: int, l1: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(2 * size, size, dtype=torch.float64, generator=generator)
    matrix = factor.T @ factor / size + 0.1 * torch.eye(size, dtype=torch.float64)
    linear, start = torch.randn(2, size, dtype=torch.float64, generator=generator)
    penalty = ElasticNet(l1, 0.1)
    found = minimise_quadratic(
        matrix.mv, float(matrix.norm()), linear, start, penalty.prox, accuracy=1e-8
    )
    slope = matrix @ (found - start) + linear
    assert float(penalty.subgradient(found, slope).abs().max()) < 1e-6
