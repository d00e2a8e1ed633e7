import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from neurox.interpretation.linear_probe import get_neuron_ordering

from captum_lca import LinearProbe, NeuronLayout
from captum_lca.rankings import weight_mass
from captum_lca.rankings.weight_mass import turns_between_layers


def probe_of(weight, layout=None):
    classes, neurons = weight.shape
    names = [str(number) for number in range(classes)] if classes > 1 else []
    return LinearProbe(
        weight,
        torch.zeros(classes),
        torch.zeros(neurons),
        torch.ones(neurons),
        classes=names,
        layout=layout,
    )


def test_by_hand():
    # Class 0 has mass 10: shares .5 .3 .2 0; class 1 has mass 4: shares 0 .25 0 .75.
    ranking = weight_mass(probe_of(torch.tensor([[5.0, -3, 2, 0], [0, 1, 0, -3]])))
    # entry = heavier mass, smallest over classes: 0, min(.5, .75), .8, 0
    assert ranking.salience.tolist() == pytest.approx([1, 0.5, 0.2, 1])
    assert ranking.order.tolist() == [3, 0, 1, 2]  # 3 before 0: its share .75 is above .5
    assert ranking.for_class("0").order.tolist()[:3] == [0, 1, 2]
    assert ranking.for_class("1").salience.tolist() == pytest.approx([0, 0.25, 0, 1])


def test_equal_weights_enter_together():
    ranking = weight_mass(probe_of(torch.tensor([[2.0, -1, 1, 0]])))
    assert ranking.salience.tolist() == pytest.approx([1, 0.5, 0.5, 0])


def test_a_class_without_weights_admits_nothing():
    ranking = weight_mass(probe_of(torch.tensor([[0.0, 0, 0], [1, 3, 0]])))
    assert ranking.order.tolist() == [1, 0, 2]
    assert ranking.for_class("0").salience.tolist() == [0, 0, 0]


def test_neurons_without_weight_take_turns_between_layers():
    layout = NeuronLayout(("a", "b"), (3, 2))
    assert turns_between_layers(layout).tolist() == [0, 3, 1, 4, 2]
    weight = torch.tensor([[0.0, 0, 1, 0, 0]])
    assert weight_mass(probe_of(weight, layout)).order.tolist() == [2, 0, 3, 1, 4]


def admitted(weight, p):
    """The paper's set at p: the heaviest weights that hold p of some class's mass."""
    chosen = set()
    for row in weight.abs().double():
        mass = 0.0
        for neuron in row.argsort(descending=True).tolist():
            if mass >= p * row.sum() or row[neuron] == 0:
                break
            chosen.add(neuron)
            mass += row[neuron].item()
    return chosen


weights = st.integers(0, 2**32 - 1).map(
    lambda seed: torch.randn(3, 12, generator=torch.Generator().manual_seed(seed))
)


@given(weights, st.floats(0.001, 0.999))
def test_the_ranking_nests_the_papers_sets(weight, p):
    weight = torch.where(weight.abs() < 0.3, 0.0, weight)
    wanted = admitted(weight, p)
    assert set(weight_mass(probe_of(weight)).top(len(wanted)).tolist()) == wanted


@given(weights, st.permutations(range(12)), st.permutations(range(3)))
@settings(max_examples=30)
def test_permuting_neurons_or_classes_permutes_the_ranking(weight, neurons, classes):
    plain = weight_mass(probe_of(weight))
    shuffled = weight_mass(probe_of(weight[classes][:, neurons]))
    assert torch.tensor(neurons)[shuffled.order].tolist() == plain.order.tolist()


@pytest.mark.parametrize("sparse", [False, True])
def test_agrees_with_neurox_at_every_cut_off(sparse):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(17, 600, generator=generator)
    weight *= torch.rand(1, 600, generator=generator) ** 3  # neurons of very different weight
    if sparse:
        weight = torch.where(weight.abs() < 0.2, 0.0, weight)
    peer = torch.nn.Linear(600, 17, bias=False)
    peer.weight.data = weight
    order, cutoffs = get_neuron_ordering(peer, {str(c): c for c in range(17)})
    ranking = weight_mass(probe_of(weight))
    for cutoff in cutoffs:  # one for each of 0 %, 1 %, …, 100 %
        assert set(ranking.top(cutoff).tolist()) == set(order[:cutoff])
    assert len(cutoffs) == 101
    assert len(set(cutoffs)) > 50
