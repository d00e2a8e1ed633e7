"""Linear probes: fitting them, using them, and scoring their predictions."""

from captum_lca.probes.fit import fit_elastic_net, fit_probe
from captum_lca.probes.linear_probe import FitReport, LinearProbe
from captum_lca.probes.metrics import (
    ClassificationScores,
    ClassScore,
    RegressionScores,
    evaluate,
    score_classes,
    score_numbers,
    word_identity,
)
from captum_lca.probes.path import ElasticNetPath, elastic_net_path
from captum_lca.probes.penalties import L1, L2, ElasticNet, GroupLasso, Penalty
from captum_lca.probes.standardisation import NeuronMoments, Standardisation

__all__ = [
    "L1",
    "L2",
    "ClassScore",
    "ClassificationScores",
    "ElasticNet",
    "ElasticNetPath",
    "FitReport",
    "GroupLasso",
    "LinearProbe",
    "NeuronMoments",
    "Penalty",
    "RegressionScores",
    "Standardisation",
    "elastic_net_path",
    "evaluate",
    "fit_elastic_net",
    "fit_probe",
    "score_classes",
    "score_numbers",
    "word_identity",
]
