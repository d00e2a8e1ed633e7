"""A sentence with a neuron's activations: as HTML, as a record of Captum's, as a plot."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from captum_lca.activations import ActivationStore
from captum_lca.analysis.responses import neuron_columns, standardised
from captum_lca.analysis.selectivity import words_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FULL = 3.0
"""Standard deviations that are shown in full colour."""


@dataclass(frozen=True)
class HeatMap:
    """The words of a sentence with a neuron's activations."""

    neuron: int
    """Global id."""
    name: str
    """Layer and index."""
    words: tuple[str, ...]
    """Those of the sentence that have a row."""
    activations: tuple[float, ...]
    """In standard deviations from the neuron's mean over the store."""

    def to_frame(self) -> pd.DataFrame:
        """One row per word: ``word``, ``activation``."""
        return pd.DataFrame({"word": self.words, "activation": self.activations})

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

        Words are escaped, which that function leaves to its caller.
        """
        from captum.attr._utils.visualization import VisualizationDataRecord  # noqa: PLC0415

        values = torch.tensor(self.activations)
        return VisualizationDataRecord(
            word_attributions=(values / FULL).clamp(-1, 1),
            pred_prob=0.0,
            pred_class="",
            true_class="",
            attr_class=escape(self.name),
            attr_score=float(values.sum()),
            raw_input_ids=[escape(word) for word in self.words],
            convergence_score=0.0,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Bars over the words of the sentence."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            width = max(4.0, 1 + 0.32 * len(self.words))
            _, ax = plt.subplots(figsize=(width, 3), layout="constrained")
        places = range(len(self.words))
        colours = ["#0072B2" if value > 0 else "#D55E00" for value in self.activations]
        ax.bar(places, self.activations, color=colours)
        labels = [word.replace("$", r"\$") for word in self.words]
        ax.set_xticks(list(places), labels, rotation=90)
        ax.axhline(0, color="black", linewidth=1)
        ax.set_ylabel("standard deviations")
        ax.set_title(self.name, fontsize="medium")
        return ax


def heat_map(store: ActivationStore, neuron: int, sentence: int) -> HeatMap:
    """A neuron's activations over one sentence of a store's corpus.

    Args:
        store: Of words, with its corpus.
        neuron: Global id.
        sentence: Its number in the corpus, from 0.

    Raises:
        ValueError: No such neuron or sentence, or a store without its words.

    Examples::

        >>> found = heat_map(store, neuron=400, sentence=0)
        >>> found.to_html().startswith("<p><span")
        True
    """
    words = words_of(store)
    layer, index = store.layout.locate(neuron)
    sentences = store.corpus.sentences if store.corpus else ()
    if not 0 <= sentence < len(sentences):
        raise ValueError(f"no sentence {sentence}: there are 0 to {len(sentences) - 1}")
    numbers = store.align([number for number, part in enumerate(sentences) for _ in part])
    rows = [row for row, number in enumerate(numbers) if number == sentence]
    column = standardised(neuron_columns(store, torch.tensor([neuron])))[:, 0]
    return HeatMap(
        neuron,
        f"neuron {index} of {layer}",
        tuple(words[row] for row in rows),
        tuple(column[rows].tolist()),
    )
