"""The paper's ranking: neurons in the order in which a growing share of weight mass admits them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from captum_lca.neurons import NeuronLayout, NeuronRanking
from captum_lca.probes import LinearProbe

PLACE_BITS = 32
"""Bits of a sorting key that hold a neuron's place among the ties."""


def weight_mass(probe: LinearProbe) -> NeuronRanking:
    """Rank neurons by the share of a class's weight mass that is heavier than theirs.

    For p = 0…100 % the heaviest weights that together hold p % of a class's mass Σ|w| are admitted;
    a neuron's place is the smallest p at which any class admits it. That p is the mass heavier than
    the neuron's own weight, as a share of the class's mass: one sort per class gives it exactly.
    Among neurons with the same p, the one with the larger share ``|w|/mass`` comes first. Neurons
    without weight come last, and take turns between the layers.

    Source: Durrani, Dalvi & Sajjad (JMLR 2023), linguistic correlation analysis.

    Args:
        probe: Its weights are in units of standardised activations, which makes them comparable
            between neurons.

    Returns:
        Overall and per class; a regression has no classes. Salience is 1 − p, which is 1 for a
        class's heaviest neuron and 0 for a neuron without weight.

    Examples::

        >>> weight = torch.tensor([[5.0, -3, 2, 0], [0, 1, 0, -3]])
        >>> nothing = torch.zeros(4), torch.ones(4)
        >>> probe = LinearProbe(weight, torch.zeros(2), *nothing, classes=["NOUN", "VERB"])
        >>> rankings.weight_mass(probe).order
        tensor([3, 0, 1, 2])
    """
    ties = turns_between_layers(probe.layout)
    heaviest_first, class_order = sorted_weights(probe.weight.detach().cpu(), ties)
    share = weight_share(heaviest_first)
    salience = _in_id_order(1 - heavier_mass(share), class_order)
    overall, overall_share = salience.amax(0), _in_id_order(share, class_order).amax(0)
    by_share = ties[overall_share[ties].argsort(descending=True, stable=True)]
    order = by_share[overall[by_share].argsort(descending=True, stable=True)]
    if not probe.classes:
        return NeuronRanking(order, overall, probe.layout, "weight_mass")
    return NeuronRanking(
        order, overall, probe.layout, "weight_mass", probe.classes, class_order, salience
    )


def sorted_weights(weight: Tensor, ties: Tensor) -> tuple[Tensor, Tensor]:
    """Each class's weights by magnitude, heaviest first, and the neurons they belong to.

    Magnitude (in float32) and place among the ties go into one integer per weight: non-negative
    floats are ordered like their bits, and integers sort many times faster than indices.

    Args:
        weight: Shape (classes, neurons).
        ties: The order of neurons of equal weight. Shape (neurons,).

    Returns:
        Magnitudes and global ids, both of shape (classes, neurons).
    """
    magnitude = np.ascontiguousarray(weight.abs().float()[:, ties].numpy())
    keys = np.arange(len(ties)) - (magnitude.view(np.int32).astype(np.int64) << PLACE_BITS)
    keys.sort(axis=1)
    order = ties[torch.from_numpy(keys & (2**PLACE_BITS - 1))]
    heaviest_first = (-(keys >> PLACE_BITS)).astype(np.int32).view(np.float32)
    return torch.from_numpy(heaviest_first), order


def weight_share(heaviest_first: Tensor) -> Tensor:
    """Each weight's share of its class's mass Σ|w|; 0 for a class without weights.

    Args:
        heaviest_first: Magnitudes. Shape (classes, neurons).

    Returns:
        Same shape, float64.
    """
    mass = heaviest_first.double()
    total = mass.sum(1, keepdim=True)
    return mass / total.where(total > 0, 1)


def heavier_mass(share: Tensor) -> Tensor:
    """Share of its class's mass that is strictly heavier than each weight.

    Args:
        share: Of the class's mass, each row descending. Shape (classes, neurons).

    Returns:
        Same shape and order, in [0, 1]: 0 for a class's heaviest, 1 where there is no weight.
    """
    shares = share.numpy()
    before = shares.cumsum(axis=1) - shares
    before[:, 1:] *= shares[:, 1:] < shares[:, :-1]  # equal weights enter together, with the first
    entry = torch.from_numpy(np.maximum.accumulate(before, axis=1))
    return entry.masked_fill_(share == 0, 1)


def _in_id_order(values: Tensor, class_order: Tensor) -> Tensor:
    return torch.empty_like(values).scatter_(1, class_order, values)


def turns_between_layers(layout: NeuronLayout) -> Tensor:
    """Neurons in an order that means nothing and favours no layer, to break ties with.

    Returns:
        Global ids: the first neuron of every layer, then the second of every layer. Shape
        (neurons,).
    """
    ids = torch.arange(layout.size)
    layers = layout.layer_numbers(ids)
    index = ids - torch.tensor(layout.starts)[layers]
    return (index * len(layout.layers) + layers).argsort()
