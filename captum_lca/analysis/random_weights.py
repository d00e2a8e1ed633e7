"""What a probe finds in a model that has learned nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn
from tqdm.auto import tqdm

from captum_lca.activations import extract, random_twin
from captum_lca.corpora import Corpus
from captum_lca.notebook import NotebookTable
from captum_lca.probes import fit_elastic_net
from captum_lca.probes.joint_scores import score_together

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class RandomWeights(NotebookTable):
    """A probe on a trained model, beside probes on the same architecture with random weights."""

    metric: str
    """``accuracy``, or ``r2`` for a regression."""
    trained: float
    """Score on held-out rows of the trained model."""
    random: tuple[float, ...]
    """The same for each random twin."""

    @property
    def gain(self) -> float:
        """The trained model's score minus the mean of the random ones."""
        return self.trained - float(np.mean(self.random))

    @property
    def spread(self) -> float:
        """Standard deviation over the random twins; NaN for a single one."""
        return float(np.std(self.random, ddof=1)) if len(self.random) > 1 else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """One row per model: ``weights`` (``trained`` or ``random``) and ``score``."""
        rows = [("trained", self.trained), *(("random", score) for score in self.random)]
        return pd.DataFrame(rows, columns=["weights", "score"])

    def plot(self, ax: Axes | None = None) -> Axes:
        """A bar per kind of weights; the whisker is one standard deviation of the twins."""
        from matplotlib import pyplot as plt  # noqa: PLC0415  (slow to import, seldom needed)

        if ax is None:
            _, ax = plt.subplots(figsize=(4, 3.5), layout="constrained")
        heights = [self.trained, float(np.mean(self.random))]
        spread = [float("nan"), self.spread]
        ax.bar(
            ["trained", "random weights"],
            heights,
            yerr=spread,
            color=["#0072B2", "#7F7F7F"],
            capsize=4,
        )
        if self.metric == "accuracy":
            ax.set_ylim(0, 1)
        ax.set_ylabel(self.metric)
        return ax


def random_weights(
    model: nn.Module,
    tokenizer: Any,
    corpus: Corpus,
    property: str,  # noqa: A002
    *,
    test: Corpus,
    twins: int = 1,
    l1: float = 1e-3,
    l2: float = 1e-4,
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> RandomWeights:
    """Probe a model, and twins of it with random weights, in the same way.

    Args:
        model: A transformers model.
        tokenizer: Its fast tokenizer.
        corpus: What the probes are fitted on.
        property: Whose labels are predicted.
        test: What they are scored on.
        twins: How many random twins, each with a seed of its own.
        l1: Strength of Σ|W|.
        l2: Strength of ΣW².
        seed: Of the fits and of the first twin; the others follow.
        progress: Show a bar of the models.
        **options: Further arguments of :func:`~captum_lca.extract`; activations stay in memory.

    Returns:
        Scores of the model and of its twins, on the held-out text.

    Raises:
        ValueError: No twin, an unknown property, or what extraction or the fit refuses.

    Examples::

        >>> found = random_weights(
        ...     model, tokenizer, corpus, "role", test=test_corpus, progress=False
        ... )
        >>> found.gain > 0
        True
    """
    if twins < 1:
        raise ValueError(f"the baseline needs at least one random twin; found {twins}")
    labels, test_labels = corpus.labels_of(property), test.labels_of(property)
    unit = "word" if property in corpus.labels else "sentence"

    def score(network: nn.Module) -> tuple[str, float]:
        rows, held_out = (
            extract(part, network, tokenizer, progress=False, **{"unit": unit, **options})
            for part in (corpus, test)
        )
        probe = fit_elastic_net(rows, labels, l1=l1, l2=l2, seed=seed)
        metric = "r2" if probe.is_regression else "accuracy"
        return metric, score_together([probe], held_out, test_labels)[0]

    metric, trained = score(model)
    seeds = tqdm(range(seed, seed + twins), desc="random twins", disable=not progress)
    found = tuple(score(random_twin(model, number))[1] for number in seeds)
    return RandomWeights(metric, trained, found)
