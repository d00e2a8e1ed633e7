"""Numbers with the interval that says how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    """As estimated from all data."""
    low: float
    """Lower end of the interval; NaN if there is none."""
    high: float
    """Upper end of the interval; NaN if there is none."""

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def around(value: float, replicates: ArrayLike) -> Estimate:
    """The interval of few replicates, each with the spread of the value itself.

    Args:
        value: What all data gives.
        replicates: What resampled data gives. Shape (replicates,). NaN are left out.

    Returns:
        The value ± Student's t × the replicates' standard deviation; without ends for fewer than
        two replicates.
    """
    found = np.asarray(replicates, dtype=float)
    found = found[~np.isnan(found)]
    if len(found) < 2:
        return Estimate(value, float("nan"), float("nan"))
    half = float(student.ppf((1 + LEVEL) / 2, len(found) - 1) * np.std(found, ddof=1))
    return Estimate(value, value - half, value + half)


def percentiles(value: float, replicates: ArrayLike) -> Estimate:
    """The interval that holds the middle 95 % of many replicates.

    Args:
        value: What all data gives.
        replicates: What resampled data gives. Shape (replicates,).
    """
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(np.asarray(replicates, dtype=float), ends)
    return Estimate(value, float(low), float(high))
