"""Results of long steps, kept in a folder until their run is complete: none is made twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from captum_lca.distributed import of_first
from captum_lca.files import remove_unfinished
from captum_lca.tensor_files import bytes_of

T = TypeVar("T")

_folder: ContextVar[Path | None] = ContextVar("kept", default=None)


@contextmanager
def kept_in(folder: str | Path) -> Iterator[None]:
    """Within the context, fits are written to a folder, and taken from it if they are there.

    A fit is another one if anything differs that decides it: rows, labels, penalty, neurons, seed,
    where it starts. The folder may be deleted when all is done.

    Args:
        folder: Made if it is not there.
    """
    folder = Path(folder)

    def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)

    of_first(prepare)
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def is_keeping() -> bool:
    """Whether anything is kept."""
    return _folder.get() is not None


def kept(
    origin: Mapping[str, object],
    make: Callable[[], T],
    save: Callable[[T, Path], object],
    load: Callable[[Path], T],
) -> T:
    """What a step makes, or made when an earlier run took it with the same input.

    Args:
        origin: All that decides the result, by name: what JSON can carry, tensors, arrays, devices,
            instances of dataclasses, and what has a ``fingerprint``.
        make: Takes the step, if nothing is kept of it.
        save: Writes the result by :func:`~captum_lca.tensor_files.write_tensors`.
        load: Reads it by :func:`~captum_lca.tensor_files.read_tensors`, which verifies it.

    Raises:
        ValueError: The file is truncated or changed.
    """
    folder = _folder.get()
    if folder is None:
        return make()
    text = json.dumps(origin, sort_keys=True, default=_described)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
    if of_first(path.is_file):
        try:
            return load(path)
        except ValueError as error:
            raise ValueError(f"{error}; delete it and run again: all others are kept") from error
    result = make()
    of_first(lambda: save(result, path))
    return result


def _described(value: Any) -> Any:
    """What isn't JSON, in its terms: equal values look the same, others don't."""
    if hasattr(value, "fingerprint"):
        return value.fingerprint
    if isinstance(value, Tensor):
        checksum = hashlib.sha256(bytes_of(value)).hexdigest()
        return [str(value.dtype), list(value.shape), checksum]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, asdict(value)]
    if isinstance(value, torch.device):
        return str(value)
    raise TypeError(f"nothing can be kept by {type(value).__name__}")
