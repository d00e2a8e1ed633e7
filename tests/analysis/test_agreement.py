import math

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr, weightedtau

from captum_lca import NeuronLayout, NeuronRanking
from captum_lca.analysis import ranking_agreement

mpl.use("Agg")


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


def sparse(salience):
    """A ranking by salience; ties in id order, as most methods break them."""
    salience = torch.tensor(salience)
    order = salience.argsort(descending=True, stable=True)
    return NeuronRanking(order, salience, NeuronLayout.single(len(salience)), "by hand")


def test_neurons_without_salience_do_not_make_rankings_agree():
    nothing = [0.0] * 500
    one, other = [4.0, 3, 2, 1, 0, 0, 0, 0], [0.0, 0, 0, 0, 4, 3, 2, 1]
    pair = ranking_agreement({"a": sparse(one + nothing), "b": sparse(other + nothing)}, count=4)
    found = pair.pairs[0]
    assert found.top.overlap == 0
    # ranks from their mean: 3.5 2.5 1.5 0.5 −2 −2 −2 −2, and the other way round
    assert found.spearman == pytest.approx(spearmanr(one, other).statistic)
    assert found.spearman == pytest.approx(2 * 8 * -2 / (21 + 16))
    assert found.weighted_tau < 0
    few = ranking_agreement({"a": sparse(one), "b": sparse(other)}, count=4).pairs[0]
    assert (found.spearman, found.weighted_tau) == (few.spearman, few.weighted_tau)
    by_order = spearmanr(*(sparse(row + nothing).order.argsort() for row in (one, other)))
    assert by_order.statistic > 0.99  # what the order of the weightless would pretend


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=12))
def test_salience_beside_none_is_correlated_alone(pairs):
    one, other = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    found = ranking_agreement({"a": sparse(one), "b": sparse(other)}, count=1).pairs[0]
    kept = [pair for pair in pairs if any(pair)]
    if len({pair[0] for pair in kept}) < 2 or len({pair[1] for pair in kept}) < 2:
        assert math.isnan(found.spearman)
        assert math.isnan(found.weighted_tau)
    else:
        assert found.spearman == pytest.approx(spearmanr(*zip(*kept, strict=True)).statistic)
        assert found.weighted_tau == pytest.approx(
            weightedtau(*np.array(kept, float).T).statistic, nan_ok=True
        )


def test_what_can_not_be_compared():
    with pytest.raises(ValueError, match="at least two rankings"):
        ranking_agreement({"a": ranking_of([0, 1])})
    with pytest.raises(ValueError, match="not of the same neurons"):
        ranking_agreement({"a": ranking_of([0, 1]), "b": ranking_of([0, 1, 2])})
    found = ranking_agreement({"a": ranking_of([0, 1]), "b": ranking_of([1, 0])})
    with pytest.raises(ValueError, match="value must be one of"):
        found.matrix("p_value")


@pytest.mark.parametrize("value", ["overlap", "spearman", "weighted_tau"])
def test_the_map_shows_the_frame(value):
    rankings = {"a": ranking_of([0, 1, 2, 3]), "b": ranking_of([1, 0, 2, 3])}
    found = ranking_agreement(rankings | {"c": ranking_of([3, 2, 1, 0])}, count=2)
    axes = found.plot(value)
    shown = {tuple(text.get_position()): text.get_text() for text in axes.texts}
    for row in found.to_frame().to_dict("records"):
        place = "abc".index(row["first"]), "abc".index(row["second"])
        assert shown[place] == shown[place[::-1]] == f"{row[value]:.2f}"
    assert [text.get_text() for text in axes.get_xticklabels()] == list("abc")
