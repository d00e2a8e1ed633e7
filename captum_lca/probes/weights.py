"""What each labelled row counts for in the mean loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captum_lca.probes.labels import Targets

ClassWeight = Mapping[str, float] | Literal["balanced"]
SampleWeight = Sequence[float] | Tensor | NDArray[Any]


def row_shares(
    targets: Targets,
    sample_weight: SampleWeight | None = None,
    class_weight: ClassWeight | None = None,
) -> Tensor:
    """What each labelled row counts for.

    Args:
        targets: The labelled rows.
        sample_weight: One weight per row, labelled or not. Default: all the same.
        class_weight: A weight for all rows of a class, on top (1 for classes not named), or
            ``"balanced"``: all classes count for the same. Default: none.

    Returns:
        Shape (labelled,), float64; sums to 1.

    Raises:
        ValueError: A weight that is negative or not finite, of a class that does not exist, or in
            a regression; no row with a weight; or too few weights for the labels.
    """
    share = torch.ones(len(targets.rows), dtype=torch.float64)
    if sample_weight is not None:
        share = _of_rows(sample_weight, targets.rows)
    if class_weight is not None:
        share = share * _of_classes(class_weight, targets, share)[targets.values]
    if not float(share.sum()) > 0:
        raise ValueError("no labelled row has a weight above 0")
    return share / share.sum()


def _of_rows(sample_weight: SampleWeight, rows: Tensor) -> Tensor:
    weight = torch.from_numpy(np.asarray(sample_weight, dtype=np.float64).copy())
    if weight.ndim != 1 or len(weight) <= int(rows[-1]):
        raise ValueError(
            f"sample_weight must have one weight per row; found shape {tuple(weight.shape)}"
        )
    _check(weight, "sample_weight")
    return weight[rows]


def _of_classes(class_weight: ClassWeight, targets: Targets, share: Tensor) -> Tensor:
    """Weight of each class. Shape (classes,)."""
    if targets.is_regression:
        raise ValueError("class_weight was given, but the labels are numbers to predict")
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f"class_weight must be a mapping or 'balanced'; found {class_weight!r}"
            )
        totals = torch.zeros(len(targets.classes), dtype=torch.float64)
        totals.index_add_(0, targets.values, share)
        return (1 / totals).masked_fill(totals == 0, 0)
    if unknown := sorted(set(class_weight) - set(targets.classes)):
        raise ValueError(f"class_weight names {unknown}; the classes are {list(targets.classes)}")
    weights = [class_weight.get(name, 1.0) for name in targets.classes]
    return _check(torch.tensor(weights, dtype=torch.float64), "class_weight")


def _check(weight: Tensor, name: str) -> Tensor:
    """The same; raise ValueError if a weight is negative or not finite."""
    wrong = weight[~(weight.isfinite() & (weight >= 0))]
    if len(wrong):
        raise ValueError(f"{name} must be finite and at least 0; found {wrong[0].item()}")
    return weight
