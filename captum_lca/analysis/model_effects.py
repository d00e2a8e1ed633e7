"""What ablating neurons does to the model: its loss on a class's words against all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from captum_lca.ablation import Replacement, neuron_means
from captum_lca.activations import Activations, ActivationStore, as_store, extract
from captum_lca.analysis.ablated_readings import AblatedSet, read_measures
from captum_lca.analysis.ablation_effects import (
    WORDS,
    Comparison,
    ModelEffect,
    choices_of,
    key_of,
)
from captum_lca.analysis.massive import MassiveActivations, massive_activations
from captum_lca.analysis.neuron_choices import allowed_neurons, top_of
from captum_lca.analysis.sentence_bootstrap import SentenceBootstrap
from captum_lca.analysis.word_predictions import Predictor
from captum_lca.colours import CHOICES, ink
from captum_lca.corpora import Corpus
from captum_lca.neurons import NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.plot_text import literal
from captum_lca.probes import LinearProbe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AT = ("later", "class", "everywhere")


@dataclass(frozen=True)
class ModelEffects(NotebookTable):
    """What ablating top, random and bottom neurons does to a model.

    Random and bottom neurons are from the same layers as the top ones, in the same numbers.
    Intervals come from drawing sentences with replacement, the same ones for everything that is
    compared; for random neurons their draws are drawn with replacement too.
    """

    task: str
    """What the model predicts; one of :data:`~captum_lca.analysis.word_predictions.TASKS`."""
    at: str
    """Where neurons were ablated; as for :func:`model_effects`."""
    sentences: int
    """Of the corpus."""
    predictions: int
    """Made in each run."""
    effects: tuple[ModelEffect, ...]
    """One per target, choice, number of neurons, measure and words."""
    massive: MassiveActivations
    """Neurons whose values dwarf all others."""

    def find(self, **fields: object) -> ModelEffect:
        """The one effect with these fields.

        Raises:
            ValueError: None has them, or several do.
        """
        found = [
            effect
            for effect in self.effects
            if all(getattr(effect, name) == value for name, value in fields.items())
        ]
        if len(found) != 1:
            raise ValueError(f"{len(found)} effects with {fields}; give fields of exactly one")
        return found[0]

    def to_frame(self) -> pd.DataFrame:
        """One row per effect; of losses also perplexity before and after."""
        frame = pd.DataFrame([asdict(effect) for effect in self.effects])
        plain = (frame["measure"] == "loss") & (frame["words"] != WORDS[3])
        plain &= frame["choice"] != "top − random"
        with np.errstate(over="ignore"):
            frame["clean_perplexity"] = np.exp(frame["clean"].where(plain))
            frame["perplexity"] = np.exp((frame["clean"] + frame["change"]).where(plain))
        return frame

    def plot(
        self,
        target: str | None = None,
        measure: str = "loss",
        massive: str = "kept",
        ax: Axes | None = None,
    ) -> Axes:
        """Change over the number of neurons, on the class's words (full) and all others (hollow).

        Args:
            target: The class; default: the first.
            measure: One of ``loss``, ``accuracy``, ``kl``.
            massive: ``kept`` or ``left out``.
            ax: Where to draw; default: a new figure.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
        target = target or self.effects[0].target
        table = self.to_frame()
        table = table[(table["target"] == target) & (table["measure"] == measure)]
        table = table[table["massive"] == massive]
        counts = sorted(table["neurons"].unique())
        styles = [(choice, words) for choice in CHOICES for words in ("class", "others")]
        for number, (choice, words) in enumerate(styles):
            rows = table[(table["choice"] == choice) & (table["words"] == words)]
            shift = 0.1 * (number - (len(styles) - 1) / 2)
            ax.errorbar(
                [counts.index(count) + shift for count in rows["neurons"]],
                rows["change"],
                [rows["change"] - rows["low"], rows["high"] - rows["change"]],
                marker="o",
                linestyle="-" if words == "class" else ":",
                color=CHOICES[choice],
                markerfacecolor=CHOICES[choice] if words == "class" else ax.get_facecolor(),
                capsize=2,
                label=f"{choice}, {literal(target) if words == 'class' else 'other words'}",
            )
        ax.axhline(0, color=ink(), linewidth=0.8)
        ax.set_xticks(range(len(counts)), [str(count) for count in counts])
        ax.set_xlabel("neurons ablated")
        ax.set_ylabel(f"change of {measure}" + ("" if measure == "accuracy" else " (nats)"))
        ax.legend(frameon=False, fontsize="small")
        return ax


def model_effects(
    model: nn.Module,
    tokenizer: Any,
    corpus: Corpus,
    labels: Sequence[str | None],
    ranking: NeuronRanking,
    *,
    classes: Sequence[str],
    counts: Sequence[int] = (30,),
    layers: Sequence[str] | None = None,
    activations: Activations | None = None,
    by: Replacement | None = None,
    at: str = "later",
    task: str | None = None,
    probe: LinearProbe | None = None,
    draws: int = 5,
    resamples: int = 2000,
    seed: int = 0,
    batch_tokens: int = 512,
    progress: bool = True,
) -> ModelEffects:
    """Ablate the top, random and bottom neurons of classes in the model; see what it does.

    By default neurons are held at their mean at every token but the first of a text: most
    decoders rest their attention on that token, by massive activations that are nothing like the
    mean, and change beyond recognition if it is touched.

    Args:
        model: With a head of transformers, or any with ``probe``.
        tokenizer: Its fast tokenizer.
        corpus: Held-out text to run it on.
        labels: One per word of the corpus (of a sentence classifier: per sentence).
        ranking: With an order per class.
        classes: Whose neurons to ablate, one class at a time.
        counts: How many neurons to ablate.
        layers: Choose neurons of these layers only; default: of all in the ranking.
        activations: Rows that means and massive activations are taken from, of the ranking's
            neurons; default: those of the corpus itself.
        by: What takes the neurons' place; default: their mean over the activations, first words
            of sentences left out where these are known.
        at: Where to ablate: ``"later"``: at every token but a text's first; ``"everywhere"``: there
            too; ``"class"``: at the tokens of the class's own words only (in a sentence longer than
            the model's window, where they have most context).
        task: What is predicted; see :class:`~captum_lca.analysis.word_predictions.Predictor`.
        probe: Read this probe instead of the model's head, say at a later layer.
        draws: Random choices of neurons.
        resamples: Bootstrap samples.
        seed: Of all random choices.
        batch_tokens: Tokens that go through the model at once, padding included.
        progress: Show a bar of the batches done.

    Returns:
        One effect per class, choice of neurons, count, measure and group of words.

    Raises:
        ValueError: A class that the ranking or the corpus doesn't have, more neurons than there
            are, labels that don't match the corpus, or a model without a head.

    Examples::

        >>> from captum_lca.analysis import model_effects
        >>> text, probed = test_corpus.select(range(10)), "encoder.layer.1"
        >>> found = model_effects(
        ...     model, tokenizer, text, text.labels["upos"], ranking, classes=["NOUN"], probe=probe,
        ...     layers=[probed], activations=store, draws=1, resamples=50, progress=False
        ... )
        >>> found.task, sorted({effect.choice for effect in found.effects})
        ('probe', ['bottom', 'random', 'top', 'top − random'])
    """
    if at not in AT:
        raise ValueError(f"at must be one of {AT}; found {at!r}")
    predictor = Predictor(model, tokenizer, task, probe)
    if at == "class" and predictor.task == "sequence-classification":
        raise ValueError("sentences have labels here, not words: at='class' has no words to mean")
    units = len(corpus) if predictor.task == "sequence-classification" else len(corpus.words)
    if len(labels) != units:
        raise ValueError(f"labels and corpus are misaligned: {len(labels)} labels, {units} units")
    if absent := [name for name in classes if name not in labels]:
        raise ValueError(f"classes without a word in the corpus: {absent}")
    allowed = allowed_neurons(ranking.layout, layers)
    for name in classes:
        top_of(ranking.for_class(name), max(counts), allowed)
    passages = predictor.passages(corpus, labels)
    store = _store(model, tokenizer, corpus, ranking, activations)
    massive = massive_activations(store)
    by = _means_behind_first(store) if by is None else by
    choices = choices_of(ranking, classes, counts, allowed, massive.neurons, draws, seed)
    labelled = np.array(labels, dtype=object)
    sets = {
        key_of(ids, choice.target if at == "class" else None): AblatedSet(
            ids, labelled == choice.target if at == "class" else at
        )
        for choice in choices
        for ids in choice.sets
    }
    readings = read_measures(
        predictor, passages, list(sets.values()), ranking.layout, by, batch_tokens, progress
    )
    by_set = dict(zip(sets, readings.ablated, strict=True))
    sentences = _sentence_numbers(corpus, units)
    bootstrap = SentenceBootstrap(len(corpus), resamples, seed)
    compared = Comparison(readings, by_set, at == "class", labelled, sentences, bootstrap)
    effects = [effect for choice in choices for effect in compared.effects(choice, massive)]
    effects += compared.contrasts(choices, massive)
    predictions = len(readings.units)
    return ModelEffects(predictor.task, at, len(corpus), predictions, tuple(effects), massive)


def _store(
    model: nn.Module,
    tokenizer: Any,
    corpus: Corpus,
    ranking: NeuronRanking,
    activations: Activations | None,
) -> ActivationStore:
    if activations is None:
        layers = list(ranking.layout.layers)
        return extract(corpus, model, tokenizer, layers=layers, dtype=torch.float32, progress=False)
    return as_store(
        activations, None if isinstance(activations, ActivationStore) else ranking.layout
    )


def _means_behind_first(store: ActivationStore) -> Tensor:
    """Mean of every neuron over words that don't begin a sentence, if that is known."""
    if store.corpus is None or store.settings.get("unit") != "word":
        return neuron_means(store)
    begins = [None if n == 0 else "later" for s in store.corpus.sentences for n in range(len(s))]
    return neuron_means(store, begins) if any(begins) else neuron_means(store)


def _sentence_numbers(corpus: Corpus, units: int) -> NDArray[np.int64]:
    if units == len(corpus) != len(corpus.words):
        return np.arange(units)
    return np.repeat(np.arange(len(corpus)), [len(words) for words in corpus.sentences])
