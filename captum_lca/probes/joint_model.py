"""The same quadratic model for penalties that tie the outputs together."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_lca.probes.inner import minimise_quadratic
from captum_lca.probes.model import Move
from captum_lca.probes.objective import Curvature
from captum_lca.probes.penalties import Penalty


class JointModel:
    """The loss around a point to second order, in the weights of some neurons for all outputs.

    The matrix of all these weights together would be large: it is only ever multiplied with, by way
    of the sampled rows' logits.

    Args:
        weight: Weights at the point. Shape (outputs, neurons).
        slope: Gradient of the loss there in the weights, shape (outputs, neurons), and in the
            biases, shape (outputs,).
        neurons: Those whose weights may move. Shape (k,).
        columns: Their activations in the sampled rows, by neuron. Shape (k, sampled).
        share: What each sampled row counts for. Shape (sampled,).
        curvature: Second derivatives of the sampled rows' losses.
    """

    def __init__(
        self,
        weight: Tensor,
        slope: tuple[Tensor, Tensor],
        *,
        neurons: Tensor,
        columns: Tensor,
        share: Tensor,
        curvature: Curvature,
    ) -> None:
        self.weight, self.neurons = weight, neurons
        self.linear = torch.cat([slope[0][:, neurons], slope[1][:, None]], 1)
        self.inputs = torch.cat([columns.T, columns.new_ones(columns.shape[1], 1)], 1)
        self.share, self.curvature = share[:, None], curvature

    def minimise(self, penalty: Penalty, accuracy: float) -> Move:
        """Minimise model + penalty.

        Args:
            penalty: On the weights.
            accuracy: Optimality at which to stop.

        Returns:
            Move: From the point to the minimum.
        """

        def prox(point: Tensor, step: float) -> Tensor:
            return torch.cat([penalty.prox(point[:, :-1], step), point[:, -1:]], 1)

        old = self.weight[:, self.neurons]
        start = torch.cat([old, old.new_zeros(len(old), 1)], 1)  # biases: their change
        found = minimise_quadratic(self._times, self._bound(), self.linear, start, prox, accuracy)
        change = found - start
        promised = penalty.value(old) - penalty.value(found[:, :-1])
        promised -= float((self.linear * change).sum() + (change * self._times(change)).sum() / 2)
        moved = torch.zeros_like(self.weight).index_copy_(1, self.neurons, change[:, :-1])
        return Move(moved, change[:, -1], promised)

    def _times(self, change: Tensor) -> Tensor:
        """The curvature in a direction. Shapes (outputs, k + 1)."""
        logits = self.inputs @ change.T
        return (self.share * self.curvature.times(logits)).T @ self.inputs

    def _bound(self) -> float:
        """At least the largest curvature in any direction.

        A row's largest eigenvalue is at most the trace of its matrix, so each output's matrix is at
        most that of the rows weighted by their traces.
        """
        weighted = self.inputs * (self.share * self.curvature.diagonal.sum(1, keepdim=True))
        return float((weighted.T @ self.inputs).norm())
