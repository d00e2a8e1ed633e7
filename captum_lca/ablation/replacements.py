"""What ablated neurons are replaced by: values that come from a store's rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.distributed import joined
from captum_lca.probes.labels import Labels, is_missing
from captum_lca.probes.rows import aligned_labels
from captum_lca.probes.standardisation import NeuronMoments

RESAMPLED_ROWS = 2048
"""Rows of a store that resampling draws from: a random choice of that many is kept in memory."""

Replacement = float | Tensor | Callable[[Tensor, Tensor], Tensor]
"""What takes the place of neurons' activations: one number for all; one value for each neuron of
the layout, shape (neurons,); or a function of the activations of the chosen neurons of one layer,
shape (batch, tokens, chosen), and of their global ids, shape (chosen,), that returns the new
activations, in the same shape or one that broadcasts to it."""


def neuron_means(
    activations: Activations, labels: Labels | None = None, of: str | None = None
) -> Tensor:
    """Mean activation of every neuron, over all rows or some.

    Args:
        activations: Rows × neurons.
        labels: One per row, or per word of the corpus; rows without one are left out. None: all
            rows count.
        of: The class whose rows count; None: every labelled row.

    Returns:
        A replacement for :func:`ablating`. Shape (neurons,), float32.

    Raises:
        ValueError: No row is left, or ``of`` without labels.

    Examples::

        >>> from captum_lca.ablation import neuron_means
        >>> neuron_means(store, corpus.labels["upos"], of="NOUN").shape
        torch.Size([2688])
    """
    store = as_store(activations)
    rows = _chosen_rows(store, labels, of)
    moments = NeuronMoments(store.layout.size)
    for start, block in store.blocks():
        moments.update(block[rows[start : start + len(block)]].float())
    moments.merge_ranks()
    return moments.mean.float()


class Resampled:
    """Activations drawn from the rows of a store, one row per position and layer.

    All chosen neurons of a layer get, at one position, the values that they have together in one
    row. Every call draws anew; a second object with the same seed draws the same.

    Args:
        activations: Rows × neurons; of a large store, 2,048 random rows are kept.
        seed: Of all draws.
        labels: One per row, or per word of the corpus; rows without one are left out.
        of: The class whose rows are drawn from; None: every labelled row.

    Raises:
        ValueError: No row is left, or ``of`` without labels.

    Examples::

        >>> from captum_lca.ablation import Resampled, ablated_output
        >>> rows = Resampled(store, seed=0)
        >>> top = ranking.top(20)
        >>> output = ablated_output(model, top, probe.layout, input_ids=input_ids, by=rows)
        >>> output.last_hidden_state.shape == (*input_ids.shape, 384)
        True
    """

    def __init__(
        self,
        activations: Activations,
        seed: int,
        labels: Labels | None = None,
        of: str | None = None,
    ) -> None:
        store = as_store(activations)
        self._generator = torch.Generator().manual_seed(seed)
        present = _chosen_rows(store, labels, of).nonzero().flatten()
        drawn = torch.randperm(len(present), generator=self._generator)[:RESAMPLED_ROWS]
        chosen = present[drawn].sort().values
        parts = [store.read(0, 0)]
        for start, block in store.blocks():
            low, high = torch.searchsorted(chosen, torch.tensor([start, start + len(block)]))
            parts.append(block[chosen[low:high] - start])
        self.rows = joined(torch.cat(parts))
        """What is drawn from. Shape (rows, neurons)."""

    def __call__(self, activations: Tensor, neurons: Tensor) -> Tensor:
        """New activations, in the shape of those given: (…, chosen)."""
        places = activations.shape[:-1]
        drawn = torch.randint(len(self.rows), tuple(places), generator=self._generator)
        return self.rows[drawn.unsqueeze(-1), neurons.cpu()].to(activations)


def _chosen_rows(store: ActivationStore, labels: Labels | None, of: str | None) -> Tensor:
    """Which rows count. Shape (rows,), bool."""
    if labels is None:
        if of is not None:
            raise ValueError(f"the rows of class {of!r} can't be found without labels")
        return torch.ones(store.rows, dtype=torch.bool)
    values = aligned_labels(store, labels)
    chosen = [not is_missing(value) if of is None else value == of for value in values]
    if not any(chosen):
        known = sorted({str(value) for value in values if not is_missing(value)})
        raise ValueError(f"no rows of class {of!r}; the labels are {known}")
    return torch.tensor(chosen)
