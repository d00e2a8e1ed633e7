"""A path: probes fitted with ever weaker l1, each started where the one before it ended."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from captum_lca.activations import Activations
from captum_lca.notebook import NotebookTable
from captum_lca.probes.fit import fit_elastic_net
from captum_lca.probes.labels import Labels
from captum_lca.probes.linear_probe import FitReport, LinearProbe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEYOND_ALL = 1e30
"""An l1 that leaves no weight, whatever the data."""


@dataclass(frozen=True)
class ElasticNetPath(NotebookTable):
    """Probes of the same data, from the strongest l1 to the weakest."""

    probes: tuple[LinearProbe, ...]
    """One per l1, each with its report."""

    def to_frame(self) -> pd.DataFrame:
        """One row per probe.

        Returns:
            Columns ``l1``, ``l2``, ``objective``, ``optimality``, ``converged``, ``nonzeros``
            (weights that are not zero), ``neurons`` (that any class gives a weight),
            ``iterations``, ``seconds``.
        """
        return pd.DataFrame([_row(probe) for probe in self.probes])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Weights that are not zero, and neurons that carry them, over l1."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
        table = self.to_frame()
        places = range(len(table))
        ax.plot(places, table["nonzeros"], marker="o", color="#D55E00", label="weights not zero")
        ax.plot(places, table["neurons"], marker="s", color="#0072B2", label="neurons with weight")
        ax.set_yscale("symlog", linthresh=1)
        ax.set_ylim(bottom=0)
        ax.set_xticks(list(places), [f"{l1:.2g}" for l1 in table["l1"]])
        ax.tick_params(axis="x", labelrotation=90 if len(table) > 6 else 0)
        ax.set_xlabel("l1")
        ax.legend(frameon=False)
        return ax


def elastic_net_path(
    activations: Activations,
    labels: Labels,
    *,
    l1s: Sequence[float] | None = None,
    count: int = 10,
    ratio: float = 1e-2,
    l2: float = 1e-4,
    init: LinearProbe | None = None,
    **options: Any,
) -> ElasticNetPath:
    """Fit a probe for each of several l1, from the strongest to the weakest.

    Each fit starts at the weights of the one before it, which saves most of the work of a fit from
    nothing; where it ends is the same, within the tolerance of the fits. A warning names strengths
    that are below it.

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons.
        labels (sequence or Tensor): One per row, as :func:`~captum_lca.fit_elastic_net` takes them.
        l1s (sequence of float, optional): The strengths of Σ|W|, in any order. Default: ``count``
            strengths at equal ratios, from the one at which the first weight appears down to
            ``ratio`` times it.
        count (int, optional): How many strengths, if they are not given. Default: 10.
        ratio (float, optional): The last of them as a share of the first. Default: 1e-2.
        l2 (float, optional): Strength of ΣW², the same for all. Default: 1e-4.
        init (LinearProbe, optional): Where the first fit starts. Default: no weights.
        **options: Further arguments of :func:`~captum_lca.fit_elastic_net`.

    Returns:
        ElasticNetPath: One probe per l1, strongest first.

    Raises:
        ValueError: No strengths, repeated or negative ones, a ``count`` below 1, a ``ratio`` that
            is not between 0 and 1, or what :func:`~captum_lca.fit_elastic_net` refuses.

    Examples::

        >>> path = elastic_net_path(store, corpus.labels["upos"], l1s=[3e-2, 1e-2])
        >>> [probe.report.l1 for probe in path.probes]
        [0.03, 0.01]
        >>> list(path.to_frame().columns[:3])
        ['l1', 'l2', 'objective']
    """
    if l1s is None:
        l1s = _equal_ratios(strongest_l1(activations, labels, **options), count, ratio)
    return ElasticNetPath(tuple(fit_along(activations, labels, l1s, l2=l2, init=init, **options)))


def fit_along(
    activations: Activations,
    labels: Labels,
    l1s: Sequence[float],
    *,
    init: LinearProbe | None = None,
    **options: Any,
) -> Iterator[LinearProbe]:
    """The probes of a path one by one, each fitted when it is asked for.

    The arguments are those of :func:`elastic_net_path`.
    """
    for l1 in checked_strengths("l1s", l1s):
        init = fit_elastic_net(activations, labels, l1=l1, init=init, **options)
        _warn_below_tolerance(l1, report_of(init).target)
        yield init


def strongest_l1(activations: Activations, labels: Labels, **options: Any) -> float:
    """The smallest l1 that leaves no weight: the largest entry of the gradient at zero weights.

    The arguments are those of :func:`~captum_lca.fit_elastic_net`.
    """
    settings = {**options, "l1": BEYOND_ALL, "tolerance": 1.0}  # the target is then that entry
    return report_of(fit_elastic_net(activations, labels, **settings)).target


def checked_strengths(name: str, strengths: Sequence[float]) -> list[float]:
    """Strengths of a penalty, strongest first.

    Raises:
        ValueError: There are none, one is not a number of at least 0, or one is given twice.
    """
    found = sorted(map(float, strengths), reverse=True)
    if not found:
        raise ValueError(f"{name} needs at least one strength; found none")
    if wrong := [strength for strength in found if not 0 <= strength < float("inf")]:
        raise ValueError(f"{name} must be numbers of at least 0; found {wrong[0]}")
    if len(set(found)) < len(found):
        raise ValueError(f"{name} must differ; found {found}")
    return found


def report_of(probe: LinearProbe) -> FitReport:
    """The report of a fitted probe.

    Raises:
        ValueError: The probe was made by hand.
    """
    if probe.report is None:
        raise ValueError("a fitted probe is needed; found one without a report")
    return probe.report


def neurons_used(probe: LinearProbe) -> int:
    """How many neurons any class gives a weight."""
    return int(probe.weight.any(0).sum())


def _warn_below_tolerance(l1: float, target: float) -> None:
    """Say so if a fit may not have moved from that of the l1 before it."""
    if 0 < l1 < target:
        warnings.warn(
            f"l1 = {l1:.2g} is less than the {target:.2g} that fits are accurate to: a smaller "
            f"tolerance is needed to tell it from stronger ones",
            RuntimeWarning,
            stacklevel=3,
        )


def _equal_ratios(strongest: float, count: int, ratio: float) -> list[float]:
    if count < 1:
        raise ValueError(f"a path needs at least one l1; found count={count}")
    if not 0 < ratio < 1:
        raise ValueError(f"ratio must be between 0 and 1; found {ratio}")
    return [float(l1) for l1 in np.geomspace(strongest, strongest * ratio, count)]


def _row(probe: LinearProbe) -> dict[str, Any]:
    report = report_of(probe)
    return {
        "l1": report.l1,
        "l2": report.l2,
        "objective": report.objective,
        "optimality": report.optimality,
        "converged": report.converged,
        "nonzeros": report.nonzeros,
        "neurons": neurons_used(probe),
        "iterations": report.iterations,
        "seconds": report.seconds,
    }
