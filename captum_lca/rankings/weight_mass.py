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
    share = weight_share(probe.weight.detach().cpu())
    salience = 1 - heavier_mass(share)
    overall, overall_share = salience.amax(0), share.amax(0)
    ties = turns_between_layers(probe.layout)
    order = _ordered(overall, overall_share, ties)
    if not probe.classes:
        return NeuronRanking(order, overall, probe.layout, "weight_mass")
    per_class = [_ordered(s, m, ties) for s, m in zip(salience, share, strict=True)]
    return NeuronRanking(
        order, overall, probe.layout, "weight_mass", probe.classes, torch.stack(per_class), salience
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


def heavier_mass(share: Tensor) -> Tensor:
    """Share of its class's mass that is strictly heavier than each neuron's weight.

    Args:
        share: From :func:`weight_share`. Shape (classes, neurons).

    Returns:
        Same shape, in [0, 1]: 0 for a class's heaviest neuron, 1 where there is no weight.
    """
    heaviest_first, order = share.sort(dim=1, descending=True, stable=True)
    before = heaviest_first.cumsum(1) - heaviest_first
    starts_new_weight = torch.ones_like(heaviest_first, dtype=torch.bool)
    starts_new_weight[:, 1:] = heaviest_first[:, 1:] < heaviest_first[:, :-1]
    before = before.where(starts_new_weight, 0).cummax(1).values  # equal weights enter together
    before = before.where(heaviest_first > 0, 1)
    return torch.empty_like(share).scatter_(1, order, before)


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


def _ordered(salience: Tensor, share: Tensor, ties: Tensor) -> Tensor:
    """Ids by descending salience, then descending share, then in the order of ``ties``."""
    by_share = ties[share[ties].argsort(descending=True, stable=True)]
    return by_share[salience[by_share].argsort(descending=True, stable=True)]
