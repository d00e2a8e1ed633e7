"""Neurons one by one, over all rows: for rankings that need the order of a neuron's values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from captum_lca.distributed import exchanged, gathered, own_part, parts, ranks, same_errors
from captum_lca.probes.rows import read_ahead
from captum_lca.rankings.labelled import LabelledActivations

BLOCK_VALUES = 2**20
"""Most activations that are sorted at a time: as many stay near the processor."""
EXCHANGED_COPIES = 3
"""How often gathered activations are in memory when ranks exchange them: read, sent, received."""

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
    """All neurons in order, a few at a time; of several ranks, each gets some of them.

    As many neurons as fit are gathered in one pass over the rows; a store that is larger than
    ``memory`` is read several times. Each rank reads its own rows, and the ranks exchange them: a
    rank holds all rows of as many neurons as fit.

    Args:
        data: The labelled rows.
        memory: Bytes that gathered activations may take; at least one neuron is gathered.

    Raises:
        ValueError: ``memory`` is not positive; an activation is NaN or infinite.
    """
    if not memory > 0:
        raise ValueError(f"memory must be positive; found {memory}")
    rows, size = len(data.targets.rows), data.layout.size
    copies = 1 if ranks() == 1 else EXCHANGED_COPIES
    fitting = max(1, memory // (copies * rows * data.rows().like.element_size()))
    step = max(1, BLOCK_VALUES // rows)
    for start in range(0, size, fitting * ranks()):
        neurons = range(start, min(start + fitting * ranks(), size))
        mine, values = _gathered(data, neurons)
        for low in range(0, len(values), step):
            part = values[low : low + step]
            yield Column(slice(mine.start + low, mine.start + low + len(part)), part)


def _gathered(data: LabelledActivations, neurons: range) -> tuple[range, Floats]:
    """One's own part of some neurons, and their values over all labelled rows: (part, rows)."""
    everything = len(neurons) == data.layout.size
    source = data.rows(None if everything else torch.tensor(neurons))
    values = torch.empty(len(neurons), source.shape[0], dtype=source.like.dtype)
    with same_errors():
        for rows, block in read_ahead(source.blocks()):
            values[:, rows] = block.T
    if ranks() > 1:
        counts = gathered(source.shape[0])
        of_ranks = exchanged([values[part.start : part.stop] for part in parts(len(neurons))])
        width = len(own_part(len(neurons)))
        values = torch.cat(
            [part.view(width, count) for part, count in zip(of_ranks, counts, strict=True)], 1
        )
    mine = own_part(len(neurons))
    array: Floats = values.numpy()
    return neurons[mine.start : mine.stop], array


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
