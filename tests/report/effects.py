import torch

from captum_lca import NeuronLayout
from captum_lca.analysis import MassiveActivations, ModelEffects
from captum_lca.analysis.ablation_effects import ModelEffect


def effect(target, choice, change, words="class"):
    return ModelEffect(
        target=target,
        choice=choice,
        neurons=30,
        massive="kept",
        massive_neurons=0.0,
        measure="loss",
        words=words,
        clean=2.0,
        change=change,
        low=change - 0.1,
        high=change + 0.1,
        p=0.01,
        spread=0.0,
        draws=1,
    )


def effects_of(*targets):
    """Top neurons change the loss on a class's words by 0.4, random ones by 0.1."""
    none = torch.empty(0)
    massive = MassiveActivations(none.long(), none, none, NeuronLayout.single(4))
    found = tuple(
        effect(target, choice, change, words)
        for target in targets
        for choice, change in (("top", 0.4), ("random", 0.1))
        for words in ("class", "others")
    )
    return ModelEffects("causal-lm", "later", 3, 9, found, massive)
