"""Ranking methods: each a function that returns a :class:`~captum_lca.NeuronRanking`."""

from captum_lca.rankings.anova_f import anova_f
from captum_lca.rankings.average_precision import average_precision
from captum_lca.rankings.gaussian import gaussian
from captum_lca.rankings.iou import iou
from captum_lca.rankings.methods import METHODS, RankingMethod
from captum_lca.rankings.probeless import probeless
from captum_lca.rankings.random_order import random_order
from captum_lca.rankings.stepwise_selection import stepwise_selection
from captum_lca.rankings.weight_mass import weight_mass

__all__ = [
    "METHODS",
    "RankingMethod",
    "anova_f",
    "average_precision",
    "gaussian",
    "iou",
    "probeless",
    "random_order",
    "stepwise_selection",
    "weight_mass",
]
