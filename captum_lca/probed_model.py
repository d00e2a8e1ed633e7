"""The model up to the probe's logits, as one module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class ProbedModel(nn.Module):
    """Model → probe, for Captum's methods that want a module: DeepLift, GuidedBackprop, ….

    Args:
        model_func (Callable or torch.nn.Module): The model; a submodule of this one if it is a
            module, so that methods that hook its activation functions find them.
        read (Callable): From the model's arguments to the probe's logits.
    """

    def __init__(self, model_func: Callable[..., Any], read: Callable[..., Tensor]) -> None:
        super().__init__()
        if isinstance(model_func, nn.Module):
            self.model = model_func
        self._read = read

    def forward(self, *args: Any) -> Tensor:
        """Logits of the probe at every position: (batch, sequence, classes) for transformers."""
        return self._read(*args)
