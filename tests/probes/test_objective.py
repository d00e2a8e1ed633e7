"""Losses against autograd: gradients, curvature, and the mean over blocks of rows."""

import pytest
import torch
from torch import Tensor

from captum_lca.probes.objective import CrossEntropy, LogisticLoss, Loss, MeanLoss, SquaredError
from captum_lca.probes.rows import HeldRows

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
    torch.testing.assert_close(curvature.column(change, 0), expected[:, 0])
    torch.testing.assert_close(
        curvature.diagonal, torch.einsum("rkrk->rk", hessian), atol=1e-12, rtol=1e-9
    )


@pytest.mark.parametrize(("loss", "logits"), CASES)
def test_start_is_the_best_constant(loss: Loss, logits: Tensor) -> None:
    share = torch.rand(len(logits), dtype=torch.float64, generator=GENERATOR)
    share /= share.sum()
    start = loss.start(share, len(share)).expand(len(logits), -1)
    torch.testing.assert_close(
        share @ loss.residual(start.contiguous()), torch.zeros(loss.outputs, dtype=torch.float64)
    )


@pytest.mark.parametrize(("loss", "logits"), CASES)
def test_the_loss_of_some_rows(loss: Loss, logits: Tensor) -> None:
    for some in (slice(1, 4), torch.tensor([5, 0])):
        assert torch.equal(loss.select(some).values(logits[some]), loss.values(logits)[some])


def test_two_classes_cost_the_same_as_one_logit() -> None:
    difference = LOGITS[:, 0]
    pair = torch.stack([-difference, difference], 1) / 2
    targets = TARGETS.clamp(max=1)
    torch.testing.assert_close(
        LogisticLoss(targets.double()).values(difference[:, None]),
        CrossEntropy(targets, 2).values(pair),
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_the_mean_over_blocks_is_that_of_the_whole(
    weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captum_lca.probes.objective.CHUNK", 700)
    rows = torch.randn(2500, 7, dtype=torch.float64, generator=GENERATOR)
    share = torch.rand(2500, dtype=torch.float64, generator=GENERATOR) if weighted else None
    share = None if share is None else share / share.sum()
    loss = CrossEntropy(torch.randint(3, (2500,), generator=GENERATOR), 3)
    weight = torch.randn(3, 7, dtype=torch.float64, generator=GENERATOR, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, generator=GENERATOR, requires_grad=True)
    values = loss.values(rows @ weight.T + bias)
    expected = values.mean() if share is None else share @ values
    gradients = torch.autograd.grad(expected, [weight, bias])
    mean_loss = MeanLoss(HeldRows(rows), loss, share)
    logits = mean_loss.logits(weight.detach(), bias.detach())
    assert mean_loss.value(logits) == pytest.approx(float(expected.detach()))
    keep = torch.tensor([0, 3, 1023, 1024, 2499])
    *found, kept = mean_loss.gradient(mean_loss.residual(logits), keep)
    torch.testing.assert_close(found, list(gradients))
    assert torch.equal(kept, rows[keep])
