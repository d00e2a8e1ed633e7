"""Labels of a property: what they may be, and how they are checked."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

Label = str | float | None
"""A class name, a number, or None for unlabelled."""


def checked_labels(
    source: str, name: str, labels: Sequence[Any], length: int, unit: str
) -> tuple[Label, ...]:
    """Labels as plain strings, floats or None, whatever numeric or string type they came in.

    Args:
        source (str): Name of the corpus, for messages.
        name (str): Name of the property.
        labels (sequence): Its labels. NaN counts as unlabelled.
        length (int): How many labels there should be.
        unit (str): What there is one label for, "words" or "sentences".

    Raises:
        ValueError: There is another number of labels, one is neither a string, nor a finite number,
            nor None, strings are mixed with numbers, or a string is not Unicode.
    """
    if not isinstance(name, str) or not name or not is_unicode(name):
        raise ValueError(f"{source}: a property is named {name!r}, expected a string")
    where = f"{source}: property {name!r}"
    if len(labels) != length:
        raise ValueError(f"{where} has {len(labels)} labels for {length} {unit}")
    checked = tuple(
        label if label is None or type(label) is str else _plain_label(where, place, label)
        for place, label in enumerate(labels)
    )
    if {str, float} <= set(map(type, checked)):
        raise ValueError(f"{where} mixes strings with numbers")
    for label in set(checked):
        if isinstance(label, str) and not is_unicode(label):
            raise ValueError(f"{where} has the label {label!r}, which is not Unicode")
    return checked


def is_unicode(text: str) -> bool:
    """Whether a string can be written as UTF-8: JSON may hold halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_label(where: str, place: int, label: object) -> Label:
    if isinstance(label, str):
        return str(label)
    number = math.inf if isinstance(label, bool) or not isinstance(label, Real) else _float(label)
    if math.isinf(number):
        raise ValueError(
            f"{where}: label {place} is {label!r}, expected a string, a finite number or None"
        )
    return None if math.isnan(number) else number


def _float(number: Real) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf
