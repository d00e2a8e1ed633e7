"""What each neuron adds to the probe's logit for a class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captum_lca.neurons import NeuronLayout
from captum_lca.probes import LinearProbe

Target = str | int | Tensor | Sequence[str | int] | None
"""A class by name or index, or one for each example; None for a regression."""


def joined_activations(tensors: Sequence[Tensor], layout: NeuronLayout) -> Tensor:
    """The layers side by side. Shape (…, neurons).

    Raises:
        ValueError: The layers' widths are not those of the layout.
    """
    widths = tuple(tensor.shape[-1] for tensor in tensors)
    if widths != layout.widths:
        raise ValueError(
            f"the probe reads layers of {layout.widths} neurons; the model's have {widths}"
        )
    return torch.cat(list(tensors), dim=-1)


def class_indices(probe: LinearProbe, target: Target) -> int | Tensor:
    """The class, or one per example, that a target means.

    Args:
        probe: Its classes.
        target: A class name or index (also as a tensor with one element), or a sequence or tensor
            of one per example; None for a regression.

    Returns:
        A single index, or an int64 tensor of shape (batch,).

    Raises:
        ValueError: No such class, or none given where there are several.
    """
    if probe.is_regression:
        if target is not None:
            raise ValueError(f"a regression has no classes; found target {target!r}")
        return 0
    if target is None:
        raise ValueError(f"say which class, as target=…; the probe has {list(probe.classes)}")
    if isinstance(target, Tensor):
        target = int(target) if target.numel() == 1 else target.flatten().tolist()
    if isinstance(target, str | int):
        return class_index(probe, target)
    return torch.tensor([class_index(probe, each) for each in target])


def class_index(probe: LinearProbe, target: str | int) -> int:
    """Row of a probe's weights that belongs to a class, given by name or index.

    Raises:
        ValueError: No such class.
    """
    if isinstance(target, str):
        return probe.class_index(target)
    if not 0 <= target < len(probe.classes):
        raise ValueError(f"class indices are 0 to {len(probe.classes) - 1}; found {target}")
    return target


def contributions(
    tensors: Sequence[Tensor], probe: LinearProbe, target: int | Tensor
) -> list[Tensor]:
    """What each neuron adds to the probe's logit: W[c, j]·(a[…, j] − mean_j)/scale_j.

    Args:
        tensors: One per layer, each (batch, …, neurons of the layer).
        probe: The probe on these layers.
        target: The class c, or one per example. Shape (batch,).

    Returns:
        One tensor per layer, of the same shapes, float32 or better.

    Raises:
        ValueError: Not one target per example, or layers of other widths than the probe's.
    """
    joined = joined_activations(tensors, probe.layout)
    probe = probe.to(joined.device)
    weight = probe.weight[target]
    if isinstance(target, Tensor):
        if len(target) != len(joined):
            raise ValueError(f"there are {len(target)} targets for {len(joined)} examples")
        weight = weight.reshape(len(joined), *[1] * (joined.dim() - 2), -1)
    standardised = joined.to(torch.promote_types(joined.dtype, weight.dtype)) - probe.mean
    return list((standardised / probe.scale * weight).split(probe.layout.widths, dim=-1))
