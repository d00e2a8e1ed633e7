"""The paper's choice of (l1, l2): the probe whose ranking holds up best under ablation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm.auto import tqdm

from captum_lca.ablation import ablated
from captum_lca.analysis.held_out import is_unlabelled
from captum_lca.analysis.penalty_grid import L1S, L2S, PenaltyGrid, plot_grid, timeless
from captum_lca.analysis.study import LabelledActivations
from captum_lca.notebook import NotebookTable
from captum_lca.probes import LinearProbe, fit_elastic_net
from captum_lca.probes.joint_scores import score_together
from captum_lca.probes.path import neurons_used, report_of
from captum_lca.rankings import weight_mass

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARE = 0.2
"""Share of the neurons that are kept, as in the paper."""
UNREGULARISED_L2 = 1e-5
"""Strength of ΣW² of the probe that counts as unregularised (its l1 is 0).

Without any penalty there is no minimum where classes can be told apart without error: weights then
grow for ever.
"""


@dataclass(frozen=True)
class PenaltyPoint:
    """One (l1, l2), and how its probe does on validation rows."""

    l1: float
    """Strength of Σ|W|."""
    l2: float
    """Strength of ΣW²."""
    score: float
    """α·(top − bottom) + β·(full − unregularised)."""
    full: float
    """Accuracy (R² of a regression) with all neurons."""
    top: float
    """The same with all but the top neurons at their mean."""
    bottom: float
    """The same with all but the bottom neurons at their mean."""
    nonzeros: int
    """Weights that are not zero."""
    neurons: int
    """Neurons that any class gives a weight."""
    seconds: float
    """Time of the fit."""


@dataclass(frozen=True)
class PenaltySearch(NotebookTable):
    """Ablation scores over a grid of penalties.

    Source: Durrani, Dalvi & Sajjad (2023), the search for the strengths of the elastic net.
    """

    points: tuple[PenaltyPoint, ...]
    """One per (l1, l2): by l2, then by l1, both from strong to weak."""
    unregularised: float
    """Accuracy (R²) of the probe with next to no penalty. The same for every point, so it moves
    all scores but not the choice."""
    metric: str
    """``accuracy`` or ``r2``."""

    @property
    def chosen(self) -> PenaltyPoint:
        """The point with the highest score; of equal ones, that with the fewest weights."""
        return max(self.points, key=lambda point: (point.score, -point.nonzeros))

    @property
    def l1(self) -> float:
        """The l1 chosen."""
        return self.chosen.l1

    @property
    def l2(self) -> float:
        """The l2 chosen."""
        return self.chosen.l2

    def to_frame(self) -> pd.DataFrame:
        """One row per point: the fields of :class:`PenaltyPoint`."""
        return pd.DataFrame([asdict(point) for point in self.points])

    def summary(self) -> dict[str, Any]:
        """The search as plain values for JSON."""
        chosen = {"l1": self.l1, "l2": self.l2}
        return {"method": "ablation", **chosen, **asdict(self), "points": timeless(self.points)}

    def plot(self, ax: Axes | None = None) -> Axes:
        """The scores as a map over l1 and l2, the choice framed."""
        return plot_grid(self.to_frame(), "ablation score", (self.l1, self.l2), ax)


def search_penalties(
    train: LabelledActivations,
    validation: LabelledActivations,
    *,
    l1s: Sequence[float] = L1S,
    l2s: Sequence[float] = L2S,
    share: float = SHARE,
    alpha: float = 0.5,
    beta: float = 0.5,
    progress: bool = True,
    **options: Any,
) -> PenaltySearch:
    """Choose (l1, l2) by what is left of the probe's accuracy when most neurons are ablated.

    The score is α·(A_top − A_bottom) + β·(A_full − A_unregularised), on validation rows: A_top and
    A_bottom are the accuracies with all but the top and the bottom ``share`` of the neurons (by
    weight mass) at their mean. For a regression, R² takes the place of accuracy.

    Args:
        train: What the probes are fitted on.
        validation: What they are scored on; never the test set. Labels unseen in training count
            as errors.
        l1s: Strengths of Σ|W| to try. Default: :data:`~captum_lca.analysis.penalty_grid.L1S`.
        l2s: Strengths of ΣW² to try, each with every l1. Default:
            :data:`~captum_lca.analysis.penalty_grid.L2S`.
        share: Of the neurons, at the top and at the bottom.
        alpha: Weight of the ablations.
        beta: Weight of the accuracy with all neurons.
        progress: Show a bar of the probes fitted.
        **options: Further arguments of :func:`~captum_lca.fit_elastic_net`.

    Returns:
        One row per (l1, l2), and the best of them.

    Raises:
        ValueError: An empty grid, negative strengths, validation without labels, a share that is
            not between 0 and ½, or what the fit refuses.

    Examples::

        >>> from captum_lca.analysis import LabelledActivations, search_penalties
        >>> train = LabelledActivations(store, corpus.labels["number"])
        >>> validation = LabelledActivations(test_store, test_corpus.labels["number"])
        >>> search = search_penalties(train, validation, l1s=[3e-2, 1e-2], l2s=[1e-3])
        >>> probe = fit_elastic_net(store, corpus.labels["number"], l1=search.l1, l2=search.l2)
    """
    grid = PenaltyGrid(l1s, l2s)
    if not 0 < share <= 0.5:
        raise ValueError(f"share must be above 0 and at most 0.5; found {share}")
    if is_unlabelled(validation.labels):
        raise ValueError("validation has no labels: there is nothing to choose by")
    count = max(1, round(share * train.activations.layout.size))
    probes = grid.fit(train.activations, train.labels, **options)
    rows = []
    for probe in tqdm(probes, total=len(grid), desc="search", disable=not progress):
        rows.append(_measured(probe, validation, count))
    unregularised = fit_elastic_net(
        train.activations, train.labels, l1=0, l2=UNREGULARISED_L2, init=probe, **options
    )
    (base,) = score_together([unregularised], validation.activations, validation.labels)
    points = [
        PenaltyPoint(
            **row,
            score=alpha * (row["top"] - row["bottom"]) + beta * (row["full"] - base),
        )
        for row in rows
    ]
    return PenaltySearch(tuple(points), base, "r2" if probe.is_regression else "accuracy")


def _measured(probe: LinearProbe, validation: LabelledActivations, count: int) -> dict[str, Any]:
    """The fields of a point, but for its score."""
    ranking = weight_mass(probe)
    others = len(ranking) - count
    kept = [ablated(probe, gone(others), "mean") for gone in (ranking.bottom, ranking.top)]
    full, top, bottom = score_together([probe, *kept], validation.activations, validation.labels)
    report = report_of(probe)
    return {
        "l1": report.l1,
        "l2": report.l2,
        "full": full,
        "top": top,
        "bottom": bottom,
        "nonzeros": report.nonzeros,
        "neurons": neurons_used(probe),
        "seconds": report.seconds,
    }
