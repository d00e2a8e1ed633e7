"""The rows that a probe is fitted on, in blocks: held in memory, or read again in every pass."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from captum_lca.activations import ActivationStore
from captum_lca.distributed import own_part, same_errors
from captum_lca.neurons import NeuronLayout
from captum_lca.probes.labels import Labels, as_list
from captum_lca.probes.standardisation import NeuronMoments, Standardisation

BLOCK = 1024
"""Most rows per block."""
BLOCK_VALUES = BLOCK * 2688
"""Most activations per block: as many stay in the processor's cache."""
GROUP = 4 * BLOCK
"""Most rows per group. Sums over rows are taken group by group and then, in float64, over groups;
ranks have whole groups: so any number of ranks rounds them alike."""
FEWEST_GROUPS = 16
"""Groups that there are at least, so that as many ranks have work."""

T = TypeVar("T")


def aligned_labels(store: ActivationStore, labels: Labels) -> list[Any]:
    """The labels of a store's rows, of labels in any form.

    Raises:
        ValueError: They are as many neither as the rows nor as the words of the store.
    """
    return store.align(as_list(labels))


def block_rows(neurons: int) -> int:
    """How many rows to work on at a time."""
    return min(BLOCK, max(1, BLOCK_VALUES // neurons))


def group_rows(labelled: int) -> int:
    """How many rows there are in a group, of so many labelled ones on all ranks."""
    return max(1, min(GROUP, -(-labelled // FEWEST_GROUPS)))


class StandardisedRows(Protocol):
    """The labelled rows of some activations, standardised. The solver sees data only through this.

    It goes over all of them in order, again and again; nothing asks for a row out of turn. Of ranks
    that work together each has its own rows; together they are all, in the order of the ranks.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and neurons."""

    @property
    def like(self) -> Tensor:
        """An empty tensor with the precision and device of the rows."""

    @property
    def group(self) -> int:
        """How many rows there are in a group; no block is of two groups."""

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """All rows in order: which ones, and their activations. Shape (some, neurons)."""


class HeldRows:
    """Standardised rows in memory.

    Args:
        matrix: Standardised activations. Shape (rows, neurons), float32 or float64.
        group: How many rows there are in a group.
    """

    def __init__(self, matrix: Tensor, group: int = GROUP) -> None:
        self.matrix, self.group = matrix, group

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and neurons."""
        return self.matrix.shape[0], self.matrix.shape[1]

    @property
    def like(self) -> Tensor:
        """An empty tensor with the precision and device of the rows."""
        return self.matrix.new_empty(0)

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """All rows in order: which ones, and their activations. Shape (some, neurons)."""
        size = block_rows(self.shape[1])
        for first in range(0, len(self.matrix), self.group):
            end = min(first + self.group, len(self.matrix))
            for start in range(first, end, size):
                rows = slice(start, min(start + size, end))
                yield rows, self.matrix[rows]


class LabelledRows:
    """The labelled rows of a store as they are, in the precision that is computed in.

    Args:
        store: The activations.
        labelled: Numbers of the labelled rows, ascending; of several ranks each reads its own.
            Shape (labelled,).
        neurons: Global ids of the neurons to read. Default: all.
        device: Where to put them. Default: where the store has them.
        chosen: Which of the labelled rows to read, ascending. Default: all.
    """

    def __init__(
        self,
        store: ActivationStore,
        labelled: Tensor,
        neurons: Tensor | None = None,
        device: torch.device | None = None,
        chosen: Tensor | None = None,
    ) -> None:
        self.store, self.neurons = store, neurons
        self.group = group_rows(len(labelled))
        groups = own_part(-(-len(labelled) // self.group))
        ends = torch.tensor([groups.start, groups.stop]) * self.group
        if chosen is not None:
            ends, labelled = torch.searchsorted(chosen, ends), labelled[chosen]
        self.own = slice(*ends.clamp(max=len(labelled)).tolist())
        """Which of the rows to read are this rank's."""
        self.labelled = labelled[self.own]
        first = store.read(0, 1)
        dtype = torch.promote_types(first.dtype, torch.float32)
        self.like = torch.empty(0, dtype=dtype, device=device or first.device)
        width = store.layout.size if neurons is None else len(neurons)
        self.shape = (len(self.labelled), width)

    @property
    def nbytes(self) -> int:
        """What all of them would take in memory."""
        return self.shape[0] * self.shape[1] * self.like.element_size()

    def blocks(self, into: Tensor | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Own labelled rows in order, in blocks that the caller may change.

        Args:
            into: Where to write them all, and yield blocks of. Shape (rows, neurons). Default: two
                small buffers in turn, so that a block lasts until the next but one is asked for.

        Raises:
            ValueError: An activation is NaN or infinite; says in which layer and neuron.
        """
        size = block_rows(self.store.layout.size)
        buffers = cycle([self._empty(size), self._empty(size)] if into is None else [into])
        for rows, buffer in zip(self._reads(size), buffers, strict=False):
            labelled = self.labelled[rows]
            start = int(labelled[0])
            part = buffer[: len(labelled)] if into is None else buffer[rows]
            self._copy(self.store.read(start, int(labelled[-1]) + 1), start, labelled, part)
            yield rows, part

    def _reads(self, size: int) -> Iterator[slice]:
        """Which labelled rows are read at a time: of one group, and within ``size`` rows."""
        done = 0
        while done < len(self.labelled):
            end = min(done - done % self.group + self.group, len(self.labelled))
            beyond = self.labelled[done] + size
            stop = min(int(torch.searchsorted(self.labelled, beyond)), end)
            yield slice(done, stop)
            done = stop

    def _empty(self, rows: int) -> Tensor:
        return self.like.new_empty(rows, self.shape[1])

    def _copy(self, block: Tensor, start: int, labelled: Tensor, part: Tensor) -> None:
        """Write the labelled rows of a block that begins at row ``start`` to ``part``."""
        if len(labelled) < len(block):
            block = block[labelled - start]
        if self.neurons is not None:
            block = block[:, self.neurons]
        part.copy_(block, non_blocking=True)
        _check_finite(part, self.store.layout, self.neurons, labelled)


class StreamedRows:
    """Standardised rows that are read again in every pass.

    Args:
        source: The rows as they are.
        standardisation: What to do to them.
    """

    def __init__(self, source: LabelledRows, standardisation: Standardisation) -> None:
        self.source, self.standardisation = source, standardisation

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and neurons."""
        return self.source.shape

    @property
    def like(self) -> Tensor:
        """An empty tensor with the precision and device of the rows."""
        return self.source.like

    @property
    def group(self) -> int:
        """How many rows there are in a group."""
        return self.source.group

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """All rows in order: which ones, and their activations. Shape (some, neurons)."""
        return read_ahead(
            (rows, self.standardisation.apply_(block)) for rows, block in self.source.blocks()
        )


def read_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each fetched by a background thread while the one before is in use."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        upcoming = reader.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = reader.submit(next, items, None)
            yield item


def standardised_rows(
    source: LabelledRows, memory: int
) -> tuple[StandardisedRows, Standardisation]:
    """Standardise rows, by the mean and scale over all ranks, and keep one's own if there is room.

    Args:
        source: The rows as they are.
        memory: Bytes that the standardised rows may take; if they would take more, they are read
            again from the source whenever they are needed.

    Returns:
        The rows, and the mean and scale of their neurons.

    Raises:
        ValueError: An activation is NaN or infinite; says in which layer and neuron.
    """
    kept = source.like.new_empty(source.shape) if source.nbytes <= memory else None
    moments = NeuronMoments(source.shape[1], source.like.device)
    with same_errors():
        for _, block in read_ahead(source.blocks(into=kept)):
            moments.update(block)
    moments.merge_ranks()
    standardisation = moments.finish()
    if kept is None:
        return StreamedRows(source, standardisation), standardisation
    for part in kept.split(block_rows(source.shape[1])):
        standardisation.apply_(part)
    return HeldRows(kept, source.group), standardisation


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
