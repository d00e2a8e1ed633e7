"""The probe beside TCAV: a classifier for Captum's concepts, and concept vectors."""

from __future__ import annotations

from typing import Any

import torch
from captum.concept import Classifier
from torch import Tensor

from captum_lca.probes import LinearProbe, fit_elastic_net


class ProbeClassifier(Classifier):  # type: ignore[misc]
    """The elastic-net probe as the classifier of :class:`captum.concept.TCAV`.

    Its concept activation vectors are sparse: they name the neurons that tell the concepts apart.

    Args:
        l1 (float): Strength of Σ|W|. Default: 1e-3.
        l2 (float): Strength of ΣW². Default: 1e-4.
        seed (int): Of the split into training and test examples. Default: 0.

    Examples::

        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> from captum_lca.concepts import ProbeClassifier
        >>> examples = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
        >>> loader = DataLoader(TensorDataset(examples, (examples[:, 0] > 0).long()), 20)
        >>> classifier = ProbeClassifier()
        >>> sorted(classifier.train_and_eval(loader))
        ['accs']
        >>> classifier.weights().shape, classifier.classes()
        (torch.Size([2, 4]), [0, 1])
    """

    probe: LinearProbe | None
    """The fitted probe; None before training."""

    def __init__(self, l1: float = 1e-3, l2: float = 1e-4, seed: int = 0) -> None:
        self.l1, self.l2, self.seed = l1, l2, seed
        self.probe = None

    def train_and_eval(
        self, dataloader: Any, test_split_ratio: float = 0.33, **fit_options: Any
    ) -> dict[str, Tensor]:
        """Train on a part of the examples, test on the others.

        Args:
            dataloader (iterable): Of (activations, concept ids): (batch, neurons) and (batch,).
            test_split_ratio (float): Share of the examples that is held out. Default: 0.33.
            **fit_options: For :func:`~captum_lca.fit_elastic_net`.

        Returns:
            ``accs``: accuracy on the examples held out, in [0, 1].

        Raises:
            ValueError: A share that leaves nothing to train or test on.
        """
        batches = list(dataloader)
        activations = torch.cat([examples.flatten(1).cpu() for examples, _ in batches]).float()
        labels = [str(int(label)) for _, ids in batches for label in ids]
        held_out = round(test_split_ratio * len(labels))
        if not 0 < held_out < len(labels):
            raise ValueError(
                f"test_split_ratio={test_split_ratio} of {len(labels)} examples leaves nothing "
                f"to train or to test on"
            )
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.seed))
        test, train = order[:held_out].tolist(), order[held_out:].tolist()
        self.probe = fit_elastic_net(
            activations[train], [labels[n] for n in train], l1=self.l1, l2=self.l2, **fit_options
        )
        predicted = self.probe.predict(activations[test])
        hits = [guess == labels[n] for guess, n in zip(predicted, test, strict=True)]
        return {"accs": torch.tensor(hits).float().mean()}

    def weights(self) -> Tensor:
        """The concept vectors, in units of raw activations. Shape (concepts, neurons).

        Raises:
            ValueError: Not trained yet.
        """
        return concept_vectors(self._trained())

    def classes(self) -> list[int]:
        """The concepts' ids, in the order of :meth:`weights`.

        Raises:
            ValueError: Not trained yet.
        """
        return [int(name) for name in self._trained().classes]

    def _trained(self) -> LinearProbe:
        if self.probe is None:
            raise ValueError("the classifier is not trained yet: call train_and_eval first")
        return self.probe


def concept_vectors(probe: LinearProbe, layer: str | None = None) -> Tensor:
    """The probe's directions in raw activations: weight / scale.

    Args:
        probe: Any probe.
        layer: Name of one of its layers. Default: all neurons.

    Returns:
        The gradient of each class's logit. Shape (classes, neurons).

    Raises:
        ValueError: No such layer.

    Examples::

        >>> from captum_lca.concepts import concept_vectors
        >>> concept_vectors(probe, "encoder.layer.1").shape
        torch.Size([14, 384])
    """
    directions = probe.weight / probe.scale
    return directions if layer is None else directions[:, probe.layout.slice(layer)]
