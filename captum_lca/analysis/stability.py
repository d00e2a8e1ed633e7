"""Can the ranking be trusted? What changes with the sample, the seed and the penalty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.analysis.agreement import ranks_of, spearman
from captum_lca.analysis.held_out import Groups, sentence_numbers
from captum_lca.analysis.overlap import top_overlap, top_salient
from captum_lca.colours import BLUE, GREEN, VERMILION, ink
from captum_lca.neurons import NeuronLayout, NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.probes import ElasticNet, LinearProbe, fit_probe
from captum_lca.probes.labels import Labels
from captum_lca.rankings import weight_mass

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FACTORS = (0.5, 2.0)
"""What l1 and l2 are multiplied by for the neighbouring penalties."""
SOURCE_COLOURS = {"bootstrap": BLUE, "seed": GREEN, "penalty": VERMILION}


@dataclass(frozen=True)
class SourceStability:
    """How far rankings agree when one thing about the fit changes."""

    source: str
    """``bootstrap``, ``seed`` or ``penalty``."""
    rankings: int
    """How many there are besides the reference."""
    overlap: float
    """Mean share of the reference's top neurons that a ranking has too."""
    overlap_interval: tuple[float, float]
    """From the 2.5th to the 97.5th percentile of the rankings."""
    spearman: float
    """Mean rank correlation of salience with the reference's, over the neurons that either gives
    any."""
    spearman_interval: tuple[float, float]
    """From the 2.5th to the 97.5th percentile of the rankings."""
    mutual_overlap: float
    """Mean overlap of the top neurons over all pairs of rankings; NaN if there is only one."""


@dataclass(frozen=True)
class Stability(NotebookTable):
    """How a ranking by weight mass changes with the sample, the seed and the penalty."""

    count: int
    """How many top neurons were compared, of those that have a weight."""
    expected: float
    """Overlap of two random choices of as many neurons as the reference has at the top."""
    reference: NeuronRanking
    """The ranking of the whole sample, with the penalty and seed asked for."""
    sources: tuple[SourceStability, ...]
    """One per thing that changed."""
    frequency: Tensor
    """Share of the bootstrap samples in which each neuron is among the top. Shape (neurons,)."""

    def to_frame(self) -> pd.DataFrame:
        """One row per thing that changed.

        Returns:
            Columns ``source``, ``rankings``, ``overlap``, ``overlap_low``, ``overlap_high``,
            ``spearman``, ``spearman_low``, ``spearman_high``, ``mutual_overlap``, ``expected``.
        """
        rows = [
            {
                "source": found.source,
                "rankings": found.rankings,
                "overlap": found.overlap,
                "overlap_low": found.overlap_interval[0],
                "overlap_high": found.overlap_interval[1],
                "spearman": found.spearman,
                "spearman_low": found.spearman_interval[0],
                "spearman_high": found.spearman_interval[1],
                "mutual_overlap": found.mutual_overlap,
                "expected": self.expected,
            }
            for found in self.sources
        ]
        return pd.DataFrame(rows)

    def neurons_frame(self) -> pd.DataFrame:
        """One row per neuron that some bootstrap sample has at the top, most frequent first.

        Returns:
            Columns ``neuron``, ``layer``, ``index``, ``rank`` (in the reference, from 1),
            ``frequency``.
        """
        ids = self.frequency.nonzero().flatten()
        ids = ids[self.frequency[ids].argsort(descending=True, stable=True)]
        places = [self.reference.layout.locate(neuron) for neuron in ids.tolist()]
        ranks = ranks_of(self.reference.order)
        return pd.DataFrame(
            {
                "neuron": ids.tolist(),
                "layer": [layer for layer, _ in places],
                "index": [index for _, index in places],
                "rank": [int(ranks[neuron]) + 1 for neuron in ids.tolist()],
                "frequency": self.frequency[ids].tolist(),
            }
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Mean overlap of the top neurons per thing that changed, with its interval."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
        for place, found in enumerate(self.sources):
            low, high = found.overlap_interval
            reach = [[max(0, found.overlap - low)], [max(0, high - found.overlap)]]
            colour = SOURCE_COLOURS[found.source]
            ax.errorbar(place, found.overlap, yerr=reach, fmt="o", color=colour, capsize=4)
        ax.axhline(self.expected, color=ink(), linewidth=1, linestyle=":", label="chance")
        names = [f"{found.source}\n({found.rankings} fits)" for found in self.sources]
        ax.set_xticks(range(len(names)), names)
        ax.set_xlim(-0.5, len(names) - 0.5)
        ax.set_ylim(-0.02, 1.05)
        ax.set_ylabel(f"overlap of the top {self.count}")
        ax.legend(frameon=False)
        return ax


def stability(
    activations: Activations,
    labels: Labels,
    *,
    count: int | None = None,
    samples: int = 10,
    seeds: int = 3,
    factors: Sequence[float] = FACTORS,
    l1: float = 1e-3,
    l2: float = 1e-4,
    groups: Groups | None = None,
    layout: NeuronLayout | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Stability:
    """Fit again with other samples, seeds and penalties, and compare the rankings.

    A bootstrap sample draws as many sentences as there are, with replacement: a sentence drawn
    twice counts twice in the loss. Neurons are standardised over all rows each time. Every fit
    starts at the weights of the first one, which changes how long it takes, not where it ends.

    Args:
        activations: Rows × neurons.
        labels: One per row.
        count: How many top neurons to compare. Default: 5 % of all.
        samples: Bootstrap samples.
        seeds: Other seeds of the solver. They choose which rows it looks at first, and the minimum
            is the same for all of them: what changes is within the fit's tolerance.
        factors: What l1, and then l2, is multiplied by.
        l1: Strength of Σ|W|.
        l2: Strength of ΣW².
        groups: What is drawn as a whole. Default: the sentences of the store's corpus; rows of a
            store without one are on their own.
        layout: Where the neurons of a matrix sit.
        seed: Of the samples, and of the first fit.
        progress: Show a bar of the fits.

    Returns:
        Agreement with the first ranking for each thing that changed, and how often each neuron is
        among the top of a bootstrap sample.

    Raises:
        ValueError: Nothing to vary, a negative number of samples or seeds, or what the fit refuses.

    Examples::

        >>> found = stability(store, corpus.labels["number"], samples=2, seeds=0, progress=False)
        >>> found.to_frame()["source"].tolist()
        ['bootstrap', 'penalty']
    """
    store = as_store(activations, layout)
    size = store.layout.size
    count = max(1, round(0.05 * size)) if count is None else count
    if not 1 <= count <= size:
        raise ValueError(f"can compare the top 1 to {size} neurons; found {count}")
    if samples < 0 or seeds < 0 or samples + seeds + len(factors) == 0:
        raise ValueError(f"nothing to vary: samples={samples}, seeds={seeds}, factors={factors}")
    if any(factor <= 0 for factor in factors):
        raise ValueError(f"factors must be positive; found {list(factors)}")
    penalties = [(l1 * factor, l2) for factor in factors] + [(l1, l2 * f) for f in factors]
    drawn = bootstrap_weights(store, samples, seed, groups)
    total = 1 + samples + seeds + len(penalties)
    with tqdm(total=total, desc="stability", disable=not progress) as bar:
        first = fit_probe(store, labels, ElasticNet(l1, l2), seed=seed)
        bar.update()

        def refit(
            penalty: tuple[float, float], number: int, weight: NDArray[np.int64] | None = None
        ) -> LinearProbe:
            init = None if number != seed else first
            probe = fit_probe(
                store,
                labels,
                ElasticNet(*penalty),
                sample_weight=weight,
                classes=first.classes or None,
                init=init,
                seed=number,
            )
            bar.update()
            return probe

        fits = {
            "bootstrap": [refit((l1, l2), seed, weight) for weight in drawn],
            "seed": [refit((l1, l2), seed + 1 + number) for number in range(seeds)],
            "penalty": [refit(penalty, seed) for penalty in penalties],
        }
    found = [_compared(name, first, probes, count) for name, probes in fits.items() if probes]
    tops = [top_salient(weight_mass(probe), count) for probe in fits["bootstrap"]]
    frequency = torch.zeros(size)
    for top in tops:
        frequency[top] += 1 / len(tops)
    reference = weight_mass(first)
    expected = len(top_salient(reference, count)) / size
    return Stability(count, expected, reference, tuple(found), frequency)


def bootstrap_weights(
    store: ActivationStore, samples: int, seed: int, groups: Groups | None = None
) -> list[NDArray[np.int64]]:
    """How often each row is drawn, for each bootstrap sample of the groups. Shape (rows,) each."""
    numbers = sentence_numbers(store, groups)
    present = int(numbers.max()) + 1
    generator = np.random.default_rng(seed)
    even = np.full(present, 1 / present)
    return [generator.multinomial(present, even)[numbers] for _ in range(samples)]


def _compared(
    source: str, first: LinearProbe, probes: Sequence[LinearProbe], count: int
) -> SourceStability:
    reference, rankings = weight_mass(first), [weight_mass(probe) for probe in probes]
    overlaps = [top_overlap(reference, ranking, count).overlap for ranking in rankings]
    correlations = [spearman(reference, ranking) for ranking in rankings]
    mutual = [top_overlap(a, b, count).overlap for a, b in combinations(rankings, 2)]
    return SourceStability(
        source=source,
        rankings=len(rankings),
        overlap=float(np.mean(overlaps)),
        overlap_interval=_middle(overlaps),
        spearman=float(np.mean(correlations)),
        spearman_interval=_middle(correlations),
        mutual_overlap=float(np.mean(mutual)) if mutual else float("nan"),
    )


def _middle(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
