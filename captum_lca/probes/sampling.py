"""Which rows to measure the loss's curvature on, and which neurons to move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EVEN_SHARE = 0.5
"""Share of the sample that is drawn for the sum of curvatures rather than for each output's."""
FEWEST_NEW = 30
"""Neurons that may join an output's working set in one step, however small it is."""
LARGEST_SET = 1500
"""Most neurons in an output's working set; reached only where the penalty lets nearly all in."""


@dataclass(frozen=True)
class RowSample:
    """Rows drawn to stand for all, in what concerns the loss's curvature."""

    rows: Tensor
    """Row numbers, ascending, each once. Shape (sampled,)."""
    weight: Tensor
    """What each counts for: Σ weight·x estimates the mean of x over all rows. Shape (sampled,)."""


def sample_rows(diagonal: Tensor, count: int, generator: torch.Generator) -> RowSample:
    """Draw rows in proportion to their curvature.

    One half of a row's chance is its share of each output's curvature, averaged over outputs, so
    that rare classes get their rows too; the other half its share of the sum. Rows that the probe
    is sure of are rarely drawn.

    Args:
        diagonal: Curvature of each row in each logit. Shape (rows, outputs).
        count: Rows to draw; all of them if there are no more.
        generator: Source of the one random number that this takes (systematic sampling).

    Returns:
        RowSample: At most ``count`` rows.
    """
    total = len(diagonal)
    if count >= total:
        every = torch.arange(total, device=diagonal.device)
        return RowSample(every, diagonal.new_full((total,), 1 / total))
    tiny = torch.finfo(diagonal.dtype).tiny
    by_output = (diagonal / diagonal.sum(0).clamp(min=tiny)).double().sum(1)
    overall = diagonal.double().sum(1)
    chance = (1 - EVEN_SHARE) * _shares(by_output) + EVEN_SHARE * _shares(overall)
    offset = torch.rand(1, generator=generator, dtype=torch.float64)
    ticks = ((torch.arange(count) + offset) / count).to(chance.device)
    drawn = torch.searchsorted(chance.cumsum(0), ticks).clamp(max=total - 1)
    rows, times = drawn.unique_consecutive(return_counts=True)
    return RowSample(rows, (times / (count * total * chance[rows])).to(diagonal))


def _shares(amounts: Tensor) -> Tensor:
    total = amounts.sum()
    return amounts / total if float(total) > 0 else torch.full_like(amounts, 1 / len(amounts))


def working_sets(weight: Tensor, violation: Tensor) -> list[Tensor]:
    """Which neurons' weights to move, for each output.

    Args:
        weight: Shape (outputs, neurons).
        violation: How far each weight is from optimal. Same shape.

    Returns:
        One tensor of neurons per output: those that have a weight, and of those that should have,
        the worst, at most as many again.
    """
    sets = []
    for held, wrong in zip(weight != 0, violation, strict=True):
        room = max(FEWEST_NEW, int(held.count_nonzero()))
        worst = wrong.masked_fill(held, 0).topk(min(room, len(wrong)))
        chosen = torch.cat([held.nonzero().flatten(), worst.indices[worst.values > 0]])
        if len(chosen) > LARGEST_SET:
            chosen = chosen[wrong[chosen].topk(LARGEST_SET).indices]
        sets.append(chosen)
    return sets
