"""Where the salient neurons sit: how many in each layer, against an equal spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, hypergeom

from captum_lca.activations import Activations
from captum_lca.analysis.centre_of_gravity import (
    centre_of_gravity,
    checked_count,
    salient_neurons,
)
from captum_lca.analysis.half_samples import rank_half_samples
from captum_lca.analysis.held_out import Groups
from captum_lca.analysis.intervals import LEVEL, Estimate, around
from captum_lca.colours import ink
from captum_lca.layer_axis import label_layers
from captum_lca.neurons import NeuronLayout, NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal
from captum_lca.probes import LinearProbe
from captum_lca.probes.labels import Labels
from captum_lca.rankings import RankingMethod

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALL = "all"
"""What stands in place of a class's name for the order over all classes."""


@dataclass(frozen=True)
class LayerShare:
    """How many of the salient neurons, of one class or of all, sit in one layer."""

    name: str
    """The class, or ``all``."""
    layer: str
    """Name of the layer."""
    neurons: int
    """Salient neurons in this layer."""
    low: float
    """Lower end of the 95 % interval of that number, over sentences; NaN without half samples."""
    high: float
    """Upper end of the same."""
    expected: float
    """What an equal spread over all neurons would give."""
    expected_low: float
    """Lower end of the middle 95 % of an equal spread."""
    expected_high: float
    """Upper end of the same."""
    p_value: float
    """Probability that an equal spread strays as far (hypergeometric, two-sided)."""
    q_value: float
    """The same, corrected for the number of layers and classes looked at: the share of false
    discoveries to be expected among all that stand out as much (Benjamini & Hochberg 1995)."""


@dataclass(frozen=True)
class LayerDistribution(NotebookTable):
    """The layers of the salient neurons.

    Source: Durrani, Dalvi & Sajjad (2023), layer-wise distribution of salient neurons.
    """

    layout: NeuronLayout
    """Where the neurons sit."""
    count: int
    """How many neurons count as salient, at most: of a class with fewer that carry weight, only
    those are counted."""
    shares: tuple[LayerShare, ...]
    """One per layer, first over all classes, then for each."""
    centres: dict[str, Estimate]
    """Centre of gravity for ``all`` and for each class; see :func:`centre_of_gravity`."""

    def to_frame(self) -> pd.DataFrame:
        """One row per class (or ``all``) and layer: the fields of :class:`LayerShare`."""
        return pd.DataFrame([asdict(share) for share in self.shares])

    def plot(self, name: str = ALL, ax: Axes | None = None) -> Axes:
        """Bars of the salient neurons by layer, for all classes or for one.

        Whiskers are the interval over sentences; the band is what an equal spread would give.

        Raises:
            ValueError: No such class.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if name not in self.centres:
            raise ValueError(f"no class {name!r}; there are {list(self.centres)}")
        if ax is None:
            _, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
        rows = [share for share in self.shares if share.name == name]
        heights = [row.neurons for row in rows]
        ax.bar(range(len(rows)), heights, color="#0072B2", label="salient neurons")
        if not np.isnan(rows[0].low):
            ends = [
                [row.neurons - row.low for row in rows],
                [row.high - row.neurons for row in rows],
            ]
            ax.errorbar(range(len(rows)), heights, ends, fmt="none", ecolor=ink(), capsize=3)
        _draw_band(ax, [row.expected_low for row in rows], [row.expected_high for row in rows])
        label_layers(ax, self.layout.layers)
        ax.set_ylabel(f"of the top {sum(heights)} neurons")
        ax.set_title("all classes" if name == ALL else literal(name), fontsize="medium")
        ax.legend(frameon=False)
        return ax


def layer_distribution(
    activations: Activations,
    labels: Labels,
    ranking: NeuronRanking,
    *,
    count: int | None = None,
    samples: int = 10,
    method: RankingMethod | None = None,
    init: LinearProbe | None = None,
    groups: Groups | None = None,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> LayerDistribution:
    """Count the salient neurons of each layer, overall and per class.

    Two things are said beside each count. What an equal spread would give: were the salient neurons
    drawn evenly from all, a layer's count would be hypergeometric, which is what permuting the
    layers' names over the neurons tends to. And how sure the count is: the same neurons ranked
    again from random halves of the sentences, each half's spread being that of the whole (see
    :func:`~captum_lca.analysis.rank_half_samples`).

    Args:
        activations: Rows × neurons that the ranking was made from.
        labels: One per row.
        ranking: An order over their neurons.
        count: How many neurons count as salient. Default: 5 % of all.
        samples: Halves to rank again; 0: none, and no intervals over sentences.
        method: How the halves are ranked; must be what made the ranking. Default: by the weight
            mass of an elastic-net probe.
        init: The probe behind the ranking; the halves' fits start there, which saves time.
        groups: What stays together in a half. Default: sentences.
        seed: Of the halves.
        progress: Show a bar of the halves done.
        **options: ``l1`` and ``l2`` of the default method.

    Returns:
        A share per layer and class, and the centres of gravity.

    Raises:
        ValueError: A count that is not 1 to all neurons, or what the method refuses.

    Examples::

        >>> from captum_lca.analysis import layer_distribution
        >>> where = layer_distribution(
        ...     store, corpus.labels["upos"], ranking, samples=2, init=probe, progress=False
        ... )
        >>> int(where.to_frame().query("name == 'all'").neurons.sum()) <= where.count
        True
    """
    count = checked_count(ranking, count)
    resampled: tuple[NeuronRanking, ...] = ()
    if samples:
        resampled = rank_half_samples(
            activations,
            labels,
            method,
            samples=samples,
            init=init,
            groups=groups,
            seed=seed,
            progress=progress,
            **options,
        )
    shares: list[LayerShare] = []
    centres = {}
    for name in (ALL, *ranking.classes):
        mine = ranking if name == ALL else ranking.for_class(name)
        halves = [
            half if name == ALL else half.for_class(name)
            for half in resampled
            if name == ALL or name in half.classes
        ]
        shares += _shares(name, mine, count, halves)
        centres[name] = centre_of_gravity(mine, count, resampled=halves)
    return LayerDistribution(ranking.layout, count, _with_q_values(shares), centres)


def _counts(ranking: NeuronRanking, count: int) -> NDArray[np.intp]:
    """Salient neurons of each layer. Shape (layers,)."""
    numbers = ranking.layout.layer_numbers(salient_neurons(ranking, count))
    counts: NDArray[np.intp] = np.bincount(numbers, minlength=len(ranking.layout.layers))
    return counts


def _shares(
    name: str, ranking: NeuronRanking, count: int, halves: Sequence[NeuronRanking]
) -> list[LayerShare]:
    """The shares of one class, without q-values."""
    counts = _counts(ranking, count)
    replicates = np.array([_counts(half, count) for half in halves]).reshape(-1, len(counts))
    shares = []
    for number, (layer, width) in enumerate(
        zip(ranking.layout.layers, ranking.layout.widths, strict=True)
    ):
        found, null = int(counts[number]), hypergeom(len(ranking), width, counts.sum())
        sure = around(found, replicates[:, number])
        low, high = null.interval(LEVEL)
        shares.append(
            LayerShare(
                name=name,
                layer=layer,
                neurons=found,
                low=float(np.maximum(sure.low, 0)),
                high=float(np.minimum(sure.high, min(width, count))),
                expected=float(null.mean()),
                expected_low=float(low),
                expected_high=float(high),
                p_value=float(min(1, 2 * min(null.cdf(found), null.sf(found - 1)))),
                q_value=float("nan"),
            )
        )
    return shares


def _with_q_values(shares: Sequence[LayerShare]) -> tuple[LayerShare, ...]:
    values = false_discovery_control([share.p_value for share in shares]).tolist()
    pairs = zip(shares, values, strict=True)
    return tuple(replace(share, q_value=value) for share, value in pairs)


def _draw_band(ax: Axes, low: Sequence[float], high: Sequence[float]) -> None:
    """A band that is level over each layer's place."""
    edges = [place - 0.5 for place in range(len(low) + 1)]
    ax.fill_between(
        edges,
        [*low, low[-1]],
        [*high, high[-1]],
        step="post",
        color="#D55E00",
        alpha=0.35,
        linewidth=0,
        label="equal spread (95 %)",
    )
