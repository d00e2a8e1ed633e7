"""From measures at every prediction to changes with intervals, for every choice of neurons."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captum_lca.analysis.ablated_readings import MEASURES, Readings
from captum_lca.analysis.massive import MassiveActivations
from captum_lca.analysis.neuron_choices import matched_bottom, matched_random, top_of
from captum_lca.analysis.sentence_bootstrap import Resampling, SentenceBootstrap
from captum_lca.neurons import NeuronRanking

WORDS = ("class", "others", "all", "class − others")


@dataclass(frozen=True)
class ModelEffect:
    """The change of one measure, on some words, by ablating one choice of neurons."""

    target: str
    """The class whose neurons were ablated."""
    choice: str
    """``top``, ``random`` or ``bottom``; or ``top − random``."""
    neurons: int
    """How many neurons were ablated."""
    massive: str
    """``kept`` or ``left out``: whether neurons with massive activations could be chosen."""
    massive_neurons: float
    """How many of the chosen neurons are such; for random neurons the mean over draws."""
    measure: str
    """``loss`` (nats per prediction), ``accuracy``, or ``kl`` (nats, from the whole model's
    distribution to the ablated one's)."""
    words: str
    """``class``: predictions of the target's words; ``others``, ``all``; ``class − others``."""
    clean: float
    """The measure without ablation."""
    change: float
    """The measure with ablation, less ``clean``; for random neurons the mean over draws."""
    low: float
    """Lower end of the 95 % interval of the change."""
    high: float
    """Its upper end."""
    p: float
    """Two-sided, of there being no change, by the same bootstrap."""
    spread: float
    """Standard deviation over random draws; 0 for a single one."""
    draws: int
    """How many random draws."""


@dataclass(frozen=True)
class Choice:
    """Neurons to ablate; fields of the same names as in :class:`ModelEffect`."""

    target: str
    choice: str
    neurons: int
    massive: str
    sets: tuple[Tensor, ...]
    """One, or one per random draw."""


Key = tuple[str | None, tuple[int, ...]]
"""A class if neurons are ablated at its words, and the neurons: what is alike shares one run."""


def key_of(ids: Tensor, target: str | None) -> Key:
    """Neurons, and the class at whose words they are ablated (None: at all), as a key."""
    return target, tuple(sorted(ids.tolist()))


def choices_of(
    ranking: NeuronRanking,
    classes: Sequence[str],
    counts: Sequence[int],
    allowed: Tensor,
    massive: Tensor,
    draws: int,
    seed: int,
) -> list[Choice]:
    """Top, random and bottom neurons, in that order, for every class and number of neurons.

    Args:
        ranking: With an order per class.
        classes: Whose neurons to choose.
        counts: How many.
        allowed: Which neurons may be chosen. Shape (neurons,), bool.
        massive: Those with massive activations; if any may be chosen, everything is chosen a
            second time without them.
        draws: Random choices.
        seed: Of the first of them.
    """
    pools = {"kept": allowed}
    if allowed[massive].any():
        pools["left out"] = allowed.index_fill(0, massive, False)
    choices = []
    for target in classes:
        order = ranking.for_class(target)
        for count in counts:
            for name, pool in pools.items():
                top = top_of(order, count, pool)
                random = tuple(
                    matched_random(ranking.layout, top, pool, seed + draw) for draw in range(draws)
                )
                chosen = {
                    "top": (top,),
                    "random": random,
                    "bottom": (matched_bottom(order, top, pool),),
                }
                choices += [Choice(target, c, count, name, sets) for c, sets in chosen.items()]
    return choices


@dataclass(frozen=True)
class Comparison:
    """Turns readings into changes on groups of words, with paired intervals."""

    readings: Readings
    by_set: dict[Key, dict[str, NDArray[np.float64]]]
    """The ablated readings, by :func:`key_of`."""
    at_class: bool
    """Whether neurons were ablated at the words of their class only."""
    labels: NDArray[Any]
    """Of every word or sentence."""
    sentences: NDArray[np.int64]
    """Sentence of every word."""
    bootstrap: SentenceBootstrap

    def effects(self, choice: Choice, massive: MassiveActivations) -> Iterator[ModelEffect]:
        """Every measure on every group of words, for one choice of neurons."""
        for measure in MEASURES:
            for words in WORDS:
                draws = [self._change(ids, choice.target, measure, words) for ids in choice.sets]
                yield self._effect(choice, choice.choice, measure, words, draws, massive)

    def contrasts(
        self, choices: Sequence[Choice], massive: MassiveActivations
    ) -> Iterator[ModelEffect]:
        """Top less random, paired."""
        pairs = zip(choices[0::3], choices[1::3], strict=True)
        for top, random in pairs:
            for measure in MEASURES:
                for words in WORDS:
                    change = self._change(top.sets[0], top.target, measure, words)
                    draws = [
                        change - self._change(ids, top.target, measure, words)
                        for ids in random.sets
                    ]
                    yield self._effect(top, "top − random", measure, words, draws, massive)

    def _effect(
        self,
        choice: Choice,
        name: str,
        measure: str,
        words: str,
        draws: Sequence[Resampling],
        massive: MassiveActivations,
    ) -> ModelEffect:
        estimate = draws[0] if len(draws) == 1 else self.bootstrap.over_draws(draws)
        low, high = estimate.interval
        hits = [int(torch.isin(ids, massive.neurons).sum()) for ids in choice.sets]
        spread = np.std([draw.value for draw in draws], ddof=1) if len(draws) > 1 else 0.0
        return ModelEffect(
            target=choice.target,
            choice=name,
            neurons=choice.neurons,
            massive=choice.massive,
            massive_neurons=float(np.mean(hits)),
            measure=measure,
            words=words,
            clean=self._clean(choice.target, measure, words),
            change=estimate.value,
            low=low,
            high=high,
            p=estimate.p_value,
            spread=float(spread),
            draws=len(draws),
        )

    def _clean(self, target: str, measure: str, words: str) -> float:
        values = self.readings.clean[measure]
        if words == WORDS[3]:
            return self._clean(target, measure, "class") - self._clean(target, measure, "others")
        chosen = self._chosen(target, words)
        return float(values[chosen].mean()) if chosen.any() else math.nan

    def _change(self, ids: Tensor, target: str, measure: str, words: str) -> Resampling:
        if words == WORDS[3]:
            own = self._change(ids, target, measure, "class")
            return own - self._change(ids, target, measure, "others")
        key = key_of(ids, target if self.at_class else None)
        change = self.by_set[key][measure] - self.readings.clean[measure]
        chosen = self._chosen(target, words)
        numbers = self.sentences[self.readings.units[chosen]]
        size = self.bootstrap.weights.shape[1]
        sums = np.bincount(numbers, change[chosen], minlength=size).astype(np.float64)
        counts = np.bincount(numbers, minlength=size).astype(np.float64)
        return self.bootstrap.mean(sums, counts)

    def _chosen(self, target: str, words: str) -> NDArray[np.bool_]:
        own: NDArray[np.bool_] = self.labels[self.readings.units] == target
        return {"class": own, "others": ~own, "all": np.ones_like(own)}[words]
