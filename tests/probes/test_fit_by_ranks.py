"""Probes fitted by one, two and three ranks are the same."""

import warnings

import pytest
import torch
from forking import results_by_ranks
from probe_problems import classification

from captum_lca.probes import GroupLasso, fit_elastic_net, fit_probe
from captum_lca.rankings import weight_mass

ROWS = 9000


def numbers(labels):
    return [float(label.split()[1]) for label in labels]


def noisy(classes):
    """A problem without copies among the neurons, whose order rounding would decide."""
    activations, labels = classification(classes, rows=ROWS, neurons=40, dtype=torch.float32)
    activations[:, 8] += torch.randn(ROWS, generator=torch.Generator().manual_seed(1))
    return activations, labels


def multinomial():
    return fit_elastic_net(*noisy(4))


def two_classes():
    return fit_elastic_net(*noisy(2), l1=1e-2)


def regression():
    activations, labels = noisy(3)
    return fit_elastic_net(activations, numbers(labels))


def weighted():
    activations, labels = noisy(4)
    weights = torch.arange(1.0, ROWS + 1)
    return fit_elastic_net(activations, labels, sample_weight=weights, class_weight="balanced")


def streamed():
    return fit_elastic_net(*noisy(4), memory=300_000)


def partly_labelled():
    """Two of three ranks have hardly any labelled row, one has a class of its own."""
    activations, labels = noisy(4)
    kept = [label if row > 8000 or row % 500 == 0 else None for row, label in enumerate(labels)]
    kept[8500:8510] = ["rare"] * 10
    return fit_elastic_net(activations, kept)


def rows_of_one_rank():
    """The other ranks have none."""
    activations, labels = noisy(2)
    return fit_elastic_net(activations, [*labels[:100], *[None] * (ROWS - 100)], l1=3e-2)


def group_lasso():
    return fit_probe(*noisy(4), GroupLasso(2e-2))


def some_neurons():
    return fit_elastic_net(*noisy(4), neurons=[5, 1, 30])


FITS = [
    multinomial, two_classes, regression, weighted, streamed, partly_labelled, rows_of_one_rank,
    group_lasso, some_neurons,
]  # fmt: skip


def all_fits():
    """Coefficients and ranking of every fit, by name."""
    found = {}
    for fit in FITS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            probe = fit()
        coefficients = [
            part.tolist() for part in (probe.weight, probe.bias, probe.mean, probe.scale)
        ]
        found[fit.__name__] = (*coefficients, weight_mass(probe).order.tolist())
    return found


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return results_by_ranks(all_fits, tmp_path_factory.mktemp("fits"))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("fit", [fit.__name__ for fit in FITS])
def test_any_number_of_ranks_fits_the_same_probe(fitted, fit, count):
    *alone, order = fitted[1][0][fit]
    for of_rank in fitted[count]:
        *together, their_order = of_rank[fit]
        for expected, found in zip(alone, together, strict=True):
            off = torch.tensor(found) - torch.tensor(expected)
            assert float(off.abs().max()) <= 1e-5
        assert their_order == order
    assert fitted[count][0][fit] == fitted[count][-1][fit]  # to the last bit
