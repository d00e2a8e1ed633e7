import pytest
import torch

from captum_lca.kept import kept_in
from captum_lca.probes import ElasticNet, fit_elastic_net, fit_probe
from captum_lca.probes.path import fit_along

LABELS = ["a", "b"] * 20


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(40, 5, generator=generator)
    rows[::2, 0] += 2
    return rows


def same(first, second):
    tensors = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in tensors) and first.report == second.report


def test_a_kept_probe_is_the_one_that_was_fitted(rows, tmp_path):
    probe = fit_elastic_net(rows, LABELS)
    with kept_in(tmp_path):
        first, second = fit_elastic_net(rows, LABELS), fit_elastic_net(rows, LABELS)
    assert same(probe, first)
    assert same(first, second)
    assert first.report.seconds > 0
    assert second.report.seconds != second.report.seconds  # it was not fitted
    assert len(list(tmp_path.iterdir())) == 1


def test_a_path_goes_on_from_its_last_point(rows, tmp_path):
    whole = list(fit_along(rows, LABELS, [0.1, 0.03, 0.01]))
    with kept_in(tmp_path):
        path = fit_along(rows, LABELS, [0.1, 0.03, 0.01])
        next(path), next(path)
        assert len(list(tmp_path.iterdir())) == 2
        again = list(fit_along(rows, LABELS, [0.1, 0.03, 0.01]))
    assert all(map(same, whole, again))
    assert [probe.report.seconds > 0 for probe in again] == [False, False, True]


@pytest.mark.parametrize(
    "changes",
    [
        {"penalty": ElasticNet(1e-2, 1e-4)},
        {"labels": ["a", "c"] * 20},
        {"labels": LABELS[::-1]},
        {"neurons": [0, 2]},
        {"seed": 1},
        {"sample_weight": [1.0, 2.0] * 20},
        {"class_weight": "balanced"},
        {"tolerance": 1e-4},
    ],
)
def test_other_arguments_are_another_fit(rows, tmp_path, changes):
    with kept_in(tmp_path):
        fit_probe(rows, LABELS)
        fit_probe(**{"activations": rows, "labels": LABELS, **changes})
        fit_probe(rows + 0, LABELS)
        assert len(list(tmp_path.iterdir())) == 2
        fit_probe(rows + 1e-3, LABELS)
        assert len(list(tmp_path.iterdir())) == 3


def test_it_still_is_the_fit():
    assert fit_probe.__name__ == "fit_probe"
    with pytest.raises(ValueError, match="tolerance must be positive"):
        fit_probe(torch.zeros(2, 2), ["a", "b"], tolerance=0)
