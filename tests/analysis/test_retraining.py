import numpy as np
import pytest
import torch
from planted import planted

from captum_lca import NeuronLayout
from captum_lca.activations import as_store
from captum_lca.analysis.retraining import Retraining
from captum_lca.probes import ElasticNet, evaluate, fit_probe


@pytest.fixture(scope="module")
def problem():
    return planted(copies=2)


@pytest.fixture(scope="module")
def retraining(problem):
    train, test, _ = problem
    return Retraining(*train, test)


def test_is_the_probe_of_these_neurons(problem, retraining):
    train, test, informative = problem
    expected = fit_probe(*train, ElasticNet(1e-3, 1e-4), neurons=informative[0])
    found = retraining.fit(informative[0])
    assert retraining.score(found).value == pytest.approx(evaluate(expected, *test).accuracy)
    assert not found.probe.weight[:, informative[1]].any()
    reports = found.probe.report, expected.report
    assert reports[0].objective == pytest.approx(reports[1].objective, rel=0.01)
    assert retraining.fit(range(18)) is retraining.full
    assert retraining.metric == "accuracy"


def test_difference_is_paired(problem, retraining):
    _, _, informative = problem
    some = retraining.fit(informative[0])
    off = retraining.difference([some])
    gap = retraining.score(some).value - retraining.score(retraining.full).value
    assert off.value == pytest.approx(gap)
    assert off.low <= off.value <= off.high
    same = retraining.difference([some], some)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_interval_is_the_binomial_one_where_rows_are_alone(problem, retraining):
    """Rows without sentences are independent: the interval is that of a share of 300 rows."""
    _, _, informative = problem
    score = retraining.score(retraining.fit(informative[0][:1]))
    half = 1.96 * np.sqrt(score.value * (1 - score.value) / 300)
    assert score.high - score.low == pytest.approx(2 * half, rel=0.15)


def test_interval_grows_with_rows_that_go_together(problem):
    """300 rows that are 30 rows ten times over are worth 30."""
    train, (store, labels), informative = problem
    rows = store.read(0, 30)
    repeated = as_store(rows.repeat_interleave(10, 0), store.layout)
    names = [label for label in labels[:30] for _ in range(10)]
    widths = []
    for groups in (None, [row // 10 for row in range(300)]):
        some = Retraining(*train, (repeated, names), groups=groups)
        score = some.score(some.fit(informative[0][:1]))
        widths.append(score.high - score.low)
    assert widths[1] == pytest.approx(widths[0] * 10**0.5, rel=0.25)


def test_several_probes_are_averaged(problem, retraining):
    _, _, (first, second) = problem
    probes = [retraining.fit(first), retraining.fit(second)]
    scores = [retraining.score(probe).value for probe in probes]
    assert retraining.score(*probes).value == pytest.approx(sum(scores) / 2)


def test_numbers_are_scored_by_r2():
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(4000, 4, generator=generator)
    numbers = 3 * activations[:, 1] + activations[:, 2] + 7
    train, test = (activations[:2000], numbers[:2000]), (activations[2000:], numbers[2000:])
    retraining = Retraining(*train, test)
    some = retraining.fit([1])
    assert retraining.metric == "r2"
    score = retraining.score(some)
    assert score.value == pytest.approx(evaluate(some.probe, *test).r2)
    assert score.value == pytest.approx(0.9, abs=0.03)  # 9 of 10 parts of the variance
    assert score.low < score.value < score.high


def test_unlabelled_and_unseen_rows(problem):
    train, (store, labels), _ = problem
    masked = [None if row < 100 else "X" if row < 200 else name for row, name in enumerate(labels)]
    found = Retraining(*train, (store, masked))
    alone = Retraining(*train, (store.read(200, 300), labels[200:]))
    score = alone.score(alone.full).value
    assert found.score(found.full).value == pytest.approx(score / 2)


def test_test_rows_of_other_neurons(problem):
    train, _, _ = problem
    other = as_store(torch.randn(9, 5), NeuronLayout.single(5))
    with pytest.raises(ValueError, match="the test rows have 5 neurons, the training rows 18"):
        Retraining(*train, (other, ["ADJ", "NOUN", "VERB"] * 3))
