"""A probe on a few neurons whose activations are held in memory: what stepwise selection refits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.linalg import cholesky, solve_triangular

from captum_lca.distributed import gathered, rank, summed
from captum_lca.probes.objective import Loss
from captum_lca.probes.sampling import sample_rows

SAMPLE = 8000
"""Rows that curvature is measured on."""
REFIT_STEPS = 5
"""Most steps of a refit; it starts where the last one ended, preconditioned by its Hessians."""
DAMPING = 1e-6
"""Added to every second derivative, so that each Hessian has an inverse."""


@dataclass(frozen=True)
class ActiveSet:
    """Some neurons, and a probe on them alone; of several ranks, each has its own rows."""

    neurons: Tensor
    """Global ids, in the order in which they came in. Shape (k,)."""
    columns: Tensor
    """Ones, then the neurons' standardised activations. Shape (rows, 1 + k)."""
    weight: Tensor
    """Biases, then weights. Shape (outputs, 1 + k)."""
    objective: float
    """Mean loss + l2·ΣW² where the last refit ended."""

    def __len__(self) -> int:
        return len(self.neurons)

    def with_neurons(self, neurons: Tensor, columns: Tensor) -> ActiveSet:
        """The set with further neurons, whose weights are 0."""
        return replace(
            self,
            neurons=torch.cat([self.neurons, neurons]),
            columns=torch.cat([self.columns, columns], 1),
            weight=torch.nn.functional.pad(self.weight, (0, len(neurons))),
        )

    def keeping(self, places: Tensor, weight: Tensor) -> ActiveSet:
        """The set with some of its neurons only.

        Args:
            places: Which of them, ascending. Shape (kept,).
            weight: What the biases and weights are now. Shape (outputs, 1 + k).
        """
        columns = with_bias(places)
        return replace(
            self,
            neurons=self.neurons[places],
            columns=self.columns.index_select(1, columns),
            weight=weight[:, columns],
        )


def with_bias(places: Tensor) -> Tensor:
    """Columns of the bias and of the neurons at some places. From shape (k,) to (1 + k,)."""
    return torch.cat([places.new_zeros(1), places + 1])


@dataclass(frozen=True)
class CurvatureSample:
    """Second derivatives of the losses of some rows, which stand for all."""

    rows: Tensor
    """Numbers among the rows held. Shape (sampled,)."""
    curvature: Tensor
    """In each output's logit, times what the row counts for. Shape (sampled, outputs)."""


class ActiveObjective:
    """Mean loss + l2·ΣW² of probes on few neurons.

    Of ranks that work together each holds its own rows; sums are over those of all.

    Args:
        loss: Of the rows held.
        l2: Strength of ΣW²; biases are not penalised.
        rows: Number of rows held.
        generator: Source of the random samples.
    """

    def __init__(self, loss: Loss, l2: float, rows: int, generator: torch.Generator) -> None:
        self.loss, self.l2, self.generator = loss, l2, generator
        counts = gathered(rows)
        self.total: int = sum(counts)
        """Rows held by all ranks."""
        self.first: int = sum(counts[: rank()])
        """Number of the first of one's own among them."""
        self.share = torch.full((rows,), 1 / self.total, dtype=torch.float64)

    def empty(self, like: Tensor) -> ActiveSet:
        """The set without neurons: biases alone."""
        columns = like.new_ones(len(self.share), 1)
        weight = self.loss.start(self.share, self.total).to(like)[:, None]
        value = self._evaluate(weight, columns)[0]
        return ActiveSet(torch.empty(0, dtype=torch.long), columns, weight, value)

    def sample(self, active: ActiveSet) -> CurvatureSample:
        """Draw rows in proportion to their curvature."""
        curvature = self.loss.curvature(active.columns @ active.weight.T).diagonal
        drawn = sample_rows(curvature, self.share, SAMPLE, self.first, self.generator)
        weighted = curvature[drawn.rows] * drawn.share[:, None].to(curvature)
        return CurvatureSample(drawn.rows, weighted)

    def hessians(self, active: ActiveSet) -> Tensor:
        """Second derivatives in each output's bias and weights. Shape (outputs, 1 + k, 1 + k).

        What couples the outputs is left out: one matrix of all their weights would be outputs²
        times as large.
        """
        sample = self.sample(active)
        columns = active.columns[sample.rows]
        matrices = [(columns * part[:, None]).T @ columns for part in sample.curvature.T]
        hessians = summed(torch.stack(matrices))
        hessians.diagonal(dim1=1, dim2=2).add_(DAMPING)
        hessians.diagonal(dim1=1, dim2=2)[:, 1:].add_(2 * self.l2)
        return hessians

    def refit(self, active: ActiveSet, hessians: Tensor) -> ActiveSet:
        """Minimise over biases and weights, from where they are.

        A few steps of L-BFGS on coordinates in which each output's Hessian is the identity.

        Args:
            active: Where to start.
            hessians: Of a probe near it. Shape (outputs, 1 + k, 1 + k).
        """
        factor = cholesky(hessians)

        def step(coordinates: NDArray[np.float64]) -> Tensor:
            move = torch.from_numpy(coordinates).to(factor).view(*active.weight.shape, 1)
            change: Tensor = solve_triangular(factor.mT, move, upper=True)
            return active.weight + change.squeeze(2)

        def objective(coordinates: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            value, slope = self._evaluate(step(coordinates), active.columns)
            slope = solve_triangular(factor, slope[:, :, None], upper=False)
            return value, slope.double().flatten().numpy()

        start, limit = np.zeros(active.weight.numel()), {"maxiter": REFIT_STEPS}
        result = minimize(objective, start, jac=True, method="L-BFGS-B", options=limit)
        return replace(active, weight=step(result.x), objective=float(result.fun))

    def _evaluate(self, weight: Tensor, columns: Tensor) -> tuple[float, Tensor]:
        """The objective and its gradient. ``weight``: (outputs, 1 + k)."""
        logits = columns @ weight.T
        value = summed(self.loss.values(logits).sum(dtype=torch.float64)) / self.total
        penalty = self.l2 * weight[:, 1:].square().sum(dtype=torch.float64)
        slope = summed(self.loss.residual(logits).T @ columns) / self.total
        slope[:, 1:] += 2 * self.l2 * weight[:, 1:]
        return float(value + penalty), slope
