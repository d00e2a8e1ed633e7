"""The vocabulary that all modules share: which neurons there are, and an order over them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from captum_lca.json_text import parsed
from captum_lca.layer_axis import label_layers
from captum_lca.notebook import NotebookTable
from captum_lca.tensor_files import class_names, read_tensors, write_tensors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANKING_FORMAT = "captum_lca.ranking/1"


@dataclass(frozen=True)
class NeuronLayout:
    """The ordered layers with their widths: the map between global ids and (layer, index).

    Global ids count through the layers in order: the first neuron of the second layer comes right
    after the last neuron of the first.

    Raises:
        ValueError: No layer, a repeated name, a width below 1, or not one width per name.

    Examples::

        >>> layout = NeuronLayout(("embeddings", "encoder.layer.0"), (384, 384))
        >>> layout.locate(400)
        ('encoder.layer.0', 16)
        >>> layout.global_id("encoder.layer.0", 16)
        400
    """

    layers: tuple[str, ...]
    """Names of the layers, in the order of the model."""
    widths: tuple[int, ...]
    """Neurons of each layer."""

    def __post_init__(self) -> None:
        if len(self.layers) != len(self.widths) or not self.layers:
            raise ValueError(
                f"a layout needs one width per layer and at least one layer; "
                f"found {len(self.layers)} layers and {len(self.widths)} widths"
            )
        if repeated := [name for name, count in Counter(self.layers).items() if count > 1]:
            raise ValueError(f"layer names must differ; repeated: {sorted(repeated)}")
        if min(self.widths) < 1:
            raise ValueError(f"every layer needs at least one neuron; found widths {self.widths}")

    @classmethod
    def single(cls, width: int) -> NeuronLayout:
        """The layout of a matrix of which no layers are known: one layer, named ``layer``."""
        return cls(("layer",), (width,))

    @property
    def size(self) -> int:
        """Number of neurons over all layers."""
        return sum(self.widths)

    @property
    def starts(self) -> tuple[int, ...]:
        """Global id of each layer's first neuron."""
        return (0, *accumulate(self.widths))[:-1]

    def slice(self, layer: str) -> slice:
        """Global ids of one layer, as a slice.

        Raises:
            ValueError: No layer of that name.
        """
        if layer not in self.layers:
            raise ValueError(f"no layer named {layer!r}; this layout has {list(self.layers)}")
        number = self.layers.index(layer)
        return slice(self.starts[number], self.starts[number] + self.widths[number])

    def global_id(self, layer: str, index: int) -> int:
        """Global id of the neuron ``index`` of ``layer``.

        Raises:
            ValueError: No such layer, or no such neuron in it.
        """
        span = self.slice(layer)
        if not 0 <= index < span.stop - span.start:
            raise ValueError(
                f"layer {layer!r} has neurons 0 to {span.stop - span.start - 1}, not {index}"
            )
        return int(span.start) + index

    def locate(self, neuron: int) -> tuple[str, int]:
        """Layer name and index within it of a global id.

        Raises:
            ValueError: The id is not in this layout.
        """
        number = int(self.layer_numbers(torch.tensor([neuron])))
        return self.layers[number], neuron - self.starts[number]

    def layer_numbers(self, neurons: Tensor) -> Tensor:
        """Position in :attr:`layers` of each neuron's layer.

        Args:
            neurons: Global ids. Any shape, integer.

        Returns:
            Same shape, int64.

        Raises:
            ValueError: An id is not in this layout.
        """
        self.check(neurons)
        starts = torch.tensor(self.starts, device=neurons.device)
        return torch.searchsorted(starts, neurons.contiguous(), right=True) - 1

    def check(self, neurons: Tensor) -> None:
        """Raise ValueError unless every id is one of this layout's."""
        wrong = neurons[(neurons < 0) | (neurons >= self.size)]
        if wrong.numel():
            raise ValueError(
                f"neuron ids must be 0 to {self.size - 1}; found {wrong.flatten()[:5].tolist()}"
            )

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain lists; :meth:`from_json` reads it back."""
        return {"layers": list(self.layers), "widths": list(self.widths)}

    @classmethod
    def from_json(cls, layout: Any) -> NeuronLayout:
        """The layout that :meth:`to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        content = layout if isinstance(layout, dict) else {}
        names: Any = content.get("layers")
        widths: Any = content.get("widths")
        if not _is_list_of(str, names) or not _is_list_of(int, widths):
            raise ValueError("a layout needs a list of layers' names and one of their widths")
        return cls(tuple(names), tuple(widths))


@dataclass(frozen=True)
class NeuronRanking(NotebookTable):
    """An order over all neurons, most salient first, over all classes and for each one.

    Examples::

        >>> ranking = rankings.weight_mass(probe)
        >>> ranking.top(20).shape                           # global ids
        torch.Size([20])
        >>> ranking.for_class("NOUN").bottom(5).shape
        torch.Size([5])
        >>> int(ranking.layer_counts(100).sum())
        100
        >>> list(ranking.to_frame().columns[:5])
        ['rank', 'neuron', 'layer', 'index', 'salience']
    """

    order: Tensor
    """Global ids, most salient first. Shape (neurons,), int64."""
    salience: Tensor
    """Score of each neuron, in id order; larger is more salient. Shape (neurons,), float."""
    layout: NeuronLayout
    """Where the neurons sit."""
    method: str
    """The ranking method, by the name of its function in :mod:`captum_lca.rankings`."""
    classes: tuple[str, ...] = ()
    """The classes that have an order of their own; empty if there are none."""
    class_order: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.long))
    """The same as ``order``, per class. Shape (classes, neurons), int64."""
    class_salience: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    """The same as ``salience``, per class. Shape (classes, neurons), float."""

    def __post_init__(self) -> None:
        neurons = (self.layout.size,)
        per_class = (len(self.classes), self.layout.size) if self.classes else (0, 0)
        found = [self.order.shape, self.salience.shape]
        found += [self.class_order.shape, self.class_salience.shape]
        if [tuple(shape) for shape in found] != [neurons, neurons, per_class, per_class]:
            raise ValueError(
                f"a ranking of {self.layout.size} neurons and {len(self.classes)} classes needs "
                f"shapes {neurons} and {per_class}; found {[tuple(shape) for shape in found]}"
            )
        if self.order.dtype != torch.long or self.class_order.dtype != torch.long:
            raise ValueError("a ranking's order must be of 64-bit integers")
        for orders in (self.order[None], self.class_order):
            self.layout.check(orders)
            seen = torch.zeros(orders.shape, dtype=torch.bool).scatter_(1, orders, True)
            if not seen.all():
                raise ValueError("a ranking's order must hold every neuron exactly once")

    def __len__(self) -> int:
        return self.layout.size

    def for_class(self, name: str) -> NeuronRanking:
        """The ranking of one class alone.

        Raises:
            ValueError: The ranking has no such class.
        """
        if name not in self.classes:
            raise ValueError(f"no class {name!r} in this ranking; it has {list(self.classes)}")
        row = self.classes.index(name)
        return NeuronRanking(
            self.class_order[row], self.class_salience[row], self.layout, self.method
        )

    def top(self, count: int) -> Tensor:
        """The ``count`` most salient neurons, most salient first. Global ids, shape (count,)."""
        return self.order[: self._checked(count)]

    def bottom(self, count: int) -> Tensor:
        """The ``count`` least salient neurons, least salient first. Global ids, shape (count,)."""
        return self.order.flip(0)[: self._checked(count)]

    def random(self, count: int, seed: int) -> Tensor:
        """``count`` different neurons drawn evenly. Global ids, shape (count,)."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randperm(len(self), generator=generator)[: self._checked(count)]

    def _checked(self, count: int) -> int:
        if not 0 <= count <= len(self):
            raise ValueError(f"can't take {count} neurons of {len(self)}")
        return count

    def layer_counts(self, count: int) -> pd.Series[int]:
        """How many of the ``count`` most salient neurons sit in each layer; indexed by layer."""
        numbers = self.layout.layer_numbers(self.top(count))
        counts = torch.bincount(numbers, minlength=len(self.layout.layers))
        return pd.Series(counts.tolist(), index=list(self.layout.layers), name="neurons")

    def to_frame(self) -> pd.DataFrame:
        """One row per neuron, most salient first.

        Returns:
            Columns ``rank`` (from 1), ``neuron`` (global id), ``layer``, ``index``, ``salience``,
            then one column of salience per class, named ``salience:CLASS``.
        """
        layer_numbers = self.layout.layer_numbers(self.order)
        starts = torch.tensor(self.layout.starts)
        columns: dict[str, Any] = {
            "rank": range(1, len(self) + 1),
            "neuron": self.order.tolist(),
            "layer": [self.layout.layers[number] for number in layer_numbers.tolist()],
            "index": (self.order - starts[layer_numbers]).tolist(),
            "salience": self.salience[self.order].tolist(),
        }
        for name, salience in zip(self.classes, self.class_salience, strict=True):
            columns[f"salience:{name}"] = salience[self.order].tolist()
        return pd.DataFrame(columns)

    def plot(self, count: int | None = None, ax: Axes | None = None) -> Axes:
        """Bars of how many of the top ``count`` neurons (default: 5 %) sit in each layer.

        The line marks what an equal spread over all neurons would give.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        count = max(1, round(0.05 * len(self))) if count is None else count
        if ax is None:
            _, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
        counts = self.layer_counts(count)
        places = range(len(counts))
        ax.bar(places, counts.tolist(), color="#0072B2")
        expected = [count * width / len(self) for width in self.layout.widths]
        ax.step(
            [-0.5, *(place + 0.5 for place in places)],
            [expected[0], *expected],
            color="#D55E00",
            label="equal spread",
        )
        label_layers(ax, list(counts.index))
        ax.set_ylabel(f"of the top {count} neurons")
        ax.legend(frameon=False)
        return ax

    def save(self, path: str | Path) -> None:
        """Write the ranking as one safetensors file."""
        metadata = {
            "format": RANKING_FORMAT,
            "method": self.method,
            "layout": json.dumps(self.layout.to_json()),
            "classes": json.dumps(self.classes),
        }
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        write_tensors(Path(path), tensors, metadata)

    @classmethod
    def load(cls, path: str | Path) -> NeuronRanking:
        """Read a ranking that :meth:`save` wrote.

        Raises:
            ValueError: The file is not such a ranking.
        """
        metadata, tensors = read_tensors(path, "ranking", RANKING_FORMAT, _TENSORS)
        where = f"{path}: damaged ranking"
        classes = class_names(metadata, where)
        layout = parsed(metadata.get("layout", ""), f"{where}: layout")
        try:
            return cls(
                layout=NeuronLayout.from_json(layout),
                method=metadata.get("method", ""),
                classes=classes,
                **tensors,
            )
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error


def _is_list_of(kind: type, values: Any) -> bool:
    """Whether these are a list of values of just this type (a bool is no int)."""
    return isinstance(values, list) and all(type(value) is kind for value in values)


_TENSORS = ("order", "salience", "class_order", "class_salience")


def as_neuron_ids(neurons: Iterable[int] | Tensor, layout: NeuronLayout) -> Tensor:
    """Global ids as a checked int64 tensor. Shape (count,).

    Raises:
        ValueError: An id is outside the layout, or given twice.
    """
    ids = torch.as_tensor(
        neurons if isinstance(neurons, Tensor | Sequence) else list(neurons), dtype=torch.long
    ).flatten()
    layout.check(ids)
    counts = torch.bincount(ids, minlength=1)
    if repeated := (counts > 1).nonzero().flatten().tolist():
        raise ValueError(f"neuron ids must differ; given twice: {repeated[:5]}")
    return ids
