"""Ranking methods: each a function that returns a :class:`~captum_lca.NeuronRanking`."""

from captum_lca.rankings.weight_mass import weight_mass

__all__ = ["weight_mass"]
