"""The smooth part of the objective: losses of logits, and their mean as a function of the probe."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad, softplus

from captum_lca.probes.rows import StandardisedRows

PADDED_TO = 8
"""Outputs are padded to a multiple of this: products of 24 columns are faster than those of 17."""


class Curvature(Protocol):
    """Second derivatives of the losses of some rows in their logits: one matrix per row."""

    @property
    def diagonal(self) -> Tensor:
        """Second derivative in each logit alone. Shape (rows, outputs)."""

    def times(self, change: Tensor) -> Tensor:
        """Each row's matrix times its change of logits. Shapes (rows, outputs)."""


class Loss(Protocol):
    """A convex loss of every row's logits; the objective takes its mean over rows."""

    @property
    def outputs(self) -> int:
        """Number of logits per row."""

    def start(self) -> Tensor:
        """The best constant logits. Shape (outputs,)."""

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, outputs) to (rows,)."""

    def residual(self, logits: Tensor) -> Tensor:
        """Gradient of each row's loss in its logits. Shape (rows, outputs)."""

    def curvature(self, logits: Tensor) -> Curvature:
        """Second derivatives at the logits of any rows. ``logits``: (some rows, outputs)."""


class CrossEntropy:
    """Multinomial cross-entropy, −log softmax(logits)[target].

    Args:
        targets: Class numbers. Shape (rows,), int64.
        classes: Number of classes; each has its own logit, two classes as well.
    """

    def __init__(self, targets: Tensor, classes: int) -> None:
        self.targets = targets
        self.outputs = classes

    def start(self) -> Tensor:
        """Logarithms of the class frequencies (of half a row where a class has none)."""
        counts = torch.bincount(self.targets, minlength=self.outputs).double()
        return (counts.clamp(min=0.5) / len(self.targets)).log()

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, classes) to (rows,)."""
        return cross_entropy(logits, self.targets, reduction="none")

    def residual(self, logits: Tensor) -> Tensor:
        """Probabilities minus the one-hot targets. Shape (rows, classes)."""
        probabilities = logits.softmax(1)
        probabilities[torch.arange(len(logits), device=logits.device), self.targets] -= 1
        return probabilities

    def curvature(self, logits: Tensor) -> SoftmaxCurvature:
        """Second derivatives at the logits of any rows."""
        return SoftmaxCurvature(logits.softmax(1))


class SoftmaxCurvature:
    """diag(p) − p·pᵀ of each row's probabilities.

    Args:
        probabilities: Shape (rows, classes).
    """

    def __init__(self, probabilities: Tensor) -> None:
        self.probabilities = probabilities

    @property
    def diagonal(self) -> Tensor:
        """p(1 − p). Shape (rows, classes)."""
        return self.probabilities * (1 - self.probabilities)

    def times(self, change: Tensor) -> Tensor:
        """p·(change − its mean under p). Shape (rows, classes)."""
        mean = (self.probabilities * change).sum(1, keepdim=True)
        return self.probabilities * (change - mean)


class LogisticLoss:
    """Cross-entropy of two classes in the difference z of their logits, log(1 + e^z) − target·z.

    Args:
        targets: 0 or 1. Shape (rows,), floating point.
    """

    outputs = 1

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets[:, None]

    def start(self) -> Tensor:
        """Logarithm of the odds of the second class. Shape (1,)."""
        ones = self.targets.double().sum(0)
        return (ones.clamp(min=0.5) / (len(self.targets) - ones).clamp(min=0.5)).log()

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, 1) to (rows,)."""
        return softplus((1 - 2 * self.targets) * logits).squeeze(1)

    def residual(self, logits: Tensor) -> Tensor:
        """Probability of the second class minus target. Shape (rows, 1)."""
        return logits.sigmoid() - self.targets

    def curvature(self, logits: Tensor) -> DiagonalCurvature:
        """Second derivatives at the logits of any rows."""
        probability = logits.sigmoid()
        return DiagonalCurvature(probability * (1 - probability))


class SquaredError:
    """Half the squared error, ½(logit − target)².

    Args:
        targets: Numbers to predict. Shape (rows,), floating point.
    """

    outputs = 1

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets[:, None]

    def start(self) -> Tensor:
        """The mean target. Shape (1,)."""
        return self.targets.double().mean(0)

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, 1) to (rows,)."""
        return (logits - self.targets).square().squeeze(1) / 2

    def residual(self, logits: Tensor) -> Tensor:
        """Prediction minus target. Shape (rows, 1)."""
        return logits - self.targets

    def curvature(self, logits: Tensor) -> DiagonalCurvature:
        """Second derivatives at the logits of any rows."""
        return DiagonalCurvature(torch.ones_like(logits))


class DiagonalCurvature:
    """One logit per row, so one number per row.

    Args:
        diagonal: Shape (rows, 1).
    """

    def __init__(self, diagonal: Tensor) -> None:
        self.diagonal = diagonal

    def times(self, change: Tensor) -> Tensor:
        """Their product. Shape (rows, 1)."""
        return self.diagonal * change


class MeanLoss:
    """Mean loss over rows, as a function of weights and biases.

    Args:
        rows: Standardised activations.
        loss: Loss of each row's logits.
    """

    def __init__(self, rows: StandardisedRows, loss: Loss) -> None:
        self.rows, self.loss = rows, loss
        self.padding = -loss.outputs % PADDED_TO

    def logits(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Logits of all rows.

        Args:
            weight: Shape (outputs, neurons).
            bias: Shape (outputs,).

        Returns:
            Shape (rows, outputs).
        """
        logits = weight.new_empty(self.rows.shape[0], self.loss.outputs)
        padded = pad(weight, (0, 0, 0, self.padding)).T
        for rows, block in self.rows.blocks():
            torch.add((block @ padded)[:, : self.loss.outputs], bias, out=logits[rows])
        return logits

    def value(self, logits: Tensor) -> float:
        """Mean loss, summed in float64. ``logits``: (rows, outputs)."""
        return float(self.loss.values(logits).double().mean())

    def gradient(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient in weights and biases.

        Args:
            logits: Those of the point in question. Shape (rows, outputs).

        Returns:
            Shapes (outputs, neurons) and (outputs,).
        """
        residual = pad(self.loss.residual(logits) / len(logits), (0, self.padding))
        total = logits.new_zeros(residual.shape[1], self.rows.shape[1])
        for rows, block in self.rows.blocks():
            total.addmm_(residual[rows].T, block)
        bias = residual.double().sum(0).to(logits)
        return total[: self.loss.outputs], bias[: self.loss.outputs]
