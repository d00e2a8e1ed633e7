"""Intersection over union: how well "the neuron is on" coincides with "the row is of the class"."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from captum_lca.activations import Activations
from captum_lca.distributed import summed
from captum_lca.neurons import NeuronRanking
from captum_lca.probes.fit import DEFAULT_MEMORY
from captum_lca.probes.labels import Labels
from captum_lca.rankings.columns import Floats, Integers, columns
from captum_lca.rankings.labelled import with_classes
from captum_lca.rankings.ordering import above_chance, check_signs, ranked


def iou(
    activations: Activations,
    labels: Labels,
    *,
    quantile: float | None = None,
    signs: str = "either",
    memory: int = DEFAULT_MEMORY,
) -> NeuronRanking:
    """Rank neurons by the overlap of their highest activations with a class.

    A neuron is on where its activation is above a quantile of its own values. Its score for a class
    is the Jaccard index of the two sets of rows: those where it is on, and those of the class. Only
    the order of a neuron's values counts: neurons of any scale compare. Over all classes: the mean
    of the classes' scores above chance, (IoU − share)/(1 − share) for a class with that share of
    the rows (a neuron that is on everywhere has IoU = share). Constant neurons come last.

    Source: Mu & Andreas, "Compositional Explanations of Neurons" (NeurIPS 2020), after Bau et al.,
    "Network Dissection" (CVPR 2017), which take one quantile of 0.995 for images.

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons.
        labels (sequence or Tensor): One class per row.
        quantile (float, optional): Share of the rows in which every neuron is off, above 0 and
            below 1. Default: for each class as many rows on as it has, so that a perfect neuron
            reaches 1 whether the class is common or rare.
        signs (str, optional): ``"high"``: a neuron is on where it is high, as in the papers, whose
            units are rectified; ``"either"``: high or low, whichever overlaps more. Default:
            ``"either"``.
        memory (int, optional): Bytes that activations may take; a larger store is read several
            times, some neurons at a time (of several ranks, each reads its own rows and then has
            some of the neurons with all rows). Default: 1 GiB.

    Returns:
        NeuronRanking: Overall and per class. Salience is in [0, 1] per class; overall it is at most
        1, and negative for neurons that do worse than one that is always on.

    Raises:
        ValueError: Numbers instead of classes, fewer than two classes, misaligned labels,
            activations that are not finite, a quantile outside (0, 1), or unknown ``signs``.

    Examples::

        >>> ranking = rankings.iou(store, corpus.labels["upos"])
        >>> ranking.for_class("NOUN").top(3).shape
        torch.Size([3])
    """
    check_signs(signs)
    if quantile is not None and not 0 < quantile < 1:
        raise ValueError(f"a quantile must be above 0 and below 1; found {quantile}")
    data = with_classes(activations, labels, "iou")
    counts = data.class_counts()
    overlap = torch.zeros(len(counts), data.layout.size, dtype=torch.float64)
    constant = torch.zeros(data.layout.size, dtype=torch.uint8)
    classes, rows = data.targets.values.numpy(), len(data.targets.rows)
    on = counts.numpy() if quantile is None else np.full(len(counts), _rows_on(rows, quantile))
    for column in columns(data, memory):
        found = overlaps(column.values, classes, on)
        if signs == "either":
            found = np.maximum(found, overlaps(-column.values, classes, on))
        overlap[:, column.neurons] = torch.from_numpy(found)
        constant[column.neurons] = torch.from_numpy(column.values.min(1) == column.values.max(1))
    overlap, constant = summed(overlap), summed(constant).bool()  # each rank had some neurons
    overall = above_chance(overlap, counts).mean(0)
    return ranked("iou", data.layout, overall, constant, data.targets.classes, overlap)


def _rows_on(rows: int, quantile: float) -> int:
    return min(max(1, round(rows * (1 - quantile))), rows - 1)


def overlaps(values: Floats, classes: Integers, on: Integers) -> NDArray[np.float64]:
    """Jaccard index of every class with the rows where some neurons are on.

    Args:
        values: Shape (neurons, rows).
        classes: Number of each row's class. Shape (rows,).
        on: For each class, how many rows are on if no values are equal; rows that share the value
            at the cut are off. Shape (classes,).

    Returns:
        Shape (classes, neurons).
    """
    cuts = len(classes) - 1 - on
    below = np.partition(values, np.unique(cuts), axis=1)[:, cuts].T[:, :, None]
    result = np.empty((len(on), len(values)))
    for number, cut in enumerate(below):
        mine = classes == number
        both = np.count_nonzero(values[:, mine] > cut, axis=1)
        result[number] = both / (np.count_nonzero(values > cut, axis=1) + mine.sum() - both)
    return result
