"""L1 and L2 together: single neurons by the one, groups of correlated neurons by the other."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from captum_lca.probes.penalties.l1 import L1
from captum_lca.probes.penalties.l2 import L2
from captum_lca.probes.penalties.penalty import Path, Strengths


@dataclass(frozen=True)
class ElasticNet:
    """l1·Σ|w| + l2·Σw² (Zou & Hastie 2005).

    Raises:
        ValueError: A strength is negative, infinite or not a number.

    Examples::

        >>> from captum_lca.probes import ElasticNet, fit_probe
        >>> probe = fit_probe(store, corpus.labels["number"], ElasticNet(1e-2, 1e-4))
        >>> bool((probe.weight == 0).any())
        True
    """

    l1: float
    """Strength of the absolute values, in units of the objective's gradient."""
    l2: float
    """Strength of the squares (not halved)."""
    joins_outputs = False

    def __post_init__(self) -> None:
        L1(self.l1), L2(self.l2)  # check them

    @property
    def strengths(self) -> Strengths:
        """Its strengths by name."""
        return {"l1": self.l1, "l2": self.l2}

    def value(self, weight: Tensor) -> float:
        """The penalty, summed in float64."""
        return L1(self.l1).value(weight) + L2(self.l2).value(weight)

    def prox(self, weight: Tensor, step: float) -> Tensor:
        """Soft threshold, then shrunk."""
        return L2(self.l2).prox(L1(self.l1).prox(weight, step), step)

    def subgradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """That of the L1 part, where the squares count as part of the loss."""
        return L1(self.l1).subgradient(weight, L2(self.l2).subgradient(weight, gradient))

    def path(self, gradient: Tensor, ratio: float) -> Path:
        """Falling l1, from the largest entry of the gradient on; always the same l2."""
        path = L1(self.l1).path(gradient, ratio)
        return [(ElasticNet(l1, self.l2), l1) for _, l1 in path]

    def of_difference(self) -> ElasticNet:
        """The same l1, half of l2."""
        return ElasticNet(self.l1, self.l2 / 2)
