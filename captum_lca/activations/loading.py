"""Loading a transformers model and its tokenizer by name or folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

GGUF = ".gguf"
HEADS = {
    "causal-lm": "AutoModelForCausalLM",
    "masked-lm": "AutoModelForMaskedLM",
    "token-classification": "AutoModelForTokenClassification",
    "sequence-classification": "AutoModelForSequenceClassification",
}
"""Tasks that a model can be loaded for, with its head, and transformers' classes for them."""
NAMED = 5
"""Weights that a warning names."""
_LOADING_ERRORS = (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError)


def load_model(
    name: str,
    *,
    task: str | None = None,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device | None = None,
    device_map: str | Mapping[str, Any] | None = None,
    trust_remote_code: bool = False,
) -> tuple[nn.Module, Any]:
    """A model and its fast tokenizer: without head, as for :func:`~captum_lca.extract`, or with.

    Weights are read from safetensors or GGUF, never from pickles (``pytorch_model.bin``), which may
    run code as they are opened. If you trust such a model, convert it with ``save_pretrained``.

    Args:
        name: Folder of a saved model, a ``.gguf`` file (needs the ``gguf`` and ``accelerate``
            packages), or a name on the model hub.
        task: The head to load with it: one of :data:`HEADS`; None: no head.
        dtype: Of the model's parameters.
        device: Where the model goes; default: CPU.
        device_map: How a model that is too large for one device is spread over several, as
            transformers takes it (needs the ``accelerate`` package): ``"auto"``, or devices by
            names of modules, among them ``"cpu"`` and ``"disk"`` for weights that are fetched when
            they are needed. Takes the place of ``device``.
        trust_remote_code: Whether to run code that the model's author put beside it.

    Returns:
        The model, in evaluation mode, and the tokenizer.

    Raises:
        ValueError: An unknown task, no such folder or file, nothing in it that transformers
            can load, or both a device and a map of devices.
    """
    import transformers  # noqa: PLC0415  (takes seconds to import)

    if task is not None and task not in HEADS:
        raise ValueError(f"task must be one of {list(HEADS)}; found {task!r}")
    if device is not None and device_map is not None:
        raise ValueError("give device or device_map, not both")
    path = Path(name).expanduser()
    is_gguf = path.suffix == GGUF
    if (is_gguf or name.startswith((".", "/", "~"))) and not path.exists():
        raise ValueError(f"model {name!r}: no such file or folder")
    source: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if is_gguf:
        source["gguf_file"] = path.name
    placed = {} if device_map is None else {"device_map": device_map}
    place = str(path.parent if is_gguf else path)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, **source)
        auto = getattr(transformers, HEADS[task] if task else "AutoModel")
        model, loaded = auto.from_pretrained(
            place,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **source,
            **placed,
        )
    except _LOADING_ERRORS as error:
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(f"model {name!r} can't be loaded: {first_line}") from error
    _warn_of_missing(name, sorted(loaded["missing_keys"]))
    return model.eval() if placed else model.eval().to(device or "cpu"), tokenizer


def _warn_of_missing(name: str, weights: list[str]) -> None:
    """Say which weights the checkpoint did not hold; a pooler is a head, and never runs."""
    if random := [weight for weight in weights if not weight.startswith("pooler.")]:
        warnings.warn(
            f"model {name!r} lacks {len(random)} weights, which are random now: "
            f"{', '.join(random[:NAMED])}",
            stacklevel=3,
        )
