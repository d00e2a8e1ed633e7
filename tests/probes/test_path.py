"""The path over l1: its points, where it starts, and what it saves."""

import math
import warnings

import pytest
import torch
from matplotlib.figure import Figure
from probe_problems import classification

from captum_lca.probes import ElasticNetPath, LinearProbe, elastic_net_path, fit_elastic_net
from captum_lca.probes.path import fit_along, strongest_l1

L1S = (0.1, 0.03, 0.01, 0.003)


@pytest.mark.parametrize("classes", [2, 4])
def test_points_equal_fits_from_nothing(classes: int) -> None:
    activations, labels = classification(classes, rows=300)
    path = elastic_net_path(activations, labels, l1s=L1S, l2=1e-3, tolerance=1e-8)
    for l1, probe in zip(L1S, path.probes, strict=True):
        alone = fit_elastic_net(activations, labels, l1=l1, l2=1e-3, tolerance=1e-8)
        torch.testing.assert_close(probe.weight, alone.weight, atol=1e-5, rtol=0)
        found, expected = (p.bias - p.bias.mean() for p in (probe, alone))  # fixed up to a shift
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        assert torch.equal(probe.weight == 0, alone.weight == 0)


def test_a_warm_start_saves_iterations() -> None:
    activations, labels = classification(4, rows=300)
    path = elastic_net_path(activations, labels, l1s=L1S, l2=1e-3, tolerance=1e-8)
    for probe in path.probes[1:]:
        alone = fit_elastic_net(activations, labels, l1=probe.report.l1, l2=1e-3, tolerance=1e-8)
        assert probe.report.iterations < alone.report.iterations


def test_the_first_l1_leaves_no_weight_and_less_of_it_does() -> None:
    activations, labels = classification(3)
    path = elastic_net_path(activations, labels, count=3, ratio=0.01)
    assert int(path.probes[0].weight.count_nonzero()) == 0
    strongest = path.probes[0].report.l1
    below = fit_elastic_net(activations, labels, l1=0.99 * strongest, tolerance=1e-6)
    assert int(below.weight.count_nonzero()) > 0
    found = [probe.report.l1 / strongest for probe in path.probes]
    assert found == pytest.approx([1, 0.1, 0.01])


def test_the_strongest_l1_by_hand() -> None:
    # Two rows at ±1, two classes: at zero weights both probabilities are ½, and the gradient of
    # the mean loss by the difference of the two weights is −½·(½ + ½) = −½.
    activations = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    assert strongest_l1(activations, ["a", "b"]) == pytest.approx(0.5)


def test_weights_grow_as_l1_falls() -> None:
    activations, labels = classification(4, rows=300)
    table = elastic_net_path(activations, labels, l1s=[0.01, 0.1, 0.001]).to_frame()
    assert table["l1"].tolist() == [0.1, 0.01, 0.001]
    assert table["objective"].is_monotonic_decreasing
    assert table["nonzeros"].is_monotonic_increasing
    assert table["neurons"].between(0, activations.shape[1] - 1).all()  # one is constant
    assert table["converged"].all()


def test_options_reach_every_fit() -> None:
    activations, labels = classification(3)
    path = elastic_net_path(activations, labels, count=3, neurons=[0, 4])
    for probe in path.probes:
        assert probe.report.fitted_neurons == 2
        assert set(probe.weight.any(0).nonzero().flatten().tolist()) <= {0, 4}


def test_strengths_below_the_tolerance_are_named() -> None:
    activations, labels = classification(3)
    with pytest.warns(RuntimeWarning, match=r"l1 = 0.0001 is less than the .* accurate to"):
        elastic_net_path(activations, labels, l1s=[0.1, 1e-4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        elastic_net_path(activations, labels, l1s=[0.1, 1e-4], tolerance=1e-5)


def test_numbers_are_predicted() -> None:
    activations, _ = classification(3)
    numbers = 3 * activations[:, 0] - activations[:, 4]
    path = elastic_net_path(activations, numbers, count=4, l2=0.0)
    # standardised and without l2, the strongest l1 is the largest correlation of a neuron
    correlation = torch.corrcoef(torch.stack([*activations.T, numbers]))[-1, :-1]
    strongest = float(correlation.nan_to_num().abs().max())
    assert path.probes[0].report.l1 == pytest.approx(strongest)


def test_fits_are_made_when_asked_for() -> None:
    activations, labels = classification(3)
    probes = fit_along(activations, labels, [0.1, 0.01], max_iterations=50)
    assert next(probes).report.l1 == 0.1
    assert next(probes).report.l1 == 0.01


def test_the_plot_shows_every_l1() -> None:
    activations, labels = classification(3)
    path = elastic_net_path(activations, labels, l1s=[0.1, 0.01, 0.0], l2=0.01)
    ax = path.plot(Figure().subplots())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "0.01", "0"]
    drawn = ax.get_lines()[0].get_ydata()
    assert list(drawn) == path.to_frame()["nonzeros"].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"l1s": []}, "l1s needs at least one strength; found none"),
        ({"l1s": [0.1, -0.1]}, "l1s must be numbers of at least 0; found -0.1"),
        ({"l1s": [math.nan]}, "found nan"),
        ({"l1s": [math.inf]}, "found inf"),
        ({"l1s": [0.1, 0.1]}, "l1s must differ"),
        ({"count": 0}, "found count=0"),
        ({"ratio": 1.0}, "ratio must be between 0 and 1; found 1.0"),
        ({"l2": -1.0}, "l2 must be a number of at least 0"),
    ],
)
def test_bad_strengths(arguments: dict, message: str) -> None:
    activations, labels = classification(3)
    with pytest.raises(ValueError, match=message):
        elastic_net_path(activations, labels, **arguments)


def test_a_probe_made_by_hand_has_no_place_on_a_path() -> None:
    nothing = torch.zeros(2), torch.zeros(1), torch.ones(1)
    probe = LinearProbe(torch.zeros(2, 1), *nothing, classes=["a", "b"])
    with pytest.raises(ValueError, match="without a report"):
        ElasticNetPath((probe,)).to_frame()
