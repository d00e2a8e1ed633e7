"""How every neuron goes with a number, gathered batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.distributed import same_errors, summed
from captum_lca.probes import NeuronMoments, Standardisation
from captum_lca.probes.rows import read_ahead
from captum_lca.rankings.labelled import LabelledActivations


@dataclass(frozen=True)
class NumberStatistics:
    """Each neuron's correlation with the number."""

    neurons: Standardisation
    """Mean and scale of the neurons, and which are constant."""
    correlation: Tensor
    """Pearson's r; 0 for constant neurons. Shape (neurons,), float64."""


class NumberMoments:
    """Gathers :class:`NumberStatistics`.

    Two gatherers over different rows can be merged, and those of all ranks.

    Like :class:`~captum_lca.probes.NeuronMoments`, it centres each batch before multiplying.

    Args:
        neurons: Number of neurons.
        device: Where to keep the sums. Default: the CPU.

    Examples::

        >>> moments = NumberMoments(3)
        >>> moments.update(torch.randn(8, 3), torch.arange(8.0))
        >>> moments.finish().correlation.shape
        torch.Size([3])
    """

    def __init__(self, neurons: int, device: torch.device | None = None) -> None:
        self.neurons = NeuronMoments(neurons, device)
        self.numbers = NeuronMoments(1, device)
        self.products = torch.zeros(neurons, dtype=torch.float64, device=device)

    def update(self, batch: Tensor, numbers: Tensor) -> None:
        """Add rows.

        Args:
            batch: Shape (rows, neurons), float32 or float64; not changed.
            numbers: The number of each row. Shape (rows,).
        """
        if not len(batch):
            return
        mine = NumberMoments(batch.shape[1], batch.device)
        column = numbers.to(batch.device, torch.float64)[:, None]
        mine.neurons.update(batch)
        mine.numbers.update(column)
        centred = (batch - mine.neurons.mean.to(batch)).double()
        mine.products = ((column - column.mean()) * centred).sum(0)
        self.merge(mine)

    def merge(self, other: NumberMoments) -> None:
        """Add all rows that ``other`` has seen."""
        rows, more = self.neurons.rows, other.neurons.rows
        if rows + more == 0:
            return
        shift = (other.neurons.mean - self.neurons.mean) * (other.numbers.mean - self.numbers.mean)
        self.products += other.products + shift * (rows * more / (rows + more))
        self.neurons.merge(other.neurons)
        self.numbers.merge(other.numbers)

    def merge_ranks(self) -> None:
        """Add all rows that the other ranks have seen; all ranks then hold the same."""
        rows, mean, number = self.neurons.rows, self.neurons.mean, self.numbers.mean
        self.neurons.merge_ranks()
        self.numbers.merge_ranks()
        shift = (mean - self.neurons.mean) * (number - self.numbers.mean)
        self.products = summed(self.products + shift * rows)

    def finish(self) -> NumberStatistics:
        """Statistics of the rows seen so far.

        Raises:
            ValueError: No rows were seen.
        """
        neurons = self.neurons.finish()
        norms = (self.neurons.squares * self.numbers.squares).sqrt()
        correlation = torch.where(neurons.constant, 0.0, self.products / norms)
        return NumberStatistics(neurons, correlation.nan_to_num(0.0))


def number_statistics(data: LabelledActivations) -> NumberStatistics:
    """Statistics of the labelled rows of all ranks, in one pass over each one's own.

    Raises:
        ValueError: An activation is NaN or infinite; says in which layer and neuron.
    """
    source, targets = data.rows(), data.targets
    moments = NumberMoments(data.layout.size, source.like.device)
    numbers = targets.values[source.own]
    with same_errors():
        for rows, block in read_ahead(source.blocks()):
            moments.update(block, numbers[rows])
    moments.merge_ranks()
    return moments.finish()
