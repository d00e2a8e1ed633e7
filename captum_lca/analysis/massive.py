"""Massive activations: the few neurons whose values are thousands of times those of the others."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from captum_lca.activations import Activations, as_store
from captum_lca.distributed import largest
from captum_lca.neurons import NeuronLayout
from captum_lca.notebook import NotebookTable

LEAST_VALUE = 100.0
LEAST_RATIO = 1000.0
SAMPLE_ROWS = 2048
"""Rows from which a layer's typical activation is taken."""


@dataclass(frozen=True)
class MassiveActivations(NotebookTable):
    """Neurons with massive activations.

    They come near the limit of float16, dominate means, and decide any ablation that hits one.

    Source: Sun et al., "Massive Activations in Large Language Models" (2024): a magnitude above 100
    and above 1,000 times the median magnitude of its layer.
    """

    neurons: Tensor
    """Global ids, largest activation first. Shape (count,)."""
    largest: Tensor
    """Largest magnitude of each of them. Shape (count,)."""
    median: Tensor
    """Median magnitude of the layer of each. Shape (count,)."""
    layout: NeuronLayout
    """Where the neurons sit."""

    def to_frame(self) -> pd.DataFrame:
        """One row per neuron: ``neuron``, ``layer``, ``index``, ``largest``, ``layer_median``."""
        places = [self.layout.locate(neuron) for neuron in self.neurons.tolist()]
        return pd.DataFrame(
            {
                "neuron": self.neurons.tolist(),
                "layer": [layer for layer, _ in places],
                "index": [index for _, index in places],
                "largest": self.largest.tolist(),
                "layer_median": self.median.tolist(),
            }
        )


def massive_activations(activations: Activations) -> MassiveActivations:
    """Find the neurons with massive activations.

    Args:
        activations: Rows × neurons.

    Returns:
        The neurons, none in most encoders and a few in most decoders.

    Examples::

        >>> from captum_lca.analysis import massive_activations
        >>> len(massive_activations(store).neurons)                 # an encoder
        0
    """
    store = as_store(activations)
    own = torch.zeros(store.layout.size)
    for _, block in store.blocks():
        own = own.maximum(block.abs().amax(0).float())
    highest = largest(own)
    sample = store.read(0, min(SAMPLE_ROWS, store.rows)).float().abs()
    medians = [sample[:, store.layout.slice(name)].median() for name in store.layout.layers]
    median = torch.stack(medians)[store.layout.layer_numbers(torch.arange(store.layout.size))]
    massive = (highest > LEAST_VALUE) & (highest > LEAST_RATIO * median)
    ids = massive.nonzero().flatten()
    ids = ids[highest[ids].argsort(descending=True)]
    return MassiveActivations(ids, highest[ids], median[ids], store.layout)
