"""Which rows to measure the loss's curvature on, and which neurons to move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.distributed import joined, summed

EVEN_SHARE = 0.5
"""Share of the sample that is drawn for the sum of curvatures rather than for each output's."""
GROWTH = 0.5
"""Neurons that may join an output's working set in one step, as a share of those that are in it."""
FEWEST_NEW = 30
"""Neurons that may join, however few are in it."""
LARGEST_SET = 1500
"""Most neurons in an output's working set; reached only where the penalty lets nearly all in."""

WEYL = 0x9E3779B97F4A7C15 - 2**64
"""Step and, below, shifts and factors of SplitMix64, as signed numbers."""
MIXING = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64), (31, 1))


@dataclass(frozen=True)
class RowSample:
    """Rows drawn to stand for all; of several ranks, each has those of its own rows."""

    rows: Tensor
    """Row numbers, ascending, each once. Shape (sampled,)."""
    share: Tensor
    """What each counts for: Σ share·x estimates the mean of x. Shape (sampled,), float64."""


def sample_rows(
    amounts: Tensor, share: Tensor, count: int, first: int, generator: torch.Generator
) -> RowSample:
    """Draw rows in proportion to what they contribute.

    One half of a row's chance is its part of each output's sum, averaged over outputs, so that
    rare classes get their rows too; the other half its part of the whole sum. Rows that the probe
    is sure of are rarely drawn.

    The rows drawn are those with the largest chance / u, where u is a random number that depends on
    the row's number alone: however many ranks share the rows, and however their sums are rounded,
    they are the same ones.

    Source: Duffield, Lund & Thorup (2007), priority sampling.

    Args:
        amounts: What each row contributes to each output; not negative. Shape (rows, outputs).
        share: What each row counts for in the mean over rows. Shape (rows,), float64.
        count: Rows to draw, over all ranks; all of them if there are no more.
        first: Number of the first of these rows among those of all ranks.
        generator: Source of the one random number that this takes; in the same state on all ranks.

    Returns:
        RowSample: At most ``count`` rows.
    """
    key = int(torch.randint(2**62, (1,), generator=generator))
    sums = amounts.sum(0, dtype=torch.float64)
    *outputs, total = summed(torch.cat([sums, sums.new_tensor([len(amounts)])])).tolist()
    if count >= total:
        return RowSample(torch.arange(len(amounts), device=share.device), share)
    chance = _chances(amounts, sums.new_tensor(outputs))
    priority = chance / _uniform(first, len(amounts), key, chance.device)
    highest = joined(priority.topk(min(count + 1, len(priority))).values)
    threshold = highest.topk(count + 1).values[-1]
    rows = (priority > threshold).nonzero().flatten()
    return RowSample(rows, share[rows] * (threshold / chance[rows]).clamp(min=1))


def _chances(amounts: Tensor, outputs: Tensor) -> Tensor:
    """What the rows' chances are in proportion to; if none contributes, they are all the same.

    Args:
        amounts: Shape (rows, outputs).
        outputs: Their sums over the rows of all ranks. Shape (outputs,).
    """
    present = outputs > 0
    if not bool(present.any()):
        return outputs.new_ones(len(amounts))
    factor = (1 / outputs).masked_fill(~present, 0).to(amounts)
    by_output, overall = (amounts @ factor).double(), amounts.sum(1).double()
    even = EVEN_SHARE / float(outputs.sum())
    return by_output.mul_((1 - EVEN_SHARE) / float(present.sum())).add_(overall, alpha=even)


def _uniform(first: int, count: int, key: int, device: torch.device) -> Tensor:
    """Random numbers between 0 and 1 for the rows from ``first`` on. Shape (count,), float64.

    Source: Steele, Lea & Flood (2014), SplitMix64.
    """
    mixed = torch.arange(first, first + count, device=device).mul_(WEYL).add_(key)
    for shift, factor in MIXING:
        mixed.bitwise_xor_(_shifted(mixed, shift)).mul_(factor)
    return _shifted(mixed, 64 - 53).double().add_(0.5).mul_(2.0**-53)


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """Unsigned shift to the right of int64."""
    return (numbers >> bits).bitwise_and_(2 ** (64 - bits) - 1)


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
