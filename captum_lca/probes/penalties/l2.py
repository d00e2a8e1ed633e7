"""The sum of squared weights: shares weight among correlated neurons, and zeroes none."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from captum_lca.probes.penalties.penalty import Path, Strengths, check_strength


@dataclass(frozen=True)
class L2:
    """l2·Σw².

    Raises:
        ValueError: The strength is negative, infinite or not a number.

    Examples::

        >>> from captum_lca.probes import L2
        >>> L2(0.5).prox(torch.tensor([2.0, -0.3]), step=1.0)  # shrinks, and zeroes none
        tensor([ 1.0000, -0.1500])
    """

    l2: float
    """Not halved."""
    joins_outputs = False

    def __post_init__(self) -> None:
        check_strength("l2", self.l2)

    @property
    def strengths(self) -> Strengths:
        """Its strength by name."""
        return {"l2": self.l2}

    def value(self, weight: Tensor) -> float:
        """The penalty, summed in float64."""
        return self.l2 * float(weight.double().square().sum())

    def prox(self, weight: Tensor, step: float) -> Tensor:
        """All weights shrunk by the same factor."""
        return weight / (1 + 2 * self.l2 * step)

    def subgradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """The gradient of loss + penalty."""
        return gradient + 2 * self.l2 * weight

    def path(self, gradient: Tensor, ratio: float) -> Path:
        """This one alone: no strength makes weights zero."""
        return [(self, 0.0)]

    def of_difference(self) -> L2:
        """Half of it: two weights of w/2 have half the square of one of w."""
        return L2(self.l2 / 2)
