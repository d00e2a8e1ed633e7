from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from captum_lca import ActivationStore, NeuronLayout
from captum_lca.probes.objective import CrossEntropy, SquaredError
from captum_lca.rankings import stepwise_selection
from captum_lca.rankings.active_set import SAMPLE, ActiveObjective
from captum_lca.rankings.elimination import rises, without

QUIET = {"progress": False}


def gaussian(rows, neurons, seed=0):
    return torch.randn(rows, neurons, generator=torch.Generator().manual_seed(seed))


def planted(rows=2000, neurons=100, seed=0):
    """Class c of three is marked by neuron 3·c, ever more weakly; the others are noise."""
    activations = gaussian(rows, neurons, seed)
    numbers = torch.arange(rows) % 3
    for number, strength in enumerate((3.0, 2.0, 1.0)):
        activations[numbers == number, 3 * number] += strength
    return activations, ["abc"[number] for number in numbers]


def orthogonal(rows, neurons):
    """Centred columns of variance 1, each orthogonal to the others."""
    matrix = gaussian(rows, neurons).double()
    matrix -= matrix.mean(0)
    return torch.linalg.qr(matrix).Q * rows**0.5


def test_planted_neurons_come_in_their_order():
    ranking = stepwise_selection(*planted(), sizes=(1, 2, 3, 6), **QUIET)
    assert ranking.order[:3].tolist() == [0, 3, 6]
    assert ranking.method == "stepwise_selection"
    assert ranking.salience[ranking.order[:6]].tolist() == pytest.approx(
        [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6]
    )


def test_each_class_has_its_own_planted_neuron_first():
    ranking = stepwise_selection(*planted(), sizes=(3,), **QUIET)
    firsts = [int(ranking.for_class(name).order[0]) for name in "abc"]
    assert firsts[:2] == [0, 3]
    assert set(ranking.for_class("c").order[:3].tolist()) == {0, 3, 6}


@given(st.permutations([4.0, -3.0, 2.0, -1.0, 0.5, -0.25]), st.sampled_from([(6,), (1, 3), (2, 4)]))
@settings(max_examples=15, deadline=None)
def test_orthogonal_neurons_come_by_their_coefficients(coefficients, sizes):
    # Squared loss falls by ½β² with each neuron, whatever the others: the order of classical OMP.
    activations = orthogonal(60, 6)
    labels = activations @ torch.tensor(coefficients).double()
    ranking = stepwise_selection(activations, labels, sizes=sizes, l2=0.0, **QUIET)
    expected = torch.tensor(coefficients).abs().argsort(descending=True)
    assert ranking.order.tolist() == expected.tolist()
    assert ranking.classes == ()


@pytest.mark.parametrize("seed", range(5))
def test_finds_the_best_of_all_subsets(seed):
    mixing = torch.eye(10) + 0.15 * gaussian(10, 10, seed + 100)
    activations = (gaussian(300, 10, seed) @ mixing).double()
    labels = activations @ torch.linspace(0, 3, 10).double() + gaussian(300, 1, seed + 50)[:, 0]
    chosen = stepwise_selection(activations, labels, sizes=(4,), l2=1e-6, **QUIET).top(4)

    def score(ids):
        return (
            LinearRegression().fit(activations[:, ids], labels).score(activations[:, ids], labels)
        )

    best = max(combinations(range(10), 4), key=lambda ids: score(list(ids)))
    assert set(chosen.tolist()) == set(best)


def refitted(activations, loss, l2, rounds=40):
    """An active set of all neurons, at the minimum of its objective."""
    rows = len(activations)
    objective = ActiveObjective(loss, l2, rows, torch.Generator().manual_seed(0))
    active = objective.empty(activations)
    active = active.with_neurons(torch.arange(activations.shape[1]), activations)
    for _ in range(rounds):
        active = objective.refit(active, objective.hessians(active))
    return objective, active


@pytest.fixture
def quadratic():
    activations = (gaussian(200, 6) @ gaussian(6, 6, 1)).double()
    targets = activations @ torch.tensor([1.0, -2, 0.5, 0, 3, 1]).double()
    targets += gaussian(200, 1, 2)[:, 0]
    return activations, targets


def test_scores_are_the_true_rises_of_a_quadratic_loss(quadratic):
    activations, targets = quadratic
    objective, active = refitted(activations, SquaredError(targets), 1e-3)
    inverse = torch.linalg.inv(objective.hessians(active))
    expected = []
    for neuron in range(6):
        others = [other for other in range(6) if other != neuron]
        _, left = refitted(activations[:, others], SquaredError(targets), 1e-3)
        expected.append(left.objective - active.objective)
    assert rises(active.weight, inverse)[0].tolist() == pytest.approx(expected, rel=1e-4)


def test_what_is_left_after_removals_is_the_minimum(quadratic):
    activations, targets = quadratic
    objective, active = refitted(activations, SquaredError(targets), 1e-3)
    left, gone = without(active, 3, objective, fixed=2)
    kept = [neuron for neuron in range(6) if neuron not in gone]
    assert left.neurons.tolist() == kept
    assert kept[:2] == [0, 1]  # came in first, and had to stay
    _, expected = refitted(activations[:, kept], SquaredError(targets), 1e-3)
    torch.testing.assert_close(left.weight, expected.weight, rtol=1e-4, atol=1e-4)


def test_refit_ends_where_the_gradient_does():
    activations = gaussian(500, 4).double()
    numbers = torch.arange(500) % 3
    activations[:, 0] += numbers
    _, active = refitted(activations, CrossEntropy(numbers, 3), 1e-2)
    weight = active.weight.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(active.columns @ weight.T, numbers)
    (loss + 1e-2 * weight[:, 1:].square().sum()).backward()
    assert float(weight.grad.abs().max()) < 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_permuting_neurons_permutes_the_ranking(seed):
    activations, labels = planted(600, 30, seed)
    places = torch.randperm(30, generator=torch.Generator().manual_seed(seed))
    plain = stepwise_selection(activations, labels, sizes=(3, 6), **QUIET)
    shuffled = stepwise_selection(activations[:, places], labels, sizes=(3, 6), **QUIET)
    assert places[shuffled.order].tolist() == plain.order.tolist()
    assert places[shuffled.class_order[1]].tolist() == plain.class_order[1].tolist()


def test_relabelling_classes_permutes_their_orders():
    activations, labels = planted(600, 30)
    renamed = [{"a": "z", "b": "x", "c": "y"}[label] for label in labels]
    plain = stepwise_selection(activations, labels, sizes=(3, 6), **QUIET)
    other = stepwise_selection(activations, renamed, sizes=(3, 6), **QUIET)
    assert other.order.tolist() == plain.order.tolist()
    assert other.for_class("z").order.tolist() == plain.for_class("a").order.tolist()


def test_of_two_copies_one_is_chosen():
    activations, labels = planted(600, 12)
    twice = torch.cat([activations, 5 - 2 * activations], 1)
    chosen = stepwise_selection(twice, labels, sizes=(12,), **QUIET).top(12)
    assert sorted((chosen % 12).tolist()) == list(range(12))


def test_constant_neurons_come_last_in_turns_between_layers():
    activations, labels = planted(300, 30)
    activations[:, [2, 20, 21]] = 7.0
    layout = NeuronLayout(("first", "second"), (15, 15))
    ranking = stepwise_selection(activations, labels, sizes=(40,), layout=layout, **QUIET)
    assert ranking.order[-3:].tolist() == [
        2,
        20,
        21,
    ]  # places 2 of the first, 5 and 6 of the second
    assert ranking.salience[ranking.order[-3:]].tolist() == [0, 0, 0]
    assert ranking.layout == layout


def test_the_order_is_that_of_the_salience():
    ranking = stepwise_selection(*planted(600, 30), sizes=(5,), **QUIET)
    assert bool((ranking.salience[ranking.order].diff() < 0).all())
    chosen, rest = ranking.class_order[0][:5], ranking.class_salience[0][ranking.class_order[0]]
    assert set(chosen.tolist()) == set(ranking.top(5).tolist())
    assert bool((rest.diff() < 0).all())


def test_two_classes_have_the_same_order():
    activations, labels = planted(600, 30)
    labels = ["a" if label == "a" else "rest" for label in labels]
    ranking = stepwise_selection(activations, labels, sizes=(1, 4), **QUIET)
    assert int(ranking.order[0]) == 0
    assert ranking.for_class("a").order.tolist() == ranking.for_class("rest").order.tolist()


def test_same_seed_same_ranking():
    activations, labels = planted(SAMPLE + 500, 30)  # more rows than the samples have
    first, second = (
        stepwise_selection(activations, labels, sizes=(3, 8), seed=3, **QUIET) for _ in range(2)
    )
    assert first.order.tolist() == second.order.tolist()
    assert torch.equal(first.class_salience, second.class_salience)


def test_reading_the_rows_again_changes_nothing(tmp_path):
    activations, labels = planted()
    held = stepwise_selection(activations, labels, sizes=(3, 6), **QUIET)
    store = ActivationStore.from_tensor(activations)
    matrix = activations.numel() * activations.element_size()
    streamed = stepwise_selection(store, labels, sizes=(3, 6), memory=matrix, **QUIET)
    assert streamed.order.tolist() == held.order.tolist()


def test_with_little_memory_the_refits_see_a_sample_of_the_rows():
    ranking = stepwise_selection(*planted(6000), sizes=(3,), memory=4 * 7 * 4 * 3000, **QUIET)
    assert ranking.order[:3].tolist() == [0, 3, 6]


def test_rows_without_a_label_do_not_count():
    activations, labels = planted(600, 30)
    plain = stepwise_selection(activations, labels, sizes=(5,), **QUIET)
    noise = torch.cat([activations, 100 * gaussian(50, 30, 9)])
    ranking = stepwise_selection(noise, [*labels, *[None] * 50], sizes=(5,), **QUIET)
    assert ranking.order.tolist() == plain.order.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": ()}, "sizes must be"),
        ({"sizes": (5, 0)}, r"from 1 on; found \[5, 0\]"),
        ({"l2": -1.0}, "l2 must be"),
        ({"l2": float("nan")}, "l2 must be"),
        ({"memory": 0}, "memory must be positive"),
        ({"layout": NeuronLayout.single(3)}, "the layout has 3 neurons"),
        ({"classes": ["a", "b"]}, "not among the classes"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        stepwise_selection(*planted(60, 10), **options, **QUIET)


def test_bad_rows():
    activations, labels = planted(60, 10)
    with pytest.raises(ValueError, match="misaligned"):
        stepwise_selection(activations, labels[1:], **QUIET)
    activations[7, 3] = torch.nan
    with pytest.raises(ValueError, match="neuron 3 of layer"):
        stepwise_selection(activations, labels, **QUIET)
