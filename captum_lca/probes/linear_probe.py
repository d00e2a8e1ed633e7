"""The probe: a linear map from standardised activations to the classes of a property."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from captum_lca.activations import Activations, as_store
from captum_lca.distributed import joined
from captum_lca.json_text import parsed
from captum_lca.neurons import NeuronLayout
from captum_lca.probes.penalties import ElasticNet, GroupLasso, Penalty
from captum_lca.probes.rows import BLOCK
from captum_lca.tensor_files import class_names, read_tensors, write_tensors

PROBE_FORMAT = "captum_lca.probe/1"
_TENSORS = ("weight", "bias", "mean", "scale")
_NO_NUMBERS = ("loss", "class_rows")


@dataclass(frozen=True)
class FitReport:
    """How a probe was fitted, and how close to the minimum it is.

    Examples::

        >>> probe.report.converged, probe.report.rows == store.rows
        (True, True)
    """

    loss: str
    """``cross-entropy`` or ``squared error``."""
    l1: float
    """Strength of Σ|W|."""
    l2: float
    """Strength of ΣW²."""
    rows: int
    """Labelled rows that it was fitted on."""
    class_rows: tuple[int, ...]
    """Labelled rows of each class; empty for a regression."""
    fitted_neurons: int
    """Neurons that were allowed a weight."""
    nonzeros: int
    """Weights that are not zero, over all classes."""
    objective: float
    """Mean loss + penalty at the solution."""
    optimality: float
    """Largest entry of the smallest subgradient, in units of l1; 0 at the exact minimum."""
    target: float
    """Optimality that was asked for."""
    iterations: int
    """Steps of the solver."""
    seed: int
    """Seed of the solver's random choices."""
    group: float = 0.0
    """Strength of the sum over neurons of their weights' norm over classes."""
    seconds: float = field(default=math.nan, compare=False)
    """Wall-clock time of the fit, reading the activations included. It is in no file: the same fit
    writes the same files. NaN for a probe that was read from one."""

    def summary(self) -> dict[str, Any]:
        """What a file holds of it: all but the time."""
        values = asdict(self)
        del values["seconds"]
        return values

    @property
    def penalty(self) -> Penalty:
        """The penalty that it was fitted with, for fitting another one alike."""
        return GroupLasso(self.group) if self.group else ElasticNet(self.l1, self.l2)

    @property
    def converged(self) -> bool:
        """Whether the solver reached the optimality asked for."""
        return self.optimality <= self.target


class LinearProbe(nn.Module):
    """logits = weight · (activations − mean) / scale + bias.

    Args:
        weight (Tensor): In units of standardised activations. Shape (classes, neurons); one row
            for a regression.
        bias (Tensor): Shape (classes,).
        mean (Tensor): Mean activation per neuron. Shape (neurons,).
        scale (Tensor): Standard deviation per neuron; positive. Shape (neurons,).
        classes (sequence of str): Names of the classes; empty for a regression.
        layout (NeuronLayout, optional): Where the neurons sit. Default: one layer.
        report (FitReport, optional): How it was fitted. Default: None, for a probe made by hand.

    Raises:
        ValueError: Shapes that don't fit together, repeated class names, or a scale that is not
            positive.

    Examples::

        >>> probe = fit_elastic_net(store, corpus.labels["upos"])
        >>> activations = store.read(0, 5)
        >>> probe(activations).shape                    # logits of (5, 2688) activations
        torch.Size([5, 14])
        >>> set(probe.predict(activations)) <= set(probe.classes)
        True
        >>> probe.save("probe.safetensors")
        >>> probe = LinearProbe.load("probe.safetensors")
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        scale: Tensor,
        *,
        classes: Sequence[str],
        layout: NeuronLayout | None = None,
        report: FitReport | None = None,
    ) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.layout = layout or NeuronLayout.single(weight.shape[-1])
        self.report = report
        tensors = dict(zip(_TENSORS, (weight, bias, mean, scale), strict=True))
        self._check(tensors)
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def _check(self, tensors: dict[str, Tensor]) -> None:
        outputs, neurons = max(len(self.classes), 1), self.layout.size
        expected = [(outputs, neurons), (outputs,), (neurons,), (neurons,)]
        for (name, tensor), shape in zip(tensors.items(), expected, strict=True):
            if tuple(tensor.shape) != shape:
                raise ValueError(
                    f"{name} of a probe of {len(self.classes)} classes and {neurons} neurons must "
                    f"have shape {shape}; found {tuple(tensor.shape)}"
                )
        if len(self.classes) == 1 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"a probe needs different classes; found {list(self.classes)}")
        for name, tensor in tensors.items():
            if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
                raise ValueError(f"{name} of a probe must hold finite numbers")
        if not bool((tensors["scale"] > 0).all()):
            raise ValueError("every neuron's scale must be positive")

    @property
    def is_regression(self) -> bool:
        """Whether the probe predicts a number instead of a class."""
        return not self.classes

    def class_index(self, name: str) -> int:
        """Row of ``weight`` that belongs to a class.

        Raises:
            ValueError: The probe has no such class.
        """
        if name not in self.classes:
            raise ValueError(f"no class {name!r} in this probe; it has {list(self.classes)}")
        return self.classes.index(name)

    def forward(self, activations: Tensor) -> Tensor:
        """Logits (for a regression, the predicted numbers).

        Args:
            activations (Tensor): Shape (..., neurons), floating point.

        Returns:
            Tensor: Shape (..., classes), in the probe's precision or better; (..., 1) for a
            regression.
        """
        precise = activations.to(torch.promote_types(activations.dtype, self.weight.dtype))
        standardised = (precise - self.mean) / self.scale
        return nn.functional.linear(
            standardised, self.weight.to(precise.dtype), self.bias.to(precise.dtype)
        )

    def logits(self, activations: Activations) -> Tensor:
        """Logits of all rows of a matrix or a store, computed block by block.

        Ranks that work together compute those of their own rows, and tell each other.

        Args:
            activations (Tensor, ndarray or ActivationStore): Rows × neurons.

        Returns:
            Tensor: Shape (rows, classes), on the probe's device.

        Raises:
            ValueError: The neurons are not those of the probe.
        """
        return joined(self._own_logits(activations))

    @torch.no_grad()
    def _own_logits(self, activations: Activations) -> Tensor:
        """Logits of this rank's rows."""
        store = as_store(activations)
        if store.layout.size != self.layout.size:
            raise ValueError(f"the probe has {self.layout.size} neurons; found {store.layout.size}")
        device = self.weight.device
        none = self(store.read(0, 1)[:0].to(device))  # of the right precision
        blocks = [self(block.to(device)) for _, block in store.blocks(BLOCK)]
        return torch.cat([none, *blocks])

    def predict(self, activations: Activations) -> list[str] | list[float]:
        """The most likely class of each row, or the predicted number.

        Args:
            activations (Tensor, ndarray or ActivationStore): Rows × neurons.

        Returns:
            list: One class name per row; one float per row for a regression.
        """
        logits = self._own_logits(activations)
        if self.is_regression:
            return [float(value) for value in joined(logits).flatten().tolist()]
        return [self.classes[number] for number in joined(logits.argmax(1)).tolist()]

    def save(self, path: str | Path) -> None:
        """Write the probe as one safetensors file, with everything else in its metadata."""
        metadata = {
            "format": PROBE_FORMAT,
            "classes": json.dumps(self.classes),
            "layout": json.dumps(self.layout.to_json()),
            "report": json.dumps(self.report.summary() if self.report else None),
        }
        tensors = {name: getattr(self, name).contiguous().cpu() for name in _TENSORS}
        write_tensors(Path(path), tensors, metadata)

    @classmethod
    def load(cls, path: str | Path) -> LinearProbe:
        """Read a probe that :meth:`save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not such a probe, or is damaged.
        """
        metadata, tensors = read_tensors(path, "probe", PROBE_FORMAT, _TENSORS)
        where = f"{path}: damaged probe"
        classes = class_names(metadata, where)
        layout, report = (
            parsed(metadata.get(key, ""), f"{where}: {key}") for key in ("layout", "report")
        )
        try:
            return cls(
                **tensors,
                classes=classes,
                layout=NeuronLayout.from_json(layout),
                report=_report_from_json(report),
            )
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error


def _report_from_json(values: Any) -> FitReport | None:
    if values is None:
        return None
    try:
        report = FitReport(**{**values, "class_rows": tuple(values["class_rows"])})
    except (KeyError, TypeError) as error:
        raise ValueError(f"the report is not that of a fit: {error!r}") from error
    numbers = [value for name, value in asdict(report).items() if name not in _NO_NUMBERS]
    plain = all(type(value) in (int, float) for value in (*numbers, *report.class_rows))
    if not plain or type(report.loss) is not str:
        raise ValueError("the report is not that of a fit: a value is of another kind")
    return report
