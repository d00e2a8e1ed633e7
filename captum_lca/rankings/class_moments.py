"""Mean and variance of every neuron within every class, gathered batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.distributed import same_errors
from captum_lca.probes import NeuronMoments, Standardisation
from captum_lca.probes.rows import read_ahead
from captum_lca.rankings.labelled import LabelledActivations


@dataclass(frozen=True)
class ClassStatistics:
    """How each class's activations are distributed, neuron by neuron."""

    rows: Tensor
    """Rows of each class. Shape (classes,), float64."""
    mean: Tensor
    """Mean activation within each class. Shape (classes, neurons), float64."""
    squares: Tensor
    """Sum of squared deviations from the class's mean. Shape (classes, neurons), float64."""
    overall: Standardisation
    """Mean and scale over all classes, and which neurons are constant."""

    @property
    def between(self) -> Tensor:
        """Sum over a class's rows of (class mean − overall mean)². Shape (classes, neurons)."""
        return self.rows[:, None] * (self.mean - self.overall.mean).square()


class ClassMoments:
    """Gathers :class:`ClassStatistics`: one :class:`~captum_lca.probes.NeuronMoments` per class.

    Two gatherers over different rows can be merged, and those of all ranks.

    Args:
        classes: Number of classes.
        neurons: Number of neurons.
        device: Where to keep the sums. Default: the CPU.

    Examples::

        >>> moments = ClassMoments(classes=2, neurons=3)
        >>> moments.update(torch.randn(8, 3), torch.tensor([0, 1, 1, 0, 1, 0, 0, 0]))
        >>> moments.finish().mean.shape
        torch.Size([2, 3])
    """

    def __init__(self, classes: int, neurons: int, device: torch.device | None = None) -> None:
        self.neurons, self.device = neurons, device
        self.moments = [NeuronMoments(neurons, device) for _ in range(classes)]

    def update(self, batch: Tensor, classes: Tensor) -> None:
        """Add rows.

        Args:
            batch: Shape (rows, neurons), float32 or float64; not changed.
            classes: Number of each row's class. Shape (rows,), int64.
        """
        counts = torch.bincount(classes, minlength=len(self.moments)).tolist()
        by_class = batch[classes.argsort(stable=True).to(batch.device)].split(counts)
        for moments, rows in zip(self.moments, by_class, strict=True):
            moments.update(rows)

    def merge(self, other: ClassMoments) -> None:
        """Add all rows that ``other`` has seen."""
        for moments, more in zip(self.moments, other.moments, strict=True):
            moments.merge(more)

    def merge_ranks(self) -> None:
        """Add all rows that the other ranks have seen; all ranks then hold the same."""
        for moments in self.moments:
            moments.merge_ranks()

    def finish(self) -> ClassStatistics:
        """Statistics of the rows seen so far.

        Raises:
            ValueError: No rows were seen.
        """
        overall = NeuronMoments(self.neurons, self.device)
        for moments in self.moments:
            overall.merge(moments)
        rows = torch.tensor([moments.rows for moments in self.moments], dtype=torch.float64)
        return ClassStatistics(
            rows.to(overall.mean.device),
            torch.stack([moments.mean for moments in self.moments]),
            torch.stack([moments.squares for moments in self.moments]),
            overall.finish(),
        )


def class_statistics(data: LabelledActivations) -> ClassStatistics:
    """Statistics of the labelled rows of all ranks, in one pass over each one's own.

    Raises:
        ValueError: An activation is NaN or infinite; says in which layer and neuron.
    """
    source, targets = data.rows(), data.targets
    moments = ClassMoments(len(targets.classes), data.layout.size, source.like.device)
    classes = targets.values[source.own]
    with same_errors():
        for rows, block in read_ahead(source.blocks()):
            moments.update(block, classes[rows])
    moments.merge_ranks()
    return moments.finish()
