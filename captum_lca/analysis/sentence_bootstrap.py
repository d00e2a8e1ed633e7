"""Intervals by drawing sentences with replacement, the same draws for everything compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captum_lca.analysis.intervals import LEVEL

Floats = NDArray[np.float64]
PERCENTILES = (50 * (1 - LEVEL), 50 * (1 + LEVEL))


@dataclass(frozen=True)
class Resampling:
    """A number with the values that it has in the bootstrap samples."""

    value: float
    samples: Floats
    """Shape (resamples,)."""

    def __sub__(self, other: Resampling) -> Resampling:
        """The paired difference: sample by sample."""
        return Resampling(self.value - other.value, self.samples - other.samples)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % percentile interval."""
        low, high = np.nanpercentile(self.samples, PERCENTILES)
        return float(low), float(high)

    @property
    def p_value(self) -> float:
        """Two-sided, of the value being 0: twice the share of samples beyond it."""
        beyond = min((self.samples <= 0).sum(), (self.samples >= 0).sum())
        return float(min(1.0, 2 * (beyond + 1) / (len(self.samples) + 1)))


class SentenceBootstrap:
    """Draws of sentences, shared by all numbers that are to be compared.

    Args:
        sentences: How many there are.
        resamples: Bootstrap samples.
        seed: Of the draws.
    """

    def __init__(self, sentences: int, resamples: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.weights = generator.multinomial(
            sentences, np.full(sentences, 1 / sentences), size=resamples
        ).astype(np.float64)
        """How often each sentence is in each sample. Shape (resamples, sentences)."""
        self._picks = generator.random((resamples, 64))

    def mean(self, sums: Floats, counts: Floats) -> Resampling:
        """Mean over words.

        Args:
            sums: Sum over the words of each sentence. Shape (sentences,).
            counts: Words of each sentence. Shape (sentences,).
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            samples = (self.weights @ sums) / (self.weights @ counts)
            return Resampling(float(sums.sum() / counts.sum()), samples)

    def over_draws(self, draws: Sequence[Resampling]) -> Resampling:
        """Mean over random draws of neurons, which are drawn with replacement too."""
        count = len(draws)
        if count > self._picks.shape[1]:
            raise ValueError(f"at most {self._picks.shape[1]} draws; found {count}")
        samples = np.stack([draw.samples for draw in draws], axis=1)
        picks = (self._picks[:, :count] * count).astype(int)
        mean = float(np.mean([draw.value for draw in draws]))
        return Resampling(mean, np.take_along_axis(samples, picks, axis=1).mean(1))
