"""Forward steps of stepwise selection: which neurons to add, given those already in."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import cholesky, solve_triangular

from captum_lca.distributed import summed
from captum_lca.probes.objective import Loss
from captum_lca.probes.rows import StandardisedRows
from captum_lca.rankings.active_set import DAMPING, ActiveSet, CurvatureSample

FRESH = 1e-2
"""A neuron of whose variance those already in leave less than this share is one of them again."""
CANDIDATES = 3
"""How many neurons are looked at closely for each one that is added."""
FEWEST_CANDIDATES = 20


class GrowthPass:
    """The gradient of the loss in the weights of all neurons, from one pass over the rows.

    Args:
        rows: All rows, standardised; of several ranks, each gives its own.
        loss: Of these rows.
        total: Rows of all ranks.
        held: Numbers of the rows that active sets hold, ascending. Shape (held,).
    """

    def __init__(self, rows: StandardisedRows, loss: Loss, total: int, held: Tensor) -> None:
        self.rows, self.loss, self.total, self.held = rows, loss, total, held

    def gradient(self, active: ActiveSet, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient of the mean loss; and, from the same pass, the activations of some rows.

        Args:
            active: Where the probe stands.
            keep: Numbers among the rows held, ascending. Shape (kept,).

        Returns:
            Shapes (outputs, neurons) and (kept, neurons).
        """
        neurons = self.rows.shape[1]
        total = self.rows.like.new_zeros(len(active.weight), neurons)
        kept = self.rows.like.new_empty(len(keep), neurons)
        bias, weight = active.weight[:, 0], active.weight[:, 1:]
        numbers = self.held[keep]
        for rows, block in self.rows.blocks():
            logits = torch.addmm(bias, block.index_select(1, active.neurons), weight.T)
            total.addmm_(self.loss.select(rows).residual(logits).T, block)
            low, high = _span(numbers, rows)
            torch.index_select(block, 0, numbers[low:high] - rows.start, out=kept[low:high])
        return summed(total) / self.total, kept

    def columns(self, neurons: Tensor) -> Tensor:
        """Activations of some neurons in the rows held. Shape (held, neurons)."""
        columns = self.rows.like.new_empty(len(self.held), len(neurons))
        for rows, block in self.rows.blocks():
            low, high = _span(self.held, rows)
            within = self.held[low:high] - rows.start
            columns[low:high] = block.index_select(1, neurons).index_select(0, within)
        return columns


def _span(numbers: Tensor, rows: slice) -> tuple[int, int]:
    """Where in some ascending row numbers those of a block begin and end."""
    low, high = torch.searchsorted(numbers, torch.tensor([rows.start, rows.stop])).tolist()
    return low, high


def neurons_to_add(
    active: ActiveSet, count: int, gradient: Tensor, sampled: Tensor, sample: CurvatureSample
) -> Tensor:
    """The neurons whose gradient is largest given those in, and given each other.

    Group orthogonal matching pursuit takes one neuron and refits. To take many at a time without
    taking the same one twice over, the refits in between are made on a quadratic model of the loss,
    in which all outputs share one curvature of the rows.

    Args:
        active: The neurons in, with a probe that was refitted on them.
        count: Most neurons to add.
        gradient: Of the mean loss. Shape (outputs, neurons).
        sampled: Activations of all neurons in the rows of ``sample``. Shape (sampled, neurons).
        sample: Curvature of the loss where the probe stands.

    Returns:
        Global ids, in the order in which they were chosen. At most ``count``: none whose gradient
        is zero, or that repeats those in.
    """
    per_output = summed(sample.curvature.sum(0))[:, None].clamp_min(DAMPING)
    scaled = gradient / per_output.sqrt()
    norm = scaled.norm(dim=0).index_fill(0, active.neurons, 0)
    room = min(max(CANDIDATES * count, FEWEST_CANDIDATES), int(norm.count_nonzero()))
    candidates: Tensor = norm.topk(room).indices
    share = sample.curvature.sum(1)
    root = (share / summed(share.sum())).sqrt()[:, None]
    held, rivals = active.columns[sample.rows] * root, sampled[:, candidates] * root
    chosen = _matching_pursuit(scaled[:, candidates], held, rivals, count)
    return candidates[chosen]


def _matching_pursuit(slope: Tensor, held: Tensor, rivals: Tensor, count: int) -> list[int]:
    """Greedy choice on a quadratic: the largest slope per standard deviation left, again and again.

    Args:
        slope: Gradient in each candidate's weights. Shape (outputs, candidates).
        held: What is in already. Shape (sampled, 1 + k).
        rivals: The candidates. Shape (sampled, candidates).
        count: Most to choose.

    Returns:
        Places among the candidates.
    """
    covariance = _left_over(held, rivals)
    enough = FRESH * summed(rivals.square().sum(0))
    chosen: list[int] = []
    for _ in range(min(count, rivals.shape[1])):
        variance = covariance.diagonal()
        gain = slope.square().sum(0) / variance
        gain = gain.where(variance > enough, 0)
        best = int(gain.argmax())
        if float(gain[best]) <= 0:
            break
        chosen.append(best)
        column = covariance[:, best] / variance[best]
        slope = slope - slope[:, best, None] * column
        covariance = covariance - torch.outer(column, covariance[best])
    return chosen


def _left_over(held: Tensor, rivals: Tensor) -> Tensor:
    """Covariance of the candidates once what is held is regressed out. (candidates, candidates)."""
    matrix, beside, own = map(summed, (held.T @ held, held.T @ rivals, rivals.T @ rivals))
    matrix.diagonal().add_(DAMPING)
    explained: Tensor = solve_triangular(cholesky(matrix), beside, upper=False)
    return own - explained.T @ explained
