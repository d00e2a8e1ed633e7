"""How a model of transformers is called with texts."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn


def text_arguments(model: nn.Module, token_ids: Tensor, mask: Tensor) -> dict[str, Any]:
    """The arguments that run a model on a batch of texts, less those that it doesn't take.

    FNet takes no attention mask in transformers 4; few encoders know ``use_cache``.

    Args:
        model: Its ``forward`` is looked at.
        token_ids: Shape (batch, tokens).
        mask: 1 for tokens, 0 for padding. The same shape.
    """
    accepted = inspect.signature(model.forward).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in accepted.values())
    arguments: dict[str, Any] = {"input_ids": token_ids}
    if "attention_mask" in accepted or takes_any:
        arguments["attention_mask"] = mask
    if "use_cache" in accepted:
        arguments["use_cache"] = False
    return arguments


def input_device(*modules: nn.Module) -> torch.device:
    """Where a model's inputs go: to its first parameters; to the CPU if these are offloaded.

    Parameters that accelerate holds back, on the CPU or the disk, are on the meta device until
    their module runs; its hooks then bring the inputs along.
    """
    devices = (parameter.device for module in modules for parameter in module.parameters())
    return next((device for device in devices if device.type != "meta"), torch.device("cpu"))
