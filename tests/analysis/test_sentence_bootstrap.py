import numpy as np
import pytest
from scipy.stats import bootstrap

from captum_lca.analysis.sentence_bootstrap import SentenceBootstrap

GENERATOR = np.random.default_rng(0)
COUNTS = GENERATOR.integers(1, 20, size=60).astype(float)
SUMS = COUNTS * GENERATOR.normal(0.5, 1, size=60)


def test_the_mean_is_over_words_and_not_over_sentences():
    made = SentenceBootstrap(2, 100, seed=0)
    estimate = made.mean(np.array([1.0, 9.0]), np.array([1.0, 3.0]))
    assert estimate.value == 2.5
    assert set(np.round(estimate.samples, 6)) == {1, 2.5, 3}


def test_the_interval_is_scipys():
    ours = SentenceBootstrap(60, 20_000, seed=0).mean(SUMS, COUNTS)
    theirs = bootstrap(
        (SUMS, COUNTS),
        lambda sums, counts, axis=-1: sums.sum(axis) / counts.sum(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=20_000,
        rng=1,
    ).confidence_interval
    assert ours.interval == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_differences_are_paired():
    made = SentenceBootstrap(60, 500, seed=0)
    shifted = made.mean(SUMS + 0.25 * COUNTS, COUNTS) - made.mean(SUMS, COUNTS)
    assert shifted.interval == pytest.approx((0.25, 0.25))
    assert shifted.p_value == pytest.approx(2 / 501)


def test_no_difference_is_not_significant():
    made = SentenceBootstrap(60, 500, seed=0)
    same = made.mean(SUMS, COUNTS) - made.mean(SUMS, COUNTS)
    assert same.p_value == 1


def test_p_values_are_uniform_without_an_effect():
    values = GENERATOR.normal(size=(300, 80))
    made = SentenceBootstrap(80, 400, seed=0)
    found = [made.mean(row, np.ones(80)).p_value for row in values]
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.1


def test_draws_widen_the_interval():
    made = SentenceBootstrap(60, 2000, seed=0)
    draws = [made.mean(SUMS + shift * COUNTS, COUNTS) for shift in (-1, 0, 1)]
    combined = made.over_draws(draws)
    assert combined.value == pytest.approx(draws[1].value)
    low, high = draws[1].interval
    assert combined.interval[0] < low - 0.2
    assert combined.interval[1] > high + 0.2
