"""The neurons of a study as a page lists them: over all classes, and of each class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from captum_lca.analysis import PropertyStudy
from captum_lca.analysis.centre_of_gravity import salient_neurons
from captum_lca.probes import ClassificationScores
from captum_lca.report.answer import top_count
from captum_lca.report.neuron_details import NeuronDetail

MOST_CLASSES = 60
"""Classes that a page shows: the most frequent ones."""
TOP_OF_CLASS = 10
"""Neurons of a class that are shown with what they respond to."""
TOP_OVERALL = 100
"""The same over all classes."""
MOST_DETAILED = 600
"""The same together, at most: what bounds the size of the page."""
LISTED_OF_CLASS = 100
"""Neurons that the table shows of a class."""


@dataclass(frozen=True)
class NeuronRow:
    """One neuron in a list."""

    neuron: int
    """Global id."""
    rank: int
    """Over all classes, from 1."""
    layer: str
    """Its layer."""
    index: int
    """Its place in the layer."""
    salience: float
    """In the list's ranking: over all classes, or of one."""
    target: int | None
    """Number of the list's class, or of the class that it is most salient for."""
    weight: float
    """Of the probe for that class, in units of standardised activations."""
    detail: NeuronDetail | None
    """What it responds to, if that was looked at."""


@dataclass(frozen=True)
class ClassPart:
    """One class with its most salient neurons."""

    number: int
    """Among the probe's classes."""
    name: str
    """Of the class."""
    rows: int | None
    """It was fitted on so many; None if that is not known."""
    f1: float | None
    """Of the probe on held-out rows; None if it never occurs there."""
    weights: int
    """Neurons with a weight for it."""
    counts: tuple[int, ...]
    """Its salient neurons by layer."""
    neurons: tuple[NeuronRow, ...]
    """The top ones."""


class NeuronRows:
    """The neurons of a study, as rows of lists.

    Args:
        study: With its ranking.
    """

    def __init__(self, study: PropertyStudy) -> None:
        ranking = study.ranking
        self.study, self.ranking = study, ranking
        self._rank = ranking.order.argsort() + 1
        self._targets = torch.full((len(ranking),), -1)
        if ranking.classes:
            best, numbers = ranking.class_salience.max(0)
            self._targets = numbers.where(best > ranking.class_salience.min(), -1)
        weight = study.probe.weight.detach()
        numbers = self._targets.clamp(min=0)[None]
        self._weights = weight.gather(0, numbers)[0].where(self._has_weight, 0)

    @property
    def _has_weight(self) -> torch.Tensor:
        return (self._targets >= 0) | torch.tensor(not self.ranking.classes)

    @property
    def classes(self) -> list[int]:
        """Numbers of the classes that are shown, in the probe's order."""
        numbers = range(len(self.ranking.classes))
        report = self.study.probe.report
        if report is None:
            return list(numbers)[:MOST_CLASSES]
        frequent = sorted(numbers, key=lambda number: -report.class_rows[number])
        return sorted(frequent[:MOST_CLASSES])

    def detailed(self) -> list[int]:
        """Global ids of the neurons to show with what they respond to."""
        per_class = min(TOP_OF_CLASS, MOST_DETAILED // max(1, len(self.classes)))
        ids = [self._of_class(number, per_class) for number in self.classes]
        ids.append(self.ranking.top(min(TOP_OVERALL, len(self.ranking))))
        return list(dict.fromkeys(torch.cat(ids).tolist()))[:MOST_DETAILED]

    def top(self, details: Mapping[int, NeuronDetail]) -> list[NeuronRow]:
        """The first rows of the list over all classes."""
        ids = self.ranking.top(min(TOP_OVERALL, len(self.ranking))).tolist()
        return [
            self._row(
                neuron,
                float(self.ranking.salience[neuron]),
                int(self._targets[neuron]),
                float(self._weights[neuron]),
                details,
            )
            for neuron in ids
        ]

    def class_part(self, number: int, details: Mapping[int, NeuronDetail]) -> ClassPart:
        """One class with its top neurons."""
        study, name = self.study, self.ranking.classes[number]
        weight = study.probe.weight.detach()[number]
        salience = self.ranking.class_salience[number]
        report, scores = study.probe.report, study.scores
        f1 = {}
        if isinstance(scores, ClassificationScores):
            f1 = {score.name: score.f1 for score in scores.classes if score.support}
        return ClassPart(
            number,
            name,
            report.class_rows[number] if report else None,
            f1.get(name),
            int(weight.count_nonzero()),
            tuple(self.class_counts(number)),
            tuple(
                self._row(neuron, float(salience[neuron]), number, float(weight[neuron]), details)
                for neuron in self._of_class(number, TOP_OF_CLASS).tolist()
            ),
        )

    def class_counts(self, number: int) -> list[int]:
        """The salient neurons of a class by layer."""
        ids = self._of_class(number, top_count(self.study))
        layers = self.ranking.layout.layer_numbers(ids)
        found: list[int] = torch.bincount(
            layers, minlength=len(self.ranking.layout.layers)
        ).tolist()
        return found

    def to_json(self) -> dict[str, Any]:
        """All neurons in their order, with four digits of salience and weight."""
        order = self.ranking.order
        return {
            "layers": list(self.ranking.layout.layers),
            "starts": list(self.ranking.layout.starts),
            "order": order.tolist(),
            "salience": _rounded(self.ranking.salience[order]),
            "target": self._targets[order].tolist(),
            "weight": _rounded(self._weights[order]),
            "listed": {
                number: self._of_class(number, LISTED_OF_CLASS).tolist() for number in self.classes
            },
        }

    def _of_class(self, number: int, count: int) -> torch.Tensor:
        ranking = self.ranking.for_class(self.ranking.classes[number])
        return salient_neurons(ranking, min(count, len(ranking)))

    def _row(
        self,
        neuron: int,
        salience: float,
        target: int,
        weight: float,
        details: Mapping[int, NeuronDetail],
    ) -> NeuronRow:
        layer, index = self.ranking.layout.locate(neuron)
        return NeuronRow(
            neuron,
            int(self._rank[neuron]),
            layer,
            index,
            salience,
            None if target < 0 else target,
            weight,
            details.get(neuron),
        )


def _rounded(values: torch.Tensor) -> list[float]:
    return [float(f"{value:.4g}") for value in values.tolist()]
