"""How many different neurons there are: clusters of correlated ones, and one of each cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from torch import Tensor
from tqdm.auto import tqdm

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.analysis.neuron_correlations import NeuronCorrelations
from captum_lca.analysis.retraining import Retraining
from captum_lca.analysis.score_axis import score_name
from captum_lca.colours import ink
from captum_lca.neurons import NeuronLayout, as_neuron_ids
from captum_lca.notebook import NotebookTable
from captum_lca.probes import NeuronMoments
from captum_lca.probes.labels import Labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NEURONS = 12_000
"""Whose correlations are held at once: 576 MB, and as much again for clustering."""
MOST_ROWS = 10_000
"""From which correlations are taken; they are then within 0.02 of those of all rows."""
THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class ClusterScore:
    """One neuron of each cluster, for one threshold, against as many random neurons."""

    threshold: float
    """Largest mean distance 1 − |r| between the clusters that are joined."""
    clusters: int
    """How many clusters, single neurons included."""
    score: float
    """Held-out accuracy (R² of a regression) of a probe of one neuron per cluster."""
    low: float
    """Lower end of its 95 % interval over held-out sentences."""
    high: float
    """Upper end of the same."""
    random: float
    """Mean score of as many neurons drawn evenly; NaN without draws."""
    spread: float
    """Standard deviation over these draws; 0 for a single one."""
    versus_random_low: float
    """Lower end of the 95 % interval of score − random, paired by sentence, for these draws."""
    versus_random_high: float
    """Upper end of the same."""


@dataclass(frozen=True)
class CorrelationClusters(NotebookTable):
    """Clusters of correlated neurons, for several thresholds.

    Source: Dalvi, Sajjad, Durrani & Belinkov (EMNLP 2020), correlation clustering.
    """

    layout: NeuronLayout
    """Where the neurons sit."""
    metric: str
    """``accuracy`` or ``r2``."""
    full: float
    """The score with all neurons."""
    scores: tuple[ClusterScore, ...]
    """One per threshold, ascending."""
    membership: Tensor
    """The cluster of every neuron, for each threshold; −1 for constant neurons and those left out.
    Shape (thresholds, neurons), int64."""
    representatives: tuple[Tensor, ...]
    """The neuron that stands for each cluster, by number of the cluster: one tensor of global ids
    per threshold."""

    def to_frame(self) -> pd.DataFrame:
        """One row per threshold: the fields of :class:`ClusterScore`."""
        return pd.DataFrame([asdict(score) for score in self.scores])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Score over the number of clusters, beside that of as many random neurons.

        Whiskers are the interval over held-out sentences, the band one standard deviation of the
        random draws; the numbers are the thresholds.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(6, 4), layout="constrained")
        table = self.to_frame()
        x, y = table["clusters"], table["score"]
        ends = [y - table["low"], table["high"] - y]
        label = "one neuron per cluster"
        ax.errorbar(x, y, ends, color="#0072B2", marker="o", capsize=3, label=label)
        ax.plot(x, table["random"], color="#7F7F7F", marker=".", label="as many random neurons")
        low, high = table["random"] - table["spread"], table["random"] + table["spread"]
        ax.fill_between(x, low, high, color="#7F7F7F", alpha=0.25, linewidth=0)
        for score in self.scores:
            place: dict[str, Any] = {
                "xytext": (4, -12),
                "textcoords": "offset points",
                "fontsize": "small",
            }
            ax.annotate(f"{score.threshold:g}", (score.clusters, score.score), **place)
        ax.axhline(self.full, color=ink(), linewidth=1, linestyle=":", label="all neurons")
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.margins(x=0.08)
        ax.set_xlabel("clusters (by threshold of 1 − |r|)")
        ax.set_ylabel(score_name(self.metric))
        ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
        return ax


def correlation_clusters(
    activations: Activations,
    labels: Labels,
    *,
    test: tuple[Activations, Labels],
    thresholds: Sequence[float] = THRESHOLDS,
    neurons: Iterable[int] | Tensor | None = None,
    draws: int = 3,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> CorrelationClusters:
    """Cluster neurons by correlation, and see what one neuron of each cluster is worth.

    Average linkage on 1 − |r| over up to 10,000 evenly spaced rows. A cluster is stood for by the
    member with the largest mean |r| with the others. Clusters are made without regard to labels.

    Args:
        activations: Rows × neurons to fit on; constant neurons are in no cluster.
        labels: One per row.
        test: Held-out activations and labels.
        thresholds: Distances up to which clusters are joined, above 0 and below 1.
        neurons: Global ids of the neurons to cluster; at most 12,000. Default: all.
        draws: Random choices of as many neurons to compare with.
        seed: Of every random choice.
        progress: Show a bar of the thresholds done.
        **options: ``l1``, ``l2``, ``groups`` and ``device``, as in
            :class:`~captum_lca.analysis.retraining.Retraining`.

    Returns:
        Clusters and scores per threshold.

    Raises:
        ValueError: Too many neurons, thresholds outside 0 to 1, or what the fit refuses.

    Examples::

        >>> from captum_lca.analysis import correlation_clusters
        >>> test = test_store, test_corpus.labels["upos"]
        >>> found = correlation_clusters(
        ...     store, corpus.labels["upos"], test=test, thresholds=[0.9], draws=1, progress=False
        ... )
        >>> found.scores[0].clusters < 2688
        True
    """
    store = as_store(activations)
    chosen = range(store.layout.size) if neurons is None else neurons
    ids = as_neuron_ids(chosen, store.layout)
    _check(ids, thresholds, draws)
    retraining = Retraining(store, labels, test, seed=seed, **options)
    correlation = _correlation(store, ids).abs_()
    alive = correlation.diagonal() > 0
    ids, related = ids[alive], correlation[alive][:, alive].numpy()
    if len(ids) < 2:
        raise ValueError("clusters need at least two neurons that are not constant")
    tree = linkage(squareform(1 - related, checks=False), "average")
    scores, membership, representatives = [], [], []
    for threshold in tqdm(sorted(thresholds), desc="thresholds", disable=not progress):
        clusters = fcluster(tree, threshold, "distance") - 1
        kept = ids[torch.from_numpy(_medoids(related, clusters))]
        scores.append(_scored(retraining, threshold, kept, ids, range(seed, seed + draws)))
        everywhere = torch.full((store.layout.size,), -1)
        everywhere[ids] = torch.from_numpy(clusters.astype(np.int64))
        membership.append(everywhere)
        representatives.append(kept)
    return CorrelationClusters(
        store.layout,
        retraining.metric,
        retraining.score(retraining.full).value,
        tuple(scores),
        torch.stack(membership),
        tuple(representatives),
    )


def _scored(
    retraining: Retraining, threshold: float, kept: Tensor, ids: Tensor, seeds: range
) -> ClusterScore:
    chosen = retraining.fit(kept)
    score = retraining.score(chosen)
    drawn = []
    for seed in seeds:
        order = torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed))
        drawn.append(retraining.fit(ids[order[: len(kept)]]))
    found = [retraining.score(probe).value for probe in drawn]
    low = high = float("nan")
    if drawn:
        gap = retraining.difference(drawn, chosen)
        low, high = -gap.high, -gap.low
    return ClusterScore(
        threshold=threshold,
        clusters=len(kept),
        score=score.value,
        low=score.low,
        high=score.high,
        random=float(np.mean(found)) if found else float("nan"),
        spread=float(np.std(found, ddof=1)) if len(found) > 1 else 0.0,
        versus_random_low=low,
        versus_random_high=high,
    )


def _correlation(store: ActivationStore, ids: Tensor) -> Tensor:
    """Correlations of some neurons, over evenly spaced rows. Shape (neurons, neurons)."""
    moments = NeuronMoments(len(ids))
    for block in _sample(store, ids):
        moments.update(block)
    moments.merge_ranks()
    correlations = NeuronCorrelations(moments.finish())
    for block in _sample(store, ids):
        correlations.update(block)
    correlations.merge_ranks()
    return correlations.finish()


def _sample(store: ActivationStore, ids: Tensor) -> Iterator[Tensor]:
    """Some neurons of evenly spaced rows, in blocks of shape (rows, neurons)."""
    step = -(-store.rows // MOST_ROWS)
    for start, block in store.blocks():
        yield block[-start % step :: step, ids].float()


def _check(ids: Tensor, thresholds: Sequence[float], draws: int) -> None:
    if len(ids) > MOST_NEURONS:
        raise ValueError(
            f"correlations of {len(ids):,} neurons would take {4e-9 * len(ids) ** 2:.1f} GB; the "
            f"most is {MOST_NEURONS:,}: give `neurons`, for instance those of some layers"
        )
    if not thresholds or not all(0 < threshold < 1 for threshold in thresholds):
        raise ValueError(f"thresholds must be above 0 and below 1; found {list(thresholds)}")
    if draws < 0:
        raise ValueError(f"draws must be at least 0; found {draws}")


def _medoids(correlation: NDArray[np.float32], clusters: NDArray[np.intp]) -> NDArray[np.intp]:
    """The member of each cluster with the largest mean |r| with the others. Shape (clusters,)."""
    chosen = []
    for number in range(int(clusters.max()) + 1):
        members = np.flatnonzero(clusters == number)
        chosen.append(members[correlation[np.ix_(members, members)].sum(1).argmax()])
    return np.array(chosen)
