"""Mean and scale of every neuron, gathered batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.distributed import gathered, summed

SMALLEST = torch.finfo(torch.float32).tiny
"""A scale that float32 can still divide by; neurons below it count as constant."""
EXACT_ROWS = 128
"""Rows whose squares are summed in the batch's own precision; further sums are in float64."""


@dataclass(frozen=True)
class Standardisation:
    """What is subtracted from each neuron and what the difference is divided by."""

    mean: Tensor
    """Mean activation. Shape (neurons,), float64."""
    scale: Tensor
    """Standard deviation (population form); 1 for constant neurons. Shape (neurons,), float64."""
    constant: Tensor
    """Neurons that never change, beyond the rounding of their values. Shape (neurons,), bool."""

    def apply_(self, activations: Tensor) -> Tensor:
        """Standardise in place; constant neurons become exactly 0.

        Args:
            activations: Shape (rows, neurons), floating point.

        Returns:
            The same tensor.
        """
        mean, scale = self.mean.to(activations), self.scale.to(activations)
        factor = torch.where(self.constant.to(activations.device), 0, 1 / scale)
        return activations.sub_(mean).mul_(factor)


class NeuronMoments:
    """Mean and variance of every neuron, exact however large their values are.

    Each batch is centred on its own mean before it is squared, and batches are merged by the
    update of Chan, Golub & LeVeque (1979) in float64: neurons with massive activations, or with a
    mean far above their spread, lose no digits. Two gatherers over different rows can be merged,
    and those of all ranks.

    Args:
        neurons: Number of neurons.
        device: Where to keep the sums. Default: the CPU.

    Examples::

        >>> moments = NeuronMoments(store.layout.size)
        >>> for _, block in store.blocks():            # (rows, neurons)
        ...     moments.update(block.float())
        >>> moments.finish().scale.shape
        torch.Size([2688])
    """

    def __init__(self, neurons: int, device: torch.device | None = None) -> None:
        self.rows = 0
        self.mean = torch.zeros(neurons, dtype=torch.float64, device=device)
        self.squares = torch.zeros(neurons, dtype=torch.float64, device=device)
        self.resolution = 0.0

    def update(self, batch: Tensor) -> None:
        """Add rows.

        Args:
            batch: Shape (rows, neurons), float32 or float64; not changed.
        """
        if len(batch):
            mean = batch.mean(0)
            deviation = batch - mean
            unit = deviation.abs().amax(0).clamp_min(SMALLEST)  # no square over- or underflows
            few = deviation.div_(unit).square_().split(EXACT_ROWS)
            shares = torch.stack([part.sum(0) for part in few]).sum(0, dtype=torch.float64)
            squares = shares * unit.double().square_()
            self.resolution = max(self.resolution, torch.finfo(batch.dtype).eps)
            self._combine(len(batch), mean.double(), squares)

    def merge(self, other: NeuronMoments) -> None:
        """Add all rows that ``other`` has seen."""
        self.resolution = max(self.resolution, other.resolution)
        self._combine(other.rows, other.mean, other.squares)

    def merge_ranks(self) -> None:
        """Add all rows that the other ranks have seen; all ranks then hold the same."""
        counts, resolutions = zip(*gathered([self.rows, self.resolution]), strict=True)
        rows, self.resolution = sum(counts), max(resolutions)
        mean = summed(self.mean * (self.rows / max(rows, 1)))
        self.squares = summed(self.squares + (self.mean - mean).square() * self.rows)
        self.rows, self.mean = rows, mean

    def _combine(self, rows: int, mean: Tensor, squares: Tensor) -> None:
        total = self.rows + rows
        if total == 0:
            return
        shift = mean - self.mean
        self.squares += squares + shift.square() * (self.rows * rows / total)
        self.mean += shift * (rows / total)
        self.rows = total

    def finish(self) -> Standardisation:
        """Mean and scale over the rows seen so far.

        Raises:
            ValueError: No rows were seen.
        """
        if not self.rows:
            raise ValueError("mean and scale need at least one row; found none")
        scale = (self.squares / self.rows).sqrt()
        constant = scale <= (4 * self.resolution * self.mean.abs()).clamp_min(SMALLEST)
        return Standardisation(self.mean.clone(), scale.masked_fill(constant, 1), constant)
