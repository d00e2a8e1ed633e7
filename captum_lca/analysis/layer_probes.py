"""What each layer knows of a property: a probe per layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm.auto import tqdm

from captum_lca.activations import Activations
from captum_lca.analysis.intervals import Estimate
from captum_lca.analysis.retraining import Retrained, Retraining
from captum_lca.analysis.score_axis import score_name
from captum_lca.colours import ink
from captum_lca.layer_axis import label_layers
from captum_lca.notebook import NotebookTable
from captum_lca.probes.labels import Labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class LayerProbe:
    """The probe of one layer."""

    layer: str
    """Name of the layer."""
    neurons: int
    """Its width."""
    score: float
    """Held-out accuracy, or R² of a regression."""
    low: float
    """Lower end of its 95 % interval over held-out sentences."""
    high: float
    """Upper end of the same."""
    cumulative: float
    """Score of a probe on this layer and all before it; NaN if that wasn't asked for."""
    cumulative_low: float
    """Lower end of its interval."""
    cumulative_high: float
    """Upper end of the same."""


@dataclass(frozen=True)
class LayerProbes(NotebookTable):
    """Probes of single layers, beside the probe of all."""

    metric: str
    """``accuracy`` or ``r2``."""
    full: Estimate
    """The score with all layers."""
    layers: tuple[LayerProbe, ...]
    """One per layer, in the order of the model."""

    def to_frame(self) -> pd.DataFrame:
        """One row per layer: the fields of :class:`LayerProbe`."""
        return pd.DataFrame([asdict(layer) for layer in self.layers])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Score by layer, with intervals; the dotted line is the score with all layers."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
        table = self.to_frame()
        style: dict[str, Any] = {"marker": "o", "capsize": 3}
        ends = [table["score"] - table["low"], table["high"] - table["score"]]
        places = range(len(table))
        ax.errorbar(places, table["score"], ends, color="#0072B2", label="this layer", **style)
        if table["cumulative"].notna().any():
            below = table["cumulative"] - table["cumulative_low"]
            above = table["cumulative_high"] - table["cumulative"]
            label = "this and all before"
            ends = [below, above]
            ax.errorbar(places, table["cumulative"], ends, color="#D55E00", label=label, **style)
        ax.axhline(self.full.value, color=ink(), linewidth=1, linestyle=":", label="all layers")
        label_layers(ax, list(table["layer"]))
        ax.set_ylabel(score_name(self.metric))
        ax.legend(frameon=False)
        return ax


def layer_probes(
    activations: Activations,
    labels: Labels,
    *,
    test: tuple[Activations, Labels],
    cumulative: bool = False,
    progress: bool = True,
    **options: Any,
) -> LayerProbes:
    """Fit a probe on every layer alone, and score it on held-out rows.

    A layer where a property can be read is not where its salient neurons must sit: layers hand
    on what they got, so most properties can be read nearly everywhere.

    Args:
        activations: Rows × neurons to fit on.
        labels: One per row.
        test: Held-out activations and labels.
        cumulative: Also fit probes on the first layers together, up to each.
        progress: Show a bar of the layers done.
        **options: ``l1``, ``l2``, ``groups``, ``seed`` and ``device``, as in
            :class:`~captum_lca.analysis.retraining.Retraining`.

    Returns:
        A score with its interval per layer.

    Raises:
        ValueError: What the fit refuses.

    Examples::

        >>> from captum_lca.analysis import layer_probes
        >>> test = test_store, test_corpus.labels["number"]
        >>> probes = layer_probes(store, corpus.labels["number"], test=test, progress=False)
        >>> len(probes.layers) == len(store.layout.layers)
        True
    """
    retraining = Retraining(activations, labels, test, **options)
    layout = retraining.layout
    upto: Retrained | None = None
    rows = []
    for name in tqdm(layout.layers, desc="layers", disable=not progress):
        span = layout.slice(name)
        alone = retraining.score(retraining.fit(range(span.start, span.stop)))
        together = Estimate(float("nan"), float("nan"), float("nan"))
        if cumulative:
            upto = retraining.fit(range(span.stop), upto)
            together = retraining.score(upto)
        ends = (estimate for found in (alone, together) for estimate in vars(found).values())
        rows.append(LayerProbe(name, span.stop - span.start, *ends))
    return LayerProbes(retraining.metric, retraining.score(retraining.full), tuple(rows))
