"""Penalties on the probe's weights: their value, and the two operations that a solver needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor


class Penalty(Protocol):
    """A convex penalty on the weights, entry by entry."""

    def value(self, weight: Tensor) -> float:
        """The penalty, summed in float64."""

    def prox(self, weight: Tensor, step: float) -> Tensor:
        """The v that minimises ½(v − w)²/step + penalty(v), entry by entry."""

    def subgradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """The smallest subgradient of loss + penalty, entry by entry; all zero at a minimum."""

    def path(self, strongest: float, ratio: float) -> list[tuple[Penalty, float]]:
        """Penalties that lead to this one, which is the last, strongest first.

        Beside each is the strength at which it makes weights zero.
        """


@dataclass(frozen=True)
class ElasticNet:
    """l1·Σ|w| + l2·Σw².

    The first term makes weights exactly zero, the second shares weight among correlated neurons.

    Raises:
        ValueError: A strength is negative, infinite or not a number.
    """

    l1: float
    """Strength of the absolute values, in units of the objective's gradient."""
    l2: float
    """Strength of the squares (not halved)."""

    def __post_init__(self) -> None:
        for name, strength in (("l1", self.l1), ("l2", self.l2)):
            if not 0 <= strength < float("inf"):
                raise ValueError(f"{name} must be a number of at least 0; found {strength}")

    def value(self, weight: Tensor) -> float:
        """The penalty, summed in float64."""
        weight = weight.double()
        return float(self.l1 * weight.abs().sum() + self.l2 * weight.square().sum())

    def path(self, strongest: float, ratio: float) -> list[tuple[Penalty, float]]:
        """Penalties that lead to this one, which is the last, strongest first.

        Args:
            strongest: The l1 from which on all weights are zero.
            ratio: Of each l1 to the next.

        Returns:
            Those with an l1 below ``strongest``, each with its l1.
        """
        strengths = [self.l1]
        while 0 < strengths[-1] * ratio < strongest:
            strengths.append(strengths[-1] * ratio)
        return [(replace(self, l1=l1), l1) for l1 in reversed(strengths)]

    def prox(self, weight: Tensor, step: float) -> Tensor:
        """The v that minimises ½(v − w)²/step + penalty(v), entry by entry.

        Args:
            weight: Any shape.
            step: Step length.

        Returns:
            Same shape as ``weight``, with exact zeros.
        """
        shrunk = weight.sign() * (weight.abs() - step * self.l1).clamp(min=0)
        return shrunk / (1 + 2 * self.l2 * step)

    def subgradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """The smallest subgradient of loss + penalty, entry by entry; all zero at a minimum.

        Args:
            weight: Any shape.
            gradient: Gradient of the loss at ``weight``. Same shape.

        Returns:
            Same shape: what is left of the gradient where the weight is not zero, and what exceeds
            ``l1`` where it is.
        """
        at_zero = gradient.sign() * (gradient.abs() - self.l1).clamp(min=0)
        elsewhere = gradient + 2 * self.l2 * weight + self.l1 * weight.sign()
        return torch.where(weight == 0, at_zero, elsewhere)
