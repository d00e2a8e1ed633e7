"""Ablation: neurons replaced by a baseline, in the probe and in the model."""

from captum_lca.ablation.probe_ablation import AblationScore, ProbeAblation, ablate_probe, ablated

__all__ = ["AblationScore", "ProbeAblation", "ablate_probe", "ablated"]
