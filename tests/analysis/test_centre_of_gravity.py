import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from planted import ranking_of

from captum_lca import NeuronLayout, NeuronRanking
from captum_lca.analysis import centre_of_gravity, centre_shift

LAYOUT = NeuronLayout(("a", "b", "c"), (2, 2, 2))


def test_is_the_mean_relative_depth():
    ranking = ranking_of([4, 0, 2, 1, 3, 5], LAYOUT)
    assert centre_of_gravity(ranking, 1).value == 1.0  # layer c
    assert centre_of_gravity(ranking, 2).value == 0.5  # c and a
    assert centre_of_gravity(ranking, 4).value == pytest.approx((1 + 0 + 0.5 + 0) / 4)
    assert math.isnan(centre_of_gravity(ranking, 4).low)


def test_neurons_without_weight_do_not_count():
    order, salience = torch.arange(6), torch.tensor([1.0, 0.5, 0, 0, 0, 0])
    ranking = NeuronRanking(order, salience, LAYOUT, "by_hand")
    assert centre_of_gravity(ranking, 5).value == 0.0
    nothing = NeuronRanking(order, torch.zeros(6), LAYOUT, "by_hand")
    assert math.isnan(centre_of_gravity(nothing, 5).value)


def test_one_layer_has_depth_0():
    assert centre_of_gravity(ranking_of([1, 0], NeuronLayout.single(2)), 1).value == 0


def test_interval_comes_from_the_halves():
    ranking = ranking_of([0, 1, 2, 3, 4, 5], LAYOUT)
    halves = [ranking_of(order, LAYOUT) for order in ([0, 1, 2, 3, 4, 5], [2, 1, 0, 3, 4, 5])]
    found = centre_of_gravity(ranking, 1, resampled=halves)
    # depths 0 and ½: standard deviation 0.3536; t(0.975, 1 degree of freedom) = 12.71; within 0…1
    assert (found.value, found.low, found.high) == (0, 0, 1)
    same = centre_of_gravity(ranking, 1, resampled=[ranking, ranking])
    assert (same.low, same.high) == (0, 0)


@given(st.permutations(range(6)), st.permutations(range(6)), st.integers(1, 6))
def test_shift_is_the_difference(one, other, count):
    before, after = ranking_of(one, LAYOUT), ranking_of(other, LAYOUT)
    shift = centre_shift(before, after, count).value
    centres = [centre_of_gravity(ranking, count).value for ranking in (before, after)]
    assert shift == pytest.approx(centres[1] - centres[0])
    assert centre_shift(before, before, count).value == 0


def test_shift_is_paired_half_by_half():
    """Halves that move both models alike leave the shift sure."""
    deep, shallow = ranking_of([4, 2, 0, 1, 3, 5], LAYOUT), ranking_of([2, 0, 4, 1, 3, 5], LAYOUT)
    halves = {"before_resampled": [deep, shallow], "after_resampled": [deep, shallow]}
    found = centre_shift(deep, deep, 1, **halves)
    assert (found.low, found.high) == (0, 0)


def test_refusals():
    ranking = ranking_of(range(6), LAYOUT)
    with pytest.raises(ValueError, match="count must be 1 to 6; found 7"):
        centre_of_gravity(ranking, 7)
    with pytest.raises(ValueError, match="the same halves of both; found 1 and 0"):
        centre_shift(ranking, ranking, before_resampled=[ranking])
