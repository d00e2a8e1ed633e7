"""The solver: proximal Newton steps whose curvature is measured on a sample of rows.

Each step takes the exact gradient over all rows, builds a quadratic model of the loss from a sample
of rows that carry its curvature, minimises model + penalty on a working set of neurons per output,
and searches the exact objective along the way there. The sample decides how fast the solver gets
on, never where it comes to rest: the direction is downhill for any sample, because the gradient is
exact. Where a step brings much less than the model promised, the next sample is twice as large; a
sample of all rows makes it Newton's method. A fit from nothing goes through stronger penalties
first, one step each, so that working sets stay small.

Sources: Lee, Sun & Saunders (2014), proximal Newton methods; Byrd, Chin, Neveitt & Nocedal (2011),
sampled curvature; Friedman, Hastie & Tibshirani (2010), path and working sets.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.probes.model import Move, QuadraticModel
from captum_lca.probes.objective import Loss, MeanLoss
from captum_lca.probes.penalty import Penalty
from captum_lca.probes.rows import StandardisedRows
from captum_lca.probes.sampling import sample_rows, working_sets

FIRST_SAMPLE = 6000
"""Rows of the first curvature samples."""
PATH_RATIO = 3.0
"""Each penalty on the way to the one asked for is this many times the next."""
INNER_ACCURACY = 0.1
"""Optimality at which a model counts as minimised, as a share of that of the point."""
HELD = 0.5
"""A step that brings less than this share of what was promised asks for a larger sample."""
SHORTENED = 0.7
"""Ratio of the steps that the line search tries."""
SHORTEST = 1e-6
"""Below this step the line search gives up."""


@dataclass(frozen=True)
class Solution:
    """Where the solver stopped."""

    weight: Tensor
    """Shape (outputs, neurons), with exact zeros."""
    bias: Tensor
    """Shape (outputs,)."""
    objective: float
    """Mean loss + penalty."""
    optimality: float
    """Largest entry of the smallest subgradient, in units of the gradient (like l1)."""
    target: float
    """The optimality at which the solver was to stop."""
    iterations: int
    """Steps taken."""


def solve(
    rows: StandardisedRows,
    loss: Loss,
    penalty: Penalty,
    start: tuple[Tensor, Tensor] | None = None,
    *,
    tolerance: float,
    max_iterations: int,
    seed: int = 0,
) -> Solution:
    """Minimise mean loss + penalty over weights and biases; biases are not penalised.

    Args:
        rows: Standardised activations.
        loss: Loss of each row's logits.
        penalty: On the weights.
        start: Weights, shape (outputs, neurons), and biases, shape (outputs,), to start at.
            Default: zero weights, and stronger penalties first.
        tolerance: Stop once no entry of the smallest subgradient exceeds this share of the largest
            entry of the gradient at zero weights.
        max_iterations: Give up after this many steps, with a warning.
        seed: Seed of the samples.

    Returns:
        Solution: The last point. A warning says if it is further from the minimum than asked for.
    """
    mean_loss = MeanLoss(rows, loss)
    generator = torch.Generator().manual_seed(seed)
    point = _constant(mean_loss)
    strongest = float(mean_loss.gradient(point.logits)[0].abs().max())
    path = penalty.path(strongest, PATH_RATIO)
    if start is not None:
        point, path = _evaluated(mean_loss, *start), []
    target, sample, iteration = tolerance * strongest, FIRST_SAMPLE, 0
    while True:
        current = path[iteration] if iteration < len(path) else penalty
        slope = mean_loss.gradient(point.logits)
        violation = current.subgradient(point.weight, slope[0]).abs()
        optimality = max(float(violation.max()), float(slope[1].abs().max()))
        if iteration >= len(path) and (optimality <= target or iteration >= max_iterations):
            break
        model = _model(mean_loss, point, slope, violation, sample, generator)
        move = model.minimise(current, INNER_ACCURACY * optimality)
        following = _search(mean_loss, point, move, current)
        if following is point and sample >= rows.shape[0]:
            break
        if point.objective(current) - following.objective(current) < HELD * move.promised:
            sample *= 2
        point, iteration = following, iteration + 1
    if optimality > target:
        _warn(iteration, optimality, target)
    objective = point.objective(penalty)
    return Solution(point.weight, point.bias, objective, optimality, target, iteration)


@dataclass(frozen=True)
class _Point:
    """Weights and biases, with what all rows say about them."""

    weight: Tensor
    bias: Tensor
    logits: Tensor
    loss: float

    def objective(self, penalty: Penalty) -> float:
        return self.loss + penalty.value(self.weight)


def _evaluated(mean_loss: MeanLoss, weight: Tensor, bias: Tensor) -> _Point:
    logits = mean_loss.logits(weight, bias)
    return _Point(weight, bias, logits, mean_loss.value(logits))


def _constant(mean_loss: MeanLoss) -> _Point:
    """No weights, and the best biases without them."""
    bias = mean_loss.loss.start().to(mean_loss.rows.like)
    rows, neurons = mean_loss.rows.shape
    logits = bias.expand(rows, -1).contiguous()
    return _Point(bias.new_zeros(len(bias), neurons), bias, logits, mean_loss.value(logits))


def _model(
    mean_loss: MeanLoss,
    point: _Point,
    slope: tuple[Tensor, Tensor],
    violation: Tensor,
    sample: int,
    generator: torch.Generator,
) -> QuadraticModel:
    """The model of the loss around a point, on about ``sample`` rows."""
    sets = working_sets(point.weight, violation)
    union: Tensor = torch.cat(sets).unique()
    drawn = sample_rows(mean_loss.loss.curvature(point.logits).diagonal, sample, generator)
    return QuadraticModel(
        point.weight,
        slope,
        sets=sets,
        activations=mean_loss.rows.take(drawn.rows, union),
        union=union,
        row_weight=drawn.weight,
        curvature=mean_loss.loss.curvature(point.logits[drawn.rows]),
    )


def _search(mean_loss: MeanLoss, point: _Point, move: Move, penalty: Penalty) -> _Point:
    """The point along a move where the objective stops falling, looking back from its end.

    Returns:
        A point that is no worse than the first one, up to rounding; that one itself if there is
        none.
    """
    change = mean_loss.logits(move.weight, move.bias)
    ceiling = point.objective(penalty) * (1 + torch.finfo(change.dtype).eps)

    def at(step: float) -> _Point:
        logits = point.logits + step * change
        weight, bias = point.weight + step * move.weight, point.bias + step * move.bias
        return _Point(weight, bias, logits, mean_loss.value(logits))

    step, best = 1.0, at(1.0)
    lowest = best.objective(penalty)
    while step > SHORTEST:
        step *= SHORTENED
        shorter = at(step)
        value = shorter.objective(penalty)
        if lowest <= ceiling and value >= lowest:
            return best
        best, lowest = shorter, value
    return best if lowest <= ceiling else point


def _warn(iterations: int, optimality: float, target: float) -> None:
    warnings.warn(
        f"the probe is not at its minimum: after {iterations} steps the largest entry of the "
        f"subgradient is {optimality:.2g}, and {target:.2g} was asked for",
        RuntimeWarning,
        stacklevel=4,
    )
