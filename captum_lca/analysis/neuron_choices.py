"""Top, bottom and random neurons to compare, from the same layers in the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captum_lca.neurons import NeuronLayout, NeuronRanking


def top_of(ranking: NeuronRanking, count: int, among: Tensor) -> Tensor:
    """The most salient neurons among those allowed.

    Args:
        ranking: An order over all neurons.
        count: How many.
        among: Which are allowed. Shape (neurons,), bool.

    Raises:
        ValueError: Fewer are allowed.
    """
    allowed = ranking.order[among[ranking.order]]
    if not 0 < count <= len(allowed):
        raise ValueError(f"can choose 1 to {len(allowed)} neurons; found {count}")
    return allowed[:count]


def matched_bottom(ranking: NeuronRanking, top: Tensor, among: Tensor) -> Tensor:
    """The least salient neurons, as many of each layer as ``top`` has."""
    reverse = ranking.order.flip(0)
    return _per_layer(reverse[among[reverse]], top, ranking.layout)


def matched_random(layout: NeuronLayout, top: Tensor, among: Tensor, seed: int) -> Tensor:
    """Neurons drawn at random, as many of each layer as ``top`` has; may be among the top ones."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(layout.size, generator=generator)
    return _per_layer(shuffled[among[shuffled]], top, layout)


def allowed_neurons(layout: NeuronLayout, layers: Sequence[str] | None) -> Tensor:
    """Neurons of the layers named (None: of all). Shape (neurons,), bool.

    Raises:
        ValueError: A layer is not in the layout.
    """
    allowed = torch.zeros(layout.size, dtype=torch.bool)
    for name in layout.layers if layers is None else layers:
        allowed[layout.slice(name)] = True
    return allowed


def _per_layer(candidates: Tensor, like: Tensor, layout: NeuronLayout) -> Tensor:
    """The first candidates of each layer, as many as ``like`` has there."""
    wanted = torch.bincount(layout.layer_numbers(like), minlength=len(layout.layers))
    numbers = layout.layer_numbers(candidates)
    parts = [
        candidates[numbers == number][:count]
        for number, count in enumerate(wanted.tolist())
        if count
    ]
    return torch.cat(parts)
