"""From scores to an order: how all rankings sort, break ties and treat constant neurons."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captum_lca.neurons import NeuronLayout, NeuronRanking
from captum_lca.rankings.weight_mass import turns_between_layers


def ranked(
    method: str,
    layout: NeuronLayout,
    salience: Tensor,
    constant: Tensor,
    classes: Sequence[str] = (),
    class_salience: Tensor | None = None,
) -> NeuronRanking:
    """The ranking by some scores, largest first.

    Neurons of equal score take turns between the layers. Constant neurons come last and get score
    0, or the lowest score if that is below 0: what a method makes of their rounding means nothing.

    Args:
        method: Name of the ranking method's function.
        layout: Where the neurons sit.
        salience: Scores over all classes, larger is more salient. Shape (neurons,).
        constant: Neurons that never change. Shape (neurons,), bool.
        classes: Names of the classes; none for numbers.
        class_salience: Scores for each class. Shape (classes, neurons).
    """
    rows = [salience, *(class_salience if class_salience is not None else ())]
    scores = _constants_lowest(torch.stack(rows).cpu(), constant.cpu())
    orders = _largest_first(scores, constant.cpu(), turns_between_layers(layout))
    if not classes:
        return NeuronRanking(orders[0], scores[0], layout, method)
    return NeuronRanking(
        orders[0], scores[0], layout, method, tuple(classes), orders[1:], scores[1:]
    )


def _constants_lowest(scores: Tensor, constant: Tensor) -> Tensor:
    lowest = scores.masked_fill(constant, 0).amin(1, keepdim=True).clamp_max(0)
    return torch.where(constant, lowest, scores)


def _largest_first(scores: Tensor, constant: Tensor, ties: Tensor) -> Tensor:
    """Global ids by score, with ``ties`` as the order of equals. Shape (rows, neurons)."""
    keys = scores.masked_fill(constant, -torch.inf)[:, ties]
    return ties[keys.argsort(dim=1, descending=True, stable=True)]


def above_chance(scores: Tensor, counts: Tensor) -> Tensor:
    """Scores on a scale where a class's share of the rows is 0 and a perfect score is 1.

    Args:
        scores: At most 1. Shape (classes, neurons).
        counts: Rows of each class. Shape (classes,).
    """
    share = (counts / counts.sum()).to(scores.dtype)[:, None]
    return (scores - share) / (1 - share)


def check_signs(signs: str) -> None:
    """Raise ValueError unless ``signs`` is one that rankings know."""
    if signs not in ("high", "either"):
        raise ValueError(f"signs must be 'high' or 'either'; found {signs!r}")
