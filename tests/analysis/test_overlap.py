from math import comb, isnan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from captum_lca import NeuronLayout, NeuronRanking
from captum_lca.analysis import set_overlap, top_overlap
from captum_lca.analysis.overlap import top_salient


def ranking_of(order, layout=None):
    order = torch.tensor(order)
    salience = torch.empty(len(order)).scatter_(0, order, torch.arange(len(order), 0.0, -1))
    return NeuronRanking(order, salience, layout or NeuronLayout.single(len(order)), "by hand")


def test_by_hand():
    found = set_overlap(torch.tensor([0, 1]), torch.tensor([1, 2]), neurons=4)
    assert (found.sizes, found.shared, found.overlap) == ((2, 2), 1, 0.5)
    # of the 6 pairs that the second could be, one shares both, four share one, one shares none
    assert found.expected == pytest.approx(0.5)
    assert found.p_value == pytest.approx(5 / 6)
    assert found.interval == (0, 1)


def test_sets_of_two_sizes_are_measured_by_the_smaller():
    found = set_overlap(torch.arange(6), torch.tensor([4, 5, 6]), neurons=12)
    assert found.overlap == pytest.approx(2 / 3)
    assert found.expected == pytest.approx(6 / 12)
    at_least_two = comb(6, 2) * comb(6, 1) + comb(6, 3)
    assert found.p_value == pytest.approx(at_least_two / comb(12, 3))
    assert found.to_frame().loc[0, ["first", "second", "shared"]].tolist() == [6, 3, 2]


def test_the_interval_holds_most_random_draws():
    fixed, draws = torch.arange(50), 2000
    found = set_overlap(fixed, fixed, neurons=500)
    assert (found.overlap, found.expected) == (1, pytest.approx(0.1))
    assert found.p_value < 1e-60
    generator = torch.Generator().manual_seed(0)
    random = torch.stack([torch.randperm(500, generator=generator)[:50] for _ in range(draws)])
    shares = (random < 50).double().mean(1)
    low, high = found.interval
    assert ((shares >= low) & (shares <= high)).double().mean() >= 0.94  # standard error 0.005
    assert shares.mean() == pytest.approx(found.expected, abs=0.004)  # standard error 0.0009


orders = st.permutations(range(12))


@given(orders, orders, st.integers(1, 12), st.permutations(range(12)))
def test_invariants(first, second, count, renamed):
    a, b = ranking_of(first), ranking_of(second)
    found = top_overlap(a, b, count)
    assert found == top_overlap(b, a, count)
    assert top_overlap(a, a, count).overlap == 1
    again = (ranking_of([renamed[neuron] for neuron in order]) for order in (first, second))
    assert top_overlap(*again, count) == found
    assert found.interval[0] <= found.expected <= found.interval[1]
    assert 0 < found.p_value <= 1


def test_neurons_without_salience_are_no_overlap():
    layout = NeuronLayout.single(10)
    by_hand = [[2.0, 1] + [0.0] * 8, [0.0, 0, 0, 3, 0, 0, 0, 0, 0, 0], [0.0] * 10]
    one, other, nothing = (
        NeuronRanking(
            torch.tensor(row).argsort(descending=True, stable=True),
            torch.tensor(row),
            layout,
            "by hand",
        )
        for row in by_hand
    )
    assert top_salient(one, 5).tolist() == [0, 1]
    found = top_overlap(one, other, 5)  # by their order alone they would share 0, 1, 2
    assert (found.sizes, found.shared, found.overlap) == ((2, 1), 0, 0)
    assert found.expected == pytest.approx(0.2)
    assert top_overlap(one, one, 5).overlap == 1
    empty = top_overlap(one, nothing, 5)
    assert (empty.sizes, empty.p_value) == ((2, 0), 1)
    assert all(map(isnan, (empty.overlap, empty.expected, *empty.interval)))


def test_what_can_not_be_compared():
    ten, four = ranking_of(list(range(10))), ranking_of(list(range(4)))
    with pytest.raises(ValueError, match=r"not of the same neurons: .*\(10 neurons\).*\(4 neuron"):
        top_overlap(ten, four, 2)
    with pytest.raises(ValueError, match="top 1 to 10 neurons; found 11"):
        top_overlap(ten, ten, 11)
    with pytest.raises(ValueError, match="found none"):
        set_overlap(torch.tensor([], dtype=torch.long), torch.tensor([1]), 4)
    with pytest.raises(ValueError, match="given twice"):
        set_overlap(torch.tensor([1, 1]), torch.tensor([1]), 4)
    with pytest.raises(ValueError, match="0 to 3"):
        set_overlap(torch.tensor([4]), torch.tensor([1]), 4)
