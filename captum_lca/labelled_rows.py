"""Collecting the activations of labelled positions from batches that ran through a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from captum_lca.activations import ActivationStore, ModelLayer
from captum_lca.neurons import NeuronLayout
from captum_lca.probes.labels import UNLABELLED


class LabelledRows:
    """Collects the activations of labelled positions, batch by batch."""

    def __init__(self, layers: Sequence[ModelLayer]) -> None:
        self.layers = layers
        self.labels: list[Any] = []
        self._rows: list[Tensor] = []
        self._widths: tuple[int, ...] = ()

    def add(self, tensors: Sequence[Tensor], labels: Tensor | Sequence[Any]) -> None:
        """Add one batch.

        Args:
            tensors: One per layer, each (batch, …, neurons of the layer).
            labels: One per position; see :meth:`ProbedLayers.fit`.
        """
        self._widths = tuple(tensor.shape[-1] for tensor in tensors)
        places = tensors[0].shape[:-1]
        for layer, tensor in zip(self.layers, tensors, strict=True):
            if tensor.shape[:-1] != places:
                raise ValueError(
                    f"layer {layer.name!r} has shape {tuple(tensor.shape)}; "
                    f"expected {(*places, 'neurons')} like {self.layers[0].name!r}"
                )
        positions, found = labelled_positions(labels, tuple(places))
        self.labels += found
        joined = torch.cat([t.flatten(0, -2)[positions.to(t.device)].cpu() for t in tensors], dim=1)
        self._rows.append(joined.float())

    def store(self) -> ActivationStore:
        """Everything added, as a store in memory.

        Raises:
            ValueError: Nothing was added.
        """
        if not self._rows:
            raise ValueError("nothing to fit on: there is no batch")
        layout = NeuronLayout(tuple(layer.name for layer in self.layers), self._widths)
        return ActivationStore.from_tensor(torch.cat(self._rows), layout)


def labelled_positions(
    labels: Tensor | Sequence[Any], shape: tuple[int, ...]
) -> tuple[Tensor, list[Any]]:
    """Which positions have a label, as flat indices, and their labels.

    Args:
        labels: A tensor of this shape, or nested sequences; the inner ones may be shorter.
        shape: (batch,) or (batch, sequence).

    Raises:
        ValueError: Labels of another shape.
    """
    if isinstance(labels, Tensor):
        if tuple(labels.shape) != shape:
            raise ValueError(f"labels have shape {tuple(labels.shape)}; the layers' output {shape}")
        flat = labels.flatten().cpu()
        is_set = ~flat.isnan() if flat.is_floating_point() else flat != UNLABELLED
        positions = is_set.nonzero().flatten()
        return positions, flat[positions].tolist()
    if len(labels) != shape[0]:
        raise ValueError(f"there are labels for {len(labels)} examples; expected {shape[0]}")
    if len(shape) == 1:
        placed = list(enumerate(labels))
    else:
        if odd := [
            n
            for n, row in enumerate(labels)
            if isinstance(row, str) or not isinstance(row, Sequence | Tensor)
        ]:
            raise ValueError(
                f"labels must be one sequence per example, of a label per position; "
                f"found {labels[odd[0]]!r} for example {odd[0]}"
            )
        if too_long := [n for n, row in enumerate(labels) if len(row) > shape[1]]:
            raise ValueError(
                f"example {too_long[0]} has {len(labels[too_long[0]])} labels for "
                f"{shape[1]} positions"
            )
        placed = [
            (n * shape[1] + place, label)
            for n, row in enumerate(labels)
            for place, label in enumerate(row)
        ]
    kept = [(place, label) for place, label in placed if label is not None and label != UNLABELLED]
    return torch.tensor([place for place, _ in kept], dtype=torch.long), [
        label for _, label in kept
    ]
