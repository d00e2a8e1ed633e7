"""What a ranking method starts from: the labelled rows of some activations, and their labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.neurons import NeuronLayout
from captum_lca.probes.labels import Labels, Targets, encode_labels
from captum_lca.probes.rows import LabelledRows, aligned_labels


@dataclass(frozen=True)
class LabelledActivations:
    """Labelled rows to read block by block, and what their labels are."""

    store: ActivationStore
    """The activations."""
    targets: Targets
    """Numbers of the labelled rows, and their classes or numbers."""

    @property
    def layout(self) -> NeuronLayout:
        """Where the neurons sit."""
        return self.store.layout

    def rows(self, neurons: Tensor | None = None, chosen: Tensor | None = None) -> LabelledRows:
        """The labelled rows.

        Args:
            neurons: Global ids of the neurons to read; default: all.
            chosen: Which of the labelled rows, ascending; default: all.
        """
        return LabelledRows(self.store, self.targets.rows, neurons, chosen=chosen)

    def class_counts(self) -> Tensor:
        """Rows of each class. Shape (classes,), int64."""
        return torch.tensor(self.targets.class_rows)


def labelled_activations(activations: Activations, labels: Labels) -> LabelledActivations:
    """Check activations and labels, and put them together.

    Raises:
        ValueError: Misaligned labels, no labelled rows, only one class, activations that are no
            floating-point matrix.
    """
    store = as_store(activations)
    return LabelledActivations(store, encode_labels(aligned_labels(store, labels)))


def with_classes(activations: Activations, labels: Labels, method: str) -> LabelledActivations:
    """The same, for a method that needs classes.

    Raises:
        ValueError: The labels are numbers to predict.
    """
    data = labelled_activations(activations, labels)
    if data.targets.is_regression:
        raise ValueError(
            f"{method} ranks neurons for classes; found numbers to predict. "
            f"For numbers use anova_f or weight_mass, or sort the numbers into classes first"
        )
    return data
