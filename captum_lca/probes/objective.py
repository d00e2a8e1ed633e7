"""Losses: how far the logits are from what they should be, and how that changes with them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


class Loss(Protocol):
    """A convex loss of every row's logits; the objective takes its mean over rows."""

    name: str
    """As written in reports."""
    outputs: int
    """Number of logits per row."""

    def start(self) -> Tensor:
        """The best constant logits. Shape (outputs,)."""

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, outputs) to (rows,)."""

    def residual(self, logits: Tensor) -> Tensor:
        """Gradient of each row's loss in its logits. Shape (rows, outputs), as ``logits``."""


class CrossEntropy:
    """Multinomial cross-entropy, −log softmax(logits)[target].

    Args:
        targets: Class numbers. Shape (rows,), int64.
        classes: Number of classes; each has its own logit, two classes as well.
    """

    name = "cross-entropy"

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


class SquaredError:
    """Half the squared error, ½(logit − target)².

    Args:
        targets: Numbers to predict. Shape (rows,), floating point.
    """

    name = "squared error"
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
