"""Fingerprints of what decides the content of a store."""

from __future__ import annotations

import hashlib
from typing import Any

from torch import Tensor, nn

from captum_lca.tensor_files import bytes_of


def fingerprint_model(model: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a model's parameters and buffers.

    Raises:
        ValueError: A parameter has no values: it is on the meta device, and accelerate has none.
    """
    digest = hashlib.sha256()
    for name, parameter in model.state_dict().items():
        digest.update(f"{name} {parameter.dtype} {tuple(parameter.shape)}".encode())
        digest.update(bytes_of(_fetched(model, name) if parameter.is_meta else parameter))
    return digest.hexdigest()


def _fetched(model: nn.Module, name: str) -> Tensor:
    """A parameter or buffer that accelerate keeps elsewhere until its module runs."""
    place, _, own = name.rpartition(".")
    module = model.get_submodule(place)
    hook: Any = getattr(module, "_hf_hook", None)
    if hook is None:
        raise ValueError(f"the model's weights are not loaded: {name} is on the meta device")
    hook.pre_forward(module)
    value: Tensor = getattr(module, own)
    hook.post_forward(module, None)
    return value


def fingerprint_tokenizer(tokenizer: Any) -> str:
    """SHA-256 over all that decides how a fast tokenizer cuts a text of any length."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # transformers sets both anew at every call
    backend.no_padding()
    return hashlib.sha256(backend.to_str().encode()).hexdigest()
