"""A sentence with a neuron's activations: as HTML, as a record of Captum's, as a plot."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from captum_lca.activations import ActivationStore
from captum_lca.analysis.responses import neuron_columns, standardised, word_label
from captum_lca.analysis.selectivity import words_of
from captum_lca.colours import ink
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal
from captum_lca.probes import LinearProbe
from captum_lca.probes.labels import Labels, encode_labels
from captum_lca.probes.rows import aligned_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FULL = 3.0
"""Standard deviations that are shown in full colour."""


@dataclass(frozen=True)
class HeatMap(NotebookTable):
    """The words of a sentence with a neuron's activations."""

    neuron: int
    """Global id."""
    name: str
    """Layer and index."""
    words: tuple[str, ...]
    """Those of the sentence that have a row."""
    activations: tuple[float, ...]
    """In standard deviations from the neuron's mean over the store."""
    labels: tuple[str | None, ...] = ()
    """The class of each word, None where it has none; empty if no labels were given."""
    predicted: tuple[str, ...] = ()
    """The class that the probe predicts for each word; empty if no probe was given."""
    probabilities: tuple[float, ...] = ()
    """The probe's probability of the class that it predicts, in [0, 1]."""

    @property
    def peak(self) -> int:
        """Place of the word whose activation is furthest from the mean."""
        return max(range(len(self.words)), key=lambda place: abs(self.activations[place]))

    def to_frame(self) -> pd.DataFrame:
        """One row per word: ``word``, ``activation``; ``label``, ``predicted`` and ``probability``
        where they are known.
        """  # noqa: D205
        columns = {
            "word": self.words,
            "activation": self.activations,
            "label": self.labels,
            "predicted": self.predicted,
            "probability": self.probabilities,
        }
        return pd.DataFrame({name: list(values) for name, values in columns.items() if values})

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """A paragraph: blue for above the mean, orange for below; the value as a tooltip."""
        spans = []
        for word, value in zip(self.words, self.activations, strict=True):
            colour = "0,114,178" if value > 0 else "213,94,0"
            strength = min(1.0, abs(value) / FULL) * 0.8
            style = f"background-color:rgba({colour},{strength:.2f})"
            spans.append(f'<span style="{style}" title="{value:+.2f}">{escape(word)}</span>')
        return f"<p>{' '.join(spans)}</p>"

    def to_captum(self) -> Any:
        """A ``VisualizationDataRecord`` for ``captum.attr.visualization.visualize_text``.

        Words are coloured by their activations, full colour at three standard deviations. A
        record is about one prediction, and here about the word at the :attr:`peak`: its label, what
        the probe predicts for it, and as the score its activation. Text is escaped, which
        ``visualize_text`` leaves to its caller.

        Returns:
            The record. Without labels its true class is ``unlabelled``; without a probe its
            predicted class is ``no probe``, with NaN for the probability.
        """
        from captum.attr._utils.visualization import VisualizationDataRecord  # noqa: PLC0415

        peak = self.peak
        label = self.labels[peak] if self.labels else None
        return VisualizationDataRecord(
            word_attributions=(torch.tensor(self.activations) / FULL).clamp(-1, 1),
            pred_prob=self.probabilities[peak] if self.probabilities else float("nan"),
            pred_class=escape(self.predicted[peak]) if self.predicted else "no probe",
            true_class="unlabelled" if label is None else escape(label),
            attr_class=escape(f"{self.name} at {self.words[peak]}"),
            attr_score=self.activations[peak],
            raw_input_ids=[escape(word) for word in self.words],
            convergence_score=0.0,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Bars over the words of the sentence."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            width = max(4.0, 1 + 0.28 * len(self.words))
            _, ax = plt.subplots(figsize=(width, 3.5), layout="constrained")
        places = range(len(self.words))
        colours = ["#0072B2" if value > 0 else "#D55E00" for value in self.activations]
        ax.bar(places, self.activations, color=colours)
        ax.set_xticks(list(places), [word_label(word) for word in self.words], rotation=90)
        ax.set_xlim(-1, len(self.words))
        ax.axhline(0, color=ink(), linewidth=1)
        ax.set_ylabel("standard deviations")
        ax.set_title(literal(self.name), fontsize="medium")
        return ax


def heat_map(
    store: ActivationStore,
    neuron: int,
    sentence: int,
    *,
    labels: Labels | None = None,
    probe: LinearProbe | None = None,
) -> HeatMap:
    """A neuron's activations over one sentence of a store's corpus.

    Args:
        store: Of words, with its corpus.
        neuron: Global id.
        sentence: Its number in the corpus, from 0.
        labels: One class per row of the store, or per word of its corpus, to show beside the words.
        probe: Whose predictions are shown beside the words.

    Returns:
        The words with the neuron's activations, in standard deviations from its mean.

    Raises:
        ValueError: No such neuron or sentence, a sentence without rows, a store without its words,
            labels that are misaligned, or numbers to predict instead of classes.

    Examples::

        >>> found = heat_map(store, 400, 0, labels=corpus.labels["upos"], probe=probe)
        >>> found.to_html().startswith("<p><span")
        True
        >>> found.to_captum().pred_class in probe.classes
        True
    """
    words = words_of(store)
    layer, index = store.layout.locate(neuron)
    rows = _rows_of(store, sentence)
    names = _names(store, labels) if labels is not None else []
    predicted, probabilities = _predictions(store, rows, probe) if probe is not None else ((), ())
    column = standardised(neuron_columns(store, torch.tensor([neuron])))[:, 0]
    return HeatMap(
        neuron,
        f"neuron {index} of {layer}",
        tuple(words[row] for row in rows),
        tuple(column[rows].tolist()),
        tuple(names[row] for row in rows) if names else (),
        predicted,
        probabilities,
    )


def _rows_of(store: ActivationStore, sentence: int) -> list[int]:
    sentences = store.corpus.sentences if store.corpus else ()
    if not 0 <= sentence < len(sentences):
        raise ValueError(f"no sentence {sentence}: there are 0 to {len(sentences) - 1}")
    numbers = store.align([number for number, part in enumerate(sentences) for _ in part])
    rows = [row for row, number in enumerate(numbers) if number == sentence]
    if not rows:
        raise ValueError(f"no word of sentence {sentence} has a row: {list(sentences[sentence])}")
    return rows


def _names(store: ActivationStore, labels: Labels) -> list[str | None]:
    targets = encode_labels(aligned_labels(store, labels))
    if targets.is_regression:
        raise ValueError("a heat map shows classes; the labels are numbers to predict")
    numbers = targets.numbered(store.rows)
    return [None if number is None else targets.classes[number] for number in numbers]


def _predictions(
    store: ActivationStore, rows: list[int], probe: LinearProbe
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    if probe.is_regression:
        raise ValueError("a heat map shows classes; the probe predicts numbers")
    logits = probe.logits(store.read(rows[0], rows[-1] + 1))
    best, numbers = logits.softmax(1).max(1)
    return tuple(probe.classes[number] for number in numbers.tolist()), tuple(best.tolist())
