"""Which neurons' contributions are meant, in all the forms that Captum and LCA know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch
from captum._utils.common import _verify_select_column
from torch import Tensor

from captum_lca.neurons import NeuronLayout, as_neuron_ids

Selector = Callable[[Tensor | tuple[Tensor, ...]], Tensor]
NeuronSelector = int | tuple[int | slice, ...] | Iterable[int] | Tensor | Selector


def as_selector(selector: NeuronSelector, layout: NeuronLayout) -> Selector:
    """Any form of neuron selector as a callable from contributions to one scalar per example.

    Raises:
        ValueError: An id outside the layout, or given twice.
    """
    if callable(selector):
        return selector
    if isinstance(selector, tuple):
        return lambda parts: _selected_column(_joined(parts), selector)
    ids = as_neuron_ids([selector] if isinstance(selector, int) else selector, layout)
    return lambda parts: _joined(parts)[..., ids].flatten(1).sum(1)


def _joined(parts: Tensor | tuple[Tensor, ...]) -> Tensor:
    return parts if isinstance(parts, Tensor) else torch.cat(parts, dim=-1)


def _selected_column(joined: Tensor, index: tuple[int | slice, ...]) -> Tensor:
    if len(index) != joined.dim() - 1:
        raise ValueError(
            f"a tuple selects one neuron or slice in each of the {joined.dim() - 1} dimensions "
            f"behind the first; found {index}. For several neurons, give a list of global ids"
        )
    return cast(Tensor, _verify_select_column(joined, index)).reshape(len(joined), -1).sum(1)


def share_per_position(parts: Sequence[Tensor], select: Selector) -> Tensor:
    """What each position adds to the selected scalar, for a selector that is linear.

    Args:
        parts: Contributions per layer, each (batch, …, neurons of the layer).
        select: From contributions to one scalar per example.

    Returns:
        Contribution × derivative, summed over neurons. Shape (batch, …).
    """
    with torch.enable_grad():
        leaves = tuple(part.detach().requires_grad_() for part in parts)
        selected = select(leaves if len(leaves) > 1 else leaves[0])
        slopes = torch.autograd.grad(selected.sum(), leaves, allow_unused=True)
    shares = [
        (leaf.detach() * slope).sum(-1)
        for leaf, slope in zip(leaves, slopes, strict=True)
        if slope is not None
    ]
    return torch.stack(shares).sum(0)
