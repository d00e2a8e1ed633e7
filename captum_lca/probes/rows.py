"""The standardised rows that the solver works on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from captum_lca.activations import ActivationStore
from captum_lca.neurons import NeuronLayout
from captum_lca.probes.labels import Labels, as_list
from captum_lca.probes.standardisation import NeuronMoments, Standardisation

BLOCK = 1024
"""Rows per block: a block of a few thousand neurons then stays in the processor's cache."""


def aligned_labels(store: ActivationStore, labels: Labels) -> list[Any]:
    """The labels of a store's rows, of labels in any form.

    Raises:
        ValueError: They are as many neither as the rows nor as the words of the store.
    """
    return store.align(as_list(labels))


class StandardisedRows:
    """The labelled rows of some activations, standardised. The solver sees data only through this.

    Args:
        matrix: Standardised activations. Shape (rows, neurons), float32 or float64.
    """

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and neurons."""
        return self.matrix.shape[0], self.matrix.shape[1]

    @property
    def like(self) -> Tensor:
        """An empty tensor with the precision and device of the rows."""
        return self.matrix.new_empty(0)

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """All rows in order: which ones, and their activations. Shape (at most BLOCK, neurons)."""
        for start in range(0, len(self.matrix), BLOCK):
            rows = slice(start, min(start + BLOCK, len(self.matrix)))
            yield rows, self.matrix[rows]

    def take(self, rows: Tensor, neurons: Tensor) -> Tensor:
        """Some neurons of some rows, as a copy. Shape (len(rows), len(neurons))."""
        parts = [
            self.matrix.index_select(0, some).index_select(1, neurons) for some in rows.split(256)
        ]
        return torch.cat(parts)


def standardised_rows(
    store: ActivationStore,
    labelled: Tensor,
    neurons: Tensor | None = None,
    device: torch.device | None = None,
) -> tuple[StandardisedRows, Standardisation]:
    """Read the labelled rows once, and standardise them.

    Args:
        store: The activations.
        labelled: Numbers of the rows to read, ascending. Shape (labelled,).
        neurons: Global ids of the neurons to read. Default: all.
        device: Where to put them. Default: where the store has them.

    Returns:
        The rows in float32 (float64 if the store is), and the mean and scale of the neurons read.

    Raises:
        ValueError: An activation is NaN or infinite; says in which layer and neuron.
    """
    first = store.read(0, 1)
    dtype = torch.promote_types(first.dtype, torch.float32)
    device = device or first.device
    width = store.layout.size if neurons is None else len(neurons)
    matrix = torch.empty(len(labelled), width, dtype=dtype, device=device)
    moments = NeuronMoments(width, device)
    done = 0
    for start, block in store.blocks(BLOCK):
        stop = int(torch.searchsorted(labelled, start + len(block)))
        block = block if stop - done == len(block) else block[labelled[done:stop] - start]  # noqa: PLW2901
        part = matrix[done:stop]
        part.copy_(block if neurons is None else block[:, neurons])
        _check_finite(part, store.layout, neurons, labelled[done:stop])
        moments.update(part)
        done = stop
    standardisation = moments.finish()
    standardisation.apply_(matrix)
    return StandardisedRows(matrix), standardisation


def _check_finite(part: Tensor, layout: NeuronLayout, neurons: Tensor | None, rows: Tensor) -> None:
    """Raise ValueError if any activation is NaN or infinite. ``part``: (rows, neurons)."""
    if bool(part.sum().isfinite()):
        return
    wrong = ~part.isfinite()
    if not bool(wrong.any()):
        return
    row, column = wrong.nonzero()[0].tolist()
    layer, index = layout.locate(column if neurons is None else int(neurons[column]))
    raise ValueError(
        f"activations must be finite; found {part[row, column].item()} at neuron {index} of layer "
        f"{layer!r}, row {int(rows[row])} ({int(wrong.sum())} such values in this block)"
    )
