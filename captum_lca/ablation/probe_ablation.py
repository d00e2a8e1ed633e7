"""Ablation in the probe: how well it still predicts with some neurons silenced, or without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from captum_lca.activations import Activations, as_store
from captum_lca.colours import CHOICES as CHOICE_COLOURS
from captum_lca.colours import ink
from captum_lca.neurons import NeuronRanking, as_neuron_ids
from captum_lca.notebook import NotebookTable
from captum_lca.probes import LinearProbe, fit_probe
from captum_lca.probes.joint_scores import score_together
from captum_lca.probes.labels import Labels, encode_labels
from captum_lca.probes.rows import aligned_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRACTIONS = (0.05, 0.10, 0.15, 0.20)
"""Shares of the neurons that the paper keeps or removes."""
CHOICES = ("top", "random", "bottom")
ACTIONS = ("keep", "remove")
BASELINES = ("mean", "zero", "retrained")


@dataclass(frozen=True)
class AblationScore:
    """The probe's score with one choice of neurons kept or removed."""

    action: str
    """``keep``: all but the chosen neurons are ablated; ``remove``: the chosen ones are."""
    choice: str
    """``top``, ``random`` or ``bottom`` neurons of the ranking."""
    neurons: int
    """How many neurons were chosen."""
    baseline: str
    """What the ablated neurons are replaced by: ``mean`` or ``zero``; or ``retrained``: a new probe
    is fitted without them."""
    score: float
    """Accuracy, or R² of a regression; for random neurons the mean over draws."""
    spread: float
    """Standard deviation over the random draws; 0 for a single one."""
    draws: int
    """How many random draws; 1 for top and bottom."""


@dataclass(frozen=True)
class ProbeAblation(NotebookTable):
    """Scores of a probe with the top, random or bottom neurons kept or removed.

    Source: Durrani, Dalvi & Sajjad (2023), section on ablation.
    """

    metric: str
    """``accuracy``, or ``r2`` for a regression."""
    full: float
    """The score with all neurons."""
    scores: tuple[AblationScore, ...]
    """One per action, choice, number of neurons and baseline."""

    def find(self, action: str, choice: str, neurons: int, baseline: str) -> AblationScore:
        """The score of one case.

        Raises:
            ValueError: It was not measured.
        """
        wanted = (action, choice, neurons, baseline)
        for score in self.scores:
            if (score.action, score.choice, score.neurons, score.baseline) == wanted:
                return score
        raise ValueError(f"not measured: {wanted}")

    def to_frame(self) -> pd.DataFrame:
        """One row per case: the fields of :class:`AblationScore`."""
        return pd.DataFrame([asdict(score) for score in self.scores])

    def plot(self, baseline: str = "mean", action: str = "keep", ax: Axes | None = None) -> Axes:
        """Score over the number of neurons kept (or removed), for one baseline.

        The band around random neurons is one standard deviation of the draws.
        """
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
        table = self.to_frame()
        table = table[(table["baseline"] == baseline) & (table["action"] == action)]
        for choice, rows in table.groupby("choice", sort=False):
            colour = CHOICE_COLOURS[str(choice)]
            ax.plot(rows["neurons"], rows["score"], marker="o", color=colour, label=choice)
            low, high = rows["score"] - rows["spread"], rows["score"] + rows["spread"]
            ax.fill_between(rows["neurons"], low, high, color=colour, alpha=0.25, linewidth=0)
        ax.axhline(self.full, color=ink(), linewidth=1, linestyle=":", label="all neurons")
        ax.set_xlabel("neurons kept" if action == "keep" else "neurons removed")
        ax.set_ylabel(self.metric)
        ax.legend(frameon=False)
        return ax


def ablated(probe: LinearProbe, neurons: Iterable[int] | Tensor, baseline: str) -> LinearProbe:
    """The probe that always sees a baseline in place of the given neurons.

    Args:
        probe: Any probe.
        neurons: Global ids of the neurons to ablate.
        baseline: ``"mean"``: their mean over the words that the probe was fitted on; ``"zero"``.

    Returns:
        A probe with weight 0 at these neurons, its bias changed by what the baseline contributes.

    Raises:
        ValueError: An id outside the layout, or an unknown baseline.

    Examples::

        >>> from captum_lca.ablation import ablated
        >>> silent = ablated(probe, ranking.top(20), "mean")
        >>> bool(silent.weight[:, ranking.top(20)].any())
        False
    """
    ids = as_neuron_ids(neurons, probe.layout).to(probe.weight.device)
    if baseline not in ("mean", "zero"):
        raise ValueError(f"baseline must be 'mean' or 'zero'; found {baseline!r}")
    weight = probe.weight.index_fill(1, ids, 0.0)
    bias = probe.bias
    if baseline == "zero":
        silent = -probe.mean[ids] / probe.scale[ids]
        bias = bias + probe.weight[:, ids] @ silent
    return LinearProbe(
        weight, bias, probe.mean, probe.scale, classes=probe.classes, layout=probe.layout
    )


def ablate_probe(
    probe: LinearProbe,
    ranking: NeuronRanking,
    activations: Activations,
    labels: Labels,
    *,
    counts: Sequence[int] | None = None,
    baselines: Sequence[str] = ("mean", "zero"),
    actions: Sequence[str] = ACTIONS,
    train: tuple[Activations, Labels] | None = None,
    draws: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> ProbeAblation:
    """Keep or remove the top, random and bottom neurons of a ranking, and score what is left.

    Args:
        probe: The probe to ablate.
        ranking: An order over its neurons.
        activations: Held-out rows × neurons to score on.
        labels: Their labels; those unseen in training count as errors.
        counts: Numbers of neurons to keep or remove; default: 5, 10, 15 and 20 % of all.
        baselines: Of ``"mean"``, ``"zero"`` and ``"retrained"``.
        actions: Of ``"keep"`` and ``"remove"``.
        train: Activations and labels to re-train on; needed for ``"retrained"``. The new probes
            have the penalty of the given one.
        draws: Random choices of neurons, each with a seed of its own.
        seed: Seed of the first draw; the others follow.
        progress: Show a bar of the cases done.

    Returns:
        One score per action, choice, count and baseline.

    Raises:
        ValueError: An unknown baseline or action, a count that leaves nothing, a ranking of other
            neurons, or no ``train`` where it is needed.

    Examples::

        >>> from captum_lca.ablation import ablate_probe
        >>> labels = test_corpus.labels["upos"]
        >>> found = ablate_probe(probe, ranking, test_store, labels, draws=1, progress=False)
        >>> top, random = (
        ...     found.find(action="keep", choice=choice, neurons=538, baseline="mean").score
        ...     for choice in ("top", "random")
        ... )
        >>> top > random
        True
    """
    sizes = _checked_counts(counts, ranking)
    _check_known(baselines, BASELINES, "baseline")
    _check_known(actions, ACTIONS, "action")
    if ranking.layout != probe.layout:
        raise ValueError("the ranking and the probe have different layouts")
    if "retrained" in baselines and (train is None or probe.report is None):
        raise ValueError("re-training needs train=(activations, labels) and a probe with a report")
    if draws < 1:
        raise ValueError(f"random neurons need at least one draw; found {draws}")
    cases = [_Case(*case) for case in product(baselines, actions, CHOICES, sizes)]
    ablations = [case.neurons(ranking, range(seed, seed + draws)) for case in cases]
    masked = [
        ablated(probe, gone, case.baseline)
        for case, sets in zip(cases, ablations, strict=True)
        for gone in sets
        if case.baseline != "retrained"
    ]
    full, *masked_scores = score_together([probe, *masked], activations, labels)
    remaining = iter(masked_scores)
    scores = []
    with tqdm(total=_refits(cases, ablations), desc="re-train", disable=not progress) as bar:
        for case, sets in zip(cases, ablations, strict=True):
            if case.baseline == "retrained" and train is not None:
                found = []
                for gone in sets:
                    variant = _retrained(probe, gone, train)
                    found += score_together([variant], activations, labels)
                    bar.update()
            else:
                found = [next(remaining) for _ in sets]
            scores.append(case.score(found))
    return ProbeAblation("r2" if probe.is_regression else "accuracy", full, tuple(scores))


@dataclass(frozen=True)
class _Case:
    baseline: str
    action: str
    choice: str
    count: int

    def neurons(self, ranking: NeuronRanking, seeds: Iterable[int]) -> list[Tensor]:
        """The neurons to ablate: one set, or one per seed for random neurons."""
        if self.choice == "random":
            chosen = [ranking.random(self.count, seed) for seed in seeds]
        else:
            pick = ranking.top if self.choice == "top" else ranking.bottom
            chosen = [pick(self.count)]
        return chosen if self.action == "remove" else [_complement(c, len(ranking)) for c in chosen]

    def score(self, found: Sequence[float]) -> AblationScore:
        spread = float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
        mean = float(np.mean(found))
        return AblationScore(
            self.action, self.choice, self.count, self.baseline, mean, spread, len(found)
        )


def _refits(cases: Sequence[_Case], ablations: Sequence[Sequence[Tensor]]) -> int:
    pairs = zip(cases, ablations, strict=True)
    return sum(len(sets) for case, sets in pairs if case.baseline == "retrained")


def _retrained(probe: LinearProbe, gone: Tensor, train: tuple[Activations, Labels]) -> LinearProbe:
    if probe.report is None:  # checked at the start
        raise ValueError("re-training needs a probe with a report")
    store = as_store(train[0], probe.layout)
    return fit_probe(
        store,
        _numbered(aligned_labels(store, train[1]), probe),
        probe.report.penalty,
        classes=probe.classes or None,
        neurons=_complement(gone, probe.layout.size),
        init=probe,
    )


def _numbered(labels: Sequence[Any], probe: LinearProbe) -> list[Any]:
    """Labels as positions in the probe's classes: integers may be those, or classes' names."""
    targets = encode_labels(labels)
    if not set(targets.classes) <= set(probe.classes):
        return encode_labels(labels, probe.classes).numbered(len(labels))
    place = {name: number for number, name in enumerate(probe.classes)}
    names = [place[name] for name in targets.classes]
    found = targets.numbered(len(labels))
    return [names[label] if names and label is not None else label for label in found]


def _complement(ids: Tensor, size: int) -> Tensor:
    left = torch.ones(size, dtype=torch.bool)
    left[ids] = False
    return left.nonzero().flatten()


def _checked_counts(counts: Sequence[int] | None, ranking: NeuronRanking) -> list[int]:
    size = len(ranking)
    if counts is None:
        counts = sorted({max(1, round(fraction * size)) for fraction in FRACTIONS})
    if wrong := [count for count in counts if not 0 < count < size]:
        raise ValueError(f"can keep or remove 1 to {size - 1} neurons; found {wrong}")
    return list(counts)


def _check_known(given: Sequence[str], known: Sequence[str], what: str) -> None:
    if isinstance(given, str) or not given or not set(given) <= set(known):
        raise ValueError(f"give a sequence of {what}s out of {known}; found {given!r}")
