"""Mutual information between classes and sets of neurons, under a Gaussian per class."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from captum_lca.distributed import gathered, summed
from captum_lca.rankings.class_gaussians import ClassGaussians

LOGITS = 2**22
"""Most logits (classes × neurons × rows) that are worked on at a time."""
BITS = 1 / math.log(2)
"""Bits in a nat."""
RESIDUE = 1e-6
"""Least share of a variance that the neurons chosen can leave; below it, rounding decides."""


class SampledRows:
    """Some labelled rows that stand for all, and which classes they belong to.

    Of ranks that work together each holds its own rows; sums are over those of all.

    Args:
        values: Standardised activations. Shape (neurons, rows).
        classes: Number of each row's class. Shape (rows,), int64.
        gaussians: Of all neurons.
    """

    def __init__(self, values: Tensor, classes: Tensor, gaussians: ClassGaussians) -> None:
        self.values, self.classes, self.gaussians = values, classes, gaussians
        self.total: int = sum(gathered(len(classes)))
        """Rows of all ranks."""
        self.entropy = -float(self._mean(gaussians.log_prior[classes].sum())) * BITS
        """Bits per row that the classes' shares leave to be told."""

    @property
    def at_once(self) -> int:
        """Neurons whose logits are worked on at a time."""
        return max(1, LOGITS // (len(self.gaussians.rows) * self.total))

    def of_neurons(self, neurons: Tensor) -> SampledRows:
        """The same for some of the neurons."""
        return SampledRows(self.values[neurons], self.classes, self.gaussians.of_neurons(neurons))

    def information(self, logits: Tensor) -> Tensor:
        """Entropy of the classes less the cross-entropy of some posteriors, in bits.

        Args:
            logits: Log joint densities; overwritten. Shape (classes, neurons, rows).

        Returns:
            Shape (neurons,). Below 0 where the Gaussians mislead.
        """
        index = self.classes.expand(1, *logits.shape[1:])
        right = logits.gather(0, index).squeeze(0)
        return self._mean((right - logits.logsumexp(0)).sum(1)) * BITS + self.entropy

    def _mean(self, sums: Tensor) -> Tensor:
        """Over the rows of all ranks, of sums over one's own."""
        return summed(sums) / self.total

    def single_neurons(self) -> tuple[Tensor, Tensor]:
        """Information of every neuron by itself: with the class, and with membership of each.

        Returns:
            In bits. Shapes (neurons,) and (classes, neurons).
        """
        parts = [
            self._single_part(part) for part in torch.arange(len(self.values)).split(self.at_once)
        ]
        overall, by_class = zip(*parts, strict=True)
        return torch.cat(overall), torch.cat(by_class, 1)

    def _single_part(self, neurons: Tensor) -> tuple[Tensor, Tensor]:
        part = self.gaussians.of_neurons(neurons)
        variance = (part.variance + part.ridge) * part.shrinkage(1)[:, None]
        logits = self.values[neurons] - part.mean[:, :, None]
        logits.square_().mul_(-0.5 / variance[:, :, None])
        logits += (part.log_prior[:, None] - variance.log() / 2)[:, :, None]
        return self.information(logits), self._memberships(logits.softmax(0))

    def _memberships(self, posterior: Tensor) -> Tensor:
        """Information with membership of each class. Shape (classes, neurons)."""
        tiny = torch.finfo(posterior.dtype).eps
        share = self.gaussians.log_prior.exp()
        found = []
        for number, chance in enumerate(posterior):
            mine = self.classes == number
            right = torch.where(mine, chance, 1 - chance).clamp_min(tiny).log().sum(1)
            before = torch.where(mine, share[number], 1 - share[number]).log().sum()
            found.append(right - before)
        return self._mean(torch.stack(found)) * BITS


class ChosenNeurons:
    """A growing set of neurons, and what each further one would add to its information.

    Every class's covariance of the chosen neurons is kept factored (a Cholesky factorisation,
    pivoted in the order of choice), and the sampled rows in the coordinates which that whitens: a
    further neuron adds one coordinate per class, and that is all that it takes to tell its gain.

    Args:
        sample: Rows, with the neurons that can be chosen.
        covariances: C + diag(C)/N of each class. Shape (classes, neurons, neurons).
        count: Most neurons that will be chosen.
    """

    def __init__(self, sample: SampledRows, covariances: Tensor, count: int) -> None:
        classes, neurons, _ = covariances.shape
        rows = len(sample.classes)
        self.sample, self.covariances = sample, covariances
        self.chosen: list[int] = []
        self.information = 0.0
        self.left = sample.gaussians.variance + sample.gaussians.ridge
        self.least = self.left * RESIDUE
        self.factor = covariances.new_empty(classes, neurons, count)
        self.whitened = covariances.new_empty(classes, count, rows)
        self.distance = covariances.new_zeros(classes, rows)
        self.log_volume = covariances.new_zeros(classes)

    def gains(self, neurons: Tensor) -> Tensor:
        """Bits that each of some neurons would add. Shape (some,)."""
        gaussians = self.sample.gaussians
        size = len(self.chosen) + 1
        shrinkage = gaussians.shrinkage(size)
        left = self.left[:, neurons]
        logits = self._residuals(neurons)
        logits.square_().mul_((-0.5 / (left * shrinkage[:, None]))[:, :, None])
        logits -= (left.log() / 2)[:, :, None]
        constant = gaussians.log_prior - (self.log_volume + size * shrinkage.log()) / 2
        logits += (constant[:, None] - self.distance / (2 * shrinkage[:, None]))[:, None, :]
        return self.sample.information(logits) - self.information

    def add(self, neuron: int, gain: float) -> None:
        """Choose a neuron.

        Args:
            neuron: Its number.
            gain: What :meth:`gains` says of it.
        """
        size = len(self.chosen)
        root = self.left[:, neuron].sqrt()
        whitened = self._residuals(torch.tensor([neuron]))[:, 0] / root[:, None]
        known = self.factor[:, :, :size] @ self.factor[:, neuron, :size, None]
        column = (self.covariances[:, :, neuron] - known.squeeze(2)) / root[:, None]
        self.factor[:, :, size] = column
        self.whitened[:, size] = whitened
        self.distance += whitened.square()
        self.log_volume += 2 * root.log()
        self.left = (self.left - column.square()).maximum(self.least)
        self.chosen.append(neuron)
        self.information += gain

    def _residuals(self, neurons: Tensor) -> Tensor:
        """What each class can't predict from the chosen neurons. Shape (classes, some, rows)."""
        size = len(self.chosen)
        mean = self.sample.gaussians.mean[:, neurons, None]
        deviations = self.sample.values[neurons] - mean
        return torch.baddbmm(
            deviations, self.factor[:, neurons, :size], self.whitened[:, :size], alpha=-1
        )
