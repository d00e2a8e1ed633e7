"""Where activations come from, and the standardised rows that the solver works on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captum_lca.neurons import NeuronLayout
from captum_lca.probes.labels import Labels, as_list
from captum_lca.probes.standardisation import NeuronMoments, Standardisation

BLOCK = 1024
"""Rows per block: a block of a few thousand neurons then stays in the processor's cache."""

AnyLabels = TypeVar("AnyLabels")


@runtime_checkable
class ActivationSource(Protocol):
    """Rows of activations that can be read in blocks, such as an ActivationStore."""

    @property
    def layout(self) -> NeuronLayout:
        """Where the neurons sit."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    def read(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop``. Shape (stop − start, neurons)."""

    def align(self, labels: Any) -> Any:
        """The labels of these rows, of labels for all words."""


Activations = Tensor | NDArray[Any] | ActivationSource


class MatrixSource:
    """A words × neurons matrix in memory, read like a store.

    Args:
        matrix: Shape (rows, neurons), floating point.
        layout: Where the neurons sit. Default: one layer named ``layer``.

    Raises:
        ValueError: The matrix has other than two dimensions, is not floating point, is empty, or
            does not have as many neurons as the layout.
    """

    def __init__(self, matrix: Tensor | NDArray[Any], layout: NeuronLayout | None = None) -> None:
        if matrix.ndim != 2:
            raise ValueError(
                f"activations must be words × neurons; found shape {tuple(matrix.shape)}"
            )
        if 0 in matrix.shape:
            raise ValueError(f"activations are empty: shape {tuple(matrix.shape)}")
        self.matrix = matrix
        if not self.read(0, 1).is_floating_point():
            raise ValueError(f"activations must be floating point; found {matrix.dtype}")
        self.layout = layout or NeuronLayout.single(matrix.shape[1])
        if self.layout.size != matrix.shape[1]:
            raise ValueError(
                f"activations have {matrix.shape[1]} neurons, but the layout has {self.layout.size}"
            )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.matrix)

    def read(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop``. Shape (stop − start, neurons)."""
        block = self.matrix[start:stop]
        return block.detach() if isinstance(block, Tensor) else torch.tensor(block)

    def align(self, labels: AnyLabels) -> AnyLabels:
        """The labels unchanged: a matrix has a row for every one."""
        return labels


def as_source(activations: Activations, layout: NeuronLayout | None = None) -> ActivationSource:
    """Anything that holds activations, as something to read blocks from.

    Raises:
        ValueError: A matrix that :class:`MatrixSource` refuses, or something else altogether.
    """
    if isinstance(activations, Tensor | np.ndarray):
        return MatrixSource(activations, layout)
    if not isinstance(activations, ActivationSource):
        raise ValueError(
            f"activations must be a tensor, an array or a store; found {type(activations).__name__}"
        )
    if layout is not None and layout != activations.layout:
        raise ValueError("a layout was given that is not the store's own")
    return activations


def aligned_labels(source: ActivationSource, labels: Labels) -> Labels:
    """The labels of a source's rows.

    Raises:
        ValueError: They are not as many as the rows.
    """
    aligned: Labels = as_list(source.align(labels))
    if len(aligned) != source.rows:
        raise ValueError(
            f"labels and activations are misaligned: {len(aligned)} labels, {source.rows} rows"
        )
    return aligned


def blocks_of(source: ActivationSource, size: int = BLOCK) -> Iterator[tuple[int, Tensor]]:
    """All rows of a source in order: the number of each block's first row, and the block."""
    for start in range(0, source.rows, size):
        yield start, source.read(start, min(start + size, source.rows))


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
    source: ActivationSource,
    labelled: Tensor,
    neurons: Tensor | None = None,
    device: torch.device | None = None,
) -> tuple[StandardisedRows, Standardisation]:
    """Read the labelled rows once, and standardise them.

    Args:
        source: Where the activations come from.
        labelled: Numbers of the rows to read, ascending. Shape (labelled,).
        neurons: Global ids of the neurons to read. Default: all.
        device: Where to put them. Default: where the source has them.

    Returns:
        The rows in float32 (float64 if the source is), and the mean and scale of the neurons read.

    Raises:
        ValueError: An activation is NaN or infinite; says in which layer and neuron.
    """
    first = source.read(0, 1)
    dtype = torch.promote_types(first.dtype, torch.float32)
    device = device or first.device
    width = source.layout.size if neurons is None else len(neurons)
    matrix = torch.empty(len(labelled), width, dtype=dtype, device=device)
    moments = NeuronMoments(width, device)
    done = 0
    for start, block in blocks_of(source):
        stop = int(torch.searchsorted(labelled, start + len(block)))
        block = block if stop - done == len(block) else block[labelled[done:stop] - start]  # noqa: PLW2901
        part = matrix[done:stop]
        part.copy_(block if neurons is None else block[:, neurons])
        _check_finite(part, source.layout, neurons, labelled[done:stop])
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
