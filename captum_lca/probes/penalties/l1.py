"""The sum of absolute weights: makes weights exactly zero."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from captum_lca.probes.penalties.penalty import (
    Path,
    Strengths,
    check_strength,
    falling_strengths,
)


@dataclass(frozen=True)
class L1:
    """l1·Σ|w|.

    Raises:
        ValueError: The strength is negative, infinite or not a number.

    Examples::

        >>> from captum_lca.probes import L1
        >>> L1(0.5).prox(torch.tensor([2.0, -0.3]), step=1.0)
        tensor([1.5000, -0.0000])
    """

    l1: float
    """In units of the objective's gradient."""
    joins_outputs = False

    def __post_init__(self) -> None:
        check_strength("l1", self.l1)

    @property
    def strengths(self) -> Strengths:
        """Its strength by name."""
        return {"l1": self.l1}

    def value(self, weight: Tensor) -> float:
        """The penalty, summed in float64."""
        return self.l1 * float(weight.double().abs().sum())

    def prox(self, weight: Tensor, step: float) -> Tensor:
        """Soft threshold at l1·step, entry by entry."""
        return weight.sign() * (weight.abs() - step * self.l1).clamp(min=0)

    def subgradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """What exceeds l1 where the weight is zero; elsewhere all that is left of the gradient."""
        at_zero = gradient.sign() * (gradient.abs() - self.l1).clamp(min=0)
        return at_zero.where(weight == 0, gradient + self.l1 * weight.sign())

    def path(self, gradient: Tensor, ratio: float) -> Path:
        """Falling l1, from the largest entry of the gradient on."""
        strengths = falling_strengths(float(gradient.abs().max()), self.l1, ratio)
        return [(L1(strength), strength) for strength in strengths]

    def of_difference(self) -> L1:
        """The same: two weights of w/2 are as much as one of w."""
        return self
