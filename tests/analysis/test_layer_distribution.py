import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from planted import planted, ranking_of
from scipy.stats import false_discovery_control

from captum_lca import NeuronLayout, fit_elastic_net
from captum_lca.analysis import layer_distribution
from captum_lca.rankings import weight_mass

# 5 neurons a layer: ADJ and NOUN are told in layer.0, VERB in layer.2
WHERE = [0, 3, 12, *(n for n in range(15) if n not in (0, 3, 12))]


@pytest.fixture(scope="module")
def problem():
    train, _, informative = planted(where=WHERE)
    probe = fit_elastic_net(*train, l1=0.03)
    return train, probe, weight_mass(probe), informative


@pytest.fixture(scope="module")
def found(problem):
    (store, labels), probe, ranking, _ = problem
    return layer_distribution(
        store, labels, ranking, count=3, samples=4, init=probe, l1=0.03, progress=False
    )


def of(result, name):
    return [share.neurons for share in result.shares if share.name == name]


def test_counts_the_planted_neurons(found):
    assert of(found, "all") == [2, 0, 1]
    assert found.centres["all"].value == pytest.approx(1 / 3)  # depths 0, 0, 1
    for share in found.shares[:3]:
        assert share.low == share.neurons == share.high  # so clear that every half agrees
        assert share.expected == 1.0


def test_counts_per_class(problem):
    (store, labels), _, ranking, _ = problem
    result = layer_distribution(store, labels, ranking, count=1, samples=0)
    assert [of(result, name) for name in ("ADJ", "NOUN", "VERB")] == [
        [1, 0, 0],
        [1, 0, 0],
        [0, 0, 1],
    ]
    assert math.isnan(result.shares[0].low)
    assert result.centres["VERB"].value == 1


def test_equal_spread_is_what_permuting_the_layers_gives(problem):
    (store, labels), _, ranking, _ = problem
    result = layer_distribution(store, labels, ranking, count=6, samples=0)
    share = result.shares[0]
    counted = sum(of(result, "all"))  # the probe may use fewer than 6
    rng = np.random.default_rng(0)
    drawn = np.array([(rng.permutation(15)[:counted] < 5).sum() for _ in range(20_000)])
    assert share.expected == pytest.approx(drawn.mean(), abs=0.05)
    below, above = (drawn <= share.neurons).mean(), (drawn >= share.neurons).mean()
    assert share.p_value == pytest.approx(min(1, 2 * min(below, above)), abs=0.02)
    inside = (drawn >= share.expected_low) & (drawn <= share.expected_high)
    assert inside.mean() >= 0.94
    values = [share.p_value for share in result.shares]
    expected = false_discovery_control(values)
    assert [share.q_value for share in result.shares] == pytest.approx(expected.tolist())


def test_names_of_classes_change_nothing(problem, found):
    (store, labels), _, _, _ = problem
    renamed = [{"ADJ": "z", "NOUN": "y", "VERB": "x"}[label] for label in labels]
    probe = fit_elastic_net(store, renamed, l1=0.03)
    result = layer_distribution(
        store, renamed, weight_mass(probe), count=3, samples=4, init=probe, l1=0.03, progress=False
    )
    assert of(result, "all") == of(found, "all")
    assert of(result, "x") == of(found, "VERB")


def test_a_ranking_without_classes_and_another_method():
    layout = NeuronLayout(("a", "b"), (3, 5))
    ranking = ranking_of([7, 3, 0, 4, 1, 2, 5, 6], layout)
    result = layer_distribution(
        torch.randn(20, 8),
        ["x", "y"] * 10,
        ranking,
        count=4,
        samples=2,
        method=lambda activations, labels, /, *, seed: ranking,
        progress=False,
    )
    assert of(result, "all") == [1, 3]
    assert result.shares[0].expected == 4 * 3 / 8
    assert list(result.centres) == ["all"]


def test_frame_and_plot(found):
    frame = found.to_frame()
    assert len(frame) == 3 * 4
    assert {"name", "layer", "neurons", "expected_low", "q_value"} <= set(frame.columns)
    ax = found.plot("VERB", Figure().subplots())
    assert [bar.get_height() for bar in ax.patches[:3]] == of(found, "VERB")
    assert ax.get_title() == "VERB"
    with pytest.raises(ValueError, match="no class 'X'"):
        found.plot("X", Figure().subplots())
