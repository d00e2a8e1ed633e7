"""How many times over a property is there: minimal sets, each taken away before the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from captum_lca.activations import Activations
from captum_lca.analysis.growth import RESOLUTION, Growth
from captum_lca.analysis.intervals import Estimate
from captum_lca.analysis.retraining import Retraining
from captum_lca.analysis.score_axis import score_name
from captum_lca.neurons import NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.probes import LinearProbe
from captum_lca.probes.labels import Labels
from captum_lca.rankings import weight_mass

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class DisjointSet:
    """One of several sets of neurons, each enough for the property, that share none."""

    neurons: Tensor
    """Global ids, most salient first. Shape (N,)."""
    score: Estimate
    """Held-out accuracy (R² of a regression) of a probe re-trained on them."""
    available: int
    """Neurons that were left when it was looked for."""
    available_score: Estimate
    """The score of a probe of all of these."""


@dataclass(frozen=True)
class DisjointSets(NotebookTable):
    """Minimal sets that share no neuron."""

    metric: str
    """``accuracy`` or ``r2``."""
    full: Estimate
    """The score with all neurons."""
    delta: float
    """The loss that was allowed, always against the full score."""
    sets: tuple[DisjointSet, ...]
    """In the order in which they were found."""
    left: int
    """Neurons in none of them."""
    left_score: Estimate | None
    """The score of a probe of these, which is too little for another set; None if the search
    stopped for another reason: enough sets found, or no neuron left."""

    def to_frame(self) -> pd.DataFrame:
        """One row per set: how many neurons, their score, and what was available."""
        return pd.DataFrame(
            {
                "set": range(1, len(self.sets) + 1),
                "neurons": [len(found.neurons) for found in self.sets],
                "score": [found.score.value for found in self.sets],
                "low": [found.score.low for found in self.sets],
                "high": [found.score.high for found in self.sets],
                "available": [found.available for found in self.sets],
                "available_score": [found.available_score.value for found in self.sets],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Bars of the sets' sizes, and the neurons that are left when none can be found."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
        counts = [len(found.neurons) for found in self.sets]
        bars = ax.bar(range(1, len(counts) + 1), counts, color="#0072B2", label="enough alone")
        scores = [found.score.value for found in self.sets]
        ax.bar_label(bars, [f"{score:.3f}" for score in scores], fontsize="small")
        if self.left:
            label = "not enough" if self.left_score else "not searched"
            bars = ax.bar(len(counts) + 1, self.left, color="#BBBBBB", label=label)
            text = f"{self.left_score.value:.3f}" if self.left_score else ""
            ax.bar_label(bars, [text], fontsize="small")
        places = list(range(1, len(counts) + 1))
        names = [str(place) for place in places]
        if self.left:
            places, names = [*places, len(counts) + 1], [*names, "left"]
        ax.set_xticks(places, names)
        ax.margins(y=0.12)
        ax.set_xlabel(f"disjoint sets (above: {score_name(self.metric)})")
        ax.set_ylabel("neurons")
        ax.legend(frameon=False)
        return ax


def disjoint_sets(
    activations: Activations,
    labels: Labels,
    *,
    test: tuple[Activations, Labels],
    delta: float = 0.01,
    most: int = 10,
    rank: Callable[[LinearProbe], NeuronRanking] = weight_mass,
    resolution: float = RESOLUTION,
    progress: bool = True,
    **options: Any,
) -> DisjointSets:
    """Find a minimal set, take it away, fit and rank again, until what is left is not enough.

    Args:
        activations: Rows × neurons to fit on.
        labels: One per row.
        test: Held-out activations and labels.
        delta: The loss of accuracy (R²) that is allowed, against the probe of all neurons.
        most: Sets after which to stop.
        rank: How a probe of the neurons that are left ranks them.
        resolution: How far the sizes are refined, as a share of them.
        progress: Show a bar of the sets found.
        **options: ``l1``, ``l2``, ``groups``, ``seed`` and ``device``, as in
            :class:`~captum_lca.analysis.retraining.Retraining`.

    Returns:
        The sets, and what is left. How many there are is a lower bound, since other sets might
        be smaller, and leave more.

    Raises:
        ValueError: A negative ``delta``, ``most`` below 1, or what the fit refuses.

    Examples::

        >>> from captum_lca.analysis import disjoint_sets
        >>> test = test_store, test_corpus.labels["upos"]
        >>> found = disjoint_sets(
        ...     store, corpus.labels["upos"], test=test, most=2, progress=False
        ... )
        >>> first, second = (set(one.neurons.tolist()) for one in found.sets)
        >>> first & second
        set()
    """
    if not delta >= 0 or most < 1:
        raise ValueError(f"delta must be at least 0 and most at least 1; found {delta} and {most}")
    retraining = Retraining(activations, labels, test, **options)
    full = retraining.score(retraining.full)
    probe, available = retraining.full, torch.arange(retraining.layout.size)
    sets: list[DisjointSet] = []
    left_score = None
    with tqdm(total=most, desc="sets", disable=not progress) as bar:
        while len(sets) < most and len(available):
            score = retraining.score(probe)
            if score.value < full.value - delta:
                left_score = score
                break
            order = rank(probe.probe).order
            order = order[torch.isin(order, available)]
            growth = Growth(retraining, [order], full.value - delta, resolution)
            growth.measured[len(order)] = (probe,)
            size = growth.enough() or len(order)
            found = retraining.score(*growth.measured[size])
            sets.append(DisjointSet(order[:size], found, len(available), score))
            available = order[size:].sort().values
            if len(available):
                probe = retraining.fit(available, probe)
            bar.update()
    return DisjointSets(retraining.metric, full, delta, tuple(sets), len(available), left_score)
