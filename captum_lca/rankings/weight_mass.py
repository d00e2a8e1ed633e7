"""The paper's ranking: neurons in the order in which a growing share of weight mass admits them."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_lca.neurons import NeuronLayout, NeuronRanking
from captum_lca.probes import LinearProbe


def weight_mass(probe: LinearProbe) -> NeuronRanking:
    """Rank neurons by the share of a class's weight mass that is heavier than theirs.

    For p = 0…100 % the heaviest weights that together hold p % of a class's mass Σ|w| are admitted;
    a neuron's place is the smallest p at which any class admits it. That p is the mass heavier than
    the neuron's own weight, as a share of the class's mass: one sort per class gives it exactly.
    Among neurons with the same p, the one with the larger share |w|/mass comes first. Neurons
    without weight come last, and take turns between the layers.

    Source: Durrani, Dalvi & Sajjad (JMLR 2023), linguistic correlation analysis.

    Args:
        probe: Its weights are in units of standardised activations, which makes them comparable
            between neurons.

    Returns:
        Salience is 1 − p: 1 for a class's heaviest neuron, 0 for a neuron without weight. Overall
        and per class; a regression has no classes.

    Examples::

        >>> weight = torch.tensor([[5.0, -3, 2, 0], [0, 1, 0, -3]])
        >>> nothing = torch.zeros(4), torch.ones(4)
        >>> probe = LinearProbe(weight, torch.zeros(2), *nothing, classes=["NOUN", "VERB"])
        >>> rankings.weight_mass(probe).order
        tensor([3, 0, 1, 2])
    """
    ties = turns_between_layers(probe.layout)
    share = weight_share(probe.weight.detach().cpu())
    heaviest_first, positions = share[:, ties].sort(dim=1, descending=True, stable=True)
    class_order = ties[positions]
    salience = torch.empty_like(share).scatter_(1, class_order, 1 - heavier_mass(heaviest_first))
    overall, overall_share = salience.amax(0), share.amax(0)
    by_share = ties[overall_share[ties].argsort(descending=True, stable=True)]
    order = by_share[overall[by_share].argsort(descending=True, stable=True)]
    if not probe.classes:
        return NeuronRanking(order, overall, probe.layout, "weight_mass")
    return NeuronRanking(
        order, overall, probe.layout, "weight_mass", probe.classes, class_order, salience
    )


def weight_share(weight: Tensor) -> Tensor:
    """Each weight's share of its class's mass Σ|w|; 0 for a class without weights.

    Args:
        weight: Shape (classes, neurons).

    Returns:
        Same shape, float64.
    """
    mass = weight.abs().double()
    total = mass.sum(1, keepdim=True)
    return mass / total.where(total > 0, 1)


def heavier_mass(heaviest_first: Tensor) -> Tensor:
    """Share of its class's mass that is strictly heavier than each weight.

    Args:
        heaviest_first: Shares from :func:`weight_share`, each row descending. Shape (classes,
            neurons).

    Returns:
        Same shape and order, in [0, 1]: 0 for a class's heaviest, 1 where there is no weight.
    """
    before = heaviest_first.cumsum(1) - heaviest_first
    starts_new_weight = torch.ones_like(heaviest_first, dtype=torch.bool)
    starts_new_weight[:, 1:] = heaviest_first[:, 1:] < heaviest_first[:, :-1]
    before = before.where(starts_new_weight, 0).cummax(1).values  # equal weights enter together
    return before.where(heaviest_first > 0, 1)


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
