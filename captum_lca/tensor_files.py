"""Reading the safetensors files that we write, whoever wrote the one at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from captum_lca.json_text import parsed

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)
"""What our files hold; safetensors knows others, with which torch hardly computes."""


def read_tensors(
    path: str | Path, what: str, version: str, names: Sequence[str]
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and the tensors of a file.

    Nothing is run, and what is allocated is bounded by the size of the file: safetensors refuses
    headers that claim more.

    Args:
        path: The file.
        what: What it should be, for messages: "probe".
        version: What its metadata should give as ``format``.
        names: Of the tensors.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not such a file, or is damaged.
    """
    try:
        with safe_open(Path(path), framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            if metadata.get("format") != version:
                raise ValueError(
                    f"{path}: not a {what} of this version: found format "
                    f"{metadata.get('format')!r}, expected {version!r}"
                )
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a {what} in safetensors format ({error})") from error
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise ValueError(f"{path}: damaged {what}: {name} is {tensor.dtype}")
    return metadata, tensors


def class_names(metadata: dict[str, str], where: str) -> tuple[str, ...]:
    """The names of the classes in a file's metadata.

    Raises:
        ValueError: There are none, or something else than different strings.
    """
    names = parsed(metadata.get("classes", ""), f"{where}: classes")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{where}: the classes are not a list of strings")
    if len(set(names)) != len(names):
        raise ValueError(f"{where}: class names must differ")
    return tuple(names)
