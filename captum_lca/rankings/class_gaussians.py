"""One Gaussian per class over standardised neurons, with a conjugate prior."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.distributed import summed
from captum_lca.probes import Standardisation
from captum_lca.probes.rows import LabelledRows, read_ahead
from captum_lca.rankings.class_moments import ClassStatistics
from captum_lca.rankings.labelled import LabelledActivations

FLOOR = 1e-4
"""Least variance of a neuron within a class, as a share of its variance over all rows: what a
class of one row, or one in which the neuron never changes, would have too little of."""
GATHERED = 8192
"""Rows that covariances are updated with at a time, so that every class has some among them."""
STRIP = 256
"""Rows of a covariance that are updated at a time, from the diagonal on: half the work of all."""


@dataclass(frozen=True)
class ClassGaussians:
    """How each class's activations are distributed, as each neuron by itself shows it.

    The prior of a class of N rows with mean m and covariance C, over d neurons, is the
    normal-inverse-Wishart distribution with μ₀ = m, k₀ = 0.01, ν₀ = d + 2 and Λ₀ = diag(C), as in
    Torroba Hennigen et al. (2020). The most probable mean is then m, and the most probable
    covariance (diag(C) + N·C) / (N + 2d + 4).
    """

    rows: Tensor
    """Rows of each class. Shape (classes,)."""
    mean: Tensor
    """Mean of each standardised neuron. Shape (classes, neurons)."""
    variance: Tensor
    """Its variance, at least :data:`FLOOR`. Shape (classes, neurons)."""

    @classmethod
    def of(cls, statistics: ClassStatistics, like: Tensor) -> ClassGaussians:
        """From sums over all rows, in the precision and on the device of ``like``."""
        overall, rows = statistics.overall, statistics.rows
        mean = (statistics.mean - overall.mean) / overall.scale
        variance = statistics.squares / rows[:, None] / overall.scale.square()
        return cls(rows.to(like), mean.to(like), variance.clamp_min(FLOOR).to(like))

    def of_neurons(self, neurons: Tensor) -> ClassGaussians:
        """The same for some of the neurons."""
        return ClassGaussians(self.rows, self.mean[:, neurons], self.variance[:, neurons])

    @property
    def log_prior(self) -> Tensor:
        """Log of each class's share of the rows. Shape (classes,)."""
        return (self.rows / self.rows.sum()).log()

    @property
    def ridge(self) -> Tensor:
        """What the prior adds to the variances: diag(C)/N. Shape (classes, neurons)."""
        return self.variance / self.rows[:, None]

    def shrinkage(self, neurons: int) -> Tensor:
        """What C + diag(C)/N is to be multiplied by, if it spans ``neurons``. Shape (classes,)."""
        return self.rows / (self.rows + 2 * neurons + 4)


def class_covariances(
    data: LabelledActivations,
    gaussians: ClassGaussians,
    overall: Standardisation,
    neurons: Tensor,
) -> Tensor:
    """C + diag(C)/N of each class, over some neurons, in one pass over each rank's rows.

    Args:
        data: The labelled rows.
        gaussians: Of these neurons.
        overall: Mean and scale of all neurons.
        neurons: Global ids. Shape (some,).

    Returns:
        Shape (classes, some, some), in the precision of the rows.
    """
    source = data.rows(neurons)
    standardise = Standardisation(
        overall.mean[neurons], overall.scale[neurons], overall.constant[neurons]
    )
    sums = source.like.new_zeros(len(gaussians.rows), len(neurons), len(neurons))
    classes_of_rows = data.targets.values[source.own]
    for rows, block in _large_blocks(source):
        classes = classes_of_rows[rows]
        counts = torch.bincount(classes, minlength=len(sums)).tolist()
        by_class = classes.argsort(stable=True).to(block.device)
        parts = standardise.apply_(block)[by_class].split(counts)
        for part, mean, products in zip(parts, gaussians.mean, sums, strict=True):
            part.sub_(mean)
            _add_upper_products(products, part)
    sums = summed(sums)
    for products, rows in zip(sums, gaussians.rows, strict=True):
        products.copy_((products.triu() + products.triu(1).T).div_(rows))
    sums.diagonal(dim1=1, dim2=2).copy_(gaussians.variance + gaussians.ridge)
    return sums


def _add_upper_products(products: Tensor, part: Tensor) -> None:
    """Add ``part.T @ part`` on and above the diagonal; what comes below it is left undefined."""
    for start in range(0, len(products), STRIP):
        strip = slice(start, start + STRIP)
        products[strip, start:].addmm_(part[:, strip].T, part[:, start:])


def _large_blocks(source: LabelledRows) -> Iterator[tuple[slice, Tensor]]:
    """Own rows in order, in blocks of at least :data:`GATHERED` rows but for the last."""
    parts: list[Tensor] = []
    start = 0
    for rows, block in read_ahead(source.blocks()):
        parts.append(block.clone())  # the source soon writes to it again
        if rows.stop - start >= GATHERED or rows.stop == source.shape[0]:
            yield slice(start, rows.stop), torch.cat(parts)
            parts, start = [], rows.stop
