import pytest
import torch
from planted import planted

from captum_lca import fit_elastic_net
from captum_lca.activations import as_store
from captum_lca.analysis import rank_half_samples
from captum_lca.rankings import weight_mass


@pytest.fixture(scope="module")
def problem():
    return planted()


class Recorder:
    """A ranking method that remembers which rows it saw."""

    def __init__(self, ranking):
        self.ranking, self.seen = ranking, []

    def __call__(self, activations, labels, /, *, seed):
        self.seen.append({row for row, label in enumerate(labels) if label is not None})
        return self.ranking


@pytest.fixture(scope="module")
def ranking(problem):
    return weight_mass(fit_elastic_net(*problem[0]))


def test_halves_are_halves_of_the_labelled_groups(problem, ranking):
    (store, labels), _, _ = problem
    labels = [None if row % 10 == 0 else label for row, label in enumerate(labels)]
    groups = [row // 20 for row in range(len(labels))]  # 30 sentences of 20 words
    record = Recorder(ranking)
    rank_half_samples(store, labels, record, samples=4, groups=groups, progress=False)
    for rows in record.seen:
        assert len(rows) == 15 * 18
        assert len({groups[row] for row in rows}) == 15
        assert not any(row % 10 == 0 for row in rows)
    assert len({frozenset(rows) for rows in record.seen}) == 4


def test_the_same_seed_gives_the_same_halves_of_other_activations(problem, ranking):
    (store, labels), _, _ = problem
    one, other = Recorder(ranking), Recorder(ranking)
    rank_half_samples(store, labels, one, samples=3, seed=5, progress=False)
    other_store = as_store(torch.randn(store.rows, 4))
    rank_half_samples(other_store, labels, other, samples=3, seed=5, progress=False)
    assert one.seen == other.seen


def test_default_method_finds_the_planted_neurons(problem):
    (store, labels), _, informative = problem
    halves = rank_half_samples(store, labels, samples=2, progress=False)
    for half in halves:
        assert set(half.top(3).tolist()) == set(informative[0])
        assert half.classes == ("ADJ", "NOUN", "VERB")


def test_spread_is_that_of_the_whole():
    """The mean of n numbers varies by 1/n; so do the means of halves about it."""
    rows = 400
    numbers = torch.randn(rows, generator=torch.Generator().manual_seed(0))
    means = []

    def method(activations, labels, /, *, seed):
        chosen = [row for row, label in enumerate(labels) if label is not None]
        means.append(numbers[chosen].mean())

    labels = ["a", "b"] * (rows // 2)
    rank_half_samples(torch.randn(rows, 2), labels, method, samples=300, progress=False)
    expected = numbers.std() / rows**0.5
    assert torch.stack(means).std() == pytest.approx(float(expected), rel=0.15)


def test_integers_that_are_not_all_classes(problem):
    (store, labels), _, informative = problem
    numbers = torch.tensor([{"ADJ": 2, "NOUN": 7, "VERB": 9}[label] for label in labels])
    (half,) = rank_half_samples(store, numbers, samples=1, progress=False)
    assert half.classes == ("2", "7", "9")
    assert set(half.top(3).tolist()) == set(informative[0])


def test_one_sentence_has_no_half(problem):
    (store, labels), _, _ = problem
    with pytest.raises(ValueError, match="at least two labelled sentences; found 1"):
        rank_half_samples(store, labels, groups=[0] * len(labels), samples=1, progress=False)
