"""How models differ: one property in any number of models, on the same text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from captum_lca.activations import Activations, as_store
from captum_lca.analysis.centre_of_gravity import (
    DEFAULT_SHARE,
    centre_of_gravity,
    checked_count,
    salient_neurons,
)
from captum_lca.analysis.focus import ClassFocus, focus
from captum_lca.analysis.half_samples import rank_half_samples
from captum_lca.analysis.held_out import Groups
from captum_lca.analysis.intervals import Estimate
from captum_lca.analysis.layer_probes import LayerProbes, layer_probes
from captum_lca.analysis.minimal_set import MinimalSet, minimal_set
from captum_lca.colours import COLOURS, ink
from captum_lca.neurons import NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal
from captum_lca.probes import fit_elastic_net
from captum_lca.probes.labels import Labels
from captum_lca.rankings import weight_mass

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class ModelProfile:
    """Where, and in how many neurons, one model carries the property."""

    name: str
    """As it was given."""
    ranking: NeuronRanking
    """By weight mass."""
    count: int
    """How many neurons count as salient."""
    minimal: MinimalSet
    """How few neurons are enough."""
    centre: Estimate
    """Mean relative depth of the salient neurons (0: first layer, 1: last), over sentences."""
    focus: ClassFocus
    """How the weight is shared among neurons and layers, over all classes."""
    probes: LayerProbes
    """Held-out scores layer by layer."""

    def layers(self) -> pd.DataFrame:
        """One row per layer.

        Returns:
            Columns ``model``, ``layer``, ``depth`` (0 to 1), ``neurons`` (of the salient ones),
            ``share`` (of the salient ones), ``density`` (the share over that of an equal spread:
            comparable between models of different depth), ``score`` (of a probe on the layer
            alone), ``low``, ``high``.
        """
        layout = self.ranking.layout
        numbers = layout.layer_numbers(salient_neurons(self.ranking, self.count)).numpy()
        counts = np.bincount(numbers, minlength=len(layout.layers))
        share = counts / max(counts.sum(), 1)
        probes = self.probes.to_frame()
        return pd.DataFrame(
            {
                "model": self.name,
                "layer": layout.layers,
                "depth": np.arange(len(counts)) / max(len(counts) - 1, 1),
                "neurons": counts,
                "share": share,
                "density": share * layout.size / np.array(layout.widths),
                "score": probes["score"],
                "low": probes["low"],
                "high": probes["high"],
            }
        )


@dataclass(frozen=True)
class ModelComparison(NotebookTable):
    """One property in several models.

    Source: Durrani, Dalvi & Sajjad (2023), the comparison of architectures.
    """

    models: tuple[ModelProfile, ...]
    """In the order given."""

    def to_frame(self) -> pd.DataFrame:
        """One row per model.

        Returns:
            Columns ``model``, ``layers``, ``neurons``, ``score``, ``score_low``, ``score_high`` (of
            all neurons), ``minimal``, ``minimal_low``, ``minimal_high``, ``minimal_share`` (of all
            neurons), ``centre``, ``centre_low``, ``centre_high``, ``half``, ``effective``,
            ``layer_entropy`` (see :class:`~captum_lca.analysis.ClassFocus`).
        """
        return pd.DataFrame([_row(model) for model in self.models])

    def layers(self) -> pd.DataFrame:
        """One row per model and layer; see :meth:`ModelProfile.layers`."""
        return pd.concat([model.layers() for model in self.models], ignore_index=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Density of the salient neurons over relative depth, a line per model.

        The dotted line is an equal spread; the crosses at the top are the centres of gravity with
        their intervals.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(7, 4), layout="constrained")
        highest = float(self.layers()["density"].max())
        colours = COLOURS * len(self.models)
        for number, (model, colour) in enumerate(zip(self.models, colours, strict=False)):
            table, centre = model.layers(), model.centre
            enough = f"{len(model.minimal.neurons):,} of {len(model.ranking):,} enough"
            label = f"{literal(model.name)} ({enough})"
            ax.plot(table["depth"], table["density"], marker="o", color=colour, label=label)
            ends = None
            if not np.isnan(centre.low):
                ends = [[centre.value - centre.low], [centre.high - centre.value]]
            height = highest * (1.08 + 0.06 * number)
            ax.errorbar([centre.value], [height], xerr=ends, fmt="x", color=colour, capsize=3)
        ax.axhline(1, color=ink(), linewidth=1, linestyle=":")
        ax.set_xlim(-0.03, 1.03)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("relative depth (0: first layer, 1: last)")
        ax.set_ylabel("salient neurons / equal spread")
        ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1))
        return ax


def compare_models(
    models: Mapping[str, Activations],
    labels: Labels,
    *,
    test: tuple[Mapping[str, Activations], Labels],
    share: float = DEFAULT_SHARE,
    delta: float = 0.01,
    draws: int = 0,
    l1: float = 1e-3,
    l2: float = 1e-4,
    samples: int = 10,
    groups: Groups | None = None,
    seed: int = 0,
    progress: bool = True,
) -> ModelComparison:
    """Compare where, and in how many neurons, models carry a property.

    Args:
        models: Rows × neurons of every model, by name; the same rows in each. Their layers and
            neurons may differ.
        labels: One per row.
        test: Held-out activations by the same names, and their labels.
        share: Of each model's neurons, how many count as salient, in (0, 1].
        delta: The loss of accuracy that a minimal set is allowed.
        draws: Random orders beside every minimal set.
        l1: Strength of Σ|W|.
        l2: Strength of ΣW².
        samples: Halves of the sentences to rank again, for the intervals of the centres.
        groups: What stays together in a half and in the bootstrap. Default: sentences.
        seed: Of every random choice.
        progress: Show progress bars.

    Returns:
        One profile per model.

    Raises:
        ValueError: No model, other names for the held-out activations, activations of different
            text, or what the fits refuse.

    Examples::

        >>> from captum_lca.analysis import compare_models
        >>> both = {"one": store, "same": store}, {"one": test_store, "same": test_store}
        >>> found = compare_models(
        ...     both[0], corpus.labels["number"], test=(both[1], test_corpus.labels["number"]),
        ...     samples=0, progress=False,
        ... )
        >>> found.models[0].centre.value == found.models[1].centre.value
        True
    """
    if not models or list(models) != list(test[0]):
        raise ValueError(
            f"models and test need activations by the same names, at least one; found "
            f"{list(models)} and {list(test[0])}"
        )
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1; found {share}")
    check_same_text(models)
    check_same_text(test[0])
    fit: dict[str, Any] = {"l1": l1, "l2": l2, "seed": seed}
    found = []
    for name in tqdm(models, desc="models", disable=not progress):
        activations, held_out = models[name], (test[0][name], test[1])
        probe = fit_elastic_net(activations, labels, **fit)
        ranking = weight_mass(probe)
        count = checked_count(ranking, max(1, round(share * len(ranking))))
        quiet: dict[str, Any] = {"groups": groups, "progress": False, **fit}
        halves = (
            rank_half_samples(activations, labels, samples=samples, init=probe, **quiet)
            if samples
            else ()
        )
        few = minimal_set(
            activations, labels, ranking, test=held_out, delta=delta, draws=draws, **quiet
        )
        found.append(
            ModelProfile(
                name=name,
                ranking=ranking,
                count=count,
                minimal=few,
                centre=centre_of_gravity(ranking, count, resampled=halves),
                focus=focus(probe).classes[0],
                probes=layer_probes(activations, labels, test=held_out, **quiet),
            )
        )
    return ModelComparison(tuple(found))


def check_same_text(models: Mapping[str, Activations]) -> None:
    """Raise ValueError unless all activations are of the same rows, as far as is known."""
    (first, start), *others = ((name, as_store(given)) for name, given in models.items())
    for name, store in others:
        if store.rows != start.rows:
            raise ValueError(
                f"models must be compared on the same rows; {first!r} has {start.rows}, "
                f"{name!r} {store.rows}"
            )
        texts = [one.corpus.fingerprint for one in (start, store) if one.corpus is not None]
        if len(set(texts)) > 1:
            raise ValueError(
                f"models must be compared on the same text; the corpora of {first!r} and "
                f"{name!r} differ"
            )


def _row(model: ModelProfile) -> dict[str, Any]:
    full, few = model.probes.full, model.minimal
    neurons = len(model.ranking)
    return {
        "model": model.name,
        "layers": len(model.ranking.layout.layers),
        "neurons": neurons,
        "score": full.value,
        "score_low": full.low,
        "score_high": full.high,
        "minimal": len(few.neurons),
        "minimal_low": few.size_interval[0],
        "minimal_high": few.size_interval[1],
        "minimal_share": len(few.neurons) / neurons,
        "centre": model.centre.value,
        "centre_low": model.centre.low,
        "centre_high": model.centre.high,
        "half": model.focus.half,
        "effective": model.focus.effective,
        "layer_entropy": model.focus.layer_entropy,
    }
