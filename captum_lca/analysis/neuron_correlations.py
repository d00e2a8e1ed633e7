"""Correlations of all pairs of neurons, gathered batch by batch."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_lca.distributed import gathered, summed
from captum_lca.probes import Standardisation


class NeuronCorrelations:
    """Pearson correlations of every neuron with every other.

    Sums of products of standardised activations: neurons of any scale count alike, and none
    decides the rounding of another. The standardisation may come from other rows, as long as it is
    near: what is left of mean and scale is divided out at the end. Two gatherers with the same
    standardisation, over different rows, can be merged.

    Args:
        standardisation: Of the neurons, from a first pass.

    Examples::

        >>> from captum_lca.probes import NeuronMoments
        >>> moments = NeuronMoments(store.layout.size)
        >>> moments.update(store.read(0, 200).float())
        >>> correlations = NeuronCorrelations(moments.finish())
        >>> correlations.update(store.read(0, 200).float())
        >>> correlations.finish().shape
        torch.Size([2688, 2688])
    """

    def __init__(self, standardisation: Standardisation) -> None:
        self.standardisation = standardisation
        neurons = len(standardisation.mean)
        self.rows = 0
        self.sums = torch.zeros(neurons, dtype=torch.float64)
        self.products = torch.zeros(neurons, neurons)

    def update(self, batch: Tensor) -> None:
        """Add rows.

        Args:
            batch: Shape (rows, neurons), float32 or float64; not changed.
        """
        standardised = self.standardisation.apply_(batch.clone()).float().cpu()
        self.products.addmm_(standardised.T, standardised)
        self.sums += standardised.sum(0).double()
        self.rows += len(batch)

    def merge(self, other: NeuronCorrelations) -> None:
        """Add all rows that ``other`` has seen; its standardisation must be the same."""
        self.products += other.products
        self.sums += other.sums
        self.rows += other.rows

    def merge_ranks(self) -> None:
        """Add all rows that the other ranks have seen; all ranks then hold the same."""
        self.products, self.sums = summed(self.products), summed(self.sums)
        self.rows = sum(gathered(self.rows))

    def finish(self) -> Tensor:
        """The correlations over the rows seen so far; 0 with a constant neuron, even with itself.

        Returns:
            Shape (neurons, neurons), float32, symmetric.

        Raises:
            ValueError: Fewer than two rows were seen.
        """
        if self.rows < 2:
            raise ValueError(f"correlations need at least two rows; found {self.rows}")
        mean = (self.sums / self.rows).float()
        covariance = (self.products / self.rows).addr_(mean, mean, alpha=-1)
        scale = covariance.diagonal().clamp_min(0).sqrt()
        constant = scale <= 1e-6
        inverse = (1 / scale).masked_fill(constant, 0)
        return covariance.mul_(inverse).mul_(inverse[:, None]).clamp_(-1, 1)
