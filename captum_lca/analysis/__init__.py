"""Questions about a network, each answered with one call."""

from captum_lca.analysis.centre_of_gravity import centre_of_gravity, centre_shift
from captum_lca.analysis.cross_validation import (
    CrossValidation,
    CrossValidationPoint,
    cross_validate_penalties,
)
from captum_lca.analysis.half_samples import rank_half_samples
from captum_lca.analysis.held_out import hold_out
from captum_lca.analysis.intervals import Estimate
from captum_lca.analysis.layer_distribution import (
    LayerDistribution,
    LayerShare,
    layer_distribution,
)
from captum_lca.analysis.massive import MassiveActivations, massive_activations
from captum_lca.analysis.overlap import Overlap, set_overlap, top_overlap
from captum_lca.analysis.penalty_search import PenaltyPoint, PenaltySearch, search_penalties
from captum_lca.analysis.study import LabelledActivations, PropertyStudy, study_property

__all__ = [
    "CrossValidation",
    "CrossValidationPoint",
    "Estimate",
    "LabelledActivations",
    "LayerDistribution",
    "LayerShare",
    "MassiveActivations",
    "Overlap",
    "PenaltyPoint",
    "PenaltySearch",
    "PropertyStudy",
    "centre_of_gravity",
    "centre_shift",
    "cross_validate_penalties",
    "hold_out",
    "layer_distribution",
    "massive_activations",
    "rank_half_samples",
    "search_penalties",
    "set_overlap",
    "study_property",
    "top_overlap",
]
