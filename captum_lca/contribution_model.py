"""The model as a module that ends in the neurons' contributions."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from captum_lca.activations import evaluate_layers
from captum_lca.contributions import contributions
from captum_lca.probed_layers import ProbedLayers
from captum_lca.probes import LinearProbe


class ContributionModel(nn.Module):
    """The model up to the probe, with the neurons' contributions as the output of one module.

    Captum's neuron methods hook a single module; the neurons of LCA sit in several. Here they come
    together in :attr:`contribution`, which is the layer to give to such a method.

    Args:
        layers: The model and its layers.
        probe: The probe on them.
        inputs: How many input tensors the forward function takes.
    """

    def __init__(self, layers: ProbedLayers, probe: LinearProbe, inputs: int) -> None:
        super().__init__()
        self._layers = layers
        self._inputs = inputs
        if isinstance(layers.model_func, nn.Module):
            self.model = layers.model_func
        self.contribution = Contribution(probe)

    def forward(self, *args: Any) -> Tensor:
        """Inputs, the target class, additional arguments → the logit less its bias.

        Returns:
            Summed over positions. Shape (batch,).
        """
        inputs, target, others = args[: self._inputs], args[self._inputs], args[self._inputs + 1 :]
        tensors = evaluate_layers(
            self._layers.model_func,
            inputs,
            self._layers.layers,
            additional_forward_args=others,
            device_ids=self._layers.device_ids,
            grad_enabled=torch.is_grad_enabled(),
        )
        parts = self.contribution(target, *tensors)
        return cast(Tensor, sum(part.flatten(1).sum(1) for part in parts))


class Contribution(nn.Module):
    """Layers' activations → what their neurons contribute to the probe's logit."""

    def __init__(self, probe: LinearProbe) -> None:
        super().__init__()
        self.probe = probe

    def forward(self, target: int | Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One tensor per layer, (batch, …, neurons of the layer), for the class ``target``."""
        return tuple(contributions(tensors, self.probe, target))
