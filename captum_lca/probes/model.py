"""A quadratic model of the loss around a point, and the minimum of model + penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.probes.inner import minimise_quadratic
from captum_lca.probes.objective import Curvature
from captum_lca.probes.penalties import Penalty

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
        union: The neurons of all sets, ascending. Shape (union,).
        columns: Their activations in the sampled rows, by neuron. Shape (union, sampled).
        share: What each sampled row counts for. Shape (sampled,).
        curvature: Second derivatives of the sampled rows' losses.
        room: Bytes that the outputs' own copies of their neurons' activations may take; if they
            would take more, each is gathered whenever it is needed.
    """

    def __init__(
        self,
        weight: Tensor,
        slope: tuple[Tensor, Tensor],
        *,
        sets: Sequence[Tensor],
        union: Tensor,
        columns: Tensor,
        share: Tensor,
        curvature: Curvature,
        room: float,
    ) -> None:
        self.weight, self.slope = weight, slope
        self.share, self.curvature = share, curvature
        diagonal = share[:, None] * curvature.diagonal
        copies = columns.element_size() * columns.shape[1] * sum(map(len, sets))
        self.blocks = [
            _OutputBlock(
                neurons,
                slope[0][output, neurons],
                slope[1][output],
                columns,
                torch.searchsorted(union, neurons),
                diagonal[:, output],
                hold=copies <= room,
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
                pull = self.share * self.curvature.column(logits, output)
                old = weight[output, block.neurons]
                better = block.improve(old, pull, penalty, accuracy)
                if better is None:
                    continue
                done = False
                weight[output, block.neurons] = better.weight
                bias[output] += better.bias
                logits[:, output] += better.logits
            if done:
                break
        move = weight - self.weight
        promised = penalty.value(self.weight) - penalty.value(weight)
        return Move(move, bias, promised - self._rise(move, bias, logits))

    def _rise(self, weight: Tensor, bias: Tensor, logits: Tensor) -> float:
        """By how much the modelled loss grows with changes of weights, biases and logits."""
        linear = (self.slope[0] * weight).sum() + (self.slope[1] * bias).sum()
        return float(linear + self.share @ (logits * self.curvature.times(logits)).sum(1) / 2)


@dataclass(frozen=True)
class _Improvement:
    """The best coefficients of one output, while those of the others stay."""

    weight: Tensor
    """New weights of the working set. Shape (k,)."""
    bias: Tensor
    """Change of the bias. Shape ()."""
    logits: Tensor
    """Change of the sampled rows' logits. Shape (sampled,)."""


class _OutputBlock:
    """The model as a function of one output's weights on its working set, and its bias.

    The bias is eliminated: once activations are centred under the curvature, its best value does
    not depend on the weights.

    Args:
        neurons: The working set. Shape (k,).
        slope: Gradient of the loss in their weights. Shape (k,).
        bias_slope: Gradient in the bias. Shape ().
        columns: Activations of the neurons of all sets, by neuron. Shape (union, sampled).
        places: Where the working set's are among them. Shape (k,).
        curvature: Of each sampled row in this output, times what the row counts for.
            Shape (sampled,).
        hold: Whether to keep a copy of the working set's activations.
    """

    def __init__(
        self,
        neurons: Tensor,
        slope: Tensor,
        bias_slope: Tensor,
        columns: Tensor,
        places: Tensor,
        curvature: Tensor,
        hold: bool,
    ) -> None:
        self.neurons, self.bias_slope = neurons, bias_slope
        self.columns, self.places = columns, places
        self.held = self._gathered() if hold else None
        self.total = curvature.sum() + DAMPING
        activations = self._activations()
        weighted = activations * curvature
        self.centre = weighted.sum(1) / self.total
        self.slope = slope - bias_slope * self.centre
        self.matrix = weighted @ activations.T
        self.matrix.addr_(self.centre, self.centre, alpha=-float(self.total))
        self.matrix.diagonal().add_(DAMPING)
        # Frobenius: never below the largest eigenvalue, seldom far above.
        self.bound = float(self.matrix.norm())

    def _activations(self) -> Tensor:
        """Of the working set. Shape (k, sampled)."""
        return self._gathered() if self.held is None else self.held

    def _gathered(self) -> Tensor:
        return self.columns.index_select(0, self.places)

    def improve(
        self, weight: Tensor, pull: Tensor, penalty: Penalty, accuracy: float
    ) -> _Improvement | None:
        """Minimise model + penalty over this output.

        Args:
            weight: Where the output's weights stand. Shape (k,).
            pull: What the moves made so far add to the derivative of each sampled row's loss in
                this output's logit, times what the row counts for. Shape (sampled,).
            penalty: On the weights.
            accuracy: Optimality that is good enough.

        Returns:
            The minimum; None if the output is good enough as it stands.
        """
        activations = self._activations()
        pulled = pull.sum()
        bias_slope = self.bias_slope + pulled
        # Gradient in the weights, where the bias follows them.
        slope = self.slope + activations @ pull - pulled * self.centre
        rest = penalty.subgradient(weight, slope).abs()
        if float(torch.cat([rest, bias_slope.abs()[None]]).max()) <= accuracy:
            return None
        new = minimise_quadratic(
            self.matrix.mv, self.bound, slope, weight, penalty.prox, accuracy / 2
        )
        change = new - weight
        bias = -bias_slope / self.total - self.centre @ change
        return _Improvement(new, bias, change @ activations + bias)
