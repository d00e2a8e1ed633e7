"""Ablation: neurons replaced by a baseline, in the probe and in the model."""

from captum_lca.ablation.masks import layer_baselines, layer_mask
from captum_lca.ablation.model_ablation import ablated_output, ablating, all_but_first
from captum_lca.ablation.probe_ablation import AblationScore, ProbeAblation, ablate_probe, ablated
from captum_lca.ablation.replacements import Replacement, Resampled, neuron_means
from captum_lca.ablation.replay import ablated_outputs

__all__ = [
    "AblationScore",
    "ProbeAblation",
    "Replacement",
    "Resampled",
    "ablate_probe",
    "ablated",
    "ablated_output",
    "ablated_outputs",
    "ablating",
    "all_but_first",
    "layer_baselines",
    "layer_mask",
    "neuron_means",
]
