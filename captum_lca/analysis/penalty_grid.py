"""The grid of penalties that a search goes through: its probes, and its map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from captum_lca.activations import Activations
from captum_lca.probes import LinearProbe
from captum_lca.probes.labels import Labels
from captum_lca.probes.path import checked_strengths, fit_along

if TYPE_CHECKING:
    from matplotlib.axes import Axes

L1S = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
"""Strengths of Σ|W| that are tried if none are given."""
L2S = (1e-3, 1e-4, 1e-5)
"""Strengths of ΣW² that are tried if none are given.

Neurons are standardised and the loss is a mean over rows, so that strengths mean much the same for
all models and properties. On MiniLM (2,688 neurons), 12,000 words and 17 parts of speech, these
lead from a probe on 170 neurons to one on 2,500. Weaker l1 come close to the tolerance of the fits,
leave hardly a neuron out, and scored less there.
"""


class PenaltyGrid:
    """Every l1 with every l2.

    Args:
        l1s: Strengths of Σ|W|, in any order.
        l2s: Strengths of ΣW², in any order.

    Raises:
        ValueError: No strengths, negative or repeated ones.
    """

    def __init__(self, l1s: Sequence[float], l2s: Sequence[float]) -> None:
        self.l1s = checked_strengths("l1s", l1s)
        self.l2s = checked_strengths("l2s", l2s)

    def __len__(self) -> int:
        return len(self.l1s) * len(self.l2s)

    def fit(
        self, activations: Activations, labels: Labels, **options: Any
    ) -> Iterator[LinearProbe]:
        """Probes of all points, each fitted when it is asked for.

        Args:
            activations: Rows × neurons.
            labels: One per row.
            **options: Further arguments of :func:`~captum_lca.fit_elastic_net`.

        Yields:
            By l2, then by l1, both from strong to weak: a path over l1 for each l2.
        """
        for l2 in self.l2s:
            yield from fit_along(activations, labels, self.l1s, l2=l2, **options)


def timeless(points: Sequence[Any]) -> list[dict[str, Any]]:
    """The fields of points, but for ``seconds``: what a file holds of them is the same every time.

    Args:
        points: Instances of one dataclass.
    """
    return [{k: v for k, v in asdict(point).items() if k != "seconds"} for point in points]


def plot_grid(
    table: pd.DataFrame, title: str, chosen: tuple[float, float], ax: Axes | None
) -> Axes:
    """A map of scores over l1 and l2.

    Args:
        table: With the columns ``l1``, ``l2`` and ``score``.
        title: What the score is.
        chosen: The l1 and l2 to frame.
        ax: Where to draw; None: a new figure.
    """
    from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    if ax is None:
        _, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
    scores = score_map(table)
    image = ax.imshow(scores, cmap="cividis", aspect="auto")
    middle = (scores.min().min() + scores.max().max()) / 2
    for row, line in enumerate(scores.to_numpy()):
        for column, score in enumerate(line):
            colour = "white" if score < middle else "black"
            ax.text(column, row, f"{score:.3f}", ha="center", va="center", color=colour)
    l1s, l2s = map(float, scores.columns), map(float, scores.index)
    column, row = list(l1s).index(chosen[0]), list(l2s).index(chosen[1])
    frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, linewidth=3, edgecolor="#D55E00")
    frame.set_clip_on(False)
    ax.add_patch(frame)
    ax.set_xticks(range(len(scores.columns)), [f"{l1:g}" for l1 in scores.columns])
    ax.set_yticks(range(len(scores.index)), [f"{l2:g}" for l2 in scores.index])
    ax.set_xlabel("l1")
    ax.set_ylabel("l2")
    ax.figure.colorbar(image, ax=ax, label=title)
    return ax


def score_map(table: pd.DataFrame) -> pd.DataFrame:
    """The column ``score`` with a row per ``l2`` and a column per ``l1``, from strong to weak."""
    scores = table.pivot(index="l2", columns="l1", values="score")
    return scores.sort_index(ascending=False).sort_index(axis=1, ascending=False)
