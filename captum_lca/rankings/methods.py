"""All ranking methods by name, with one signature: what comparisons of rankings go through."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from captum_lca.activations import Activations
from captum_lca.neurons import NeuronRanking
from captum_lca.probes import fit_elastic_net
from captum_lca.probes.labels import Labels
from captum_lca.rankings.anova_f import anova_f
from captum_lca.rankings.average_precision import average_precision
from captum_lca.rankings.gaussian import gaussian
from captum_lca.rankings.iou import iou
from captum_lca.rankings.probeless import probeless
from captum_lca.rankings.random_order import random_order
from captum_lca.rankings.stepwise_selection import stepwise_selection
from captum_lca.rankings.weight_mass import weight_mass


class RankingMethod(Protocol):
    """Ranks the neurons of some activations by what they tell about the labels.

    Examples::

        >>> from captum_lca.rankings import METHODS
        >>> METHODS["anova_f"](store, corpus.labels["upos"], seed=0).method
        'anova_f'
    """

    def __call__(self, activations: Activations, labels: Labels, *, seed: int) -> NeuronRanking:
        """The ranking; ``seed`` is of whatever the method draws at random."""


def _fitted_weight_mass(activations: Activations, labels: Labels, *, seed: int) -> NeuronRanking:
    return weight_mass(fit_elastic_net(activations, labels, seed=seed).cpu())


def _seedless(method: Callable[[Activations, Labels], NeuronRanking]) -> RankingMethod:
    def ranking(activations: Activations, labels: Labels, *, seed: int) -> NeuronRanking:
        return method(activations, labels)

    return ranking


METHODS: dict[str, RankingMethod] = {
    "weight_mass": _fitted_weight_mass,
    "probeless": _seedless(probeless),
    "iou": _seedless(iou),
    "average_precision": _seedless(average_precision),
    "anova_f": _seedless(anova_f),
    "gaussian": gaussian,
    "random_order": random_order,
    "stepwise_selection": partial(stepwise_selection, progress=False),
}
"""Every ranking method with its defaults, by its function's name; ``weight_mass``, the paper's,
fits its own elastic-net probe."""
