"""Which rows to measure the loss's curvature on, and which neurons to move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EVEN_SHARE = 0.5
"""Share of the sample that is drawn for the sum of curvatures rather than for each output's."""
GROWTH = 0.5
"""Neurons that may join an output's working set in one step, as a share of those that are in it."""
FEWEST_NEW = 30
"""Neurons that may join, however few are in it."""
LARGEST_SET = 1500
"""Most neurons in an output's working set; reached only where the penalty lets nearly all in."""


@dataclass(frozen=True)
class RowSample:
    """Rows drawn to stand for all."""

    rows: Tensor
    """Row numbers, ascending, each once. Shape (sampled,)."""
    share: Tensor
    """What each counts for: Σ share·x estimates the mean of x. Shape (sampled,), float64."""


def sample_rows(
    amounts: Tensor, share: Tensor, count: int, generator: torch.Generator
) -> RowSample:
    """Draw rows in proportion to what they contribute.

    One half of a row's chance is its part of each output's sum, averaged over outputs, so that
    rare classes get their rows too; the other half its part of the whole sum. Rows that the probe
    is sure of are rarely drawn.

    Args:
        amounts: What each row contributes to each output; not negative. Shape (rows, outputs).
        share: What each row counts for in the mean over rows. Shape (rows,), float64.
        count: Rows to draw; all of them if there are no more.
        generator: Source of the one random number that this takes (systematic sampling).

    Returns:
        RowSample: At most ``count`` rows.
    """
    total = len(amounts)
    if count >= total:
        return RowSample(torch.arange(total, device=share.device), share)
    outputs = amounts.sum(0, dtype=torch.float64)
    factor = (1 / outputs).masked_fill(outputs == 0, 0).to(amounts)
    by_output, overall = (amounts @ factor).double(), amounts.sum(1).double()
    chance = (1 - EVEN_SHARE) * _parts(by_output) + EVEN_SHARE * _parts(overall)
    offset = torch.rand(1, generator=generator, dtype=torch.float64)
    ticks = ((torch.arange(count) + offset) / count).to(chance.device)
    drawn = torch.searchsorted(chance.cumsum(0), ticks).clamp(max=total - 1)
    rows, times = drawn.unique_consecutive(return_counts=True)
    return RowSample(rows, share[rows] * times / (count * chance[rows]))


def _parts(amounts: Tensor) -> Tensor:
    total = amounts.sum()
    return amounts / total if float(total) > 0 else torch.full_like(amounts, 1 / len(amounts))


def working_sets(weight: Tensor, violation: Tensor, largest: int = LARGEST_SET) -> list[Tensor]:
    """Which neurons' weights to move, for each output.

    Args:
        weight: Shape (outputs, neurons).
        violation: How far each weight is from optimal. Same shape.
        largest: Most neurons per output.

    Returns:
        One tensor of neurons per output: those that have a weight, and of those that should have,
        the worst.
    """
    sets = []
    for held, wrong in zip(weight != 0, violation, strict=True):
        room = max(FEWEST_NEW, int(GROWTH * float(held.count_nonzero())))
        worst = wrong.masked_fill(held, 0).topk(min(room, len(wrong)))
        chosen = torch.cat([held.nonzero().flatten(), worst.indices[worst.values > 0]])
        if len(chosen) > largest:
            chosen = chosen[wrong[chosen].topk(largest).indices]
        sets.append(chosen)
    return sets
