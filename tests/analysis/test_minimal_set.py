import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from planted import planted, ranking_of

from captum_lca import ActivationStore, NeuronLayout
from captum_lca.analysis import minimal_set
from captum_lca.analysis.growth import Growth, sizes


class Steps:
    """Scores that are 1 from some size on; counts the fits."""

    def __init__(self, enough):
        self.enough, self.fits = enough, 0

    def fit(self, neurons, init=None):
        self.fits += 1
        return len(neurons)

    def score(self, size):
        return type("Score", (), {"value": float(size >= self.enough)})


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_bisection_finds_the_first_size_that_is_enough(enough, neurons):
    steps = Steps(enough)
    found = Growth(steps, [torch.arange(neurons)], 0.5, resolution=1e-9).enough()
    assert found == (enough if enough <= neurons else None)
    assert steps.fits <= 12 + 12


@given(st.integers(20, 3000))
def test_coarse_bisection_is_off_by_the_resolution_at_most(enough):
    found = Growth(Steps(enough), [torch.arange(3000)], 0.5, resolution=0.1).enough()
    assert enough <= found <= enough / 0.9 + 1


def test_sizes():
    assert list(sizes(60)) == [1, 2, 5, 10, 20, 50, 60]
    assert list(sizes(50)) == [1, 2, 5, 10, 20, 50]
    assert list(sizes(1)) == [1]


@pytest.fixture(scope="module")
def problem():
    train, test, informative = planted()
    layout = train[0].layout
    rest = [neuron for neuron in range(layout.size) if neuron not in informative[0]]
    best = ranking_of([*informative[0], *rest], layout, "best")
    worst = ranking_of([*rest, *informative[0]], layout, "worst")
    return train, test, informative[0], best, worst


@pytest.fixture(scope="module")
def found(problem):
    train, test, _, best, worst = problem
    return minimal_set(
        *train, best, test=test, delta=0.02, others={"worst": worst}, draws=3, progress=False
    )


def test_finds_the_planted_neurons(problem, found):
    # two of the three tell three classes apart, the third makes it surer
    assert 2 <= len(found.neurons) <= 3
    assert set(found.neurons.tolist()) <= set(problem[2])
    assert found.accuracy >= found.full_accuracy - 0.02
    assert found.difference.value == pytest.approx(found.accuracy - found.full_accuracy)
    assert found.metric == "accuracy"


def test_other_rankings_need_more(found):
    assert found.sizes["best"] == len(found.neurons)
    assert found.sizes["worst"] >= 14  # all noise, and two of the three at least
    assert found.sizes["best"] < found.sizes["random"] <= 15


def test_size_interval_holds_the_size(found):
    low, high = found.size_interval
    assert 1 <= low <= len(found.neurons) <= high <= 15
    curve = found.to_frame().query("ranking == 'best'").set_index("size")
    assert curve.loc[high].low >= -0.02
    assert (curve.query("size < @low").high < -0.02).all()


def test_curve_ends_are_those_of_the_probe(found):
    curve = found.to_frame()
    assert (curve.query("ranking != 'random'").spread == 0).all()
    assert (curve.query("ranking == 'random' and size == 1").spread > 0).all()
    whole = curve.query("size == 15")
    assert (whole.score == found.full_accuracy).all()


def test_permuted_neurons_give_the_permuted_set(problem):
    train, test, _, best, _ = problem
    place = torch.randperm(15, generator=torch.Generator().manual_seed(1))
    moved = [
        (ActivationStore.from_tensor(store.tensor()[:, place.argsort()], store.layout), labels)
        for store, labels in (train, test)
    ]
    options = {"delta": 0.02, "draws": 0, "progress": False}
    one = minimal_set(*train, best, test=test, **options)
    other = minimal_set(
        *moved[0], ranking_of(place[best.order], best.layout), test=moved[1], **options
    )
    assert other.neurons.tolist() == place[one.neurons].tolist()
    assert other.accuracy == pytest.approx(one.accuracy)


def test_renamed_classes_change_nothing(problem, found):
    train, test, _, best, _ = problem
    new = {"ADJ": "z", "NOUN": "y", "VERB": "x"}
    renamed = [(store, [new[label] for label in labels]) for store, labels in (train, test)]
    other = minimal_set(*renamed[0], best, test=renamed[1], delta=0.02, draws=0, progress=False)
    assert other.neurons.tolist() == found.neurons.tolist()
    assert other.accuracy == pytest.approx(found.accuracy, abs=0.01)


def test_refusals(problem):
    train, test, _, best, worst = problem
    with pytest.raises(ValueError, match="'best' is taken twice"):
        minimal_set(*train, best, test=test, others={"best": worst})
    with pytest.raises(ValueError, match="delta must be at least 0"):
        minimal_set(*train, best, test=test, delta=-0.1)
    other = ranking_of([0, 1], NeuronLayout.single(2))
    with pytest.raises(ValueError, match="have different layouts"):
        minimal_set(*train, other, test=test)


def test_plot(found):
    ax = found.plot(Figure().subplots())
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [f"{name} ({size} enough)" for name, size in found.sizes.items()]
