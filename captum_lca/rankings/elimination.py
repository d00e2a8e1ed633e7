"""Backward steps of stepwise selection: which neurons to take away, and what that costs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import cholesky

from captum_lca.rankings.active_set import ActiveObjective, ActiveSet, with_bias

SHRINKAGE = 0.6
"""Share of the neurons that one step leaves, before the probe is refitted."""


def rises(weight: Tensor, inverse: Tensor) -> Tensor:
    """By how much the objective rises if one output does without one neuron: w² / 2[H⁻¹]ⱼⱼ.

    The others' weights follow to where the quadratic model of the objective is least.

    Source: Hassibi & Stork (1993), optimal brain surgeon.

    Args:
        weight: Biases, then weights, at the minimum. Shape (outputs, 1 + k).
        inverse: Of each output's Hessian. Shape (outputs, 1 + k, 1 + k).

    Returns:
        Shape (outputs, k).
    """
    return (weight.square() / inverse.diagonal(dim1=1, dim2=2) / 2)[:, 1:]


def without(
    active: ActiveSet, count: int, objective: ActiveObjective, fixed: int
) -> tuple[ActiveSet, list[int]]:
    """Take away neurons one after the other, each where the objective rises least over all outputs.

    Each removal moves the other weights, and takes its row and column out of the inverses; the
    probe is refitted at the end.

    Args:
        active: The neurons, with a probe that was refitted on them.
        count: How many to take away.
        objective: What the probe minimises.
        fixed: As many neurons, of those that came in first, stay.

    Returns:
        What is left, and the global ids of those that went, first gone first.
    """
    hessians = objective.hessians(active)
    weight, inverse = active.weight.clone(), torch.cholesky_inverse(cholesky(hessians))
    staying = torch.ones(len(active), dtype=torch.bool)
    gone = []
    for _ in range(count):
        rise = rises(weight, inverse).sum(0)
        rise = rise.masked_fill(~staying, torch.inf)
        rise[:fixed] = torch.inf
        place = int(rise.argmin())
        staying[place] = False
        gone.append(int(active.neurons[place]))
        _remove(weight, inverse, 1 + place)
    places = staying.nonzero().flatten()
    columns = with_bias(places)
    of_kept = hessians[:, columns][:, :, columns]
    return objective.refit(active.keeping(places, weight), of_kept), gone


def _remove(weight: Tensor, inverse: Tensor, place: int) -> None:
    """Set one weight of every output to 0 and let the others follow, in place."""
    column = inverse[:, :, place] / inverse[:, place, place, None]
    weight -= weight[:, place, None] * column
    inverse -= column[:, :, None] * inverse[:, None, place]
    weight[:, place] = 0
    inverse[:, place, place] = 1  # the rest of its row and column is 0 now


def shrink(
    active: ActiveSet, size: int, objective: ActiveObjective, fixed: int = 0
) -> tuple[ActiveSet, list[int]]:
    """Take away neurons down to a size, and refit whenever a good part of them is gone.

    Returns:
        What is left, and the global ids of those that went, first gone first.
    """
    gone = []
    while len(active) > size:
        left = max(size, int(SHRINKAGE * len(active)))
        active, removed = without(active, len(active) - left, objective, fixed)
        gone += removed
    return active, gone
