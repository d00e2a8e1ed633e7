"""The neurons of a study as a page lists them: over all classes, and of each class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from captum_lca.analysis import PropertyStudy
from captum_lca.analysis.centre_of_gravity import salient_neurons
from captum_lca.probes import ClassificationScores
from captum_lca.rankings import weight_mass
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
        study: If its ranking has no order for each of the probe's classes, these are ordered by
            the mass of the probe's weights.
    """

    def __init__(self, study: PropertyStudy) -> None:
        ranking, probe = study.ranking, study.probe
        self.study, self.ranking = study, ranking
        self.by_class = ranking if ranking.classes == probe.classes else weight_mass(probe)
        self._rank = ranking.order.argsort() + 1
        weight = probe.weight.detach()
        self._targets, self._weights = torch.full((len(ranking),), -1), weight[0]
        if probe.classes:
            best, numbers = self.by_class.class_salience.max(0)
            none = best <= self.by_class.class_salience.min()
            self._targets = numbers.masked_fill(none, -1)
            self._weights = weight.gather(0, numbers[None])[0].masked_fill(none, 0)

    @property
    def classes(self) -> list[int]:
        """Numbers of the classes that are shown, in the probe's order."""
        numbers = range(len(self.by_class.classes))
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
        study, name = self.study, self.by_class.classes[number]
        weight = study.probe.weight.detach()[number]
        salience = self.by_class.class_salience[number]
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
        ranking = self.by_class.for_class(self.by_class.classes[number])
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


def _rounded(values: torch.Tensor) -> list[float | None]:
    """With four digits; None for infinity, which JSON doesn't have."""
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in values.tolist()]
