"""What holds for all rankings by score, and each beside an independent implementation."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from neurox.interpretation import probeless as neurox_probeless
from sklearn.feature_selection import f_classif, f_regression
from sklearn.metrics import average_precision_score, jaccard_score

from captum_lca import rankings
from captum_lca.activations import ActivationStore
from captum_lca.probes import NeuronMoments
from captum_lca.rankings.class_moments import ClassMoments
from captum_lca.rankings.number_moments import NumberMoments

BY_CLASS = ["probeless", "iou", "average_precision", "anova_f", "gaussian"]


def problem(seed=0, rows=120, neurons=9, rounded=False):
    """Activations (the last neuron constant) and three classes, which some neurons tell apart."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, 3, (rows,), generator=generator)
    classes[:3] = torch.arange(3)
    activations = torch.randn(rows, neurons, generator=generator, dtype=torch.float64)
    activations[:, :3] += 2.0 * (classes[:, None] == torch.arange(3))
    activations[:, -1] = 7.0
    if rounded:
        activations = (activations * 2).round() / 2  # many ties
    return activations, [f"class {number}" for number in classes.tolist()]


@pytest.mark.parametrize("name", BY_CLASS)
@given(seed=st.integers(0, 1000), data=st.data())
@settings(max_examples=8)
def test_permuting_neurons_or_renaming_classes_permutes_the_answer(name, seed, data):
    activations, labels = problem(seed)
    neurons = torch.tensor(data.draw(st.permutations(range(activations.shape[1]))))
    renamed = dict(zip(sorted(set(labels)), data.draw(st.permutations("xyz")), strict=True))
    method = getattr(rankings, name)
    plain = method(activations, labels)
    moved = method(activations[:, neurons], [renamed[label] for label in labels])
    torch.testing.assert_close(moved.salience, plain.salience[neurons], check_dtype=False)
    for old, new in renamed.items():
        found, expected = moved.for_class(new).salience, plain.for_class(old).salience[neurons]
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", rankings.METHODS)
def test_methods_share_one_signature(name):
    activations, labels = problem()
    ranking = rankings.METHODS[name](activations, labels, seed=0)
    assert ranking.method == name
    assert ranking.classes == ("class 0", "class 1", "class 2")
    if name != "random_order":
        assert ranking.order[-1] == 8  # the constant neuron
        assert (ranking.class_order[:, -1] == 8).all()
        assert set(ranking.top(3).tolist()) == {0, 1, 2}


def test_the_documentation_lists_every_method():
    page = Path(__file__).parents[2] / "docs" / "rankings.md"
    listed = re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(rankings.METHODS)


@pytest.mark.parametrize("name", BY_CLASS)
def test_unlabelled_rows_and_stores(name):
    activations, labels = problem()
    method = getattr(rankings, name)
    padded = torch.cat([activations, torch.full((5, 9), 1e6, dtype=torch.float64)])
    found = method(ActivationStore.from_tensor(padded), [*labels, *[None] * 5])
    assert found.order.tolist() == method(activations, labels).order.tolist()


@pytest.mark.parametrize("name", ["probeless", "iou", "average_precision", "gaussian"])
def test_numbers_are_refused(name):
    activations, _ = problem()
    with pytest.raises(ValueError, match=rf"{name} ranks neurons for classes; found numbers"):
        getattr(rankings, name)(activations, torch.rand(120))


@pytest.mark.parametrize("name", rankings.METHODS)
def test_bad_input(name):
    activations, labels = problem()
    method = rankings.METHODS[name]
    with pytest.raises(ValueError, match="misaligned"):
        method(activations, labels[:-1], seed=0)
    with pytest.raises(ValueError, match="at least two classes"):
        method(activations, ["a"] * 120, seed=0)
    if name != "random_order":
        activations[7, 4] = torch.nan
        with pytest.raises(ValueError, match="neuron 4 of layer 'layer', row 7"):
            method(activations, labels, seed=0)


def test_bad_options():
    activations, labels = problem()
    with pytest.raises(ValueError, match="signs must be"):
        rankings.iou(activations, labels, signs="low")
    with pytest.raises(ValueError, match="quantile"):
        rankings.iou(activations, labels, quantile=1.0)
    with pytest.raises(ValueError, match="threshold"):
        rankings.average_precision(activations, labels, threshold=-1)
    with pytest.raises(ValueError, match="memory"):
        rankings.average_precision(activations, labels, memory=0)
    with pytest.raises(ValueError, match="at least 4 labelled rows"):
        rankings.anova_f(activations[:3], labels[:3])


def test_probeless_by_hand():
    # Class means of neuron 0: 1, 3, 6; of neuron 1: 0, 0, 4.
    activations = torch.tensor([[0.0, 0], [2, 0], [3, 0], [6, 4]])
    ranking = rankings.probeless(activations, ["a", "a", "b", "c"])
    assert ranking.salience.tolist() == [2 + 5 + 3, 0 + 4 + 4]
    assert ranking.for_class("a").salience.tolist() == [7, 4]
    assert ranking.for_class("c").order.tolist() == [0, 1]  # both 8


@pytest.mark.parametrize("seed", range(3))
def test_probeless_is_neuroxs(seed):
    activations, labels = problem(seed, rows=300, neurons=60)
    activations = activations[:, :-1]
    numbers = np.array([int(label[-1]) for label in labels])
    ranking = rankings.probeless(activations, labels)
    order = neurox_probeless.get_neuron_ordering(activations.numpy(), numbers)
    assert ranking.order.tolist() == order
    for number in range(3):
        name = f"class {number}"
        theirs = neurox_probeless.get_neuron_ordering_for_tag(
            activations.numpy(), numbers, {name: number}, name
        )
        assert ranking.for_class(name).order.tolist() == theirs


@given(st.sampled_from([1e-3, 1e3]))
@settings(max_examples=2)
def test_standardised_probeless_ignores_scale(factor):
    activations, labels = problem()
    scaled = activations.clone()
    scaled[:, 4] *= factor
    plain = rankings.probeless(activations, labels, standardise=True)
    found = rankings.probeless(scaled, labels, standardise=True)
    torch.testing.assert_close(found.salience, plain.salience)
    assert rankings.probeless(scaled, labels).salience[4] != plain.salience[4]


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("memory", [1, 2**30])
def test_average_precision_is_scikit_learns_and_neuroxs(rounded, memory):
    activations, labels = problem(2, rounded=rounded)
    high = rankings.average_precision(activations, labels, memory=memory)
    either = rankings.average_precision(activations, labels, signs="either", memory=memory)
    for name in high.classes:
        mine = np.array(labels) == name
        columns = activations[:, :-1].T.numpy()
        plus = np.array([average_precision_score(mine, column) for column in columns])
        minus = np.array([average_precision_score(mine, -column) for column in columns])
        found = high.for_class(name)
        np.testing.assert_allclose(found.salience[:-1], plus, rtol=1e-12)
        order = np.argsort(plus)[::-1]  # what NeuroX's iou_probe does
        np.testing.assert_allclose(plus[found.order[:-1]], plus[order], rtol=1e-12)
        best = np.maximum(plus, minus)
        np.testing.assert_allclose(either.for_class(name).salience[:-1], best, rtol=1e-12)


def test_average_precision_above_a_threshold():
    activations = torch.tensor([[0.1, 1.0], [-0.2, 2.0], [3.0, 3.0]])
    found = rankings.average_precision(activations, ["b", "a", "a"], threshold=0.5)
    # Neuron 0 becomes 0, 0, 3: precision 1 at the first a, 2/3 with all rows.
    assert found.for_class("a").salience.tolist() == pytest.approx([(1 + 2 / 3) / 2, 1])


def test_average_precision_overall_is_above_chance():
    found = rankings.average_precision(torch.tensor([[3.0], [2], [1], [0]]), ["a", "a", "b", "b"])
    low = (1 / 3 + 2 / 4) / 2  # class b, whose rows come last
    assert found.salience.tolist() == pytest.approx([((1 - 0.5) + (low - 0.5)) / 0.5 / 2])


@pytest.mark.parametrize("quantile", [None, 0.8])
@pytest.mark.parametrize("rounded", [False, True])
def test_iou_is_the_jaccard_index(quantile, rounded):
    activations, labels = problem(4, rounded=rounded)
    high = rankings.iou(activations, labels, quantile=quantile, signs="high")
    either = rankings.iou(activations, labels, quantile=quantile)
    for name, neuron in itertools.product(high.classes, range(8)):
        mine = np.array(labels) == name
        count = mine.sum() if quantile is None else round(120 * (1 - quantile))
        scores = []
        for values in (activations[:, neuron].numpy(), -activations[:, neuron].numpy()):
            on = values > np.sort(values)[::-1][count]
            scores.append(jaccard_score(mine, on))
        assert high.for_class(name).salience[neuron] == pytest.approx(scores[0])
        assert either.for_class(name).salience[neuron] == pytest.approx(max(scores))


@pytest.mark.parametrize("seed", range(3))
def test_anova_is_scikit_learns(seed):
    activations, labels = problem(seed)
    ranking = rankings.anova_f(activations, labels)
    varying = activations[:, :-1].numpy()
    np.testing.assert_allclose(ranking.salience[:-1], f_classif(varying, labels)[0], rtol=1e-9)
    for name in ranking.classes:
        expected = f_classif(varying, np.array(labels) == name)[0]
        np.testing.assert_allclose(ranking.for_class(name).salience[:-1], expected, rtol=1e-9)
    numbers = torch.rand(120, generator=torch.Generator().manual_seed(seed)).double()
    numbers += activations[:, 2]
    found = rankings.anova_f(activations, numbers)
    expected = f_regression(varying, numbers.numpy())[0]
    np.testing.assert_allclose(found.salience[:-1], expected, rtol=1e-7)
    assert found.order[0] == 2
    assert found.order[-1] == 8
    assert found.classes == ()


def test_a_perfect_neuron_has_infinite_f():
    activations = torch.tensor([[0.0, 1], [0, 2], [1, 1], [1, 3]])
    found = rankings.anova_f(activations, ["a", "a", "b", "b"])
    assert found.salience[0] == torch.inf
    assert found.order.tolist() == [0, 1]


@given(seed=st.integers(0, 1000), cut=st.integers(0, 40))
def test_merged_moments_are_those_of_one_pass(seed, cut):
    generator = torch.Generator().manual_seed(seed)
    activations = 100 + torch.randn(40, 5, generator=generator, dtype=torch.float64)
    classes = torch.randint(0, 3, (40,), generator=generator)
    whole, left, right = (ClassMoments(3, 5) for _ in range(3))
    whole.update(activations, classes)
    left.update(activations[:cut], classes[:cut])
    right.update(activations[cut:], classes[cut:])
    left.merge(right)
    for field in ("rows", "mean", "squares", "between"):
        found, expected = getattr(left.finish(), field), getattr(whole.finish(), field)
        torch.testing.assert_close(found, expected)
    plain = NeuronMoments(5)
    plain.update(activations)
    torch.testing.assert_close(whole.finish().overall.scale, plain.finish().scale)
    one, first, second = (NumberMoments(5) for _ in range(3))
    numbers = torch.rand(40, generator=generator)
    one.update(activations, numbers)
    first.update(activations[:cut], numbers[:cut])
    second.update(activations[cut:], numbers[cut:])
    first.merge(second)
    torch.testing.assert_close(first.finish().correlation, one.finish().correlation)
    expected = np.corrcoef(activations.T, numbers)[-1, :-1]
    np.testing.assert_allclose(one.finish().correlation, expected, atol=1e-9)


def test_random_order_is_seeded():
    activations, labels = problem(neurons=200)
    first = rankings.random_order(activations, labels, seed=1)
    assert first.order.tolist() == rankings.random_order(activations, labels, seed=1).order.tolist()
    assert first.order.tolist() != rankings.random_order(activations, labels, seed=2).order.tolist()
    assert first.order.tolist() != first.class_order[0].tolist()
    assert (first.salience[first.order].diff() < 0).all()
