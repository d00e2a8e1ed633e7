"""Penalties: by hand, by their definitions, and whole fits against independent solvers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from probe_problems import classification, group_violation, loss_slope, standardised, violation
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from captum_lca.probes import L1, L2, ElasticNet, GroupLasso, LinearProbe, Penalty, fit_probe

GENERATOR = torch.Generator().manual_seed(0)
PENALTIES = [L1(0.3), L2(0.2), ElasticNet(0.3, 0.2), GroupLasso(1.5)]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("outputs", [1, 3])
def test_prox_is_where_its_subgradient_vanishes(penalty: Penalty, outputs: int) -> None:
    # prox(w) minimises ½‖v − w‖²/step + penalty(v); the first has the gradient (v − w)/step.
    weight = torch.randn(outputs, 20, dtype=torch.float64, generator=GENERATOR)
    found = penalty.prox(weight, 0.7)
    left = penalty.subgradient(found, (found - weight) / 0.7)
    assert float(left.abs().max()) < 1e-12
    if not isinstance(penalty, L2):
        assert 0 < int((found == 0).sum()) < found.numel()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_subgradient_is_the_derivative_where_there_is_one(penalty: Penalty) -> None:
    weight = torch.randn(3, 5, dtype=torch.float64, generator=GENERATOR)
    gradient = torch.randn(3, 5, dtype=torch.float64, generator=GENERATOR)
    found = penalty.subgradient(weight, gradient)
    for entry in ((0, 0), (2, 3)):
        step = torch.zeros_like(weight)
        step[entry] = 1e-6
        rise = (penalty.value(weight + step) - penalty.value(weight - step)) / 2e-6
        assert float(found[entry]) == pytest.approx(float(gradient[entry]) + rise, rel=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalty_of_a_difference_is_that_of_its_halves(penalty: Penalty) -> None:
    weight = torch.randn(1, 6, dtype=torch.float64, generator=GENERATOR)
    halves = torch.cat([-weight, weight]) / 2
    assert penalty.of_difference().value(weight) == pytest.approx(penalty.value(halves))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_paths_begin_where_weights_come_in_and_end_at_the_penalty(penalty: Penalty) -> None:
    gradient = torch.randn(3, 8, dtype=torch.float64, generator=GENERATOR)
    path = [stronger for stronger, _ in penalty.path(gradient, 1.5)]
    assert path[-1] == penalty
    zero = torch.zeros_like(gradient)
    assert float(path[0].subgradient(zero, gradient).abs().max()) > 0
    first = next(iter(path[0].strengths))
    stronger = type(path[0])(**{**path[0].strengths, first: 1.5 * path[0].strengths[first]})
    if not isinstance(penalty, L2):
        assert float(stronger.subgradient(zero, gradient).abs().max()) == 0


@pytest.mark.parametrize("kind", [L1, L2, GroupLasso])
@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf])
def test_strengths_are_checked(kind: type[L1], strength: float) -> None:
    with pytest.raises(ValueError, match="must be a number of at least 0; found"):
        kind(strength)


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("penalty", [L1(0.01), L2(0.02)])
def test_single_penalties_equal_scikit_learn(classes: int, penalty: L1 | L2) -> None:
    activations, labels = classification(classes)
    probe = fit_probe(activations, labels, penalty, tolerance=1e-9)
    ratio, strength = (1.0, penalty.l1) if isinstance(penalty, L1) else (0.0, 2 * penalty.l2)
    peer = LogisticRegression(
        C=1 / (len(labels) * strength), l1_ratio=ratio, solver="saga", tol=1e-11, max_iter=100_000
    )
    peer.fit(standardised(probe, activations).numpy(), labels)
    # With L1 alone, how the duplicates 8 and 9 share their weight is open.
    found, expected = (_merged(weight) for weight in (probe.weight, torch.from_numpy(peer.coef_)))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def _merged(weight: Tensor) -> Tensor:
    """Weights with those of the duplicates added up."""
    return torch.cat([weight[:, :8], weight[:, 8:9] + weight[:, 9:10], weight[:, 10:]], 1)


def group_lasso_by_fista(rows: Tensor, numbers: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Weights and biases of the minimum, by 100,000 iterations of FISTA on all rows in float64."""
    target = one_hot(numbers).double()
    inputs = torch.cat([rows, torch.ones(len(rows), 1, dtype=torch.float64)], 1)
    step = len(rows) / float(torch.linalg.matrix_norm(inputs, 2)) ** 2 * 2
    now = ahead = torch.zeros(target.shape[1], inputs.shape[1], dtype=torch.float64)
    for iteration in range(1, 100_000):
        residual = (inputs @ ahead.T).softmax(1) - target
        new = ahead - step * residual.T @ inputs / len(rows)
        norms = new[:, :-1].norm(dim=0).clamp(min=1e-300)
        new[:, :-1] *= (1 - step * strength / norms).clamp(min=0)
        change = new - now
        if float(change.abs().max()) < 1e-13 and iteration > 10:
            break
        restart = float(((ahead - new) * change).sum()) > 0
        ahead = new if restart else new + (iteration - 1) / (iteration + 2) * change
        now = new
    return now[:, :-1], now[:, -1]


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("strength", [0.01, 0.05])
def test_group_lasso_equals_an_independent_solver(classes: int, strength: float) -> None:
    activations, labels = classification(classes)
    probe = fit_probe(activations, labels, GroupLasso(strength), tolerance=1e-9)
    assert probe.report is not None
    assert probe.report.converged
    numbers = torch.tensor([probe.classes.index(label) for label in labels])
    rows = standardised(probe, activations)
    weight, bias = group_lasso_by_fista(rows, numbers, strength)
    torch.testing.assert_close(_merged(probe.weight), _merged(weight), atol=1e-5, rtol=0)
    assert torch.equal(probe.weight.any(0), weight.any(0))
    assert 0 < int(probe.weight.any(0).sum()) < 12
    loss = cross_entropy(rows @ weight.T + bias, numbers)
    expected = float(loss + strength * weight.norm(dim=0).sum())
    assert probe.report.objective == pytest.approx(expected, abs=1e-9)


def test_group_lasso_beyond_the_gradient_leaves_the_class_frequencies() -> None:
    activations, labels = classification(3)
    probe = fit_probe(activations, labels, GroupLasso(10.0))
    assert int(probe.weight.count_nonzero()) == 0
    shares = torch.tensor([labels.count(name) / len(labels) for name in probe.classes])
    torch.testing.assert_close(probe.bias.softmax(0).float(), shares)


def test_group_lasso_of_two_classes_and_of_numbers_is_an_l1() -> None:
    activations, labels = classification(2)
    group = fit_probe(activations, labels, GroupLasso(0.02), tolerance=1e-8)
    single = fit_probe(activations, labels, L1(0.02 / math.sqrt(2)), tolerance=1e-8)
    torch.testing.assert_close(_merged(group.weight), _merged(single.weight), atol=1e-6, rtol=0)
    numbers = 3 * activations[:, 0] - activations[:, 4]
    group = fit_probe(activations, numbers, GroupLasso(0.1), tolerance=1e-9)
    single = fit_probe(activations, numbers, L1(0.1), tolerance=1e-9)
    torch.testing.assert_close(_merged(group.weight), _merged(single.weight), atol=1e-6, rtol=0)


def test_group_lasso_with_sampled_curvature(monkeypatch: pytest.MonkeyPatch) -> None:
    activations, labels = classification(4, rows=600)
    monkeypatch.setattr("captum_lca.probes.solver.START_ROWS", 100)
    monkeypatch.setattr("captum_lca.probes.solver.FIRST_SAMPLE", 50)
    probe = fit_probe(activations, labels, GroupLasso(0.02), tolerance=1e-6)
    assert group_violation(probe, activations, labels, 0.02) <= 1e-6


@settings(max_examples=40)
@given(
    classes=st.integers(2, 6),
    rows=st.integers(12, 80),
    neurons=st.integers(12, 30),
    penalty=st.sampled_from(
        [L1(0.01), L1(0.1), L2(0.05), ElasticNet(1e-3, 1e-2), GroupLasso(0.01), GroupLasso(0.2)]
    ),
    dtype=st.sampled_from([torch.float16, torch.float32, torch.float64]),
)
def test_every_penalty_ends_at_its_minimum(
    classes: int, rows: int, neurons: int, penalty: Penalty, dtype: torch.dtype
) -> None:
    activations, labels = classification(classes, rows, neurons, dtype)
    probe = fit_probe(activations, labels, penalty, tolerance=1e-4)
    assert probe.report is not None
    assert probe.report.converged
    if isinstance(penalty, GroupLasso):
        found = group_violation(probe, activations, labels, penalty.group)
    else:
        strengths = probe.report.penalty.strengths
        found = violation(probe, activations, labels, strengths["l1"], strengths["l2"])
    assert found <= probe.report.target + (1e-12 if dtype == torch.float64 else 2e-6)
    assert int(probe.weight[:, 7].count_nonzero()) == 0  # the constant neuron


def test_the_report_can_fit_another_probe_alike() -> None:
    activations, labels = classification(3)
    for penalty in (GroupLasso(0.02), ElasticNet(0.01, 0.001)):
        report = fit_probe(activations, labels, penalty).report
        assert report is not None
        assert report.penalty == penalty


def test_the_penalty_of_a_saved_probe_is_kept(tmp_path) -> None:  # type: ignore[no-untyped-def]
    activations, labels = classification(3)
    fit_probe(activations, labels, GroupLasso(0.02)).save(tmp_path / "probe.safetensors")
    report = LinearProbe.load(tmp_path / "probe.safetensors").report
    assert report is not None
    assert report.group == 0.02


def test_the_slope_helper_is_zero_at_an_unpenalised_minimum() -> None:
    activations, labels = classification(3, rows=600)
    probe = fit_probe(activations, labels, L2(0.0), tolerance=1e-6)
    assert max(float(part.abs().max()) for part in loss_slope(probe, activations, labels)) < 1e-6
