"""Questions about a network, each answered with one call."""

from captum_lca.analysis.massive import MassiveActivations, massive_activations
from captum_lca.analysis.study import LabelledActivations, PropertyStudy, study_property

__all__ = [
    "LabelledActivations",
    "MassiveActivations",
    "PropertyStudy",
    "massive_activations",
    "study_property",
]
