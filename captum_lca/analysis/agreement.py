"""Do rankings agree? All pairs: rank correlation, and overlap of the top neurons against chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr, weightedtau
from torch import Tensor

from captum_lca.analysis.overlap import Overlap, check_same_neurons, top_overlap
from captum_lca.neurons import NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Agreement:
    """How far two rankings of the same neurons agree."""

    first: str
    """Name of a ranking."""
    second: str
    """Name of the other."""
    top: Overlap
    """Overlap of their top neurons."""
    spearman: float
    """Rank correlation of salience over the neurons that either ranking gives any, in [−1, 1]: see
    :func:`spearman`."""
    weighted_tau: float
    """Kendall's τ over the same neurons, in which the top counts most: see :func:`weighted_tau`."""


@dataclass(frozen=True)
class RankingAgreement(NotebookTable):
    """Agreement of every pair of rankings."""

    names: tuple[str, ...]
    """Of the rankings."""
    count: int
    """How many top neurons of each were compared, of those that have salience."""
    pairs: tuple[Agreement, ...]
    """Each pair once, in the order of the names."""

    def to_frame(self) -> pd.DataFrame:
        """One row per pair: ``first``, ``second``, ``count``, ``shared``, ``overlap``,
        ``expected`` (by chance), ``low`` and ``high`` (of chance), ``p_value``, ``spearman``,
        ``weighted_tau``.
        """  # noqa: D205
        rows = [
            {
                "first": pair.first,
                "second": pair.second,
                "count": self.count,
                "shared": pair.top.shared,
                "overlap": pair.top.overlap,
                "expected": pair.top.expected,
                "low": pair.top.interval[0],
                "high": pair.top.interval[1],
                "p_value": pair.top.p_value,
                "spearman": pair.spearman,
                "weighted_tau": pair.weighted_tau,
            }
            for pair in self.pairs
        ]
        return pd.DataFrame(rows)

    def matrix(self, value: str = "overlap") -> pd.DataFrame:
        """A column of :meth:`to_frame` as a square table; a ranking agrees with itself by 1.

        Args:
            value: ``overlap``, ``spearman`` or ``weighted_tau``.

        Raises:
            ValueError: Another column.
        """
        if value not in MEASURES:
            raise ValueError(f"value must be one of {list(MEASURES)}; found {value!r}")
        table = pd.DataFrame(1.0, index=list(self.names), columns=list(self.names))
        for row in self.to_frame().to_dict("records"):
            table.loc[row["first"], row["second"]] = row[value]
            table.loc[row["second"], row["first"]] = row[value]
        return table

    def plot(self, value: str = "overlap", ax: Axes | None = None) -> Axes:
        """The table of all pairs as a map, with its numbers."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        table = self.matrix(value)
        side = 2 + 0.7 * len(table)
        if ax is None:
            _, ax = plt.subplots(figsize=(side + 0.8, side), layout="constrained")
        lowest = 0 if value == "overlap" else -1
        image = ax.imshow(table.to_numpy(), vmin=lowest, vmax=1, cmap="cividis")
        for (row, column), number in np.ndenumerate(table.to_numpy()):
            colour = "white" if number <= (lowest + 1) / 2 else "black"
            ax.text(column, row, f"{number:.2f}", ha="center", va="center", color=colour)
        places = range(len(table))
        names = [literal(name) for name in self.names]
        ax.set_xticks(list(places), names, rotation=45, ha="right")
        ax.set_yticks(list(places), names)
        chance = self.to_frame()["expected"].mean()
        title = f"overlap of the top {self.count} (chance {chance:.2f})"
        ax.set_title(title if value == "overlap" else MEASURES[value], fontsize="medium")
        ax.figure.colorbar(image, ax=ax, shrink=0.8)
        return ax


MEASURES = {
    "overlap": "overlap of the top neurons",
    "spearman": "Spearman's rank correlation",
    "weighted_tau": "weighted Kendall's τ",
}


def ranking_agreement(
    rankings: Mapping[str, NeuronRanking], *, count: int | None = None
) -> RankingAgreement:
    """Compare every pair of rankings of the same neurons.

    Args:
        rankings: At least two, by name: of several methods, properties, seeds or classes.
        count: How many top neurons to compare. Default: 5 % of all.

    Returns:
        Rank correlations and overlaps of the top neurons.

    Raises:
        ValueError: Fewer than two rankings, rankings of other neurons, or a count they don't have.

    Examples::

        >>> classes = {name: ranking.for_class(name) for name in ("NOUN", "VERB", "DET")}
        >>> agreement = ranking_agreement(classes, count=50)
        >>> agreement.matrix().shape
        (3, 3)
    """
    if len(rankings) < 2:
        raise ValueError(f"agreement needs at least two rankings; found {list(rankings)}")
    check_same_neurons(dict(rankings))
    size = len(next(iter(rankings.values())))
    count = max(1, round(0.05 * size)) if count is None else count
    pairs = tuple(
        agreement_of(one, rankings[one], other, rankings[other], count)
        for one, other in combinations(rankings, 2)
    )
    return RankingAgreement(tuple(rankings), count, pairs)


def agreement_of(
    first: str, a: NeuronRanking, second: str, b: NeuronRanking, count: int
) -> Agreement:
    """Agreement of one pair of rankings."""
    top = top_overlap(a, b, count)
    return Agreement(first, second, top, spearman(a, b), weighted_tau(a, b))


def spearman(a: NeuronRanking, b: NeuronRanking) -> float:
    """Spearman's rank correlation of the salience of the neurons that either ranking gives any.

    The order of neurons without salience means nothing, and many methods break their ties in the
    same way: they would make any two rankings agree. Neurons that have the same salience share a
    rank.

    Returns:
        In [−1, 1]. 1 for the same salience, 0 for unrelated rankings that give all neurons some;
        below 0 for rankings that give it to few neurons and not to the same ones. NaN where either
        gives all the neurons compared the same.
    """
    return _correlated(a, b, lambda one, other: spearmanr(one, other).statistic)


def weighted_tau(a: NeuronRanking, b: NeuronRanking) -> float:
    """Weighted Kendall's τ of the salience of the neurons that either ranking gives any.

    A pair of neurons counts by the sum of their 1/(rank + 1), so that the top decides.

    Source: Vigna (2015), "A weighted correlation index for rankings with ties".

    Returns:
        As :func:`spearman`.
    """
    return _correlated(a, b, lambda one, other: weightedtau(one, other).statistic)


def _correlated(
    a: NeuronRanking,
    b: NeuronRanking,
    correlation: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
) -> float:
    chosen = (a.salience != 0) | (b.salience != 0)
    one, other = (ranking.salience[chosen].double().numpy() for ranking in (a, b))
    if not len(one) or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(correlation(one, other))


def ranks_of(order: Tensor) -> NDArray[np.int64]:
    """Each neuron's rank, from 0, in id order. Shape (neurons,)."""
    ranks: NDArray[np.int64] = torch.argsort(order).numpy()
    return ranks
