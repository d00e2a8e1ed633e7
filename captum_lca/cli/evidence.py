"""What questions about a study are answered from: its halves, probe and rankings."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from captum_lca.activations import ActivationStore
from captum_lca.analysis import LabelledActivations, MinimalSet, PropertyStudy, minimal_set
from captum_lca.cli.printing import is_watched
from captum_lca.kept import kept
from captum_lca.neurons import NeuronRanking
from captum_lca.probes.labels import Labels
from captum_lca.rankings import METHODS

FOR_NUMBERS = ("weight_mass", "anova_f", "random_order", "stepwise_selection")
"""Ranking methods that take numbers to predict; the others need classes."""


@dataclass(frozen=True)
class Evidence:
    """A study with all that it was made from: what questions are answered from."""

    study: PropertyStudy
    """Probe, ranking and scores."""
    train: LabelledActivations
    """What the probe was fitted on."""
    test: LabelledActivations
    """What it was scored on."""
    options: argparse.Namespace
    """Those of ``analyze``."""
    penalty: dict[str, float]
    """``l1`` and ``l2`` of the probe."""

    @property
    def data(self) -> tuple[Any, Any]:
        """Training activations and labels."""
        return self.train.activations, self.train.labels

    @property
    def held_out(self) -> tuple[Any, Any]:
        """Test activations and labels."""
        return self.test.activations, self.test.labels

    @property
    def again(self) -> dict[str, Any]:
        """How probes are fitted again: as the study's was."""
        return {**self.penalty, "seed": self.options.seed, "progress": is_watched()}

    @cached_property
    def rankings(self) -> dict[str, NeuronRanking]:
        """The study's ranking, and those of all other methods that take such labels."""
        names = FOR_NUMBERS if self.study.probe.is_regression else tuple(METHODS)
        mine = self.study.ranking
        return {mine.method: mine} | {
            name: ranked(name, *self.data, self.options.seed)
            for name in names
            if name != mine.method
        }

    @cached_property
    def minimal(self) -> MinimalSet:
        """The minimal set; with the curves of all rankings, if these are asked for too."""
        others = dict(self.rankings) if "rankings" in self.options.answers else {}
        others.pop(self.study.ranking.method, None)
        others.pop("random_order", None)  # it draws random neurons itself
        return minimal_set(
            *self.data,
            self.study.ranking,
            test=self.held_out,
            others=others,
            draws=self.options.draws,
            device=self.options.device,
            **self.again,
        )


def ranked(name: str, activations: ActivationStore, labels: Labels, seed: int) -> NeuronRanking:
    """The ranking of a method, kept until the study is complete.

    Args:
        name: Of the method.
        activations: Training rows × neurons.
        labels: One per row.
        seed: Of its random choices.
    """
    return kept(
        {"ranking": name, "activations": activations, "labels": labels, "seed": seed},
        lambda: METHODS[name](activations, labels, seed=seed),
        NeuronRanking.save,
        NeuronRanking.load,
    )
