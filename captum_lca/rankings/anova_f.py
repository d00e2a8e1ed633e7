"""ANOVA: the variance of a neuron between classes, beside that within them."""

from __future__ import annotations

import torch
from torch import Tensor

from captum_lca.activations import Activations
from captum_lca.neurons import NeuronRanking
from captum_lca.probes.labels import Labels
from captum_lca.rankings.class_moments import ClassStatistics, class_statistics
from captum_lca.rankings.labelled import LabelledActivations, labelled_activations
from captum_lca.rankings.number_moments import number_statistics
from captum_lca.rankings.ordering import ranked


def anova_f(activations: Activations, labels: Labels) -> NeuronRanking:
    """Rank neurons by the F statistic of a one-way analysis of variance.

    For classes, F = (variance between the class means) / (variance within classes), as in
    scikit-learn's ``f_classif``; for one class, that of the class against all other rows. For
    numbers, F of the regression of the number on the neuron, as in ``f_regression``: an order by
    the size of the correlation. F has no unit: neurons of any scale compare. A neuron that never
    varies within classes, but between them, has F = ∞; constant neurons have 0 and come last.

    Source: Fisher (1925), Statistical Methods for Research Workers.

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons; read once, in blocks.
        labels (sequence or Tensor): One per row; classes or numbers.

    Returns:
        NeuronRanking: Overall, and per class if there are classes. Salience is F.

    Raises:
        ValueError: Too few rows for an F statistic, fewer than two classes, misaligned labels, or
            activations that are not finite.

    Examples::

        >>> ranking = rankings.anova_f(store, corpus.labels["upos"])
        >>> lengths = [float(len(word)) for word in corpus.words]
        >>> ranking = rankings.anova_f(store, lengths)
    """
    data = labelled_activations(activations, labels)
    least = 3 if data.targets.is_regression else len(data.targets.classes) + 1
    if len(data.targets.rows) < least:
        raise ValueError(
            f"an F statistic needs at least {least} labelled rows here; "
            f"found {len(data.targets.rows)}"
        )
    return _for_numbers(data) if data.targets.is_regression else _for_classes(data)


def _for_classes(data: LabelledActivations) -> NeuronRanking:
    statistics = class_statistics(data)
    return ranked(
        "anova_f",
        data.layout,
        _f_of_all_classes(statistics),
        statistics.overall.constant,
        data.targets.classes,
        _f_of_each_class(statistics),
    )


def _for_numbers(data: LabelledActivations) -> NeuronRanking:
    statistics = number_statistics(data)
    explained = statistics.correlation.square().clamp_max(1)
    freedom = len(data.targets.rows) - 2
    f = _ratio(explained * freedom, 1 - explained)
    return ranked("anova_f", data.layout, f, statistics.neurons.constant)


def _f_of_all_classes(statistics: ClassStatistics) -> Tensor:
    classes = len(statistics.rows)
    between = statistics.between.sum(0) / (classes - 1)
    within = statistics.squares.sum(0) / (statistics.rows.sum() - classes)
    return _ratio(between, within)


def _f_of_each_class(statistics: ClassStatistics) -> Tensor:
    """F of two groups, the class and the rest. Shape (classes, neurons)."""
    total_rows = statistics.rows.sum()
    rest = (total_rows - statistics.rows)[:, None]
    between = statistics.between * total_rows / rest
    total = (statistics.between + statistics.squares).sum(0)
    return _ratio(between * (total_rows - 2), (total - between).clamp_min(0))


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """The quotient, where nothing divided by nothing is 0."""
    return torch.where(above == 0, 0.0, above / below)
