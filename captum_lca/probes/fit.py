"""Fitting a probe: from activations and labels to the minimiser of the elastic net."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captum_lca.neurons import NeuronLayout, as_neuron_ids
from captum_lca.probes.labels import Labels, Targets, encode_labels
from captum_lca.probes.linear_probe import FitReport, LinearProbe
from captum_lca.probes.objective import CrossEntropy, Loss, SquaredError
from captum_lca.probes.penalty import ElasticNet
from captum_lca.probes.rows import Activations, aligned_labels, as_source, standardised_rows
from captum_lca.probes.solver import Solution, solve
from captum_lca.probes.standardisation import Standardisation

DEFAULT_TOLERANCE = 1e-3
"""Share of the gradient at zero weights that may be left."""


def fit_elastic_net(
    activations: Activations,
    labels: Labels,
    *,
    l1: float = 1e-3,
    l2: float = 1e-4,
    classes: Sequence[str] | None = None,
    layout: NeuronLayout | None = None,
    neurons: Iterable[int] | Tensor | None = None,
    init: LinearProbe | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    max_iterations: int = 100,
    device: torch.device | str | None = None,
    seed: int = 0,
) -> LinearProbe:
    """Fit a linear probe with an elastic-net penalty.

    The probe minimises, over the labelled rows and with each neuron standardised to mean 0 and
    standard deviation 1, mean cross-entropy + l1·Σ|W| + l2·ΣW². Biases are not penalised. Weights
    that the penalty does not let in are exactly zero; so are those of constant neurons.

    For a regression the first term is the mean of ½(y − ŷ)², with y standardised like the neurons,
    so that a penalty means the same whatever the unit of y. ``report.objective`` is in these terms;
    the probe that is returned predicts y in its own unit, and its weights and bias are in that
    unit (per standard deviation of the neuron).

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons; float16, float32 or
            float64. Computed in float32, or in float64 if that is what is given.
        labels (sequence or Tensor): One per row. Strings, or integers (named by ``classes``, or by
            their digits), are classes; floats are numbers to predict. ``None``, -100 among
            integers and NaN among floats: not labelled.
        l1 (float, optional): Strength of Σ|W|. Default: 1e-3.
        l2 (float, optional): Strength of ΣW² (not halved). Default: 1e-4.
        classes (sequence of str, optional): Names of the classes. Default: those that occur,
            sorted.
        layout (NeuronLayout, optional): Where the neurons of a matrix sit. Default: one layer.
        neurons (iterable of int, optional): Global ids of the neurons to fit on. All others get
            weight 0, mean 0 and scale 1. Default: all.
        init (LinearProbe, optional): Where to start, for instance a probe fitted with another
            penalty. Changes how long the fit takes, not where it ends. Default: no weights.
        tolerance (float, optional): When to stop: once no entry of the smallest subgradient
            exceeds this share of the largest entry of the gradient at zero weights.
        max_iterations (int, optional): Steps after which to give up, with a warning.
        device (torch.device or str, optional): Where to compute. Default: where the
            activations are.
        seed (int, optional): Seed of the solver's choice of rows. Default: 0.

    Returns:
        LinearProbe: With the layout of the activations, and a :class:`FitReport`.

    Raises:
        ValueError: Misaligned labels, no labelled rows, fewer than two classes, a negative
            penalty, activations that are not a finite matrix (says which neuron of which layer),
            neurons that don't exist, or an ``init`` of other classes or neurons.

    Examples::

        >>> probe = fit_elastic_net(store, corpus.labels["upos"], l1=1e-3, l2=1e-4)
        >>> probe.weight.shape
        torch.Size([17, 2688])
        >>> probe.report.nonzeros
        5012
    """
    began = time.perf_counter()
    penalty = ElasticNet(l1, l2)
    source = as_source(activations, layout)
    targets = encode_labels(aligned_labels(source, labels), classes)
    ids = None if neurons is None else _checked_ids(neurons, source.layout)
    unit = TargetUnit.of(targets)
    _check_init(init, targets, source.layout)
    place = None if device is None else torch.device(device)
    rows, standardisation = standardised_rows(source, targets.rows, ids, place)
    solution = solve(
        rows,
        _loss_of(targets, unit, rows.like),
        penalty,
        None if init is None else _start_at(init, unit, ids, rows.like),
        tolerance=tolerance,
        max_iterations=max_iterations,
        seed=seed,
    )
    report = _report(solution, penalty, targets, seconds=time.perf_counter() - began, seed=seed)
    return _probe(
        solution,
        standardisation,
        unit=unit,
        ids=ids,
        targets=targets,
        layout=source.layout,
        report=report,
    )


@dataclass(frozen=True)
class TargetUnit:
    """The unit in which the solver sees a number to predict; of no effect on classes."""

    mean: float = 0.0
    """What the solver sees as 0."""
    scale: float = 1.0
    """What the solver sees as 1."""

    @classmethod
    def of(cls, targets: Targets) -> TargetUnit:
        """Mean and standard deviation (population form) of the numbers to predict."""
        if not targets.is_regression:
            return cls()
        return cls(float(targets.values.mean()), float(targets.values.std(correction=0)))


def _checked_ids(neurons: Iterable[int] | Tensor, layout: NeuronLayout) -> Tensor:
    ids = as_neuron_ids(neurons, layout)
    if not len(ids):
        raise ValueError("a probe needs at least one neuron; `neurons` is empty")
    return ids.cpu()


def _check_init(init: LinearProbe | None, targets: Targets, layout: NeuronLayout) -> None:
    if init is None:
        return
    if init.classes != targets.classes:
        raise ValueError(
            f"init has the classes {list(init.classes)}, the labels {list(targets.classes)}"
        )
    if init.layout != layout:
        raise ValueError("init has another layout than the activations")


def _loss_of(targets: Targets, unit: TargetUnit, like: Tensor) -> Loss:
    if targets.is_regression:
        return SquaredError(((targets.values - unit.mean) / unit.scale).to(like))
    return CrossEntropy(targets.values.to(like.device), len(targets.classes))


def _start_at(
    init: LinearProbe, unit: TargetUnit, ids: Tensor | None, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Weights of the fitted neurons and biases of a probe, in the solver's unit."""
    weight = init.weight if ids is None else init.weight[:, ids.to(init.weight.device)]
    return (weight / unit.scale).to(like), ((init.bias - unit.mean) / unit.scale).to(like)


def _report(
    solution: Solution, penalty: ElasticNet, targets: Targets, *, seconds: float, seed: int
) -> FitReport:
    return FitReport(
        loss="squared error" if targets.is_regression else "cross-entropy",
        l1=penalty.l1,
        l2=penalty.l2,
        rows=len(targets.rows),
        class_rows=targets.class_rows,
        fitted_neurons=solution.weight.shape[1],
        nonzeros=int(solution.weight.count_nonzero()),
        objective=solution.objective,
        optimality=solution.optimality,
        target=solution.target,
        iterations=solution.iterations,
        seconds=seconds,
        seed=seed,
    )


def _probe(
    solution: Solution,
    standardisation: Standardisation,
    *,
    unit: TargetUnit,
    ids: Tensor | None,
    targets: Targets,
    layout: NeuronLayout,
    report: FitReport,
) -> LinearProbe:
    """The solution in the target's unit, over all neurons of the layout."""
    weight = solution.weight * unit.scale
    mean, scale = standardisation.mean.to(weight), standardisation.scale.to(weight)
    if ids is not None:
        columns, size = ids.to(weight.device), layout.size
        weight = weight.new_zeros(len(weight), size).index_copy_(1, columns, weight)
        mean = mean.new_zeros(size).index_copy_(0, columns, mean)
        scale = scale.new_ones(size).index_copy_(0, columns, scale)
    bias = solution.bias * unit.scale + unit.mean
    return LinearProbe(
        weight, bias, mean, scale, classes=targets.classes, layout=layout, report=report
    )
