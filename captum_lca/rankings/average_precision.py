"""Average precision: how purely a neuron's highest activations belong to one class."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from captum_lca.activations import Activations
from captum_lca.distributed import summed
from captum_lca.neurons import NeuronRanking
from captum_lca.probes.fit import DEFAULT_MEMORY
from captum_lca.probes.labels import Labels
from captum_lca.rankings.columns import Floats, Integers, columns, run_starts
from captum_lca.rankings.labelled import with_classes
from captum_lca.rankings.ordering import above_chance, check_signs, ranked


def average_precision(
    activations: Activations,
    labels: Labels,
    *,
    signs: str = "high",
    threshold: float = 0.0,
    memory: int = DEFAULT_MEMORY,
) -> NeuronRanking:
    """Rank neurons by the average precision of their activation as a score for a class.

    Rows are taken from the highest activation down; average precision is the mean, over the rows of
    the class, of the share of the class among the rows taken so far (rows of equal activation are
    taken together), as in scikit-learn's ``average_precision_score``. It depends on the order of a
    neuron's values alone: neurons of any scale compare. For a class, the order is that of NeuroX's
    ``iou_probe``. Over all classes: the mean of the classes' average precision above chance, which
    is (AP − share)/(1 − share) for a class with that share of the rows. Constant neurons come last.

    Source: average precision as a measure of how well a unit detects a concept, following Mu &
    Andreas, "Compositional Explanations of Neurons" (NeurIPS 2020), and NeuroX.

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons.
        labels (sequence or Tensor): One class per row.
        signs (str, optional): ``"high"``: high activations stand for the class, as in NeuroX;
            ``"either"``: high or low ones, whichever is the more precise for a neuron and class.
            Default: ``"high"``.
        threshold (float, optional): Activations of smaller magnitude count as 0. Default: 0.
        memory (int, optional): Bytes that activations may take; a larger store is read several
            times, some neurons at a time (of several ranks, each reads its own rows and then has
            some of the neurons with all rows). Default: 1 GiB.

    Returns:
        NeuronRanking: Overall and per class. Salience is in [0, 1] per class; overall it is 0 for
        chance and 1 for a neuron that is perfect for every class.

    Raises:
        ValueError: Numbers instead of classes, fewer than two classes, misaligned labels,
            activations that are not finite, a negative threshold, or unknown ``signs``.

    Examples::

        >>> ranking = rankings.average_precision(store, corpus.labels["upos"])
        >>> bool(ranking.for_class("NOUN").salience.max() > 0.5)
        True
    """
    check_signs(signs)
    if not threshold >= 0:
        raise ValueError(f"threshold must not be negative; found {threshold}")
    data = with_classes(activations, labels, "average_precision")
    counts = data.class_counts()
    precision = torch.zeros(len(counts), data.layout.size, dtype=torch.float64)
    constant = torch.zeros(data.layout.size, dtype=torch.uint8)
    classes = data.targets.values.numpy()
    for column in columns(data, memory):
        values = np.where(np.abs(column.values) < threshold, 0, column.values)
        found = precisions(values, classes, counts.numpy(), both=signs == "either")
        precision[:, column.neurons] = torch.from_numpy(found.T)
        constant[column.neurons] = torch.from_numpy(values.min(1) == values.max(1))
    precision, constant = summed(precision), summed(constant).bool()  # each rank had some neurons
    overall = above_chance(precision, counts).mean(0)
    return ranked(
        "average_precision", data.layout, overall, constant, data.targets.classes, precision
    )


def precisions(
    values: Floats, classes: Integers, counts: Integers, both: bool
) -> NDArray[np.float64]:
    """Average precision of some neurons for every class.

    One sort by value finds how many rows reach each row's value; a second, by class, finds how many
    of the same class do.

    Args:
        values: Shape (neurons, rows).
        classes: Number of each row's class. Shape (rows,).
        counts: Rows of each class, all above 0. Shape (classes,).
        both: Whether to take the better one of the neuron and its negative.

    Returns:
        Shape (neurons, classes).
    """
    rows = len(classes)
    ascending = values.argsort(axis=1)
    ordered = np.take_along_axis(values, ascending, axis=1)
    first = run_starts(ordered[:, 1:] != ordered[:, :-1])  # of the rows of equal value
    ends = np.cumsum(counts)
    firsts, lowest = ends - counts, np.repeat(ends - counts, counts)
    by_class = classes[ascending] * rows + np.arange(rows)
    by_class.sort(axis=1)
    place = by_class - np.repeat(np.arange(len(counts)), counts) * rows
    reached = np.take_along_axis(first, place, axis=1)
    changes = reached[:, 1:] != reached[:, :-1]
    changes[:, firsts[1:] - 1] = True
    mine_first = run_starts(changes)
    high = (np.repeat(ends, counts) - mine_first) / (rows - reached)
    best: NDArray[np.float64] = np.add.reduceat(high, firsts, axis=1) / counts
    if both:
        last, mine_last = _run_ends(first), _run_ends(mine_first)
        low = (mine_last + 1 - lowest) / (np.take_along_axis(last, place, axis=1) + 1)
        best = np.maximum(best, np.add.reduceat(low, firsts, axis=1) / counts)
    return best


def _run_ends(starts: Integers) -> Integers:
    """Where the run of equals ends that each entry is in, of where it begins."""
    backwards = starts[:, ::-1]
    length = starts.shape[1]
    ends: Integers = length - 1 - run_starts(backwards[:, 1:] != backwards[:, :-1])[:, ::-1]
    return ends
