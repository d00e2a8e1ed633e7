"""Fitting on small problems against scikit-learn's solvers, in float64 at tight tolerance."""

import pytest
import torch
from sklearn.linear_model import ElasticNet, LogisticRegression

from captum_lca.probes import LinearProbe, fit_elastic_net


def problem(classes: int, rows: int = 120, neurons: int = 12) -> tuple[torch.Tensor, list[str]]:
    """Activations with a constant, a duplicated and a collinear neuron, and noisy labels."""
    generator = torch.Generator().manual_seed(classes)
    activations = torch.randn(rows, neurons, dtype=torch.float64, generator=generator)
    noise = torch.randn(rows, classes, dtype=torch.float64, generator=generator)
    numbers = (activations[:, :classes] + noise).argmax(1)
    activations[:, 7] = 5
    activations[:, 8] = activations[:, 9]
    activations[:, 10] = activations[:, 0] - 2 * activations[:, 1]
    return activations, [f"class {number}" for number in numbers.tolist()]


def standardised(probe: LinearProbe, activations: torch.Tensor) -> torch.Tensor:
    return (activations - probe.mean) / probe.scale


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize(("l1", "l2"), [(0.02, 0.01), (0.005, 0.001), (0.0, 0.05)])
def test_classification_equals_scikit_learn(classes: int, l1: float, l2: float) -> None:
    activations, labels = problem(classes)
    probe = fit_elastic_net(activations, labels, l1=l1, l2=l2, tolerance=1e-8, max_iterations=5000)
    # scikit-learn minimises C·Σ loss + l1_ratio·Σ|w| + ½(1 − l1_ratio)·Σw². For two classes it has
    # one logit instead of two: w = W1 − W0 with W1 = −W0, so Σ|W| = |w| and ΣW² = ½w².
    squares = l2 if classes == 2 else 2 * l2
    total = l1 + squares
    peer = LogisticRegression(
        C=1 / (len(labels) * total),
        l1_ratio=l1 / total,
        solver="saga",
        tol=1e-12,
        max_iter=100_000,
    )
    peer.fit(standardised(probe, activations).numpy(), labels)
    expected = torch.from_numpy(peer.coef_)
    found = probe.weight if classes > 2 else probe.weight[1:] - probe.weight[:1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert torch.equal(found == 0, expected == 0)


@pytest.mark.parametrize(("l1", "l2"), [(0.02, 0.01), (0.1, 0.001)])
def test_regression_equals_scikit_learn(l1: float, l2: float) -> None:
    activations, _ = problem(3)
    numbers = 3 * activations[:, 0] - activations[:, 4] + 10
    probe = fit_elastic_net(activations, numbers, l1=l1, l2=l2, tolerance=1e-8, max_iterations=5000)
    unit = numbers.std(correction=0)
    total = l1 + 2 * l2
    peer = ElasticNet(alpha=total, l1_ratio=l1 / total, tol=1e-12, max_iter=100_000)
    peer.fit(standardised(probe, activations).numpy(), ((numbers - numbers.mean()) / unit).numpy())
    expected = torch.from_numpy(peer.coef_) * unit
    torch.testing.assert_close(probe.weight[0], expected, atol=1e-5, rtol=0)
    assert torch.equal(probe.weight[0] == 0, expected == 0)
    torch.testing.assert_close(probe.bias, numbers.mean()[None])
