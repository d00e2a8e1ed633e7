"""Fingerprints of what decides the content of a store."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor


def fingerprint_model(model: torch.nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a model's parameters and buffers."""
    digest = hashlib.sha256()
    for name, parameter in model.state_dict().items():
        digest.update(f"{name} {parameter.dtype} {tuple(parameter.shape)}".encode())
        held = _fetched(model, name) if parameter.is_meta else parameter
        values = held.detach().cpu().contiguous().flatten()
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _fetched(model: torch.nn.Module, name: str) -> Tensor:
    """A parameter or buffer that accelerate keeps elsewhere until its module runs."""
    from accelerate.utils import align_module_device  # noqa: PLC0415  (not always installed)

    place, _, own = name.rpartition(".")
    module = model.get_submodule(place)
    with align_module_device(module, torch.device("cpu")):
        value: Tensor = getattr(module, own)
        return value


def fingerprint_tokenizer(tokenizer: Any) -> str:
    """SHA-256 over all that decides how a fast tokenizer cuts a text of any length."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # transformers sets both anew at every call
    backend.no_padding()
    return hashlib.sha256(backend.to_str().encode()).hexdigest()
