"""Questions about a network, each answered with one call."""

from captum_lca.analysis.cross_validation import (
    CrossValidation,
    CrossValidationPoint,
    cross_validate_penalties,
)
from captum_lca.analysis.held_out import hold_out
from captum_lca.analysis.massive import MassiveActivations, massive_activations
from captum_lca.analysis.overlap import Overlap, set_overlap, top_overlap
from captum_lca.analysis.penalty_search import PenaltyPoint, PenaltySearch, search_penalties
from captum_lca.analysis.study import LabelledActivations, PropertyStudy, study_property

__all__ = [
    "CrossValidation",
    "CrossValidationPoint",
    "LabelledActivations",
    "MassiveActivations",
    "Overlap",
    "PenaltyPoint",
    "PenaltySearch",
    "PropertyStudy",
    "cross_validate_penalties",
    "hold_out",
    "massive_activations",
    "search_penalties",
    "set_overlap",
    "study_property",
    "top_overlap",
]
