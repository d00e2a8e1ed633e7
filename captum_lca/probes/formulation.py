"""How a property is put to the solver: which loss of how many logits, in which units.

A probe has one row of weights per class, or one for numbers in their own unit. The solver may see
something else that has the same minimum and is easier: these classes translate both ways.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from captum_lca.probes.labels import Targets
from captum_lca.probes.objective import CrossEntropy, LogisticLoss, Loss, SquaredError
from captum_lca.probes.penalties import Penalty

Coefficients = tuple[Tensor, Tensor]
"""Weights, shape (outputs, neurons), and biases, shape (outputs,)."""


class Formulation(Protocol):
    """A property's targets as the solver sees them."""

    loss_name: str
    """As written in reports."""

    def loss(self, like: Tensor) -> Loss:
        """The loss of the labelled rows, in the precision and on the device of ``like``."""

    def penalty(self, penalty: Penalty) -> Penalty:
        """The penalty on the solver's weights that amounts to one on the probe's."""

    def to_solver(self, weight: Tensor, bias: Tensor) -> Coefficients:
        """From the coefficients of a probe to those that the solver works on."""

    def to_probe(self, weight: Tensor, bias: Tensor) -> Coefficients:
        """The reverse."""


class Multinomial:
    """Three or more classes: a row of weights for each."""

    loss_name = "cross-entropy"

    def __init__(self, targets: Targets) -> None:
        self.targets = targets

    def loss(self, like: Tensor) -> Loss:
        """Cross-entropy."""
        return CrossEntropy(self.targets.values.to(like.device), len(self.targets.classes))

    def penalty(self, penalty: Penalty) -> Penalty:
        """As given."""
        return penalty

    def to_solver(self, weight: Tensor, bias: Tensor) -> Coefficients:
        """The same."""
        return weight, bias

    def to_probe(self, weight: Tensor, bias: Tensor) -> Coefficients:
        """The same."""
        return weight, bias


class Binary:
    """Two classes: the cross-entropy depends on the difference w of their weights alone.

    For a given w every penalty is least at W = (−w/2, w/2) (L1 alone, at other points as well).
    """

    loss_name = "cross-entropy"

    def __init__(self, targets: Targets) -> None:
        self.targets = targets

    def loss(self, like: Tensor) -> Loss:
        """Logistic loss of the second class."""
        return LogisticLoss(self.targets.values.to(like))

    def penalty(self, penalty: Penalty) -> Penalty:
        """On the difference."""
        return penalty.of_difference()

    def to_solver(self, weight: Tensor, bias: Tensor) -> Coefficients:
        """Second class minus first."""
        return weight[1:] - weight[:1], bias[1:] - bias[:1]

    def to_probe(self, weight: Tensor, bias: Tensor) -> Coefficients:
        """Half to each class."""
        return torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2


class Regression:
    """Numbers to predict, standardised (population form) so that a penalty has no unit."""

    loss_name = "squared error"

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.mean = float(targets.values.mean())
        self.scale = float(targets.values.std(correction=0))

    def loss(self, like: Tensor) -> Loss:
        """Half the squared error of the standardised numbers."""
        return SquaredError(((self.targets.values - self.mean) / self.scale).to(like))

    def penalty(self, penalty: Penalty) -> Penalty:
        """As given."""
        return penalty

    def to_solver(self, weight: Tensor, bias: Tensor) -> Coefficients:
        """From the numbers' own unit to standard deviations."""
        return weight / self.scale, (bias - self.mean) / self.scale

    def to_probe(self, weight: Tensor, bias: Tensor) -> Coefficients:
        """From standard deviations to the numbers' own unit."""
        return weight * self.scale, bias * self.scale + self.mean


def formulate(targets: Targets) -> Formulation:
    """The formulation for some targets."""
    if targets.is_regression:
        return Regression(targets)
    return Binary(targets) if len(targets.classes) == 2 else Multinomial(targets)
