"""What a probe is asked to predict: labels given in any of the usual forms, as numbers per row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UNLABELLED = -100
"""The integer that marks a row without a label, as in torch and transformers."""

Labels = Sequence[str | float | None] | Tensor | NDArray[Any]


@dataclass(frozen=True)
class Targets:
    """The labelled rows and what to predict there."""

    rows: Tensor
    """Numbers of the labelled rows, ascending. Shape (labelled,), int64."""
    values: Tensor
    """Class numbers (int64), or the numbers to predict (float64). Shape (labelled,)."""
    classes: tuple[str, ...]
    """Names of the classes, in the order of their numbers; empty for a regression."""

    @property
    def is_regression(self) -> bool:
        """Whether the values are numbers to predict, not classes."""
        return not self.classes

    @property
    def class_rows(self) -> tuple[int, ...]:
        """Labelled rows of each class; empty for a regression."""
        if self.is_regression:
            return ()
        return tuple(torch.bincount(self.values, minlength=len(self.classes)).tolist())

    def numbered(self, rows: int) -> list[Any]:
        """Class numbers, or the numbers to predict, of all rows; None where there is no label.

        With ``classes``, these are labels whose meaning doesn't depend on which of them occur.

        Args:
            rows: How many there are in all.
        """
        found: list[Any] = [None] * rows
        for row, value in zip(self.rows.tolist(), self.values.tolist(), strict=True):
            found[row] = value
        return found


def encode_labels(labels: Labels, classes: Sequence[str] | None = None) -> Targets:
    """Find the labelled rows and number their classes.

    Args:
        labels: One label per row. Strings name classes; integers number them (in ``classes`` if
            given, else each is named by its digits); other numbers are to be predicted as such.
            ``None``, -100 among integers and NaN among floats mean: no label.
        classes: Names of the classes. Default: those that occur, sorted (integers by value).

    Returns:
        Targets of the labelled rows.

    Raises:
        ValueError: No row has a label, only one class occurs, labels of different kinds are mixed,
            a label is not among ``classes``, or a number to predict is infinite or always the same.
    """
    values = as_list(labels)
    rows = [row for row, value in enumerate(values) if not is_missing(value)]
    if not rows:
        raise ValueError(f"no labelled rows: none of the {len(values)} labels is set")
    present = [values[row] for row in rows]
    names, targets = _encode_present(present, classes)
    return Targets(torch.tensor(rows), targets, names)


def as_list(labels: Labels) -> list[Any]:
    """Labels in any form as a list.

    Raises:
        ValueError: One string instead of a sequence, or more than one dimension.
    """
    if isinstance(labels, str):
        raise ValueError("labels must be a sequence with one label per row; found one string")
    if isinstance(labels, Tensor | np.ndarray):
        if labels.ndim != 1:
            raise ValueError(f"labels must have one dimension; found shape {tuple(labels.shape)}")
        return list(labels.tolist())
    return list(labels)


def is_missing(value: Any) -> bool:
    """Whether a label says that there is none: ``None``, -100 or NaN."""
    if value is None:
        return True
    if isinstance(value, Integral):
        return int(value) == UNLABELLED
    return isinstance(value, Real) and math.isnan(value)


def _encode_present(
    present: list[Any], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], Tensor]:
    if all(isinstance(value, str) for value in present):
        names = tuple(sorted(set(present)) if classes is None else classes)
        return names, _class_numbers(present, names)
    if all(isinstance(value, Integral) for value in present):
        return _encode_integers([int(value) for value in present], classes)
    if all(isinstance(value, Real) for value in present):
        return (), _numbers_to_predict(present, classes)
    kinds = sorted({type(value).__name__ for value in present})
    raise ValueError(f"labels must be all strings or all numbers; found {', '.join(kinds)}")


def _encode_integers(
    present: list[int], classes: Sequence[str] | None
) -> tuple[tuple[str, ...], Tensor]:
    if classes is None:
        occurring = sorted(set(present))
        names = tuple(map(str, occurring))
        return names, _class_numbers([str(value) for value in present], names)
    outside = sorted({value for value in present if not 0 <= value < len(classes)})
    if outside:
        raise ValueError(
            f"class numbers must be 0 to {len(classes) - 1} (or {UNLABELLED}: no label); "
            f"found {outside[:5]}"
        )
    return tuple(classes), _class_numbers([classes[value] for value in present], tuple(classes))


def _class_numbers(present: list[str], names: tuple[str, ...]) -> Tensor:
    if len(set(names)) != len(names):
        raise ValueError(f"class names must differ; found {list(names)}")
    occurring = set(present)
    if unknown := sorted(occurring - set(names)):
        raise ValueError(f"labels that are not among the classes {list(names)}: {unknown}")
    if len(occurring) < 2:
        raise ValueError(
            f"a probe needs at least two classes; all {len(present)} labelled rows "
            f"are {next(iter(occurring))!r}"
        )
    number = {name: position for position, name in enumerate(names)}
    return torch.tensor([number[value] for value in present])


def _numbers_to_predict(present: list[Any], classes: Sequence[str] | None) -> Tensor:
    if classes is not None:
        raise ValueError("classes were given, but the labels are numbers to predict")
    numbers = torch.tensor([float(value) for value in present], dtype=torch.float64)
    if not numbers.isfinite().all():
        raise ValueError("the numbers to predict must be finite; found an infinite one")
    if len(present) < 2 or bool((numbers == numbers[0]).all()):
        raise ValueError(f"nothing to predict: all labelled rows have the value {present[0]}")
    return numbers
