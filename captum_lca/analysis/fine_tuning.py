"""What fine-tuning does: the salient neurons of a property before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from captum_lca.activations import Activations, as_store
from captum_lca.analysis.centre_of_gravity import centre_shift, checked_count
from captum_lca.analysis.half_samples import rank_half_samples
from captum_lca.analysis.held_out import Groups
from captum_lca.analysis.intervals import Estimate, around
from captum_lca.analysis.layer_probes import LayerProbes, layer_probes
from captum_lca.analysis.overlap import Overlap, top_overlap
from captum_lca.colours import BLUE, VERMILION
from captum_lca.layer_axis import label_layers
from captum_lca.neurons import NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.probes import fit_elastic_net
from captum_lca.probes.labels import Labels
from captum_lca.rankings import weight_mass

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class FineTuningComparison(NotebookTable):
    """A property in two models of the same shape, on the same text.

    Source: Durrani, Dalvi & Sajjad (2023), the effect of fine-tuning on salient neurons.
    """

    before: NeuronRanking
    """Of the pre-trained model, by weight mass."""
    after: NeuronRanking
    """Of the fine-tuned model."""
    halves: tuple[tuple[NeuronRanking, ...], tuple[NeuronRanking, ...]]
    """The same rankings from halves of the sentences, before and after."""
    count: int
    """How many neurons count as salient in either."""
    shift: Estimate
    """Centre of gravity after less that before, in relative depth (negative: towards the input);
    its interval is over halves of the sentences, the same ones for both models."""
    overlap: Overlap
    """Of the top neurons before and after, against chance."""
    probes_before: LayerProbes
    """Held-out scores layer by layer, of the pre-trained model."""
    probes_after: LayerProbes
    """The same of the fine-tuned model."""

    def to_frame(self) -> pd.DataFrame:
        """One row per layer.

        Returns:
            Columns ``layer``, ``neurons_before``, ``neurons_after`` (of the top ones),
            ``score_before``, ``score_after`` (of a probe on that layer alone).
        """
        probes = self.probes_before.layers, self.probes_after.layers
        return pd.DataFrame(
            {
                "layer": self.before.layout.layers,
                "neurons_before": self.before.layer_counts(self.count).tolist(),
                "neurons_after": self.after.layer_counts(self.count).tolist(),
                "score_before": [probe.score for probe in probes[0]],
                "score_after": [probe.score for probe in probes[1]],
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Bars of the salient neurons by layer, before and after.

        The whiskers are 95 % intervals over halves of the sentences.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
        table = self.to_frame()
        sides = (-0.2, "before", BLUE), (0.2, "after", VERMILION)
        for (side, name, colour), halves in zip(sides, self.halves, strict=True):
            places = [place + side for place in range(len(table))]
            counts = table[f"neurons_{name}"]
            ends = _whiskers(counts.tolist(), halves, self.count)
            style: dict[str, Any] = {"error_kw": {"elinewidth": 1}, "capsize": 2}
            ax.bar(places, counts, yerr=ends, width=0.4, color=colour, label=name, **style)
        label_layers(ax, list(table["layer"]))
        ax.set_ylabel(f"of the top {self.count} neurons")
        ax.set_title(f"shift of the centre of gravity {self.shift}", fontsize="medium")
        ax.legend(frameon=False)
        return ax


def compare_fine_tuning(
    before: Activations,
    after: Activations,
    labels: Labels,
    *,
    test: tuple[Activations, Activations, Labels],
    count: int | None = None,
    l1: float = 1e-3,
    l2: float = 1e-4,
    samples: int = 10,
    groups: Groups | None = None,
    seed: int = 0,
    progress: bool = True,
) -> FineTuningComparison:
    """Compare where and how well a property is encoded before and after fine-tuning.

    Neuron j after is neuron j before, trained on: that is why the overlap means something here,
    and would not between two models that were trained apart.

    Args:
        before: Rows × neurons of the pre-trained model.
        after: The same rows from the fine-tuned model.
        labels: One per row.
        test: Held-out activations before, the same rows after, and their labels.
        count: How many neurons count as salient. Default: 5 % of all.
        l1: Strength of Σ|W|.
        l2: Strength of ΣW².
        samples: Halves of the sentences to rank again, for the shift's interval.
        groups: What stays together in a half. Default: sentences.
        seed: Of the halves and of the fits.
        progress: Show progress bars.

    Returns:
        Rankings, shift, overlap and layer-wise scores.

    Raises:
        ValueError: Stores of different neurons or of different text, or what the fits refuse.

    Examples::

        >>> from captum_lca.analysis import compare_fine_tuning
        >>> labels, test_labels = corpus.labels["upos"], test_corpus.labels["upos"]
        >>> same = compare_fine_tuning(
        ...     store, store, labels, test=(test_store, test_store, test_labels),
        ...     samples=2, progress=False,
        ... )
        >>> same.shift.value, same.overlap.overlap
        (0.0, 1.0)
    """
    check_same_rows(before, after)
    check_same_rows(test[0], test[1])
    first, second = (
        _side(
            activations,
            labels,
            (held_out, test[2]),
            samples=samples,
            groups=groups,
            l1=l1,
            l2=l2,
            seed=seed,
            progress=progress,
        )
        for activations, held_out in ((before, test[0]), (after, test[1]))
    )
    size = checked_count(first.ranking, count)
    return FineTuningComparison(
        before=first.ranking,
        after=second.ranking,
        halves=(first.halves, second.halves),
        count=size,
        shift=centre_shift(
            first.ranking,
            second.ranking,
            size,
            before_resampled=first.halves,
            after_resampled=second.halves,
        ),
        overlap=top_overlap(first.ranking, second.ranking, size),
        probes_before=first.probes,
        probes_after=second.probes,
    )


class _Side(NamedTuple):
    """What is found in one of the two models."""

    ranking: NeuronRanking
    halves: tuple[NeuronRanking, ...]
    probes: LayerProbes


def _side(
    activations: Activations,
    labels: Labels,
    test: tuple[Activations, Labels],
    *,
    samples: int,
    groups: Groups | None,
    progress: bool,
    **fit: Any,
) -> _Side:
    probe = fit_elastic_net(activations, labels, **fit)
    halves: tuple[NeuronRanking, ...] = ()
    if samples:
        again: dict[str, Any] = {"samples": samples, "init": probe, "groups": groups, **fit}
        halves = rank_half_samples(activations, labels, progress=progress, **again)
    probes = layer_probes(activations, labels, test=test, progress=progress, **fit)
    return _Side(weight_mass(probe), halves, probes)


def _whiskers(
    counts: list[int], halves: tuple[NeuronRanking, ...], count: int
) -> NDArray[np.float64] | None:
    """How far each layer's interval reaches below and above. Shape (2, layers); None: no halves."""
    if len(halves) < 2:
        return None
    replicates = np.array([half.layer_counts(count).tolist() for half in halves])
    found = [around(*pair) for pair in zip(counts, replicates.T, strict=True)]
    below = [min(one.value - one.low, one.value) for one in found]
    above = [min(one.high, count) - one.value for one in found]
    return np.array([below, above])


def check_same_rows(before: Activations, after: Activations) -> None:
    """Raise ValueError unless two stores hold the same neurons of the same text."""
    stores = as_store(before), as_store(after)
    if stores[0].layout != stores[1].layout:
        raise ValueError("before and after must be of the same neurons; their layouts differ")
    if stores[0].rows != stores[1].rows:
        raise ValueError(
            f"before and after must be of the same rows; found {stores[0].rows} and "
            f"{stores[1].rows}"
        )
    texts = {store.corpus.fingerprint for store in stores if store.corpus is not None}
    if len(texts) > 1:
        raise ValueError("before and after must be of the same text; their corpora differ")
