"""Masks and baselines as Captum's layer perturbation methods take them, from a ranking."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_lca.activations import Activations, as_store
from captum_lca.distributed import summed
from captum_lca.neurons import NeuronRanking
from captum_lca.probes import LinearProbe

BLOCK = 4096
"""Rows that are read at once for means."""


def layer_mask(
    ranking: NeuronRanking,
    layer: str,
    by: str = "decile",
    *,
    groups: int | None = None,
    dims: int = 3,
) -> Tensor:
    """Groups of one layer's neurons, for the ``layer_mask`` of Captum's LayerFeatureAblation.

    Args:
        ranking: An order over the neurons.
        layer: Name of a layer in the ranking's layout.
        by: What makes a group:

            - ``"decile"``: equal parts of the layer's neurons, group 0 the most salient;
            - ``"neuron"``: one group per neuron, group 0 the most salient;
            - ``"class"``: the class in which a neuron is most salient, in the ranking's order of
              classes; neurons that are salient in none make one more group, the last.
        groups: For ``"decile"`` the number of parts (default: 10); for ``"neuron"`` how many
            neurons get a group of their own, the others making one more, the last (default: all).
        dims: Dimensions of the layer's output; 3 for (batch, positions, neurons).

    Returns:
        Integers 0 to groups − 1, broadcastable to the layer's output. Shape (1, …, 1, width).

    Raises:
        ValueError: No such layer, an unknown ``by``, or a number of groups that doesn't fit.

    Examples::

        >>> from captum_lca.ablation import layer_mask
        >>> mask = layer_mask(ranking, "encoder.layer.0", "decile")
        >>> mask.shape, int(mask.max())
        (torch.Size([1, 1, 384]), 9)
    """
    span = ranking.layout.slice(layer)
    width = span.stop - span.start
    if dims < 1:
        raise ValueError(f"a layer's output has at least one dimension; found dims={dims}")
    if by == "class":
        numbers = _class_groups(ranking, span, groups)
    elif by in ("decile", "neuron"):
        count = groups if groups is not None else (min(10, width) if by == "decile" else width)
        if not 0 < count <= width:
            raise ValueError(f"layer {layer!r} makes 1 to {width} groups; found {count}")
        places = _places(ranking, span)
        numbers = places * count // width if by == "decile" else places.clamp(max=count)
    else:
        raise ValueError(f"by must be 'decile', 'class' or 'neuron'; found {by!r}")
    return numbers.reshape(*[1] * (dims - 1), width)


def layer_baselines(
    source: LinearProbe | Activations, layer: str, baseline: str = "mean", *, dims: int = 3
) -> Tensor:
    """What takes the place of one layer's neurons, for ``layer_baselines`` in Captum.

    Args:
        source: A probe, whose means are those of the words it was fitted on; or activations with
            a layout, whose means are those of all rows.
        layer: Name of a layer in its layout.
        baseline: ``"mean"`` or ``"zero"``.
        dims: Dimensions of the layer's output; 3 for (batch, positions, neurons).

    Returns:
        Float32, broadcastable to the layer's output. Shape (1, …, 1, width).

    Raises:
        ValueError: No such layer, or an unknown baseline.

    Examples::

        >>> from captum_lca.ablation import layer_baselines
        >>> layer_baselines(probe, "encoder.layer.0").shape
        torch.Size([1, 1, 384])
    """
    if baseline not in ("mean", "zero"):
        raise ValueError(f"baseline must be 'mean' or 'zero'; found {baseline!r}")
    if not isinstance(source, LinearProbe):
        source = as_store(source)
    span = source.layout.slice(layer)
    shape = (*[1] * (dims - 1), span.stop - span.start)
    if baseline == "zero":
        return torch.zeros(shape)
    if isinstance(source, LinearProbe):
        return source.mean[span].float().reshape(shape)
    total = torch.zeros(span.stop - span.start, dtype=torch.float64)
    for _, block in source.blocks(BLOCK):
        total += block[:, span].double().sum(0)
    return (summed(total) / source.rows).float().reshape(shape)


def _places(ranking: NeuronRanking, span: slice) -> Tensor:
    """Place of each of the layer's neurons among them, 0 the most salient. Shape (width,)."""
    order = ranking.order
    own = order[(order >= span.start) & (order < span.stop)] - span.start
    return torch.empty_like(own).scatter_(0, own, torch.arange(len(own)))


def _class_groups(ranking: NeuronRanking, span: slice, groups: int | None) -> Tensor:
    if not ranking.classes:
        raise ValueError("this ranking has no classes to group neurons by")
    if groups is not None:
        raise ValueError("the classes say how many groups there are; leave out groups")
    salience, classes = ranking.class_salience[:, span].max(0)
    return torch.where(salience > 0, classes, len(ranking.classes))
