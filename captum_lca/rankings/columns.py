"""Neurons one by one, over all rows: for rankings that need the order of a neuron's values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from captum_lca.probes.rows import read_ahead
from captum_lca.rankings.labelled import LabelledActivations

BLOCK_VALUES = 2**20
"""Most activations that are sorted at a time: as many stay near the processor."""

Floats = NDArray[np.floating]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """Some neurons with all their values."""

    neurons: slice
    """Global ids."""
    values: Floats
    """Shape (neurons, rows)."""


def columns(data: LabelledActivations, memory: int) -> Iterator[Column]:
    """All neurons in order, a few at a time.

    As many neurons as fit are gathered in one pass over the rows; a store that is larger than
    ``memory`` is read several times.

    Args:
        data: The labelled rows.
        memory: Bytes that gathered activations may take; at least one neuron is gathered.

    Raises:
        ValueError: ``memory`` is not positive; an activation is NaN or infinite.
    """
    if not memory > 0:
        raise ValueError(f"memory must be positive; found {memory}")
    rows, size = len(data.targets.rows), data.layout.size
    gathered = max(1, memory // (rows * data.rows().like.element_size()))
    step = max(1, BLOCK_VALUES // rows)
    for start in range(0, size, gathered):
        values = _gathered(data, range(start, min(start + gathered, size)))
        for low in range(0, len(values), step):
            part = values[low : low + step]
            yield Column(slice(start + low, start + low + len(part)), part)


def _gathered(data: LabelledActivations, neurons: range) -> Floats:
    """Values of some neurons over all labelled rows. Shape (neurons, rows)."""
    everything = len(neurons) == data.layout.size
    source = data.rows(None if everything else torch.tensor(neurons))
    values = torch.empty(len(neurons), source.shape[0], dtype=source.like.dtype)
    for rows, block in read_ahead(source.blocks()):
        values[:, rows] = block.T
    array: Floats = values.numpy()
    return array


def run_starts(changes: NDArray[np.bool_]) -> Integers:
    """Where the run of equals begins that each entry is in.

    Args:
        changes: Whether an entry differs from the one before it. Shape (rows, entries − 1).

    Returns:
        Shape (rows, entries).
    """
    starts = np.zeros((len(changes), changes.shape[1] + 1), dtype=np.int64)
    starts[:, 1:] = np.where(changes, np.arange(1, starts.shape[1]), 0)
    return np.maximum.accumulate(starts, axis=1)
