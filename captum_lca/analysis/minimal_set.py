"""How few neurons are enough: the smallest top-N that still predicts the property."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor
from tqdm.auto import tqdm

from captum_lca.activations import Activations
from captum_lca.analysis.growth import RESOLUTION, Growth, sizes
from captum_lca.analysis.intervals import Estimate
from captum_lca.analysis.retraining import Retraining
from captum_lca.analysis.score_axis import score_name
from captum_lca.colours import COLOURS, GREY, ink
from captum_lca.neurons import NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal
from captum_lca.probes.labels import Labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANDOM = "random"


@dataclass(frozen=True)
class SizePoint:
    """The score of the top neurons of one ranking, for one size."""

    ranking: str
    """Its name; ``random`` for neurons drawn evenly."""
    size: int
    """How many neurons the probe was re-trained on."""
    score: float
    """Held-out accuracy, or R² of a regression; for random neurons the mean over draws."""
    spread: float
    """Standard deviation over the random draws; 0 for a ranking."""
    difference: float
    """Score less that of all neurons."""
    low: float
    """Lower end of the difference's 95 % interval: a bootstrap over held-out sentences, paired."""
    high: float
    """Upper end of the same."""


@dataclass(frozen=True)
class MinimalSet(NotebookTable):
    """The smallest top-N of a ranking that still predicts the property.

    Source: Durrani, Dalvi & Sajjad (2023), minimal neuron selection.
    """

    neurons: Tensor
    """Global ids, most salient first. Shape (N,)."""
    accuracy: float
    """Held-out accuracy (R² of a regression) of a probe re-trained on these neurons."""
    full_accuracy: float
    """The same for all neurons."""
    difference: Estimate
    """The first less the second, with a 95 % interval over held-out sentences."""
    size_interval: tuple[int, int]
    """Sizes that the held-out sentences can't tell from N: from the smallest measured size that is
    not surely too small, to the smallest that is surely enough."""
    delta: float
    """The loss that was allowed."""
    metric: str
    """``accuracy`` or ``r2``."""
    sizes: dict[str, int]
    """How many neurons each ranking needs, ``random`` included."""
    curve: tuple[SizePoint, ...]
    """Every size that was measured, by ranking and size."""

    def to_frame(self) -> pd.DataFrame:
        """The curve: one row per ranking and size, the fields of :class:`SizePoint`."""
        return pd.DataFrame([asdict(point) for point in self.curve])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Score over the number of neurons, for every ranking.

        The band around random neurons is one standard deviation of the draws; open circles mark
        where a ranking is enough.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(6, 4), layout="constrained")
        colours = cycle(colour for colour in COLOURS if colour != GREY)
        for name, enough in self.sizes.items():
            colour = GREY if name == RANDOM else next(colours)
            points = [point for point in self.curve if point.ranking == name]
            x = [point.size for point in points]
            y, spread = (np.array([getattr(p, f) for p in points]) for f in ("score", "spread"))
            ax.plot(x, y, marker=".", color=colour, label=f"{literal(name)} ({enough:,} enough)")
            ax.fill_between(x, y - spread, y + spread, color=colour, alpha=0.25, linewidth=0)
            ax.plot(enough, y[x.index(enough)], "o", color=colour, fillstyle="none", markersize=10)
        lowest = self.full_accuracy - self.delta
        ax.axhspan(lowest, self.full_accuracy, color=ink(), alpha=0.15, linewidth=0)
        ax.axhline(self.full_accuracy, color=ink(), linewidth=1, linestyle=":")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.set_xlabel("neurons")
        ax.set_ylabel(score_name(self.metric))
        ax.legend(frameon=False, loc="lower right")
        return ax


def minimal_set(
    activations: Activations,
    labels: Labels,
    ranking: NeuronRanking,
    *,
    test: tuple[Activations, Labels],
    delta: float = 0.01,
    others: Mapping[str, NeuronRanking] | None = None,
    draws: int = 5,
    resolution: float = RESOLUTION,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> MinimalSet:
    """Find the smallest top-N of a ranking whose re-trained probe is within ``delta`` of the full.

    N grows through 1, 2, 5, 10 … until it is enough, and is then refined by bisection; so it is the
    smallest where the score rises with N, as it does up to noise. All probes have the same penalty
    (see :class:`~captum_lca.analysis.retraining.Retraining`). N is chosen on the held-out rows: its
    accuracy is a little too good, by less than the interval.

    Args:
        activations: Rows × neurons to re-train on.
        labels: One per row.
        ranking: An order over their neurons.
        test: Held-out activations and labels.
        delta: The loss of accuracy (R²) that is allowed.
        others: Further rankings to draw the curve of, by name.
        draws: Random orders of the neurons to compare with; 0: none.
        resolution: How far bisection goes, as a share of N.
        seed: Of every random choice.
        progress: Show a bar of the rankings done.
        **options: ``l1``, ``l2``, ``groups`` and ``device``, as in
            :class:`~captum_lca.analysis.retraining.Retraining`.

    Returns:
        The neurons, how sure that is, and the curves.

    Raises:
        ValueError: A ranking of other neurons, two of one name, a negative ``delta`` or number of
            draws, or what the fit refuses.

    Examples::

        >>> from captum_lca.analysis import minimal_set
        >>> labels, test = corpus.labels["number"], (test_store, test_corpus.labels["number"])
        >>> ranking = rankings.weight_mass(fit_elastic_net(store, labels))
        >>> few = minimal_set(store, labels, ranking, test=test, draws=0, progress=False)
        >>> few.full_accuracy - few.accuracy <= 0.01
        True
        >>> len(few.neurons) == few.sizes["weight_mass"]
        True
    """
    rankings = {ranking.method: ranking, **(others or {})}
    if len(rankings) != 1 + len(others or {}) or (draws and RANDOM in rankings):
        raise ValueError(f"rankings need names of their own; {ranking.method!r} is taken twice")
    if draws < 0 or not delta >= 0 or not resolution > 0:
        raise ValueError(
            f"draws and delta must be at least 0 and resolution above 0; found {draws}, {delta} "
            f"and {resolution}"
        )
    retraining = Retraining(activations, labels, test, seed=seed, **options)
    for name, given in rankings.items():
        if given.layout.widths != retraining.layout.widths:
            raise ValueError(f"the ranking {name!r} and the activations have different layouts")
    orders = {name: [given.order] for name, given in rankings.items()}
    if draws:
        orders[RANDOM] = [ranking.random(len(ranking), draw) for draw in range(seed, seed + draws)]
    least = retraining.score(retraining.full).value - delta
    grown = {name: Growth(retraining, some, least, resolution) for name, some in orders.items()}
    enough = {}
    for name, growth in tqdm(grown.items(), desc="rankings", disable=not progress):
        enough[name] = growth.enough() or len(ranking)
    first, size = grown[ranking.method], enough[ranking.method]
    found, interval = first.measured[size], _size_interval(first, delta, size)
    curve = [point for name, growth in grown.items() for point in _curve(name, growth)]
    return MinimalSet(
        neurons=ranking.top(size),
        accuracy=retraining.score(*found).value,
        full_accuracy=retraining.score(retraining.full).value,
        difference=retraining.difference(found),
        size_interval=interval,
        delta=delta,
        metric=retraining.metric,
        sizes=enough,
        curve=tuple(curve),
    )


def _curve(name: str, growth: Growth) -> list[SizePoint]:
    points = []
    for size, probes in sorted(growth.measured.items()):
        scores = [growth.retraining.score(probe).value for probe in probes]
        spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0
        off = growth.retraining.difference(probes)
        score = float(np.mean(scores))
        points.append(SizePoint(name, size, score, spread, off.value, off.low, off.high))
    return points


def _size_interval(growth: Growth, delta: float, enough: int) -> tuple[int, int]:
    """Sizes whose interval of the difference holds −delta, and the first that is surely enough."""
    ends = {}
    for size in sorted({*sizes(len(growth.orders[0])), *growth.measured}):
        growth.passes(size)
        off = growth.retraining.difference(growth.measured[size])
        ends[size] = off.low, off.high
        if size >= enough and off.low >= -delta:
            break
    low = min(size for size, (_, high) in ends.items() if high >= -delta)
    return min(low, enough), size
