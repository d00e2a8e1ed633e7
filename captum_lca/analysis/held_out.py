"""Holding out sentences: the same activations, with labels only where they are to be seen.

Nothing is copied but labels: rows without one take no part in a fit or a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.analysis.study import LabelledActivations
from captum_lca.probes.labels import Labels, is_missing
from captum_lca.probes.rows import aligned_labels

Groups = Sequence[int | str]
"""For each row (or word of the corpus) what it belongs to: rows of one group stay together."""


@dataclass(frozen=True)
class Fold:
    """Labels of all rows, in two parts: each is None where the other has the label."""

    train: Labels
    """Labels to fit on."""
    held_out: Labels
    """Labels to score on."""


def hold_out(
    data: LabelledActivations, share: float, seed: int, groups: Groups | None = None
) -> tuple[LabelledActivations, LabelledActivations]:
    """Part labelled activations in two, so that no sentence has words in both.

    Args:
        data: What to part.
        share: Of the sentences, for the second part.
        seed: Of the random choice.
        groups: What stays together. Default: the sentences of the store's corpus; rows of a store
            without one are on their own.

    Returns:
        The same activations twice, each with the labels of its part.

    Raises:
        ValueError: A share that leaves a part empty, or groups that are not as many as the rows.

    Examples::

        >>> from captum_lca.analysis import LabelledActivations
        >>> data = LabelledActivations(store, corpus.labels["upos"])
        >>> train, validation = hold_out(data, share=0.2, seed=0)
        >>> shared = zip(train.labels, validation.labels)
        >>> any(one is not None and other is not None for one, other in shared)
        False
    """
    labels = aligned_labels(data.activations, data.labels)
    splitter = GroupShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    [(train, held_out)] = splitter.split(labels, groups=sentence_numbers(data.activations, groups))
    words = None if data.words is None else data.activations.align(data.words)
    parts = (
        replace(data, labels=labels_of(labels, rows), words=words) for rows in (train, held_out)
    )
    kept, validation = parts
    return kept, validation


def sentence_folds(
    activations: Activations, labels: Labels, folds: int, seed: int, groups: Groups | None = None
) -> list[Fold]:
    """Part labels into folds, so that no sentence has words on both sides of one.

    Args:
        activations: Rows × neurons.
        labels: One per row.
        folds: How many; every row is held out in one of them.
        seed: Of the random choice.
        groups: As in :func:`hold_out`.

    Raises:
        ValueError: Fewer than two folds, or fewer groups than folds.
    """
    store = as_store(activations)
    values = aligned_labels(store, labels)
    numbers = sentence_numbers(store, groups)
    present = len(set(numbers))
    if not 2 <= folds <= present:
        raise ValueError(f"folds must be 2 to {present} (the sentences or groups); found {folds}")
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    return [
        Fold(labels_of(values, train), labels_of(values, held_out))
        for train, held_out in splitter.split(values, groups=numbers)
    ]


def is_unlabelled(labels: Labels) -> bool:
    """Whether no row has a label."""
    return all(is_missing(label) for label in labels)


def sentence_numbers(store: ActivationStore, groups: Groups | None = None) -> NDArray[np.intp]:
    """The number of each row's group.

    Args:
        store: The rows.
        groups: What stays together, per row (or word of the corpus). Default: the sentences of the
            store's corpus; rows of a store without one are on their own.

    Returns:
        Shape (rows,), from 0 on.
    """
    if groups is None:
        groups = _sentences(store)
    return np.unique(store.align(groups), return_inverse=True)[1]


def _sentences(store: ActivationStore) -> Sequence[int]:
    """The sentence of each word, or just the row numbers where rows are no words."""
    corpus = store.corpus
    if corpus is None or store.settings.get("unit") == "sentence":
        return range(store.rows)
    return [number for number, words in enumerate(corpus.sentences) for _ in words]


def labels_of(
    labels: Sequence[str | float | None], rows: NDArray[np.intp]
) -> list[str | float | None]:
    """The labels of some rows, and None for all others."""
    kept: list[str | float | None] = [None] * len(labels)
    for row in rows.tolist():
        kept[row] = labels[row]
    return kept
