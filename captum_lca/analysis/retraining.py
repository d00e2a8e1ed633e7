"""Probes re-trained on some of the neurons, all scored on the same held-out rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.analysis.held_out import Groups, sentence_numbers
from captum_lca.analysis.intervals import Estimate, percentiles
from captum_lca.analysis.sentence_bootstrap import SentenceBootstrap
from captum_lca.distributed import joined, ranks
from captum_lca.neurons import NeuronLayout
from captum_lca.probes import ElasticNet, LinearProbe, fit_probe
from captum_lca.probes.joint_scores import gold_targets, missed_by_row
from captum_lca.probes.labels import Labels, encode_labels
from captum_lca.probes.rows import aligned_labels

RESAMPLES = 1000
"""Of the held-out sentences, for intervals."""
MEMORY = 2**30
"""Bytes up to which a store on disk is read once and kept."""


@dataclass(frozen=True)
class Retrained:
    """A probe of some of the neurons, with what it loses on held-out sentences."""

    probe: LinearProbe
    """Weight 0 at all other neurons."""
    missed: NDArray[np.float64]
    """Errors (squared errors of a regression) by sentence. Shape (sentences,)."""


class Retraining:
    """One property's training and held-out rows, to fit and score many probes on.

    All probes have the penalty of the full one: each is the minimiser of one and the same objective
    over the neurons that it is allowed, and the probe of all neurons is the full probe itself. A
    weaker penalty for small sets would have the comparison decided by two things at once; it makes
    little difference (MiniLM, UPOS, 10,000 words, accuracy with l1 = 1e-3 and 1e-5: top 10 0.607
    and 0.609, top 100 0.901 and 0.905, top 500 0.937 and 0.927).

    Args:
        activations: Rows × neurons to fit on.
        labels: One per row.
        test: Held-out activations and labels. Labels unseen in training count as errors.
        l1: Strength of Σ|W|.
        l2: Strength of ΣW².
        groups: What the held-out rows are resampled by. Default: sentences; rows of a store without
            a corpus are on their own.
        seed: Of the fits and of the intervals.
        device: Where to fit. Default: where the activations are.

    Raises:
        ValueError: Held-out rows of other neurons, or labels that can't be used.
    """

    def __init__(
        self,
        activations: Activations,
        labels: Labels,
        test: tuple[Activations, Labels],
        *,
        l1: float = 1e-3,
        l2: float = 1e-4,
        groups: Groups | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        store, test_store = as_store(activations), as_store(test[0])
        if store.layout.size != test_store.layout.size:
            raise ValueError(
                f"the test rows have {test_store.layout.size} neurons, the training rows "
                f"{store.layout.size}"
            )
        self.penalty, self.seed, self.device = ElasticNet(l1, l2), seed, device
        self._targets = encode_labels(aligned_labels(store, labels))
        self._labels = self._targets.numbered(store.rows)
        self._train, self._test = _held(store), _held(test_store)
        full = self._probe(None, None)
        self._rows, self._gold = gold_targets(full, aligned_labels(test_store, test[1]))
        mine = sentence_numbers(test_store, groups)[self._rows.numpy()]
        self._sentences = np.unique(mine, return_inverse=True)[1]
        self._worst = self._by_sentence(self._worst_by_row())
        self.full = Retrained(full, self._by_sentence(self._missed(full, None)))
        self._weights = SentenceBootstrap(len(self._worst), RESAMPLES, seed).weights

    @property
    def metric(self) -> str:
        """``accuracy``, or ``r2`` for a regression."""
        return "r2" if self._targets.is_regression else "accuracy"

    @property
    def layout(self) -> NeuronLayout:
        """Where the neurons sit."""
        return self._train.layout

    def fit(self, neurons: Iterable[int] | Tensor, init: Retrained | None = None) -> Retrained:
        """Fit a probe on some neurons.

        Args:
            neurons: Global ids; of all of them, the full probe is the answer.
            init: A probe to start from. Default: the full one.
        """
        ids = torch.as_tensor(neurons if isinstance(neurons, Tensor) else list(neurons))
        if len(ids) == self.layout.size:
            return self.full
        probe = self._probe(ids, (init or self.full).probe)
        return Retrained(probe, self._by_sentence(self._missed(probe, ids)))

    def score(self, *probes: Retrained) -> Estimate:
        """Accuracy (R²), with an interval over sentences; of several probes, their mean."""
        missed = _mean_by(probes)
        replicates = 1 - (self._weights @ missed) / (self._weights @ self._worst)
        return percentiles(float(1 - missed.sum() / self._worst.sum()), replicates)

    def difference(self, probes: Sequence[Retrained], other: Retrained | None = None) -> Estimate:
        """Score less that of another probe (default: the full one), paired by sentence.

        Args:
            probes: One, or several to take the mean of.
            other: What to compare with.
        """
        lost = _mean_by(probes) - (other or self.full).missed
        value = -lost.sum() / self._worst.sum()
        return percentiles(float(value), -(self._weights @ lost) / (self._weights @ self._worst))

    def _probe(self, ids: Tensor | None, init: LinearProbe | None) -> LinearProbe:
        return fit_probe(
            self._train,
            self._labels,
            self.penalty,
            classes=self._targets.classes or None,
            neurons=ids,
            init=init,
            device=self.device,
            seed=self.seed,
        ).cpu()

    @torch.no_grad()
    def _missed(self, probe: LinearProbe, ids: Tensor | None) -> Tensor:
        """What a probe loses on each labelled held-out row; only its own neurons are read."""
        columns = slice(None) if ids is None else ids
        weight = probe.weight[:, columns]
        mean, scale = probe.mean[columns], probe.scale[columns]
        outputs = [weight.new_empty(0, len(weight))]
        for _, block in self._test.blocks():
            part = block[:, columns].to(weight.device, weight.dtype)
            outputs.append((part - mean) / scale @ weight.T + probe.bias)
        own = self._test.own_of(self._rows)
        wanted = torch.cat(outputs)[self._rows[own] - self._test.own_rows.start, None]
        return joined(missed_by_row(wanted, self._gold[own], probe.is_regression)[:, 0])

    def _worst_by_row(self) -> Tensor:
        """What is lost by a score of 0: every row, or the distance from the rows' mean."""
        gold = self._gold.double()
        return (gold - gold.mean()) ** 2 if self._targets.is_regression else torch.ones(len(gold))

    def _by_sentence(self, values: Tensor) -> NDArray[np.float64]:
        weights = values.double().numpy()
        return np.bincount(self._sentences, weights).astype(np.float64)


def _mean_by(probes: Sequence[Retrained]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean([probe.missed for probe in probes], axis=0)
    return mean


def _held(store: ActivationStore) -> ActivationStore:
    """The store, in memory if there is room and it is this process's alone."""
    if ranks() > 1:
        return store
    size = store.rows * store.layout.size * torch.empty(0, dtype=store.dtype).element_size()
    return ActivationStore.from_tensor(store.tensor(), store.layout) if size <= MEMORY else store
