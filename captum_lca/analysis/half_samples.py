"""How far a ranking depends on the sentences at hand: the same ranking from random halves of them.

A bootstrap over refits draws sentences with replacement; a sentence drawn twice then looks like
evidence to an L1 penalty. Halves drawn without replacement have no doubles, cost half as much, and
have the right spread: about the estimate from all n rows, one from n/2 of them varies by
σ²·(2/n − 1/n) = σ²/n, which is the variance of the estimate from all rows.

Source: Politis & Romano (1994), subsampling; Shao & Wu (1989), the delete-half jackknife.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.analysis.held_out import Groups, labels_of, sentence_numbers
from captum_lca.neurons import NeuronRanking
from captum_lca.probes import LinearProbe, fit_elastic_net
from captum_lca.probes.labels import Labels, Targets, encode_labels, is_missing
from captum_lca.probes.rows import aligned_labels
from captum_lca.rankings import RankingMethod, weight_mass


def rank_half_samples(
    activations: Activations,
    labels: Labels,
    method: RankingMethod | None = None,
    *,
    samples: int = 10,
    l1: float = 1e-3,
    l2: float = 1e-4,
    init: LinearProbe | None = None,
    groups: Groups | None = None,
    seed: int = 0,
    progress: bool = True,
) -> tuple[NeuronRanking, ...]:
    """Rank the neurons again and again, each time from a random half of the sentences.

    Two stores of one corpus get the same halves from the same seed: differences between the two
    models can be taken half by half.

    Args:
        activations: Rows × neurons.
        labels: One per row.
        method: How to rank. Default: by the weight mass of an elastic-net probe.
        samples: How many halves.
        l1: Strength of Σ|W| of the default method's probes.
        l2: Strength of ΣW² of the same.
        init: Where to start the default method's fits, which saves time; the probe of all rows.
        groups: What stays together in a half. Default: the sentences of the store's corpus; rows
            of a store without one are on their own.
        seed: Of the halves and of the method.
        progress: Show a bar of the halves done.

    Returns:
        One ranking per half.

    Raises:
        ValueError: Fewer than two labelled sentences, or what the method refuses.

    Examples::

        >>> halves = rank_half_samples(store, corpus.labels["upos"], samples=2, init=probe)
        >>> [len(half) for half in halves]
        [2688, 2688]
    """
    store = as_store(activations)
    values = aligned_labels(store, labels)
    if method is None:
        targets = encode_labels(values)
        values, method = targets.numbered(store.rows), _weight_mass(targets, l1, l2, init)
    seeds = range(seed, seed + samples)
    halves = zip(seeds, _halves(store, values, groups, seeds), strict=True)
    bar = tqdm(halves, total=samples, desc="half samples", disable=not progress)
    return tuple(method(store, half, seed=number) for number, half in bar)


def _weight_mass(targets: Targets, l1: float, l2: float, init: LinearProbe | None) -> RankingMethod:
    """The paper's method, for numbered labels of some of the rows."""

    def method(activations: Activations, labels: Labels, *, seed: int) -> NeuronRanking:
        classes = targets.classes or None
        probe = fit_elastic_net(
            activations, labels, l1=l1, l2=l2, classes=classes, init=init, seed=seed
        )
        return weight_mass(probe)

    return method


def _halves(
    store: ActivationStore, values: list[Any], groups: Groups | None, seeds: range
) -> Iterator[list[Any]]:
    """Labels of all rows, and None outside a random half of the labelled sentences."""
    numbers = sentence_numbers(store, groups)
    labelled = np.array([not is_missing(value) for value in values])
    sentences: NDArray[np.intp] = np.unique(numbers[labelled])
    if len(sentences) < 2:
        raise ValueError(f"halves need at least two labelled sentences; found {len(sentences)}")
    for seed in seeds:
        shuffled = np.random.default_rng(seed).permutation(sentences)
        half = np.isin(numbers, shuffled[: len(sentences) // 2])
        yield labels_of(values, np.flatnonzero(half & labelled))
