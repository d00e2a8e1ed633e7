"""One norm per neuron, over all classes: a neuron is in the probe for all of them or for none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.probes.penalties.l1 import L1
from captum_lca.probes.penalties.penalty import (
    Path,
    Strengths,
    check_strength,
    falling_strengths,
)


@dataclass(frozen=True)
class GroupLasso:
    """group·Σ over neurons of ‖their weights over outputs‖₂ (Yuan & Lin 2006).

    Raises:
        ValueError: The strength is negative, infinite or not a number.

    Examples::

        >>> from captum_lca.probes import GroupLasso
        >>> weight = torch.tensor([[3.0, 0.1], [4.0, 0.0]])  # outputs × neurons
        >>> GroupLasso(1.0).prox(weight, step=1.0)           # a neuron is in for all, or out
        tensor([[2.4000, 0.0000],
                [3.2000, 0.0000]])
    """

    group: float
    """In units of the objective's gradient."""
    joins_outputs = True

    def __post_init__(self) -> None:
        check_strength("group", self.group)

    @property
    def strengths(self) -> Strengths:
        """Its strength by name."""
        return {"group": self.group}

    def value(self, weight: Tensor) -> float:
        """The penalty, summed in float64."""
        return self.group * float(weight.double().norm(dim=0).sum())

    def prox(self, weight: Tensor, step: float) -> Tensor:
        """Each neuron's norm made shorter by group·step, or zero."""
        return _shortened(weight, self.group * step)

    def subgradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """What exceeds the strength where a neuron has no weight; elsewhere all that is left."""
        norm = weight.norm(dim=0)
        direction = weight / norm.clamp(min=torch.finfo(norm.dtype).tiny)
        elsewhere = gradient + self.group * direction
        return _shortened(gradient, self.group).where(norm == 0, elsewhere)

    def path(self, gradient: Tensor, ratio: float) -> Path:
        """Falling strengths, from the largest norm of a neuron's gradient on."""
        strengths = falling_strengths(float(gradient.norm(dim=0).max()), self.group, ratio)
        # An entry of the gradient is a part of a neuron's norm.
        part = math.sqrt(len(gradient))
        return [(GroupLasso(strength), strength / part) for strength in strengths]

    def of_difference(self) -> L1:
        """The norm of two weights of ``w/2`` is ``|w|/√2``."""
        return L1(self.group / math.sqrt(2))


def _shortened(vectors: Tensor, length: float) -> Tensor:
    """Every column made shorter by ``length``; zero if it is no longer than that."""
    norm: Tensor = vectors.norm(dim=0)
    left = (norm - length).clamp(min=0)
    return vectors * (left / norm.clamp(min=torch.finfo(norm.dtype).tiny))
