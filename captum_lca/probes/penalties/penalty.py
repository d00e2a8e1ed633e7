"""What a solver needs to know of a penalty."""

from __future__ import annotations

from typing import Protocol, TypedDict

from torch import Tensor


class Strengths(TypedDict, total=False):
    """The strengths of a penalty, as reports give them; those that are left out are 0."""

    l1: float
    """Of Σ|W|."""
    l2: float
    """Of ΣW²."""
    group: float
    """Of the sum over neurons of their weights' norm over outputs."""


class Penalty(Protocol):
    """A convex penalty on weights of shape (outputs, neurons)."""

    @property
    def joins_outputs(self) -> bool:
        """Whether it ties the outputs together; if not, it takes weights of any shape."""

    @property
    def strengths(self) -> Strengths:
        """Its strengths by name."""

    def value(self, weight: Tensor) -> float:
        """The penalty, summed in float64."""

    def prox(self, weight: Tensor, step: float) -> Tensor:
        """The v that minimises ½‖v − w‖²/step + penalty(v), with exact zeros. Shape as ``w``."""

    def subgradient(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """The smallest subgradient of loss + penalty; all zero at a minimum. Shape as ``weight``.

        Args:
            weight: Where.
            gradient: Gradient of the loss there. Same shape.
        """

    def path(self, gradient: Tensor, ratio: float) -> Path:
        """Penalties that lead to this one, which is the last, strongest first.

        Args:
            gradient: Of the loss, at zero weights. Shape (outputs, neurons).
            ratio: Of each strength to the next.

        Returns:
            Those that let some weight in, each with the strength at which it makes weights zero.
        """

    def of_difference(self) -> Penalty:
        """The least penalty on two outputs' weights W₀ and W₁, given their difference W₁ − W₀.

        Returns:
            A penalty on that difference. The least is reached at W₁ = −W₀.
        """


Path = list[tuple[Penalty, float]]


def check_strength(name: str, strength: float) -> None:
    """Raise ValueError if a strength is negative, infinite or not a number."""
    if not 0 <= strength < float("inf"):
        raise ValueError(f"{name} must be a number of at least 0; found {strength}")


def falling_strengths(strongest: float, last: float, ratio: float) -> list[float]:
    """Strengths from below ``strongest`` down to ``last``, each ``ratio`` times the next."""
    strengths = [last]
    while 0 < strengths[-1] * ratio < strongest:
        strengths.append(strengths[-1] * ratio)
    return strengths[::-1]
