"""The solver: proximal Newton steps whose curvature is measured on a sample of rows.

Each step takes the exact gradient over all rows, builds a quadratic model of the loss from a sample
of rows that carry its curvature, minimises model + penalty on a working set of neurons per output,
and searches the exact objective along the way there. The sample decides how fast the solver gets
on, never where it comes to rest: the direction is downhill for any sample, because the gradient is
exact. Where a step brings much less than the model promised, the next sample is twice as large; a
sample of all rows makes it Newton's method. A fit from nothing goes through stronger penalties
first, on a sample of the rows that holds many of the rare classes, and so begins near its end.

All rows are gone through twice a step, in order: for the gradient, in which the sample of rows is
kept on the way, and for the logits of the direction. They need not be in memory.

Of ranks that work together, each goes through its own rows; gradients, losses and the choice of the
sample are those of all, and rounded alike whatever their number. The sampled rows' activations (in
the working set; on the path, of all neurons) come together on rank 0, which minimises the model and
tells the others the step.

Sources: Lee, Sun & Saunders (2014), proximal Newton methods; Byrd, Chin, Neveitt & Nocedal (2011),
sampled curvature; Friedman, Hastie & Tibshirani (2010), path and working sets.
"""

from __future__ import annotations

import logging
import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from captum_lca.distributed import alone, joined, of_rank_0, rank
from captum_lca.probes.joint_model import JointModel
from captum_lca.probes.model import Move, QuadraticModel
from captum_lca.probes.objective import Loss, MeanLoss
from captum_lca.probes.penalties import Path, Penalty
from captum_lca.probes.rows import HeldRows, StandardisedRows
from captum_lca.probes.sampling import LARGEST_SET, RowSample, sample_rows, working_sets

logger = logging.getLogger(__name__)

START_ROWS = 12_000
"""Rows that the path of a fit from nothing ends with."""
FEWEST_ROWS = 3000
"""Rows that it begins with."""
FIRST_SAMPLE = 6000
"""Rows of the first curvature samples."""
SAMPLE_MEMORY = 1 / 3
"""Share of the memory allowed that a sample of rows may take."""
MATRIX_MEMORY = 1 / 4
"""Share of it that the small matrices of all outputs may take."""
COPY_MEMORY = 1 / 4
"""Share of it that the outputs' copies of sampled activations may take."""
PATH_RATIO = 3.0
"""Each penalty on the way to the one asked for is this many times the next."""
PATH_ACCURACY = 0.5
"""Optimality at which to go on to the next penalty, as a share of its l1."""
PATH_STEPS = 2
"""Most steps with each of these penalties."""
INNER_ACCURACY = 0.1
"""Optimality at which a model counts as minimised, as a share of that of the point."""
HELD = 0.25
"""A step that brings less than this share of what was promised asks for a larger sample."""
LEFT_OVER = 2.0
"""A step's gain over what is left to gain: steps bring about a third of what the last one did."""
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
    memory: int,
    share: Tensor | None = None,
    seed: int = 0,
) -> Solution:
    """Minimise mean loss + penalty over weights and biases; biases are not penalised.

    Args:
        rows: Standardised activations; of several ranks, each gives its own.
        loss: Loss of each row's logits.
        penalty: On the weights.
        start: Weights, shape (outputs, neurons), and biases, shape (outputs,), to start at.
            Default: zero weights, a sample of the rows and stronger penalties first.
        tolerance: Stop once no entry of the smallest subgradient exceeds this share of the largest
            entry of the gradient at zero weights, and the last step's gain leaves about this share
            of the objective, or less, to be gained.
        max_iterations: Give up after this many steps, with a warning.
        memory: Bytes that samples of rows may take, in all, on each rank.
        share: What each row counts for in the mean; sums to 1 over all ranks. Shape (rows,),
            float64. Default: all the same.
        seed: Seed of the samples.

    Returns:
        Solution: The last point. A warning says if it is further from the minimum than asked for.
    """
    mean_loss = MeanLoss(rows, loss, share)
    sampler = _Sampler(rows, memory, seed)
    point = _constant(mean_loss)
    residual = mean_loss.residual(point.logits)
    drawn = sampler.draw(mean_loss, residual.abs(), START_ROWS if start is None else 0)
    slope, _, kept = mean_loss.gradient(residual, drawn.rows)
    strongest = float(slope.abs().max())
    taken = 0
    if start is None:
        path = penalty.path(slope, PATH_RATIO)
        some = joined(kept), loss.select(drawn.rows).joined(), joined(drawn.share)
        start, taken = _started(path, some, point, sampler, max_iterations)
        del some
    del kept
    point = _evaluated(mean_loss, *start)
    # Constant neurons alone have no gradient; of the biases' own, rounding is left.
    target = max(tolerance * strongest, torch.finfo(slope.dtype).eps)
    left, little = max_iterations - taken, LEFT_OVER * tolerance
    point, optimality, steps = _descend(mean_loss, point, penalty, sampler, target, left, little)
    steps += taken
    if optimality > target:
        _warn(steps, optimality, target)
    objective = point.objective(penalty)
    return Solution(point.weight, point.bias, objective, optimality, target, steps)


def _started(
    path: Path,
    some: tuple[Tensor, Loss, Tensor],
    point: _Point,
    sampler: _Sampler,
    most: int,
) -> tuple[tuple[Tensor, Tensor], int]:
    """Where rank 0 gets along a path, and in how many steps.

    Args:
        path: Penalties.
        some: Rows of all ranks to follow it on, their losses, and what each counts for.
        point: Without weights.
        sampler: Of the ranks.
        most: Most steps.
    """
    weight, bias, taken = torch.empty_like(point.weight), torch.empty_like(point.bias), 0
    if rank() == 0:
        with alone():
            (weight, bias), taken = _follow(path, *some, sampler.again(), most)
    return (of_rank_0(weight), of_rank_0(bias)), int(of_rank_0(torch.tensor(taken)))


def _follow(
    path: Path, rows: Tensor, loss: Loss, share: Tensor, sampler: _Sampler, most: int
) -> tuple[tuple[Tensor, Tensor], int]:
    """Where a path of penalties leads, each followed roughly down to the strength beside it.

    A strong penalty lets few weights in, for which fewer rows will do: each but the last has half
    the rows of the next.

    Returns:
        Weights and biases, and the number of steps, which is at most ``most``.
    """
    mean_loss = MeanLoss(HeldRows(rows), loss, share)
    point = _constant(mean_loss)
    amounts, taken = mean_loss.residual(point.logits).abs(), 0
    for number, (penalty, strength) in enumerate(path, 1):
        count = max(FEWEST_ROWS, mean_loss.total >> (len(path) - number))
        drawn = sampler.draw(mean_loss, amounts, count)
        held = HeldRows(rows[drawn.rows])
        some = MeanLoss(held, loss.select(drawn.rows), drawn.share / drawn.share.sum())
        point, steps = _evaluated(some, point.weight, point.bias), min(PATH_STEPS, most - taken)
        point, _, steps = _descend(some, point, penalty, sampler, PATH_ACCURACY * strength, steps)
        taken += steps
    return (point.weight, point.bias), taken


def _descend(
    mean_loss: MeanLoss,
    point: _Point,
    penalty: Penalty,
    sampler: _Sampler,
    target: float,
    most: int,
    little: float = math.inf,
) -> tuple[_Point, float, int]:
    """Take steps until the target is reached, or nothing is gained, or ``most`` are taken.

    The target counts once the last step brought no more than the share ``little`` of the objective.

    Returns:
        Where that led, the optimality there, and the number of steps.
    """
    count, steps, gained = FIRST_SAMPLE, 0, 0.0
    # Where an objective goes to 0, as with separable classes, little is a share of the first one.
    first = point.objective(penalty)
    while True:
        drawn = sampler.draw(mean_loss, mean_loss.curvature(point.logits), count)
        *slope, kept = mean_loss.gradient(mean_loss.residual(point.logits), drawn.rows)
        violation = penalty.subgradient(point.weight, slope[0]).abs()
        optimality = max(float(violation.max()), float(slope[1].abs().max()))
        now = point.objective(penalty)
        settled = gained <= little * (now + little * first)
        if (optimality <= target and settled) or steps >= most:
            return point, optimality, steps
        gap = slope[0], slope[1], violation
        move = _move(mean_loss, point, gap, (drawn, kept), penalty, optimality, sampler)
        del kept
        following = _search(mean_loss, point, move, penalty)
        if following is point and count >= min(sampler.most, mean_loss.total):
            return point, optimality, steps
        gained = now - following.objective(penalty)
        logger.debug(
            "%d rows, %s: optimality %.2g; %d rows' curvature: objective falls by %.2g to %.8g",
            *(mean_loss.total, penalty, optimality),
            *(len(drawn.rows), gained, following.objective(penalty)),
        )
        if gained < HELD * move.promised:
            count *= 2
        point, steps = following, steps + 1


def _move(
    mean_loss: MeanLoss,
    point: _Point,
    gap: tuple[Tensor, Tensor, Tensor],
    sample: tuple[RowSample, Tensor],
    penalty: Penalty,
    optimality: float,
    sampler: _Sampler,
) -> Move:
    """From a point to the minimum of a model of the loss around it + penalty.

    Args:
        mean_loss: The loss.
        point: Where.
        gap: Gradient in the weights and in the biases there, and how far each weight is from
            optimal. Shapes (outputs, neurons), (outputs,) and (outputs, neurons).
        sample: Rows that stand for all, and their activations.
        penalty: On the weights.
        optimality: How far the point is from optimal.
        sampler: Says how much memory there is.
    """
    *slope, violation = gap
    drawn, activations = sample
    largest = sampler.largest_set(len(point.bias))
    if penalty.joins_outputs:  # a neuron moves in all outputs or in none
        over_outputs = point.weight.norm(dim=0, keepdim=True), violation.norm(dim=0, keepdim=True)
        sets = working_sets(*over_outputs, largest)
    else:
        sets = working_sets(point.weight, violation, largest)
    union: Tensor = torch.cat(sets).unique()
    rows: dict[str, Any] = {
        "columns": joined(activations.index_select(1, union)).T.contiguous(),
        "share": joined(drawn.share).to(activations),
        "curvature": mean_loss.loss.curvature(joined(point.logits[drawn.rows])),
    }
    move = Move(torch.zeros_like(point.weight), torch.zeros_like(point.bias), 0.0)
    if rank() == 0:
        model = (
            JointModel(point.weight, (slope[0], slope[1]), neurons=union, **rows)
            if penalty.joins_outputs
            else QuadraticModel(
                point.weight,
                (slope[0], slope[1]),
                sets=sets,
                union=union,
                room=sampler.room,
                **rows,
            )
        )
        move = model.minimise(penalty, INNER_ACCURACY * optimality)
    promised = move.bias.new_tensor(move.promised, dtype=torch.float64)
    return Move(of_rank_0(move.weight), of_rank_0(move.bias), float(of_rank_0(promised)))


class _Sampler:
    """Draws samples of rows that keep within the memory allowed.

    Args:
        rows: All rows.
        memory: Bytes that samples may take, in all.
        seed: Of the samples.
    """

    def __init__(self, rows: StandardisedRows, memory: int, seed: int) -> None:
        self.rows, self.memory, self.seed = rows, memory, seed
        self.bytes, self.generator = rows.like.element_size(), torch.Generator().manual_seed(seed)
        self.most = max(1, int(SAMPLE_MEMORY * memory / (rows.shape[1] * self.bytes)))
        self.room = COPY_MEMORY * memory

    def again(self) -> _Sampler:
        """One that begins anew."""
        return _Sampler(self.rows, self.memory, self.seed)

    def draw(self, mean_loss: MeanLoss, amounts: Tensor, count: int) -> RowSample:
        """Draw ``count`` rows of all ranks', if they fit.

        Args:
            mean_loss: Of the rows.
            amounts: What each row contributes; see :func:`sample_rows`.
            count: How many.
        """
        most = min(count, self.most)
        return sample_rows(amounts, mean_loss.share, most, mean_loss.first, self.generator)

    def largest_set(self, outputs: int) -> int:
        """How many neurons a working set may hold: each output has a matrix over its own."""
        room = MATRIX_MEMORY * self.memory / (outputs * self.bytes)
        return max(1, min(LARGEST_SET, int(math.sqrt(room))))


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
    bias = mean_loss.start()
    rows, neurons = mean_loss.rows.shape
    logits = bias.expand(rows, -1).contiguous()
    return _Point(bias.new_zeros(len(bias), neurons), bias, logits, mean_loss.value(logits))


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
