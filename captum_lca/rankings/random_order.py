"""The ranking that knows nothing: what every other one has to beat."""

from __future__ import annotations

import torch

from captum_lca.activations import Activations
from captum_lca.neurons import NeuronRanking
from captum_lca.probes.labels import Labels
from captum_lca.rankings.labelled import labelled_activations


def random_order(activations: Activations, labels: Labels, *, seed: int = 0) -> NeuronRanking:
    """Neurons in an order drawn at random, and another one for each class.

    The activations' values are not looked at: constant neurons come anywhere.

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons.
        labels (sequence or Tensor): One per row; classes or numbers.
        seed (int, optional): Of the draw. Default: 0.

    Returns:
        NeuronRanking: Salience falls evenly from 1 to 1/neurons along each order.

    Raises:
        ValueError: Misaligned labels, no labels, or only one class.

    Examples::

        >>> ranking = rankings.random_order(store, corpus.labels["upos"], seed=3)
        >>> len(ranking)
        2688
    """
    data = labelled_activations(activations, labels)
    classes, neurons = data.targets.classes, data.layout.size
    generator = torch.Generator().manual_seed(seed)
    orders = torch.stack(
        [torch.randperm(neurons, generator=generator) for _ in range(1 + len(classes))]
    )
    falling = (torch.arange(neurons, 0, -1, dtype=torch.float64) / neurons).expand(orders.shape)
    salience = torch.empty_like(falling).scatter_(1, orders, falling)
    if not classes:
        return NeuronRanking(orders[0], salience[0], data.layout, "random_order")
    return NeuronRanking(
        orders[0], salience[0], data.layout, "random_order", classes, orders[1:], salience[1:]
    )
