"""Losses against autograd: gradients, curvature, and the mean over blocks of rows."""

import pytest
import torch
from torch import Tensor

from captum_lca.probes.objective import CrossEntropy, LogisticLoss, Loss, MeanLoss, SquaredError
from captum_lca.probes.rows import StandardisedRows

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 3, dtype=torch.float64, generator=GENERATOR)
TARGETS = torch.tensor([0, 2, 1, 1, 2, 0])
CASES = [
    (CrossEntropy(TARGETS, 3), LOGITS),
    (LogisticLoss((TARGETS > 0).double()), LOGITS[:, :1]),
    (SquaredError(LOGITS[:, 1]), LOGITS[:, :1]),
]


@pytest.mark.parametrize(("loss", "logits"), CASES)
def test_residual_and_curvature_are_the_derivatives(loss: Loss, logits: Tensor) -> None:
    def total(at: Tensor) -> Tensor:
        return loss.values(at).sum()

    torch.testing.assert_close(
        loss.residual(logits), torch.autograd.functional.jacobian(total, logits)
    )
    hessian = torch.autograd.functional.hessian(total, logits)
    change = torch.randn(logits.shape, dtype=torch.float64, generator=GENERATOR)
    expected = torch.einsum("rkql,ql->rk", hessian, change)
    curvature = loss.curvature(logits)
    torch.testing.assert_close(curvature.times(change), expected)
    torch.testing.assert_close(
        curvature.diagonal, torch.einsum("rkrk->rk", hessian), atol=1e-12, rtol=1e-9
    )


@pytest.mark.parametrize(("loss", "logits"), CASES)
def test_start_is_the_best_constant(loss: Loss, logits: Tensor) -> None:
    start = loss.start().expand(len(logits), -1)
    torch.testing.assert_close(
        loss.residual(start.contiguous()).sum(0), torch.zeros(loss.outputs, dtype=torch.float64)
    )


def test_two_classes_cost_the_same_as_one_logit() -> None:
    difference = LOGITS[:, 0]
    pair = torch.stack([-difference, difference], 1) / 2
    targets = TARGETS.clamp(max=1)
    torch.testing.assert_close(
        LogisticLoss(targets.double()).values(difference[:, None]),
        CrossEntropy(targets, 2).values(pair),
    )


def test_the_mean_over_blocks_is_that_of_the_whole() -> None:
    rows = torch.randn(2500, 7, dtype=torch.float64, generator=GENERATOR)
    loss = CrossEntropy(torch.randint(3, (2500,), generator=GENERATOR), 3)
    weight = torch.randn(3, 7, dtype=torch.float64, generator=GENERATOR, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, generator=GENERATOR, requires_grad=True)
    expected = loss.values(rows @ weight.T + bias).mean()
    gradients = torch.autograd.grad(expected, [weight, bias])
    mean_loss = MeanLoss(StandardisedRows(rows), loss)
    logits = mean_loss.logits(weight.detach(), bias.detach())
    assert mean_loss.value(logits) == pytest.approx(float(expected.detach()))
    for found, right in zip(mean_loss.gradient(logits), gradients, strict=True):
        torch.testing.assert_close(found, right)
