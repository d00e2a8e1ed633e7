"""The smooth part of the objective: losses of logits, and their mean as a function of the probe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from captum_lca.distributed import gathered, joined, rank, summed
from captum_lca.probes.rows import StandardisedRows

CHUNK = 16_384
"""Rows at a time in work on logits alone."""


class Curvature(Protocol):
    """Second derivatives of the losses of some rows in their logits: one matrix per row."""

    @property
    def diagonal(self) -> Tensor:
        """Second derivative in each logit alone. Shape (rows, outputs)."""

    def times(self, change: Tensor) -> Tensor:
        """Each row's matrix times its change of logits. Shapes (rows, outputs)."""

    def column(self, change: Tensor, output: int) -> Tensor:
        """One output's part of that product. Shape (rows,)."""


class Loss(Protocol):
    """A convex loss of every row's logits; the objective takes its mean over rows.

    Where rows are spoken of, those are meant whose targets the loss has, all of them and in order:
    of several ranks, each has its own. The curvature of a row does not depend on its target.
    """

    @property
    def outputs(self) -> int:
        """Number of logits per row."""

    def select(self, rows: slice | Tensor) -> Loss:
        """The loss of some of the rows."""

    def joined(self) -> Loss:
        """The loss of the rows of all ranks."""

    def start(self, share: Tensor, total: int) -> Tensor:
        """The best constant logits, over the rows of all ranks.

        Args:
            share: What each row counts for. Shape (rows,).
            total: Rows of all ranks.

        Returns:
            Shape (outputs,).
        """

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, outputs) to (rows,)."""

    def residual(self, logits: Tensor) -> Tensor:
        """Gradient of each row's loss in its logits. Shape (rows, outputs)."""

    def curvature(self, logits: Tensor) -> Curvature:
        """Second derivatives of any rows' losses in their logits. ``logits``: (some, outputs)."""


class CrossEntropy:
    """Multinomial cross-entropy, −log softmax(logits)[target].

    Args:
        targets: Class numbers. Shape (rows,), int64.
        classes: Number of classes; each has its own logit, two classes as well.
    """

    def __init__(self, targets: Tensor, classes: int) -> None:
        self.targets = targets
        self.outputs = classes

    def select(self, rows: slice | Tensor) -> CrossEntropy:
        """The loss of some of the rows."""
        return CrossEntropy(self.targets[rows], self.outputs)

    def joined(self) -> CrossEntropy:
        """The loss of the rows of all ranks."""
        return CrossEntropy(joined(self.targets), self.outputs)

    def start(self, share: Tensor, total: int) -> Tensor:
        """Logarithms of the classes' shares (of half a row's where a class has none)."""
        shares = summed(share.new_zeros(self.outputs).index_add_(0, self.targets, share))
        return shares.clamp(min=0.5 / total).log()

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, classes) to (rows,)."""
        return cross_entropy(logits, self.targets, reduction="none")

    def residual(self, logits: Tensor) -> Tensor:
        """Probabilities minus the one-hot targets. Shape (rows, classes)."""
        probabilities = logits.softmax(1)
        probabilities[torch.arange(len(logits), device=logits.device), self.targets] -= 1
        return probabilities

    def curvature(self, logits: Tensor) -> SoftmaxCurvature:
        """Second derivatives of each row's loss in its logits."""
        return SoftmaxCurvature(logits.softmax(1))


class SoftmaxCurvature:
    """diag(p) − p·pᵀ of each row's probabilities.

    Args:
        probabilities: Shape (rows, classes).
    """

    def __init__(self, probabilities: Tensor) -> None:
        self.probabilities = probabilities

    @property
    def diagonal(self) -> Tensor:
        """p(1 − p). Shape (rows, classes)."""
        return self.probabilities * (1 - self.probabilities)

    def times(self, change: Tensor) -> Tensor:
        """p·(change − its mean under p). Shape (rows, classes)."""
        mean = (self.probabilities * change).sum(1, keepdim=True)
        return self.probabilities * (change - mean)

    def column(self, change: Tensor, output: int) -> Tensor:
        """One output's part of that product. Shape (rows,)."""
        mean: Tensor = torch.linalg.vecdot(self.probabilities, change)
        return self.probabilities[:, output] * (change[:, output] - mean)


class LogisticLoss:
    """Cross-entropy of two classes in the difference z of their logits, log(1 + e^z) − target·z.

    Args:
        targets: 0 or 1. Shape (rows,), floating point.
    """

    outputs = 1

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets[:, None]

    def select(self, rows: slice | Tensor) -> LogisticLoss:
        """The loss of some of the rows."""
        return LogisticLoss(self.targets[rows, 0])

    def joined(self) -> LogisticLoss:
        """The loss of the rows of all ranks."""
        return LogisticLoss(joined(self.targets)[:, 0])

    def start(self, share: Tensor, total: int) -> Tensor:
        """Logarithm of the odds of the second class. Shape (1,)."""
        second = summed(share @ self.targets.to(share)).clamp(0.5 / total, 1 - 0.5 / total)
        return (second / (1 - second)).log()

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, 1) to (rows,)."""
        return softplus((1 - 2 * self.targets) * logits).squeeze(1)

    def residual(self, logits: Tensor) -> Tensor:
        """Probability of the second class minus target. Shape (rows, 1)."""
        return logits.sigmoid() - self.targets

    def curvature(self, logits: Tensor) -> DiagonalCurvature:
        """Second derivatives of each row's loss in its logits."""
        probability = logits.sigmoid()
        return DiagonalCurvature(probability * (1 - probability))


class SquaredError:
    """Half the squared error, ½(logit − target)².

    Args:
        targets: Numbers to predict. Shape (rows,), floating point.
    """

    outputs = 1

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets[:, None]

    def select(self, rows: slice | Tensor) -> SquaredError:
        """The loss of some of the rows."""
        return SquaredError(self.targets[rows, 0])

    def joined(self) -> SquaredError:
        """The loss of the rows of all ranks."""
        return SquaredError(joined(self.targets)[:, 0])

    def start(self, share: Tensor, total: int) -> Tensor:
        """The mean target. Shape (1,)."""
        return summed(share @ self.targets.to(share))

    def values(self, logits: Tensor) -> Tensor:
        """Loss of each row. From shape (rows, 1) to (rows,)."""
        return (logits - self.targets).square().squeeze(1) / 2

    def residual(self, logits: Tensor) -> Tensor:
        """Prediction minus target. Shape (rows, 1)."""
        return logits - self.targets

    def curvature(self, logits: Tensor) -> DiagonalCurvature:
        """Second derivatives of each row's loss in its logits."""
        return DiagonalCurvature(torch.ones_like(logits))


class DiagonalCurvature:
    """One logit per row, so one number per row.

    Args:
        diagonal: Shape (rows, 1).
    """

    def __init__(self, diagonal: Tensor) -> None:
        self.diagonal = diagonal

    def times(self, change: Tensor) -> Tensor:
        """Their product. Shape (rows, 1)."""
        return self.diagonal * change

    def column(self, change: Tensor, output: int) -> Tensor:
        """The same, without its second dimension. Shape (rows,)."""
        return self.diagonal[:, output] * change[:, output]


class MeanLoss:
    """Mean loss over the rows of all ranks, as a function of weights and biases.

    What rows × outputs numbers there are (logits and their like) stays in memory, each rank's on
    its own; the rows themselves need not.

    Args:
        rows: Standardised activations.
        loss: Loss of each row's logits.
        share: What each row counts for; sums to 1 over all ranks. Shape (rows,), float64. Default:
            all the same.
    """

    def __init__(self, rows: StandardisedRows, loss: Loss, share: Tensor | None = None) -> None:
        self.rows, self.loss = rows, loss
        counts = gathered(rows.shape[0])
        self.total: int = sum(counts)
        """Rows of all ranks."""
        self.first: int = sum(counts[: rank()])
        """Number of the first of one's own rows among them."""
        even = rows.like.new_full((rows.shape[0],), 1 / self.total, dtype=torch.float64)
        self.share = even if share is None else share

    def start(self) -> Tensor:
        """The best biases without any weights. Shape (outputs,)."""
        return self.loss.start(self.share, self.total).to(self.rows.like)

    def logits(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Logits of one's own rows.

        Args:
            weight: Shape (outputs, neurons).
            bias: Shape (outputs,).

        Returns:
            Shape (rows, outputs).
        """
        logits = weight.new_empty(self.rows.shape[0], self.loss.outputs)
        for rows, block in self.rows.blocks():
            logits[rows] = torch.addmm(bias, block, weight.T)
        return logits

    def value(self, logits: Tensor) -> float:
        """Mean loss, summed in float64. ``logits``: (rows, outputs)."""
        total = self.share.new_zeros(())
        for rows in _chunks(len(logits)):
            values = self.loss.select(rows).values(logits[rows])
            total += self.share[rows] @ values.double()
        return float(summed(total))

    def residual(self, logits: Tensor) -> Tensor:
        """Gradient of the mean loss in the logits. Shapes (rows, outputs)."""
        residual = torch.empty_like(logits)
        for rows in _chunks(len(logits)):
            of_rows = self.loss.select(rows).residual(logits[rows])
            torch.mul(of_rows, self.share[rows, None].to(logits), out=residual[rows])
        return residual

    def curvature(self, logits: Tensor) -> Tensor:
        """Second derivative of the mean loss in each logit alone. Shapes (rows, outputs)."""
        curvature = torch.empty_like(logits)
        for rows in _chunks(len(logits)):
            of_rows = self.loss.select(rows).curvature(logits[rows]).diagonal
            torch.mul(of_rows, self.share[rows, None].to(logits), out=curvature[rows])
        return curvature

    def gradient(self, residual: Tensor, keep: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradient in weights and biases; and, from the same pass, the activations of some rows.

        Args:
            residual: Gradient in the logits. Shape (rows, outputs).
            keep: Numbers of own rows, ascending. Shape (kept,), int64.

        Returns:
            Shapes (outputs, neurons), (outputs,) and (kept, neurons).
        """
        of_group = residual.new_zeros(residual.shape[1], self.rows.shape[1])
        total = torch.zeros_like(of_group, dtype=torch.float64)
        kept = residual.new_empty(len(keep), self.rows.shape[1])
        numbers = keep.cpu()
        for rows, block in self.rows.blocks():
            of_group.addmm_(residual[rows].T.contiguous(), block)
            if rows.stop % self.rows.group == 0 or rows.stop == len(residual):
                total += of_group
                of_group.zero_()
            low, high = torch.searchsorted(numbers, torch.tensor([rows.start, rows.stop])).tolist()
            torch.index_select(block, 0, keep[low:high] - rows.start, out=kept[low:high])
        of_bias = summed(residual.sum(0, dtype=torch.float64)).to(residual)
        return summed(total).to(residual), of_bias, kept


def _chunks(rows: int) -> Iterator[slice]:
    """All rows, in pieces that bound the memory of row-by-row work."""
    return (slice(start, min(start + CHUNK, rows)) for start in range(0, rows, CHUNK))
