import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from captum_lca import NeuronLayout, NeuronRanking
from captum_lca.analysis import ranking_agreement


def ranking_of(order):
    order = torch.tensor(order)
    salience = torch.empty(len(order)).scatter_(0, order, torch.arange(len(order), 0.0, -1))
    return NeuronRanking(order, salience, NeuronLayout.single(len(order)), "by hand")


def test_by_hand():
    forward, backward = ranking_of([0, 1, 2, 3]), ranking_of([3, 2, 1, 0])
    swapped = ranking_of([1, 0, 2, 3])
    found = ranking_agreement({"a": forward, "b": backward, "c": swapped}, count=2)
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert found.pairs[0].spearman == pytest.approx(-1)
    assert found.pairs[0].weighted_tau == pytest.approx(-1)
    assert found.pairs[1].spearman == pytest.approx(1 - 6 * 2 / (4 * 15))  # 1 − 6Σd²/n(n²−1)
    # discordant pair at ranks 0 and 1 weighs 1 + 1/2; all pairs weigh 3·(1 + 1/2 + 1/3 + 1/4)
    assert found.pairs[1].weighted_tau == pytest.approx(1 - 2 * 1.5 / (3 * 25 / 12))
    assert found.matrix().to_numpy().tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


@given(st.permutations(range(15)), st.permutations(range(15)), st.permutations(range(15)))
def test_names_of_neurons_do_not_matter(one, other, renamed):
    found = ranking_agreement({"a": ranking_of(one), "b": ranking_of(other)}, count=5)
    again = [ranking_of([renamed[neuron] for neuron in order]) for order in (one, other)]
    other_names = ranking_agreement({"a": again[0], "b": again[1]}, count=5)
    assert found.pairs[0].top == other_names.pairs[0].top
    assert found.pairs[0].spearman == pytest.approx(other_names.pairs[0].spearman)
    ranks = [torch.tensor(order).argsort().numpy() for order in (one, other)]
    assert found.pairs[0].spearman == pytest.approx(spearmanr(*ranks).statistic)
    same = ranking_agreement({"a": ranking_of(one), "b": ranking_of(one)}, count=5).pairs[0]
    assert (same.top.overlap, same.spearman) == (1, pytest.approx(1))
    assert same.weighted_tau == pytest.approx(1)


def test_what_can_not_be_compared():
    with pytest.raises(ValueError, match="at least two rankings"):
        ranking_agreement({"a": ranking_of([0, 1])})
    with pytest.raises(ValueError, match="not of the same neurons"):
        ranking_agreement({"a": ranking_of([0, 1]), "b": ranking_of([0, 1, 2])})
    found = ranking_agreement({"a": ranking_of([0, 1]), "b": ranking_of([1, 0])})
    with pytest.raises(ValueError, match="value must be one of"):
        found.matrix("p_value")
