"""The main question, end to end: which neurons carry a property, and the evidence that they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from captum_lca.ablation import ProbeAblation, ablate_probe
from captum_lca.activations import ActivationStore
from captum_lca.analysis.massive import MassiveActivations, massive_activations
from captum_lca.neurons import NeuronRanking
from captum_lca.notebook import NotebookTable
from captum_lca.probes import (
    ClassificationScores,
    LinearProbe,
    RegressionScores,
    evaluate,
    fit_elastic_net,
)
from captum_lca.probes.labels import Labels
from captum_lca.rankings import weight_mass


@dataclass(frozen=True)
class LabelledActivations:
    """Activations with the labels of one property, and the words behind them if they are known."""

    activations: ActivationStore
    """Rows × neurons."""
    labels: Labels
    """One label per row, or per word of the corpus."""
    words: Sequence[str] | None = None
    """The words that the labels belong to, for the word-identity baseline."""


@dataclass(frozen=True)
class PropertyStudy(NotebookTable):
    """A property's probe, its scores on held-out words, the ranking, and the ablation."""

    property: str
    """Name of the property."""
    probe: LinearProbe
    """Fitted on the training words."""
    scores: ClassificationScores | RegressionScores
    """Of the probe on the held-out words, with baselines."""
    ranking: NeuronRanking
    """By weight mass, or the one that was given."""
    ablation: ProbeAblation
    """On the held-out words."""
    massive: MassiveActivations
    """Neurons of the training activations whose values dwarf all others."""

    def to_frame(self) -> pd.DataFrame:
        """The ranking as a table; see :meth:`~captum_lca.NeuronRanking.to_frame`."""
        return self.ranking.to_frame()

    def summary(self, top: int) -> dict[str, Any]:
        """The results as plain values for JSON.

        Args:
            top: Of how many neurons the layers are counted.
        """
        report = self.probe.report
        return {
            "property": self.property,
            "classes": list(self.probe.classes),
            "ranking": self.ranking.method,
            "neurons": self.probe.layout.size,
            "layers": self.probe.layout.to_json(),
            "fit": report.summary() if report else None,
            "test": asdict(self.scores),
            "ablation": asdict(self.ablation),
            "top_neurons_by_layer": {
                "top": top,
                "counts": self.ranking.layer_counts(top).to_dict(),
            },
            "massive_activations": self.massive.to_frame().to_dict("records"),
        }


def study_property(
    name: str,
    train: LabelledActivations,
    test: LabelledActivations,
    *,
    ranking: NeuronRanking | None = None,
    l1: float = 1e-3,
    l2: float = 1e-4,
    baselines: Sequence[str] = ("mean", "zero"),
    draws: int = 5,
    seed: int = 0,
    device: str | None = None,
    progress: bool = True,
) -> PropertyStudy:
    """Fit a probe, score it, rank the neurons, and ablate them in the probe.

    Args:
        name: Of the property.
        train: What the probe is fitted on.
        test: What everything is scored on.
        ranking: An order to ablate by. Default: the weight mass of the probe.
        l1: Strength of Σ|W|.
        l2: Strength of ΣW².
        baselines: Of the ablation: ``"mean"``, ``"zero"``, ``"retrained"``.
        draws: Random choices of neurons in the ablation.
        seed: Of every random choice.
        device: Where the probe is fitted; default: CPU.
        progress: Show progress bars.

    Returns:
        The probe, its scores, the ranking and the ablation.

    Raises:
        ValueError: What the steps refuse. Labels unseen in training count as errors, with a
            warning.

    Examples::

        >>> from captum_lca.analysis import LabelledActivations, study_property
        >>> train = LabelledActivations(store, corpus.labels["number"], corpus.words)
        >>> test = LabelledActivations(test_store, test_corpus.labels["number"], test_corpus.words)
        >>> study = study_property("number", train, test, draws=1, progress=False)
        >>> study.scores.accuracy > study.scores.majority_accuracy
        True
    """
    probe = fit_elastic_net(
        train.activations, train.labels, l1=l1, l2=l2, seed=seed, device=device
    ).cpu()
    scores = evaluate(
        probe,
        test.activations,
        test.labels,
        words=test.words,
        train_words=train.words,
        train_labels=train.labels,
        unseen="wrong",
    )
    ranking = weight_mass(probe) if ranking is None else ranking
    ablation = ablate_probe(
        probe,
        ranking,
        test.activations,
        test.labels,
        baselines=baselines,
        train=(train.activations, train.labels),
        draws=draws,
        seed=seed,
        progress=progress,
    )
    massive = massive_activations(train.activations)
    return PropertyStudy(name, probe, scores, ranking, ablation, massive)
