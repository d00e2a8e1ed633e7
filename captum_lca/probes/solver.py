"""The solver: minimise mean loss + penalty over weights and biases."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.probes.objective import Loss
from captum_lca.probes.penalty import ElasticNet
from captum_lca.probes.rows import StandardisedRows


@dataclass(frozen=True)
class Solution:
    """Where a solver stopped."""

    weight: Tensor
    """Shape (outputs, neurons), with exact zeros."""
    bias: Tensor
    """Shape (outputs,)."""
    objective: float
    """Mean loss + penalty."""
    optimality: float
    """Largest entry of the smallest subgradient, in units of the gradient (like l1); 0 at the
    minimum."""
    target: float
    """The optimality at which the solver was to stop."""
    iterations: int
    """Steps taken."""
    seconds: float
    """Wall-clock time."""


class Smooth:
    """Mean loss as a function of weights and biases."""

    def __init__(self, rows: StandardisedRows, loss: Loss) -> None:
        self.rows, self.loss = rows, loss

    def logits(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Shape (rows, outputs)."""
        parts = [torch.addmm(bias, block, weight.T) for _, block in self.rows.blocks()]
        return torch.cat(parts)

    def value(self, logits: Tensor) -> float:
        """Mean loss, summed in float64."""
        return float(self.loss.values(logits).double().mean())

    def gradient(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient in weights and biases: shapes (outputs, neurons) and (outputs,)."""
        residual = self.loss.residual(logits) / self.rows.shape[0]
        weight = logits.new_zeros(self.loss.outputs, self.rows.shape[1])
        for rows, block in self.rows.blocks():
            weight.addmm_(residual[rows].T, block)
        return weight, residual.double().sum(0).to(logits)


def solve(
    rows: StandardisedRows,
    loss: Loss,
    penalty: ElasticNet,
    start: tuple[Tensor, Tensor] | None = None,
    *,
    tolerance: float,
    max_iterations: int,
    seed: int = 0,
) -> Solution:
    """Accelerated proximal gradient (FISTA) with backtracking and restarts."""
    began = time.perf_counter()
    smooth = Smooth(rows, loss)
    weight, bias = start or (
        rows.like.new_zeros(loss.outputs, rows.shape[1]),
        loss.start().to(rows.like),
    )
    logits = smooth.logits(weight, bias)
    objective = smooth.value(logits) + float(penalty.value(weight))
    level, _ = smooth.gradient(loss.start().to(weight).expand(rows.shape[0], -1).contiguous())
    target = tolerance * float(level.abs().max())
    ahead_w, ahead_b, ahead_logits, momentum, step = weight, bias, logits, 1.0, 1.0
    optimality, iteration = float("inf"), 0
    for iteration in range(max_iterations + 1):
        if iteration % 10 == 0:
            gw, gb = smooth.gradient(logits)
            residual = penalty.subgradient(weight, gw)
            optimality = float(torch.maximum(residual.abs().max(), gb.abs().max()))
            if optimality <= target or iteration == max_iterations:
                break
        gw, gb = smooth.gradient(ahead_logits)
        base = smooth.value(ahead_logits)
        while True:
            new_w = penalty.prox(ahead_w - step * gw, step)
            new_b = ahead_b - step * gb
            new_logits = smooth.logits(new_w, new_b)
            dw, db = new_w - ahead_w, new_b - ahead_b
            bound = base + float((gw * dw).sum() + (gb * db).sum())
            bound += float(dw.square().sum() + db.square().sum()) / (2 * step)
            if smooth.value(new_logits) <= bound + 1e-12 * abs(base) or step < 1e-12:
                break
            step /= 2
        turned = float(((ahead_w - new_w) * (new_w - weight)).sum())
        turned += float(((ahead_b - new_b) * (new_b - bias)).sum())
        following = 1.0 if turned > 0 else (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        factor = 0.0 if turned > 0 else (momentum - 1) / following
        ahead_w = new_w + factor * (new_w - weight)
        ahead_b = new_b + factor * (new_b - bias)
        ahead_logits = new_logits + factor * (new_logits - logits)
        weight, bias, logits, momentum = new_w, new_b, new_logits, following
    objective = smooth.value(logits) + float(penalty.value(weight))
    if optimality > target:
        warnings.warn(
            f"the probe is not at its minimum: after {iteration} iterations the largest "
            f"subgradient is {optimality:.2g}, and {target:.2g} was asked for",
            RuntimeWarning,
            stacklevel=3,
        )
    seconds = time.perf_counter() - began
    return Solution(weight, bias, objective, optimality, target, iteration, seconds)
