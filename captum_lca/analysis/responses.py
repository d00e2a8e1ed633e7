"""What a neuron responds to: words, words in their sentences, and activations by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.analysis.selectivity import words_of
from captum_lca.colours import COLOURS, ink
from captum_lca.distributed import joined
from captum_lca.neurons import as_neuron_ids
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal
from captum_lca.probes.labels import Labels, encode_labels
from captum_lca.probes.rows import aligned_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


STYLES = ("-", "--", ":")
"""Of lines, when there are more classes than colours."""
LONGEST_LABEL = 20
"""Characters of a word that a plot shows."""


@dataclass(frozen=True)
class NeuronResponses(NotebookTable):
    """The words that move a neuron most, up and down, in standard deviations from its mean."""

    neuron: int
    """Global id."""
    layer: str
    """Its layer."""
    index: int
    """Its place in the layer."""
    words: pd.DataFrame
    """``sign`` (+1, −1), ``word``, ``activation`` (mean over its rows), ``count``; strongest first
    within a sign."""
    contexts: pd.DataFrame
    """``sign``, ``word``, ``activation``, ``row``, ``context`` (the words around it, the word in
    brackets)."""

    def to_frame(self) -> pd.DataFrame:
        """The words: see :attr:`words`."""
        return self.words

    def plot(self, ax: Axes | None = None) -> Axes:
        """Bars of the words' mean activations."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        table = self.words.sort_values("activation")
        if ax is None:
            height = max(2.0, 1.2 + 0.24 * len(table))
            _, ax = plt.subplots(figsize=(5, height), layout="constrained")
        colours = [COLOURS[0] if sign > 0 else COLOURS[1] for sign in table["sign"]]
        places = range(len(table))
        ax.barh(places, table["activation"].tolist(), color=colours)
        names = [
            f"{word_label(word)} ({count})"
            for word, count in zip(table["word"], table["count"], strict=True)
        ]
        ax.set_yticks(list(places), names)
        ax.axvline(0, color=ink(), linewidth=1)
        if table.empty:
            ax.text(
                0,
                0,
                "no word moves it",
                ha="center",
                va="center",
                backgroundcolor=ax.get_facecolor(),
            )
        ax.set_xlabel("mean activation (standard deviations)")
        ax.set_title(f"neuron {self.index} of {literal(self.layer)}", fontsize="medium")
        return ax


@dataclass(frozen=True)
class ActivationHistograms(NotebookTable):
    """How a neuron's activations are spread in each class, in bins shared by all classes."""

    neuron: int
    """Global id."""
    layer: str
    """Its layer."""
    index: int
    """Its place in the layer."""
    classes: tuple[str, ...]
    """Of the property."""
    edges: NDArray[np.float64]
    """Of the bins, in the model's own units. Shape (bins + 1,)."""
    counts: NDArray[np.int64]
    """Rows per class and bin. Shape (classes, bins)."""

    def to_frame(self) -> pd.DataFrame:
        """One row per class and bin: ``class``, ``low``, ``high``, ``count``."""
        rows = [
            {"class": name, "low": low, "high": high, "count": count}
            for name, counts in zip(self.classes, self.counts.tolist(), strict=True)
            for low, high, count in zip(
                self.edges[:-1].tolist(), self.edges[1:].tolist(), counts, strict=True
            )
        ]
        return pd.DataFrame(rows)

    def plot(self, classes: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
        """Share of each class's rows per bin.

        Args:
            classes: Which to show. Default: the eight most frequent.
            ax: Where to plot.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if classes is None:
            largest = np.argsort(-self.counts.sum(1), kind="stable")[: len(COLOURS)]
            classes = [self.classes[number] for number in largest.tolist()]
        if ax is None:
            _, ax = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
        for number, name in enumerate(classes):
            counts = self.counts[self.classes.index(name)]
            share = counts / max(1, int(counts.sum()))
            colour = COLOURS[number % len(COLOURS)]
            style = STYLES[number // len(COLOURS) % len(STYLES)]
            ax.stairs(share, self.edges, color=colour, linestyle=style, label=literal(name))
        ax.set_title(f"neuron {self.index} of {literal(self.layer)}", fontsize="medium")
        ax.set_xlabel("activation")
        ax.set_ylabel("share of the class's rows")
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        return ax


def neuron_responses(
    activations: Activations,
    neuron: int,
    *,
    words: Sequence[str] | None = None,
    count: int = 10,
    least_rows: int = 2,
    around: int = 6,
) -> NeuronResponses:
    """The words, and the words in context, that move a neuron most.

    Args:
        activations: Rows × neurons, one row per word.
        neuron: Global id.
        words: The word of each row. Default: those of the store's corpus.
        count: How many words and contexts for each sign.
        least_rows: Words that occur less often are left out of the words (not of the contexts).
        around: Words of context on either side, within the sentence where sentences are known.

    Returns:
        Words by mean activation, and rows by activation, each from both ends.

    Raises:
        ValueError: No such neuron, or words that are not known or misaligned.

    Examples::

        >>> found = neuron_responses(store, int(ranking.for_class("DET").top(1)))
        >>> found.words.columns.tolist()
        ['sign', 'word', 'activation', 'count']
    """
    [found] = responses_of_neurons(
        activations, [neuron], words=words, count=count, least_rows=least_rows, around=around
    )
    return found


def responses_of_neurons(
    activations: Activations,
    neurons: Iterable[int] | Tensor,
    *,
    words: Sequence[str] | None = None,
    count: int = 10,
    least_rows: int = 2,
    around: int = 6,
) -> list[NeuronResponses]:
    """The same as :func:`neuron_responses` for many neurons, whose activations are read together.

    Args:
        activations: Rows × neurons, one row per word.
        neurons: Global ids.
        words: The word of each row. Default: those of the store's corpus.
        count: How many words and contexts for each sign.
        least_rows: Words that occur less often are left out of the words (not of the contexts).
        around: Words of context on either side, within the sentence where sentences are known.

    Returns:
        One per neuron, in the order given.

    Raises:
        ValueError: No such neuron, or words that are not known or misaligned.

    Examples::

        >>> found = responses_of_neurons(store, ranking.top(3))
        >>> [one.neuron for one in found] == ranking.top(3).tolist()
        True
    """
    store = as_store(activations)
    ids = as_neuron_ids(neurons, store.layout)
    known = np.array(words_of(store, words), dtype=object)
    columns = standardised(neuron_columns(store, ids)).T.contiguous().numpy()
    numbers, types = pd.factorize(known, sort=True)
    often = np.bincount(numbers)
    kept = often >= least_rows
    places = places_of(store, known.tolist())
    found = []
    for neuron, values in zip(ids.tolist(), columns, strict=True):
        means = np.bincount(numbers, values) / often
        of_words = pd.DataFrame(
            {"word": types[kept], "activation": means[kept], "count": often[kept]}
        )
        rows = rows_at_ends(values, count)
        of_rows = pd.DataFrame({"word": known[rows], "activation": values[rows], "row": rows})
        of_rows["context"] = [
            _context(sentence, place, around)
            for sentence, place in (places[row] for row in rows.tolist())
        ]
        found.append(
            NeuronResponses(
                neuron,
                *store.layout.locate(neuron),
                _with_sign(of_words.iloc[rows_at_ends(means[kept], count)]),
                _with_sign(of_rows),
            )
        )
    return found


def activation_histograms(
    activations: Activations, labels: Labels, neuron: int, *, bins: int = 40
) -> ActivationHistograms:
    """Histograms of a neuron's activations, one per class.

    Args:
        activations: Rows × neurons.
        labels: One class per row.
        neuron: Global id.
        bins: How many bins between the smallest and the largest activation.

    Returns:
        Counts in bins that all classes share.

    Raises:
        ValueError: No such neuron, no bins, misaligned labels, or numbers to predict.

    Examples::

        >>> found = activation_histograms(store, corpus.labels["upos"], neuron=5)
        >>> int(found.counts.sum()) == store.rows
        True
    """
    if bins < 1:
        raise ValueError(f"a histogram needs at least one bin; found {bins}")
    store = as_store(activations)
    targets = encode_labels(aligned_labels(store, labels))
    if targets.is_regression:
        raise ValueError("histograms are per class; the labels are numbers to predict")
    column = neuron_columns(store, torch.tensor([neuron]))[targets.rows, 0].numpy()
    edges = np.histogram_bin_edges(column, bins)
    numbers = targets.values.numpy()
    counts = [
        np.histogram(column[numbers == number], edges)[0] for number in range(len(targets.classes))
    ]
    return ActivationHistograms(
        neuron,
        *store.layout.locate(neuron),
        targets.classes,
        edges.astype(np.float64),
        np.stack(counts).astype(np.int64),
    )


def neuron_columns(store: ActivationStore, neurons: Tensor) -> Tensor:
    """Activations of some neurons in all rows, read block by block. Shape (rows, some), float32."""
    ids = as_neuron_ids(neurons, store.layout)
    own = [block[:, ids].float() for _, block in store.blocks()]
    return joined(torch.cat([torch.empty(0, len(ids)), *own]))


def word_label(word: str) -> str:
    """A word as a plot shows it: cut if it is long, and without formulas."""
    return literal(word, LONGEST_LABEL)


def standardised(columns: Tensor) -> Tensor:
    """Columns with mean 0 and standard deviation 1; constant ones become 0. Shape as given."""
    precise = columns.double()
    scale = precise.std(0, correction=0)
    return (precise - precise.mean(0)) / scale.masked_fill(scale == 0, 1)


def rows_at_ends(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Places of the largest values above 0, largest first; then of the smallest below 0."""
    return np.concatenate([_largest(values, count), _largest(-values, count)])


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Places of the largest values above 0, largest first, equal ones in their order."""
    above = np.flatnonzero(values > 0)
    if len(above) > count:
        least = -np.partition(-values[above], count - 1)[count - 1]
        above = above[values[above] >= least]
    return above[np.argsort(-values[above], kind="stable")][:count]


def _with_sign(table: pd.DataFrame) -> pd.DataFrame:
    signs = np.where(table["activation"] > 0, 1, -1)
    return table.assign(sign=signs).reset_index(drop=True)[["sign", *table.columns]]


def places_of(store: ActivationStore, words: Sequence[str]) -> list[tuple[Sequence[str], int]]:
    """The sentence of each row, and the row's place in it."""
    if store.corpus is None:
        return [(words, row) for row in range(len(words))]
    sentences = store.corpus.sentences
    return store.align([(part, place) for part in sentences for place in range(len(part))])


def _context(sentence: Sequence[str], place: int, around: int) -> str:
    before = sentence[max(0, place - around) : place]
    after = sentence[place + 1 : place + 1 + around]
    return " ".join([*before, f"[{sentence[place]}]", *after])
