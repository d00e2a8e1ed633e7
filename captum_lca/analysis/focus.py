"""How focused or distributed a property is: how its weight is shared among neurons and layers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch
from scipy.stats import entropy
from torch import Tensor

from captum_lca.colours import ink
from captum_lca.neurons import NeuronLayout
from captum_lca.notebook import NotebookTable
from captum_lca.probes import LinearProbe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALL = "all"
"""What stands in place of a class's name for all classes together."""


@dataclass(frozen=True)
class ClassFocus:
    """How the weight mass Σ|w| of a class, or of all, is shared out."""

    name: str
    """The class, or ``all``: the mean of the classes' shares, each class counting the same."""
    neurons: int
    """Neurons with a weight."""
    half: int
    """Heaviest neurons that together hold half of the mass."""
    effective: float
    """Effective number of neurons: exp of the entropy of their shares; N neurons of equal weight
    have N, and fewer if some weigh more."""
    layer_entropy: float
    """Entropy of the layers' shares over that of an equal share for each: 0 if one layer holds
    all, 1 if all hold the same. NaN for a single layer."""


@dataclass(frozen=True)
class Focus(NotebookTable):
    """How a probe's weight is shared among neurons and layers, per class and over all."""

    layout: NeuronLayout
    """Where the neurons sit."""
    classes: tuple[ClassFocus, ...]
    """``all`` first, then each class."""
    shares: Tensor
    """Share of the mass of every neuron. Rows in the order of ``classes``; a class without weights
    has zeros. Shape (classes, neurons), float64."""

    def mass(self, count: int) -> dict[str, float]:
        """Share of the mass that the ``count`` heaviest neurons hold, by class.

        Raises:
            ValueError: A count that is not 0 to all neurons.
        """
        if not 0 <= count <= self.layout.size:
            raise ValueError(f"count must be 0 to {self.layout.size}; found {count}")
        held = self._cumulated()[:, :count][:, -1:].sum(1).tolist()
        return {focus.name: share for focus, share in zip(self.classes, held, strict=True)}

    def to_frame(self) -> pd.DataFrame:
        """One row per class: the fields of :class:`ClassFocus`."""
        return pd.DataFrame([asdict(focus) for focus in self.classes])

    def curve(self) -> pd.DataFrame:
        """Share of the mass by number of neurons, heaviest first: a column per class."""
        names = [focus.name for focus in self.classes]
        index = pd.RangeIndex(1, self.layout.size + 1, name="neurons")
        return pd.DataFrame(self._cumulated().T.numpy(), index=index, columns=names)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Share of the mass over the number of neurons: one line per class, and that of all."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(6, 4), layout="constrained")
        curve = self.curve()
        for number, name in enumerate(curve.columns[1:]):
            label = "single classes" if number == 0 else None
            ax.plot(curve.index, curve[name], color="#56B4E9", linewidth=0.8, label=label)
        ax.plot(curve.index, curve[ALL], color="#0072B2", linewidth=2, label="all classes")
        ax.axhline(0.5, color=ink(), linewidth=1, linestyle=":")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.set_ylim(0, 1.02)
        ax.set_xlabel("heaviest neurons")
        ax.set_ylabel("share of the weight mass")
        ax.legend(frameon=False)
        return ax

    def _cumulated(self) -> Tensor:
        return self.shares.sort(dim=1, descending=True).values.cumsum(1).clamp_max(1)


def focus(probe: LinearProbe) -> Focus:
    """Measure how a probe's weight is shared among neurons and layers.

    The numbers are those of the probe: the stronger its l1, the fewer neurons it uses. Compare
    only probes of one penalty.

    Args:
        probe: Its weights are in units of standardised activations, and so comparable.

    Returns:
        Numbers of neurons, entropies and curves, per class and over all classes.

    Examples::

        >>> from captum_lca.analysis import focus
        >>> found = focus(probe)
        >>> [one.name for one in found.classes][:3]
        ['all', 'ADJ', 'ADP']
        >>> found.mass(20)["all"] < found.mass(200)["all"]
        True
    """
    mass = probe.weight.detach().cpu().double().abs()
    total = mass.sum(1, keepdim=True)
    shares = mass / total.where(total > 0, 1)
    used = shares[total.flatten() > 0]
    overall = used.mean(0) if len(used) else shares.new_zeros(probe.layout.size)
    rows = torch.stack([overall, *(shares if probe.classes else [])])
    names = (ALL, *probe.classes)
    measured = (_measured(*pair, probe.layout) for pair in zip(names, rows, strict=True))
    return Focus(probe.layout, tuple(measured), rows)


def _measured(name: str, share: Tensor, layout: NeuronLayout) -> ClassFocus:
    """The focus of one class from its neurons' shares of the mass."""
    if not bool(share.any()):
        return ClassFocus(name, 0, 0, 0.0, float("nan"))
    held = share.sort(descending=True).values.cumsum(0)
    numbers = layout.layer_numbers(torch.arange(layout.size))
    layers = torch.bincount(numbers, weights=share, minlength=len(layout.layers))
    several = len(layers) > 1
    return ClassFocus(
        name=name,
        neurons=int(share.count_nonzero()),
        half=int((held < 0.5 - 1e-9).sum()) + 1,
        effective=float(torch.tensor(entropy(share.numpy())).exp()),
        layer_entropy=float(entropy(layers.numpy(), base=len(layers))) if several else float("nan"),
    )
