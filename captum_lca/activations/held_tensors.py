"""The tensor inside what a module receives or returns: a tuple, a mapping, a dataclass."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor


def first_tensor(value: object) -> Tensor | None:
    """The first floating-point tensor in a tensor, sequence, mapping or dataclass."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() else None
    return next((t for _, part in _parts(value) if (t := first_tensor(part)) is not None), None)


def with_first_tensor(value: Any, tensor: Tensor) -> Any:
    """The same value with another tensor in place of its first floating-point one.

    What was given stays as it is: containers on the way to the tensor are copied, one level each.

    Args:
        value: In which :func:`first_tensor` finds a tensor.
        tensor: What to put there.

    Raises:
        ValueError: There is no floating-point tensor in the value.
    """
    if first_tensor(value) is None:
        raise ValueError(f"no floating-point tensor in {type(value).__name__}")
    if isinstance(value, Tensor):
        return tensor
    key, part = next((k, part) for k, part in _parts(value) if first_tensor(part) is not None)
    return _with_part(value, key, with_first_tensor(part, tensor))


def _parts(value: Any) -> list[tuple[Any, object]]:
    """What a container holds, with the keys, places or names under which it does."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(enumerate(value))
    if is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    return []


def _with_part(value: Any, key: Any, part: object) -> Any:
    if isinstance(value, tuple):
        parts = [*value[:key], part, *value[key + 1 :]]
        return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
    changed = copy.copy(value)
    if isinstance(value, Mapping | Sequence):
        changed[key] = part
    else:
        object.__setattr__(changed, key, part)  # a dataclass may be frozen
    return changed
