"""The Gaussian ranking, by hand and beside a slow one that follows the paper's formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from captum_lca import rankings
from captum_lca.activations import ActivationStore
from captum_lca.rankings import class_gaussians
from captum_lca.rankings.class_gaussians import ClassGaussians, class_covariances
from captum_lca.rankings.class_moments import class_statistics
from captum_lca.rankings.labelled import labelled_activations


def problem(seed=0, rows=200, neurons=8):
    """Three classes, which differ in some neurons' means, variances and covariances."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(0, 3, (rows,), generator=generator)
    classes[:6] = torch.arange(3).repeat(2)
    activations = torch.randn(rows, neurons, generator=generator, dtype=torch.float64)
    activations[:, :2] += 1.5 * (classes[:, None] == torch.arange(2))
    activations[:, 2] *= 1 + classes  # told by its spread alone
    activations[:, 4] += torch.where(classes == 1, 1.0, -1.0) * activations[:, 3]
    activations[:, 5] = 100 + 1e-2 * activations[:, 5]
    return activations, [f"class {number}" for number in classes.tolist()]


def naive_information(activations, labels, neurons):
    """Bits that some neurons tell: the prior, then scipy's density, class by class."""
    labels, d = np.array(labels), len(neurons)
    x = np.asarray(activations)[:, neurons]
    joint, names = [], sorted(set(labels))
    for name in names:
        mine = x[labels == name]
        n, mean = len(mine), mine.mean(0)
        covariance = np.cov(mine.T, bias=True).reshape(d, d)
        prior = np.diag(np.diag(covariance))
        likeliest = (prior + n * covariance) / (n + 2 * d + 4)
        share = n / len(x)
        joint.append(np.log(share) + multivariate_normal(mean, likeliest).logpdf(x))
    joint = np.array(joint)
    right = np.array([names.index(label) for label in labels])
    posterior = joint[right, np.arange(len(x))] - logsumexp(joint, axis=0)
    shares = np.bincount(right) / len(x)
    return (posterior.mean() - (shares * np.log(shares)).sum()) / math.log(2)


def naive_order(activations, labels, count):
    """Greedy choice with every neuron tried in every step."""
    chosen = []
    for _ in range(count):
        others = [neuron for neuron in range(activations.shape[1]) if neuron not in chosen]
        found = [naive_information(activations, labels, [*chosen, neuron]) for neuron in others]
        chosen.append(others[int(np.argmax(found))])
    return chosen


def test_one_neuron_by_hand():
    # Class means 1 and -1, variance v = 1 in both; of N = 4 rows the prior makes
    # (v + 4·v) / (4 + 2 + 4) = 1/2. Then log p(a|x) / p(b|x) = ((x+1)² - (x-1)²) / 1 = 4x.
    activations = torch.tensor([[0.0], [2], [0], [2], [0], [-2], [0], [-2]])
    found = rankings.gaussian(activations, ["a"] * 4 + ["b"] * 4)
    # Rows at 0 get probability 1/2, those at ±2 1/(1 + e^-8).
    expected = 1 + (math.log2(1 / 2) - math.log2(1 + math.exp(-8))) / 2
    assert found.for_class("a").salience.tolist() == pytest.approx([expected], rel=1e-5)
    # Two classes: to know one is to know the other.
    assert found.for_class("b").salience.tolist() == pytest.approx([expected], rel=1e-5)
    assert found.salience.tolist() == [1]


@pytest.mark.parametrize("seed", range(4))
def test_order_is_that_of_the_slow_one(seed):
    activations, labels = problem(seed)
    found = rankings.gaussian(activations, labels, count=8)
    assert found.order.tolist() == naive_order(activations, labels, 8)
    assert found.salience[found.order].tolist() == pytest.approx([1 / k for k in range(1, 9)])


def test_the_others_follow_by_what_they_tell_alone():
    activations, labels = problem()
    found = rankings.gaussian(activations, labels, count=2)
    assert found.order[:2].tolist() == naive_order(activations, labels, 2)
    alone = [naive_information(activations, labels, [neuron]) for neuron in range(8)]
    rest = found.order[2:].tolist()
    assert rest == sorted(rest, key=lambda neuron: -alone[neuron])
    assert (found.salience[found.order].diff() < 0).all()
    ratios = found.salience[rest].numpy() / np.array(alone)[rest]
    np.testing.assert_allclose(ratios, ratios[0])


def test_class_salience_is_information_with_membership():
    activations, labels = problem(1)
    found = rankings.gaussian(activations, labels, count=1)
    x, labels = activations.numpy(), np.array(labels)
    for name in found.classes:
        mine = labels == name
        for neuron in range(8):
            joint = []
            for other in found.classes:
                part = x[labels == other, neuron]
                n, variance = len(part), part.var()
                spread = math.sqrt((variance + n * variance) / (n + 6))
                density = np.exp(-(((x[:, neuron] - part.mean()) / spread) ** 2) / 2) / spread
                joint.append(n * density)
            chance = joint[found.classes.index(name)] / np.sum(joint, axis=0)
            share = mine.mean()
            after = np.log2(np.where(mine, chance, 1 - chance)).mean()
            before = np.log2(np.where(mine, share, 1 - share)).mean()
            assert found.for_class(name).salience[neuron] == pytest.approx(after - before)


def test_of_duplicates_one_is_chosen():
    activations, labels = problem()
    twice = torch.cat([activations, activations[:, :3], 5 - 3 * activations[:, :3]], 1)
    found = rankings.gaussian(twice, labels, count=5)
    originals = [neuron if neuron < 8 else (neuron - 8) % 3 for neuron in found.top(5).tolist()]
    assert len(set(originals)) == 5


@given(seed=st.integers(0, 1000), data=st.data())
@settings(max_examples=8, deadline=None)
def test_permuting_scaling_or_renaming_changes_names_alone(seed, data):
    activations, labels = problem(seed)
    neurons = torch.tensor(data.draw(st.permutations(range(8))))
    scale = torch.tensor(data.draw(st.lists(st.sampled_from([1e-3, -2.0, 1e3]), min_size=8)))[:8]
    renamed = dict(zip(sorted(set(labels)), data.draw(st.permutations("xyz")), strict=True))
    plain = rankings.gaussian(activations, labels, count=8)
    moved = rankings.gaussian(
        (activations * scale)[:, neurons], [renamed[label] for label in labels], count=8
    )
    assert neurons[moved.order].tolist() == plain.order.tolist()
    for old, new in renamed.items():
        expected = plain.for_class(old).salience[neurons]
        torch.testing.assert_close(moved.for_class(new).salience, expected)


def test_little_memory_leaves_the_most_telling_candidates():
    activations, labels = problem()
    room = 3 * 8 * 4**2  # covariances of four neurons and three classes in float64
    found = rankings.gaussian(activations, labels, count=8, memory=room)
    alone = [naive_information(activations, labels, [neuron]) for neuron in range(8)]
    most = sorted(range(8), key=lambda neuron: -alone[neuron])
    order = naive_order(activations[:, most[:4]], labels, 4)
    assert found.order.tolist() == [most[place] for place in order] + most[4:]
    least = rankings.gaussian(activations, labels, memory=1)
    assert least.order.tolist() == most


def test_stores_of_half_precision_and_unlabelled_rows():
    activations, labels = problem()
    activations[:, 5] -= 100
    plain = rankings.gaussian(activations.half().float(), labels, count=8)
    padded = torch.cat([torch.full((5, 8), 1e4), activations]).half()
    found = rankings.gaussian(ActivationStore.from_tensor(padded), [*[None] * 5, *labels], count=8)
    assert found.order.tolist() == plain.order.tolist()


def test_a_sample_stands_for_all_rows():
    activations, labels = problem(rows=20_000)
    first, again, other = (
        rankings.gaussian(activations, labels, count=3, seed=seed) for seed in (0, 0, 1)
    )
    assert first.class_salience.equal(again.class_salience)
    assert not first.class_salience.equal(other.class_salience)
    # Neurons 0 and 1 tell the same to the third digit: which comes first is up to the sample.
    expected = set(naive_order(activations, labels, 3))
    assert set(first.top(3).tolist()) == set(other.top(3).tolist()) == expected


@pytest.mark.parametrize("strip", [1, 3, 256])
def test_covariances_of_many_blocks(strip, monkeypatch):
    monkeypatch.setattr(class_gaussians, "STRIP", strip)
    activations, labels = problem(rows=20_000)
    data = labelled_activations(activations, labels)
    statistics = class_statistics(data)
    gaussians = ClassGaussians.of(statistics, activations)
    neurons = torch.tensor([4, 3, 0, 1])
    found = class_covariances(data, gaussians.of_neurons(neurons), statistics.overall, neurons)
    standardised = activations / activations.std(0, correction=0)
    for number, covariance in enumerate(found):
        mine = standardised[data.targets.values == number][:, neurons]
        expected = np.cov(mine.T, bias=True)
        expected += np.diag(np.diag(expected)) / len(mine)
        np.testing.assert_allclose(covariance, expected, rtol=1e-9, atol=1e-12)


def test_perfect_neurons_and_classes_of_one_row():
    activations, labels = problem()
    activations[:, 6] = torch.tensor([float(label == "class 0") for label in labels])
    activations[:, 7] = 3.0
    labels[9] = "alone"
    found = rankings.gaussian(activations, labels, count=8)
    assert found.order[0] == 6  # the same within each class, but not between
    assert found.order[-1] == 7  # constant
    assert (found.class_order[:, -1] == 7).all()
    assert found.salience.isfinite().all()
    assert found.class_salience.isfinite().all()


def test_constant_neurons_alone():
    found = rankings.gaussian(torch.ones(6, 3), list("ababab"))
    assert found.order.tolist() == [0, 1, 2]
    assert found.salience.tolist() == [0, 0, 0]


@pytest.mark.parametrize("option", ["count", "memory"])
def test_bad_options(option):
    with pytest.raises(ValueError, match=f"{option} must be at least 1; found 0"):
        rankings.gaussian(*problem(), **{option: 0})
