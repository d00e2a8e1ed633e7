"""Activations in which it is known which neurons carry the property."""

import torch

from captum_lca import ActivationStore, NeuronLayout, NeuronRanking

CLASSES = ("ADJ", "NOUN", "VERB")


def planted(rows=900, copies=1, noise=12, layers=3, seed=0, where=None):
    """Three classes, each told by neurons of its own; the rest is noise.

    Every copy of the three informative neurons carries the same signal with noise of its own.

    Returns:
        A training pair, a test pair (a third of the rows), and the informative neurons: one list
        of three ids (in the order of CLASSES) per copy.
    """
    generator = torch.Generator().manual_seed(seed)
    neurons = 3 * copies + noise
    assert neurons % layers == 0
    labels = torch.randint(3, (rows,), generator=generator)
    activations = torch.randn(rows, neurons, generator=generator)
    place = torch.randperm(neurons, generator=generator) if where is None else torch.tensor(where)
    informative = place[: 3 * copies].view(copies, 3)
    for copy in informative:
        for number, neuron in enumerate(copy.tolist()):
            activations[:, neuron] = 0.3 * activations[:, neuron] + (labels == number)
    names = [CLASSES[number] for number in labels.tolist()]
    layout = NeuronLayout(tuple(f"layer.{n}" for n in range(layers)), (neurons // layers,) * layers)
    cut = rows * 2 // 3
    pairs = [
        (ActivationStore.from_tensor(activations[part], layout), names[part])
        for part in (slice(cut), slice(cut, rows))
    ]
    return *pairs, informative.tolist()


def ranking_of(order, layout, method="by_hand"):
    """A ranking with this order."""
    order = torch.as_tensor(order)
    salience = torch.empty(len(order)).index_copy_(
        0, order, torch.arange(len(order), 0, -1).float()
    )
    return NeuronRanking(order, salience, layout, method)
