"""Questions about a network, each answered with one call."""

from captum_lca.analysis.ablation_effects import ModelEffect
from captum_lca.analysis.agreement import Agreement, RankingAgreement, ranking_agreement
from captum_lca.analysis.centre_of_gravity import centre_of_gravity, centre_shift
from captum_lca.analysis.correlation_clusters import (
    ClusterScore,
    CorrelationClusters,
    correlation_clusters,
)
from captum_lca.analysis.cross_validation import (
    CrossValidation,
    CrossValidationPoint,
    cross_validate_penalties,
)
from captum_lca.analysis.disjoint_sets import DisjointSet, DisjointSets, disjoint_sets
from captum_lca.analysis.fine_tuning import FineTuningComparison, compare_fine_tuning
from captum_lca.analysis.focus import ClassFocus, Focus, focus
from captum_lca.analysis.half_samples import rank_half_samples
from captum_lca.analysis.heat_map import HeatMap, heat_map
from captum_lca.analysis.held_out import hold_out
from captum_lca.analysis.intervals import Estimate
from captum_lca.analysis.languages import (
    LanguageComparison,
    LanguagePair,
    compare_languages,
)
from captum_lca.analysis.layer_distribution import (
    LayerDistribution,
    LayerShare,
    layer_distribution,
)
from captum_lca.analysis.layer_probes import LayerProbe, LayerProbes, layer_probes
from captum_lca.analysis.layer_redundancy import LayerLoss, LayerRedundancy, layer_redundancy
from captum_lca.analysis.massive import MassiveActivations, massive_activations
from captum_lca.analysis.minimal_set import MinimalSet, SizePoint, minimal_set
from captum_lca.analysis.model_effects import ModelEffects, model_effects
from captum_lca.analysis.models import ModelComparison, ModelProfile, compare_models
from captum_lca.analysis.overlap import Overlap, set_overlap, top_overlap
from captum_lca.analysis.penalty_search import PenaltyPoint, PenaltySearch, search_penalties
from captum_lca.analysis.random_weights import RandomWeights, random_weights
from captum_lca.analysis.responses import (
    ActivationHistograms,
    NeuronResponses,
    activation_histograms,
    neuron_responses,
    responses_of_neurons,
)
from captum_lca.analysis.selectivity import ProbeSelectivity, Selectivity, selectivity
from captum_lca.analysis.shared_neurons import SharedNeurons, shared_neurons
from captum_lca.analysis.stability import SourceStability, Stability, stability
from captum_lca.analysis.study import LabelledActivations, PropertyStudy, study_property

__all__ = [
    "ActivationHistograms",
    "Agreement",
    "ClassFocus",
    "ClusterScore",
    "CorrelationClusters",
    "CrossValidation",
    "CrossValidationPoint",
    "DisjointSet",
    "DisjointSets",
    "Estimate",
    "FineTuningComparison",
    "Focus",
    "HeatMap",
    "LabelledActivations",
    "LanguageComparison",
    "LanguagePair",
    "LayerDistribution",
    "LayerLoss",
    "LayerProbe",
    "LayerProbes",
    "LayerRedundancy",
    "LayerShare",
    "MassiveActivations",
    "MinimalSet",
    "ModelComparison",
    "ModelEffect",
    "ModelEffects",
    "ModelProfile",
    "NeuronResponses",
    "Overlap",
    "PenaltyPoint",
    "PenaltySearch",
    "ProbeSelectivity",
    "PropertyStudy",
    "RandomWeights",
    "RankingAgreement",
    "Selectivity",
    "SharedNeurons",
    "SizePoint",
    "SourceStability",
    "Stability",
    "activation_histograms",
    "centre_of_gravity",
    "centre_shift",
    "compare_fine_tuning",
    "compare_languages",
    "compare_models",
    "correlation_clusters",
    "cross_validate_penalties",
    "disjoint_sets",
    "focus",
    "heat_map",
    "hold_out",
    "layer_distribution",
    "layer_probes",
    "layer_redundancy",
    "massive_activations",
    "minimal_set",
    "model_effects",
    "neuron_responses",
    "random_weights",
    "rank_half_samples",
    "ranking_agreement",
    "responses_of_neurons",
    "search_penalties",
    "selectivity",
    "set_overlap",
    "shared_neurons",
    "stability",
    "study_property",
    "top_overlap",
]
