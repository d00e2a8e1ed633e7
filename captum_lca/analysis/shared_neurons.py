"""Neurons shared by several classes or properties, and neurons exclusive to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor

from captum_lca.analysis.overlap import check_same_neurons, top_salient
from captum_lca.neurons import NeuronLayout, NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class SharedNeurons(NotebookTable):
    """Which neurons are among the top of several rankings."""

    names: tuple[str, ...]
    """Of the classes or properties."""
    count: int
    """How many top neurons of each were taken; fewer where fewer have salience."""
    member: Tensor
    """Whether each neuron is among the top of each. Shape (names, neurons), bool."""
    layout: NeuronLayout
    """Where the neurons sit."""

    @property
    def shared(self) -> Tensor:
        """Neurons among the top of two or more, those of the most first. Global ids."""
        times = self.member.sum(0)
        order = times.argsort(descending=True, stable=True)
        return order[times[order] > 1]

    def exclusive(self, name: str) -> Tensor:
        """Neurons among the top of one alone. Global ids, ascending.

        Raises:
            ValueError: No such class or property.
        """
        if name not in self.names:
            raise ValueError(f"no {name!r} here; there are {list(self.names)}")
        alone = self.member.sum(0) == 1
        return (self.member[self.names.index(name)] & alone).nonzero().flatten()

    def to_frame(self) -> pd.DataFrame:
        """One row per neuron at the top of any: ``neuron``, ``layer``, ``index``, ``times``,
        ``names`` (of what it is at the top of, joined by spaces); most shared first.
        """  # noqa: D205
        times = self.member.sum(0)
        order = times.argsort(descending=True, stable=True)
        ids = order[times[order] > 0].tolist()
        places = [self.layout.locate(neuron) for neuron in ids]
        held = [self.member[:, neuron].nonzero().flatten().tolist() for neuron in ids]
        return pd.DataFrame(
            {
                "neuron": ids,
                "layer": [layer for layer, _ in places],
                "index": [index for _, index in places],
                "times": [len(numbers) for numbers in held],
                "names": [" ".join(self.names[number] for number in numbers) for numbers in held],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Bars of the top neurons of each, parted into exclusive and shared ones."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            width = max(4.5, 2 + 0.45 * len(self.names))
            _, ax = plt.subplots(figsize=(width, 3.5), layout="constrained")
        alone = [len(self.exclusive(name)) for name in self.names]
        taken = self.member.sum(1).tolist()
        shared = [all_ - own for all_, own in zip(taken, alone, strict=True)]
        places = range(len(self.names))
        ax.bar(places, alone, color="#0072B2", label="exclusive")
        ax.bar(places, shared, bottom=alone, color="#E69F00", label="shared")
        ax.set_xticks(
            list(places),
            [literal(name) for name in self.names],
            rotation=90 if len(self.names) > 6 else 0,
        )
        ax.set_ylabel(f"of the top {self.count} neurons")
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        return ax


def shared_neurons(
    rankings: NeuronRanking | Mapping[str, NeuronRanking], *, count: int
) -> SharedNeurons:
    """Find the neurons that several classes, or several properties, have at the top.

    Args:
        rankings: One ranking, whose classes are compared; or several of the same neurons, by name.
        count: How many top neurons of each. Neurons without salience are never taken: their order
            means nothing.

    Returns:
        The neurons, with the classes or rankings that have each of them at the top.

    Raises:
        ValueError: Fewer than two classes or rankings, rankings of other neurons, or a count that
            they don't have.

    Examples::

        >>> found = shared_neurons(ranking, count=20)
        >>> bool(set(found.exclusive("NOUN").tolist()) & set(found.shared.tolist()))
        False
    """
    if isinstance(rankings, NeuronRanking):
        rankings = {name: rankings.for_class(name) for name in rankings.classes}
    if len(rankings) < 2:
        raise ValueError(f"needs at least two classes or rankings; found {list(rankings)}")
    check_same_neurons(dict(rankings))
    layout = next(iter(rankings.values())).layout
    if not 1 <= count <= layout.size:
        raise ValueError(f"can take the top 1 to {layout.size} neurons; found {count}")
    member = torch.zeros(len(rankings), layout.size, dtype=torch.bool)
    for row, ranking in enumerate(rankings.values()):
        member[row, top_salient(ranking, count)] = True
    return SharedNeurons(tuple(rankings), count, member, layout)
