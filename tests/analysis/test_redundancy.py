import pytest
import torch
from matplotlib.figure import Figure
from planted import planted

from captum_lca.analysis import disjoint_sets, layer_probes, layer_redundancy

# 3 layers of 6: one copy of the informative neurons in each of the first two
TWICE = [0, 1, 2, 6, 7, 8]
WHERE = [*TWICE, *(n for n in range(18) if n not in TWICE)]


@pytest.fixture(scope="module")
def problem():
    return planted(copies=2, where=WHERE)


@pytest.fixture(scope="module")
def sets(problem):
    train, test, _ = problem
    return disjoint_sets(*train, test=test, delta=0.06, progress=False)


def test_finds_as_many_sets_as_copies(sets):
    assert len(sets.sets) == 2
    for found in sets.sets:
        assert found.score.value >= sets.full.value - 0.06
        assert set(found.neurons.tolist()) <= set(TWICE)
    assert sets.left_score.value < sets.full.value - 0.06


def test_a_disjoint_set_is_disjoint(sets):
    members = torch.cat([found.neurons for found in sets.sets])
    assert len(members.unique()) == len(members)
    assert sets.left + len(members) == 18
    assert [found.available for found in sets.sets] == [18, 18 - len(sets.sets[0].neurons)]


def test_stops_at_most(problem):
    train, test, _ = problem
    found = disjoint_sets(*train, test=test, delta=0.06, most=1, progress=False)
    assert len(found.sets) == 1
    assert found.left_score is None


def test_everything_is_used_up_where_everything_is_allowed(problem):
    train, test, _ = problem
    found = disjoint_sets(*train, test=test, delta=1.0, most=100, progress=False)
    assert sum(len(one.neurons) for one in found.sets) == 18
    assert found.left == 0
    assert found.left_score is None


def test_layers(problem):
    train, test, _ = problem
    found = layer_redundancy(*train, test=test, progress=False)
    first, second, noise = found.layers
    assert first.alone > -0.06
    assert second.alone > -0.06
    assert noise.alone < -0.4
    assert all(layer.without > -0.06 for layer in found.layers)
    assert "layer.2" in found.redundant(0.02)
    assert "layer.2" not in found.sufficient(0.1)
    assert len(found.to_frame()) == 3
    ax = found.plot(Figure().subplots())
    assert len(ax.get_legend().get_texts()) == 2


def test_layer_probes(problem):
    train, test, _ = problem
    found = layer_probes(*train, test=test, cumulative=True, progress=False)
    first, _, last = found.layers
    assert first.score == first.cumulative
    assert last.cumulative == found.full.value
    assert last.score < 0.5 < first.score
    assert last.low <= last.score <= last.high
    alone = layer_redundancy(*train, test=test, progress=False).layers
    for probe, loss in zip(found.layers, alone, strict=True):
        assert probe.score - found.full.value == pytest.approx(loss.alone)
    assert len(found.plot(Figure().subplots()).containers) == 2


def test_one_layer_is_not_compared(problem):
    (store, labels), (test, test_labels), _ = problem
    with pytest.raises(ValueError, match="only one"):
        layer_redundancy(store.tensor(), labels, test=(test.tensor(), test_labels))


def test_plot_and_frame_of_sets(sets):
    assert len(sets.to_frame()) == 2
    ax = sets.plot(Figure().subplots())
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "left"]


def test_refusals(problem):
    train, test, _ = problem
    with pytest.raises(ValueError, match=r"most at least 1; found 0\.01 and 0"):
        disjoint_sets(*train, test=test, most=0)
