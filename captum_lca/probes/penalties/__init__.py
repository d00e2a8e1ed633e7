"""Penalties on a probe's weights, one file each."""

from captum_lca.probes.penalties.elastic_net import ElasticNet
from captum_lca.probes.penalties.group_lasso import GroupLasso
from captum_lca.probes.penalties.l1 import L1
from captum_lca.probes.penalties.l2 import L2
from captum_lca.probes.penalties.penalty import Path, Penalty, Strengths

__all__ = ["L1", "L2", "ElasticNet", "GroupLasso", "Path", "Penalty", "Strengths"]
