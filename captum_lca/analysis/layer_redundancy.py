"""How redundant layers are: each alone against all, and all without it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm.auto import tqdm

from captum_lca.activations import Activations
from captum_lca.analysis.intervals import Estimate
from captum_lca.analysis.retraining import Retraining
from captum_lca.analysis.score_axis import score_name
from captum_lca.colours import ink
from captum_lca.layer_axis import label_layers
from captum_lca.notebook import NotebookTable
from captum_lca.probes.labels import Labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class LayerLoss:
    """What is lost by having one layer only, and by missing it."""

    layer: str
    """Name of the layer."""
    alone: float
    """Score of this layer alone less that of all, on held-out rows."""
    alone_low: float
    """Lower end of its 95 % interval: a bootstrap over held-out sentences, paired."""
    alone_high: float
    """Upper end of the same."""
    without: float
    """Score of all other layers together less that of all."""
    without_low: float
    """Lower end of its interval."""
    without_high: float
    """Upper end of the same."""


@dataclass(frozen=True)
class LayerRedundancy(NotebookTable):
    """What single layers add to all the others.

    Source: Dalvi, Sajjad, Durrani & Belinkov (EMNLP 2020), layer-level redundancy.
    """

    metric: str
    """``accuracy`` or ``r2``."""
    full: Estimate
    """The score with all layers."""
    layers: tuple[LayerLoss, ...]
    """One per layer, in the order of the model."""

    def redundant(self, delta: float = 0.01) -> list[str]:
        """Layers without which, one at a time, surely less than ``delta`` is lost."""
        return [layer.layer for layer in self.layers if layer.without_low > -delta]

    def sufficient(self, delta: float = 0.01) -> list[str]:
        """Layers that alone surely lose less than ``delta``."""
        return [layer.layer for layer in self.layers if layer.alone_low > -delta]

    def to_frame(self) -> pd.DataFrame:
        """One row per layer: the fields of :class:`LayerLoss`."""
        return pd.DataFrame([asdict(layer) for layer in self.layers])

    def plot(self, ax: Axes | None = None) -> Axes:
        """What each layer alone, and all without it, lose against all; 0 is the full score."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
        table = self.to_frame()
        for kind, colour, label in (
            ("alone", "#0072B2", "this layer alone"),
            ("without", "#D55E00", "all but this layer"),
        ):
            below, above = table[kind] - table[f"{kind}_low"], table[f"{kind}_high"] - table[kind]
            style: dict[str, Any] = {"marker": "o", "capsize": 3, "color": colour}
            ax.errorbar(range(len(table)), table[kind], [below, above], label=label, **style)
        ax.axhline(0, color=ink(), linewidth=1, linestyle=":")
        label_layers(ax, list(table["layer"]))
        ax.set_ylabel(f"{score_name(self.metric)} less that of all")
        ax.legend(frameon=False)
        return ax


def layer_redundancy(
    activations: Activations,
    labels: Labels,
    *,
    test: tuple[Activations, Labels],
    progress: bool = True,
    **options: Any,
) -> LayerRedundancy:
    """Compare each layer alone, and all layers but it, with all layers together.

    Args:
        activations: Rows × neurons to fit on; two layers or more.
        labels: One per row.
        test: Held-out activations and labels.
        progress: Show a bar of the layers done.
        **options: ``l1``, ``l2``, ``groups``, ``seed`` and ``device``, as in
            :class:`~captum_lca.analysis.retraining.Retraining`.

    Returns:
        Two differences per layer, with their intervals.

    Raises:
        ValueError: One layer only, or what the fit refuses.

    Examples::

        >>> from captum_lca.analysis import layer_redundancy
        >>> test = test_store, test_corpus.labels["number"]
        >>> found = layer_redundancy(store, corpus.labels["number"], test=test, progress=False)
        >>> set(found.sufficient()) <= set(store.layout.layers)
        True
    """
    retraining = Retraining(activations, labels, test, **options)
    layout = retraining.layout
    if len(layout.layers) < 2:
        raise ValueError("layers are compared with each other; these activations have only one")
    rows = []
    for name in tqdm(layout.layers, desc="layers", disable=not progress):
        span = layout.slice(name)
        alone = range(span.start, span.stop)
        others = [*range(span.start), *range(span.stop, layout.size)]
        found = [retraining.difference([retraining.fit(kept)]) for kept in (alone, others)]
        rows.append(LayerLoss(name, *(end for off in found for end in vars(off).values())))
    return LayerRedundancy(retraining.metric, retraining.score(retraining.full), tuple(rows))
