"""Fingerprints of what decides the content of a store."""

from __future__ import annotations

import hashlib
from typing import Any

import torch


def fingerprint_model(model: torch.nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a model's parameters and buffers."""
    digest = hashlib.sha256()
    for name, parameter in model.state_dict().items():
        digest.update(f"{name} {parameter.dtype} {tuple(parameter.shape)}".encode())
        values = parameter.detach().cpu().contiguous().flatten()
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def fingerprint_tokenizer(tokenizer: Any) -> str:
    """SHA-256 over all that decides how a fast tokenizer cuts a text of any length."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()  # transformers sets both anew at every call
    backend.no_padding()
    return hashlib.sha256(backend.to_str().encode()).hexdigest()
