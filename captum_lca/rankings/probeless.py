"""Probeless: how far apart the classes' mean activations are, without any probe."""

from __future__ import annotations

import torch

from captum_lca.activations import Activations
from captum_lca.neurons import NeuronRanking
from captum_lca.probes.labels import Labels
from captum_lca.rankings.class_moments import class_statistics
from captum_lca.rankings.labelled import with_classes
from captum_lca.rankings.ordering import ranked


def probeless(
    activations: Activations, labels: Labels, *, standardise: bool = False
) -> NeuronRanking:
    """Rank neurons by the distances between the classes' mean activations.

    A class's score of a neuron is the sum of the absolute differences between its mean and those of
    the other classes; the overall score is the sum over all pairs of classes. All classes count the
    same, however rare. Constant neurons come last.

    The differences are in the neurons' own units, as in the paper and in NeuroX, whose order this
    is: a neuron of large values is favoured over one of small values that tells classes apart as
    well, and massive activations come first. ``standardise`` removes that.

    Source: Antverg & Belinkov, "On the Pitfalls of Analyzing Individual Neurons in Language Models"
    (ICLR 2022).

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons; read once, in blocks.
        labels (sequence or Tensor): One class per row.
        standardise (bool, optional): Divide each neuron's differences by its standard deviation
            over all labelled rows. Default: ``False``.

    Returns:
        NeuronRanking: Overall and per class. Salience is in units of the activations (summed over
        pairs of classes), or of standard deviations.

    Raises:
        ValueError: Numbers instead of classes, fewer than two classes, misaligned labels, or
            activations that are not finite.

    Examples::

        >>> ranking = rankings.probeless(store, corpus.labels["upos"])
        >>> ranking.for_class("NOUN").top(3).shape
        torch.Size([3])
    """
    data = with_classes(activations, labels, "probeless")
    statistics = class_statistics(data)
    means = statistics.mean
    if standardise:
        means = means / statistics.overall.scale
    distances = torch.stack([(means - mean).abs().sum(0) for mean in means])
    return ranked(
        "probeless",
        data.layout,
        distances.sum(0) / 2,  # each pair was counted from both sides
        statistics.overall.constant,
        data.targets.classes,
        distances,
    )
