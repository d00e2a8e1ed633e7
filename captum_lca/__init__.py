"""Linguistic Correlation Analysis for Captum: the single neurons that carry a property."""

from captum_lca.activations import ActivationStore, extract
from captum_lca.corpora import (
    Corpus,
    control_task,
    generate_corpus,
    read_columns,
    read_conllu,
    read_tagged,
)
from captum_lca.layer_lca import LayerLinguisticCorrelation
from captum_lca.lca import LinguisticCorrelationAnalysis
from captum_lca.neurons import NeuronLayout, NeuronRanking
from captum_lca.probes import LinearProbe, fit_elastic_net

__version__ = "0.1.0"

__all__ = [
    "ActivationStore",
    "Corpus",
    "LayerLinguisticCorrelation",
    "LinearProbe",
    "LinguisticCorrelationAnalysis",
    "NeuronLayout",
    "NeuronRanking",
    "control_task",
    "extract",
    "fit_elastic_net",
    "generate_corpus",
    "read_columns",
    "read_conllu",
    "read_tagged",
]
