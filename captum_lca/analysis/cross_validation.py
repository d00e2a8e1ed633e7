"""The choice of (l1, l2) by accuracy on held-out folds of the training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from captum_lca.activations import Activations
from captum_lca.analysis.held_out import Fold, Groups, is_unlabelled, sentence_folds
from captum_lca.analysis.penalty_grid import L1S, L2S, PenaltyGrid, timeless
from captum_lca.colours import COLOURS, ink
from captum_lca.notebook import NotebookTable
from captum_lca.probes import FitReport
from captum_lca.probes.joint_scores import score_together
from captum_lca.probes.labels import Labels, encode_labels
from captum_lca.probes.path import neurons_used, report_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vP*"


@dataclass(frozen=True)
class CrossValidationPoint:
    """One (l1, l2), and how its probes do on the folds that they were not fitted on."""

    l1: float
    """Strength of Σ|W|."""
    l2: float
    """Strength of ΣW²."""
    score: float
    """Accuracy (R² of a regression), mean over the folds."""
    error: float
    """Standard error of that mean: the folds' standard deviation / √folds."""
    folds: tuple[float, ...]
    """The score on each fold."""
    nonzeros: float
    """Weights that are not zero, mean over the folds."""
    neurons: float
    """Neurons that any class gives a weight, mean over the folds."""
    seconds: float
    """Time of the fits of all folds."""


@dataclass(frozen=True)
class CrossValidation(NotebookTable):
    """Held-out scores over a grid of penalties."""

    points: tuple[CrossValidationPoint, ...]
    """One per (l1, l2): by l2, then by l1, both from strong to weak."""
    metric: str
    """``accuracy`` or ``r2``."""

    @property
    def chosen(self) -> CrossValidationPoint:
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

    @property
    def sparsest(self) -> CrossValidationPoint:
        """The point with the fewest weights within one standard error of the highest score.

        Source: Breiman, Friedman, Olshen & Stone (1984), the one-standard-error rule.
        """
        enough = self.chosen.score - self.chosen.error
        return min(
            (point for point in self.points if point.score >= enough),
            key=lambda point: (point.nonzeros, -point.score),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per point: the fields of :class:`CrossValidationPoint`, but for ``folds``."""
        return pd.DataFrame([asdict(point) for point in self.points]).drop(columns="folds")

    def summary(self) -> dict[str, Any]:
        """The search as plain values for JSON."""
        sparsest = {"l1": self.sparsest.l1, "l2": self.sparsest.l2}
        chosen = {"l1": self.l1, "l2": self.l2, "within_one_error": sparsest}
        return {"method": "cv", **chosen, **asdict(self), "points": timeless(self.points)}

    def plot(self, ax: Axes | None = None) -> Axes:
        """Scores over l1 with their standard errors, one line per l2, the choice ringed."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
        table = self.to_frame()
        places = {l1: place for place, l1 in enumerate(dict.fromkeys(table["l1"]))}
        for number, (l2, rows) in enumerate(table.groupby("l2", sort=False)):
            ax.errorbar(
                [places[l1] + 0.06 * number for l1 in rows["l1"]],  # bars beside each other
                rows["score"],
                yerr=rows["error"],
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                capsize=3,
                label=f"l2 = {l2:g}",
            )
            if l2 == self.l2:
                ring = places[self.l1] + 0.06 * number, self.chosen.score
                ax.plot(*ring, "o", markersize=14, fillstyle="none", color=ink(), label="chosen")
        ax.set_xticks(list(places.values()), [f"{l1:g}" for l1 in places])
        ax.set_xlabel("l1")
        ax.set_ylabel(f"{self.metric} on held-out folds")
        ax.legend(frameon=False)
        return ax


def cross_validate_penalties(
    activations: Activations,
    labels: Labels,
    l1s: Sequence[float] = L1S,
    l2s: Sequence[float] = L2S,
    *,
    folds: int = 5,
    seed: int = 0,
    groups: Groups | None = None,
    progress: bool = True,
    **options: Any,
) -> CrossValidation:
    """Choose (l1, l2) by the accuracy (R² of a regression) on held-out folds.

    The folds are of whole sentences: the words of one are never on both sides. Labels that a fold's
    training part has not seen count as errors.

    Args:
        activations (Tensor, ndarray or ActivationStore): Training rows × neurons.
        labels (sequence or Tensor): One per row.
        l1s (sequence of float, optional): Strengths of Σ|W| to try. Default:
            :data:`~captum_lca.analysis.penalty_grid.L1S`.
        l2s (sequence of float, optional): Strengths of ΣW² to try, each with every l1. Default:
            :data:`~captum_lca.analysis.penalty_grid.L2S`.
        folds (int, optional): How many. Default: 5.
        seed (int, optional): Of the choice of folds and of the fits. Default: 0.
        groups (sequence, optional): For each row what it belongs to. Default: the sentences of the
            store's corpus; rows of a matrix, or of a store without a corpus, are on their own.
        progress (bool, optional): Show a bar of the probes fitted. Default: True.
        **options: Further arguments of :func:`~captum_lca.fit_elastic_net`.

    Returns:
        CrossValidation: Mean and standard error per (l1, l2), the best point, and the sparsest
        within one standard error of it.

    Raises:
        ValueError: An empty grid, negative strengths, more folds than sentences, a fold that leaves
            one class or no labels on a side, or what the fit refuses.

    Examples::

        >>> from captum_lca.analysis import cross_validate_penalties
        >>> number = corpus.labels["number"]
        >>> found = cross_validate_penalties(store, number, [3e-2, 1e-2], [1e-3], folds=3)
        >>> found.sparsest.nonzeros <= found.chosen.nonzeros
        True
    """
    grid = PenaltyGrid(l1s, l2s)
    parts = sentence_folds(activations, labels, folds, seed, groups)
    for number, fold in enumerate(parts, start=1):
        _check(fold, f"fold {number} of {folds}")
    by_fold: list[list[_Fitted]] = []
    with tqdm(total=folds * len(grid), desc="cross-validate", disable=not progress) as bar:
        for fold in parts:
            fitted = []
            for probe in grid.fit(activations, fold.train, seed=seed, **options):
                (score,) = score_together([probe], activations, fold.held_out)
                fitted.append(_Fitted(report_of(probe), neurons_used(probe), score))
                bar.update()
            by_fold.append(fitted)
    points = tuple(map(_point, zip(*by_fold, strict=True)))
    return CrossValidation(points, "r2" if probe.is_regression else "accuracy")


@dataclass(frozen=True)
class _Fitted:
    """What is kept of a probe of one fold."""

    report: FitReport
    neurons: int
    score: float


def _check(fold: Fold, name: str) -> None:
    """Raise ValueError, naming the fold, if it can't be fitted or scored."""
    try:
        encode_labels(fold.train)
    except ValueError as error:
        raise ValueError(f"{name} can't be fitted on the others: {error}") from error
    if is_unlabelled(fold.held_out):
        raise ValueError(f"{name} has no labelled rows; take fewer folds")


def _point(fitted: Sequence[_Fitted]) -> CrossValidationPoint:
    """The point of the probes of one (l1, l2), one per fold."""
    reports = [one.report for one in fitted]
    scores = [one.score for one in fitted]
    return CrossValidationPoint(
        l1=reports[0].l1,
        l2=reports[0].l2,
        score=float(np.mean(scores)),
        error=float(np.std(scores, ddof=1) / np.sqrt(len(scores))),
        folds=tuple(scores),
        nonzeros=float(np.mean([report.nonzeros for report in reports])),
        neurons=float(np.mean([one.neurons for one in fitted])),
        seconds=sum(report.seconds for report in reports),
    )
