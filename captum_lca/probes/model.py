"""A quadratic model of the loss around a point, and the minimum of model + penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.probes.inner import minimise_quadratic
from captum_lca.probes.objective import Curvature
from captum_lca.probes.penalty import Penalty

DAMPING = 1e-7
"""Added to every curvature, so that an output without any has a finite step."""
MOST_PASSES = 30
"""How often the outputs are gone through at most; each sees what the others did."""


@dataclass(frozen=True)
class Move:
    """The way from a point to the minimum of model + penalty."""

    weight: Tensor
    """Change of weights. Shape (outputs, neurons)."""
    bias: Tensor
    """Change of biases. Shape (outputs,)."""
    promised: float
    """By how much model + penalty falls."""


class QuadraticModel:
    """The loss around a point, to second order.

    Outputs are coupled (the probabilities of a row sum to one). The model is minimised output by
    output: each has a small matrix of its own, and the coupling goes through the change of the
    sampled rows' logits, which is kept up to date.

    Args:
        weight: Weights at the point. Shape (outputs, neurons).
        slope: Gradient of the loss there in the weights, shape (outputs, neurons), and in the
            biases, shape (outputs,).
        sets: Neurons whose weights may move, for each output.
        activations: Of the sampled rows, on all neurons of the sets. Shape (sampled, union).
        union: Those neurons, ascending. Shape (union,).
        row_weight: What each sampled row counts for. Shape (sampled,).
        curvature: Second derivatives of the sampled rows' losses.
    """

    def __init__(
        self,
        weight: Tensor,
        slope: tuple[Tensor, Tensor],
        *,
        sets: Sequence[Tensor],
        activations: Tensor,
        union: Tensor,
        row_weight: Tensor,
        curvature: Curvature,
    ) -> None:
        self.weight, self.slope = weight, slope
        self.row_weight, self.curvature = row_weight[:, None], curvature
        diagonal = self.row_weight * curvature.diagonal
        self.blocks = [
            _OutputBlock(
                neurons,
                slope[0][output, neurons],
                slope[1][output],
                activations.index_select(1, torch.searchsorted(union, neurons)),
                diagonal[:, output],
            )
            for output, neurons in enumerate(sets)
        ]

    def minimise(self, penalty: Penalty, accuracy: float) -> Move:
        """Minimise model + penalty.

        Args:
            penalty: On the weights.
            accuracy: Optimality at which to stop.

        Returns:
            Move: From the point to the minimum.
        """
        weight, bias = self.weight.clone(), torch.zeros_like(self.slope[1])
        logits = torch.zeros_like(self.curvature.diagonal)
        for _ in range(MOST_PASSES):
            done = True
            for output, block in enumerate(self.blocks):
                pull = (self.row_weight * self.curvature.times(logits))[:, output]
                old = weight[output, block.neurons]
                if block.violation(old, pull, penalty) <= accuracy:
                    continue
                done = False
                new = block.minimise(old, pull, penalty, accuracy / 2)
                shift, change = block.follow(new - old, pull)
                weight[output, block.neurons] = new
                bias[output] += shift
                logits[:, output] += change
            if done:
                break
        move = weight - self.weight
        promised = penalty.value(self.weight) - penalty.value(weight)
        return Move(move, bias, promised - self._rise(move, bias, logits))

    def _rise(self, weight: Tensor, bias: Tensor, logits: Tensor) -> float:
        """By how much the modelled loss grows with changes of weights, biases and logits."""
        linear = (self.slope[0] * weight).sum() + (self.slope[1] * bias).sum()
        return float(linear + (self.row_weight * logits * self.curvature.times(logits)).sum() / 2)


class _OutputBlock:
    """The model as a function of one output's weights on its working set, and its bias.

    The bias is eliminated: once activations are centred under the curvature, its best value does
    not depend on the weights.

    Args:
        neurons: The working set. Shape (k,).
        slope: Gradient of the loss in their weights. Shape (k,).
        bias_slope: Gradient in the bias. Shape ().
        activations: Of the sampled rows. Shape (sampled, k).
        curvature: Of each sampled row in this output, times what the row counts for.
            Shape (sampled,).
    """

    def __init__(
        self,
        neurons: Tensor,
        slope: Tensor,
        bias_slope: Tensor,
        activations: Tensor,
        curvature: Tensor,
    ) -> None:
        self.neurons, self.bias_slope = neurons, bias_slope
        self.total = curvature.sum() + DAMPING
        weighted = activations * curvature[:, None]
        self.activations = activations
        self.centre = weighted.sum(0) / self.total
        self.slope = slope - bias_slope * self.centre
        self.matrix = weighted.T @ activations
        self.matrix.addr_(self.centre, self.centre, alpha=-float(self.total))
        self.matrix.diagonal().add_(DAMPING)

    def violation(self, weight: Tensor, pull: Tensor, penalty: Penalty) -> float:
        """How far model + penalty is from its minimum over this output.

        Args:
            weight: Where the output's weights stand. Shape (k,).
            pull: What the moves made so far add to the derivative of each sampled row's loss in
                this output's logit, times what the row counts for. Shape (sampled,).
            penalty: On the weights.

        Returns:
            Largest entry of the smallest subgradient, the bias included.
        """
        bias_slope = (self.bias_slope + pull.sum()).abs()
        rest = penalty.subgradient(weight, self._slope(pull)).abs()
        return float(torch.cat([rest, bias_slope[None]]).max())

    def minimise(self, weight: Tensor, pull: Tensor, penalty: Penalty, accuracy: float) -> Tensor:
        """The best weights, found from ``weight`` on; arguments as above. Shape (k,)."""
        return minimise_quadratic(self.matrix, self._slope(pull), weight, penalty, accuracy)

    def _slope(self, pull: Tensor) -> Tensor:
        """Gradient of the model in the weights, where the bias follows them. Shape (k,)."""
        return self.slope + pull @ self.activations - pull.sum() * self.centre

    def follow(self, change: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
        """Changes of the bias and of the sampled rows' logits that go with a change of weights."""
        shift = -(self.bias_slope + pull.sum()) / self.total
        bias = shift - self.centre @ change
        return bias, self.activations @ change + bias
