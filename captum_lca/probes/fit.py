"""Fitting a probe: from activations and labels to the minimiser of the elastic net."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from captum_lca.activations import Activations, ActivationStore, as_store
from captum_lca.neurons import NeuronLayout, as_neuron_ids
from captum_lca.probes.formulation import Coefficients, Formulation, formulate
from captum_lca.probes.kept_fits import keeping
from captum_lca.probes.labels import Labels, Targets, as_list, encode_labels
from captum_lca.probes.linear_probe import FitReport, LinearProbe
from captum_lca.probes.penalties import ElasticNet, Penalty
from captum_lca.probes.rows import LabelledRows, aligned_labels, standardised_rows
from captum_lca.probes.solver import solve
from captum_lca.probes.weights import ClassWeight, SampleWeight, row_shares

DEFAULT_PENALTY = ElasticNet(l1=1e-3, l2=1e-4)
DEFAULT_MEMORY = 2**30
"""Bytes that activations may take."""
DEFAULT_TOLERANCE = 1e-3
"""Share of the gradient at zero weights that may be left."""


def fit_elastic_net(
    activations: Activations,
    labels: Labels,
    *,
    l1: float = 1e-3,
    l2: float = 1e-4,
    **options: Any,
) -> LinearProbe:
    """Fit a linear probe with an elastic-net penalty, l1·Σ|W| + l2·ΣW².

    The first term lets single neurons in, and leaves all other weights exactly zero; the second
    shares weight among correlated ones.

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons.
        labels (sequence or Tensor): One per row.
        l1 (float, optional): Strength of Σ|W|. Default: 1e-3.
        l2 (float, optional): Strength of ΣW² (not halved). Default: 1e-4.
        **options: Further arguments of :func:`~captum_lca.probes.fit_probe`, which says what all of
            them mean.

    Returns:
        LinearProbe: With the layout of the activations, and a
            :class:`~captum_lca.probes.FitReport`.

    Raises:
        ValueError: A negative penalty, or what :func:`~captum_lca.probes.fit_probe` refuses.

    Examples::

        >>> probe = fit_elastic_net(store, corpus.labels["upos"], l1=1e-3, l2=1e-4)
        >>> probe.weight.shape
        torch.Size([14, 2688])
        >>> probe.report.converged
        True
    """
    return fit_probe(activations, labels, ElasticNet(l1, l2), **options)


@keeping
def fit_probe(
    activations: Activations,
    labels: Labels,
    penalty: Penalty = DEFAULT_PENALTY,
    *,
    sample_weight: SampleWeight | None = None,
    class_weight: ClassWeight | None = None,
    classes: Sequence[str] | None = None,
    layout: NeuronLayout | None = None,
    neurons: Iterable[int] | Tensor | None = None,
    init: LinearProbe | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    max_iterations: int = 100,
    device: torch.device | str | None = None,
    memory: int = DEFAULT_MEMORY,
    seed: int = 0,
) -> LinearProbe:
    """Fit a linear probe with any penalty.

    The probe minimises, over the labelled rows and with each neuron standardised to mean 0 and
    standard deviation 1, mean cross-entropy + penalty(W). Biases are not penalised. Weights that
    the penalty does not let in are exactly zero; so are those of constant neurons.

    For a regression the first term is the mean of ½(y − ŷ)², with y standardised like the neurons,
    so that a penalty means the same whatever the unit of y. ``report.objective`` is in these terms;
    the probe that is returned predicts y in its own unit, and its weights and bias are in that
    unit (per standard deviation of the neuron).

    Ranks that work together (within :func:`captum_lca.distributed.process_group`) give the same
    arguments and get the same probe. Each reads, and keeps if there is room, a part of the rows;
    on all of them are labels, weights, and the working sets' activations in the sampled rows.

    Args:
        activations (Tensor, ndarray or ActivationStore): Rows × neurons; float16, float32 or
            float64. Computed in float32, or in float64 if that is what is given.
        labels (sequence or Tensor): One per row. Strings, or integers (named by ``classes``, or by
            their digits), are classes; floats are numbers to predict. ``None``, -100 among
            integers and NaN among floats: not labelled.
        penalty (Penalty, optional): One of :class:`L1`, :class:`L2`, :class:`ElasticNet`, or
            :class:`GroupLasso`, which lets a neuron in for all classes or for none. Default:
            ``ElasticNet(1e-3, 1e-4)``.
        sample_weight (sequence or Tensor, optional): What each row counts for in the mean loss,
            relative to others; one per row, labelled or not. Neurons are standardised without
            regard to it. Default: all rows count the same.
        class_weight (mapping or "balanced", optional): What each row of a class counts for, on top
            of that; 1 for classes not named. With ``"balanced"`` each class counts for the same in
            total. Default: none.
        classes (sequence of str, optional): Names of the classes. Default: those that occur,
            sorted.
        layout (NeuronLayout, optional): Where the neurons of a matrix sit. Default: one layer.
        neurons (iterable of int, optional): Global ids of the neurons to fit on. All others get
            weight 0, mean 0 and scale 1. Default: all.
        init (LinearProbe, optional): Where to start, for instance a probe fitted with another
            penalty. Changes how long the fit takes, not where it ends. Default: no weights.
        tolerance (float, optional): When to stop: once no entry of the smallest subgradient
            exceeds this share of the largest entry of the gradient at zero weights, and the last
            step shows that about this share of the objective, or less, is left to be gained.
        max_iterations (int, optional): Steps after which to give up, with a warning.
        device (torch.device or str, optional): Where to compute. Default: where the
            activations are.
        memory (int, optional): Bytes that activations may take, on each rank. If the labelled rows
            fit as they are computed with, standardised, they are read once and kept (on the
            device); otherwise every pass reads them from the store again, a block ahead, and what
            is kept is samples of them. Logits (rows × classes) come on top. Default: 1 GiB.
        seed (int, optional): Seed of the solver's choice of rows. Default: 0.

    Returns:
        LinearProbe: With the layout of the activations, and a :class:`FitReport`.

    Raises:
        ValueError: Misaligned labels, no labelled rows, fewer than two classes, weights that are
            negative or all zero, activations that are not a finite matrix (says which neuron of
            which layer), neurons that don't exist, or an ``init`` of other classes or neurons.

    Examples::

        >>> from captum_lca.probes.penalties import GroupLasso
        >>> penalty = GroupLasso(2e-3)
        >>> probe = fit_probe(store, corpus.labels["upos"], penalty, class_weight="balanced")
        >>> in_probe = probe.weight.any(0)              # for all classes or for none
        >>> bool((probe.weight[:, ~in_probe] == 0).all())
        True
    """
    began = time.perf_counter()
    for name, value in (("tolerance", tolerance), ("memory", memory)):
        if not value > 0:
            raise ValueError(f"{name} must be positive; found {value}")
    store = as_store(activations, layout)
    targets = encode_labels(aligned_labels(store, labels), classes)
    share = row_shares(targets, _aligned_weights(store, sample_weight), class_weight)
    ids = None if neurons is None else _checked_ids(neurons, store.layout)
    _check_init(init, targets, store.layout)
    place = None if device is None else torch.device(device)
    source = LabelledRows(store, targets.rows, ids, place)
    rows, standardisation = standardised_rows(source, memory)
    formulation = formulate(targets)
    solution = solve(
        rows,
        formulation.loss(rows.like).select(source.own),
        formulation.penalty(penalty),
        _start(init, formulation, ids, rows.like),
        tolerance=tolerance,
        max_iterations=max_iterations,
        memory=memory,
        share=share[source.own].to(rows.like.device),
        seed=seed,
    )
    weight, bias = formulation.to_probe(solution.weight, solution.bias)
    strengths = penalty.strengths
    report = FitReport(
        loss=formulation.loss_name,
        l1=strengths.get("l1", 0.0),
        l2=strengths.get("l2", 0.0),
        group=strengths.get("group", 0.0),
        rows=len(targets.rows),
        class_rows=targets.class_rows,
        fitted_neurons=weight.shape[1],
        nonzeros=int(weight.count_nonzero()),
        objective=solution.objective,
        optimality=solution.optimality,
        target=solution.target,
        iterations=solution.iterations,
        seconds=time.perf_counter() - began,
        seed=seed,
    )
    tensors = (weight, bias, standardisation.mean.to(weight), standardisation.scale.to(weight))
    if ids is not None:
        tensors = _spread(*tensors, ids=ids.to(weight.device), size=store.layout.size)
    return LinearProbe(*tensors, classes=targets.classes, layout=store.layout, report=report)


def _aligned_weights(store: ActivationStore, weights: SampleWeight | None) -> list[float] | None:
    return None if weights is None else store.align(as_list(weights))


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


def _start(
    init: LinearProbe | None, formulation: Formulation, ids: Tensor | None, like: Tensor
) -> Coefficients | None:
    """Where the solver starts: at ``init``'s weights of the fitted neurons, and its biases."""
    if init is None:
        return None
    weight = init.weight if ids is None else init.weight[:, ids.to(init.weight.device)]
    return formulation.to_solver(weight.to(like), init.bias.to(like))


def _spread(
    weight: Tensor, bias: Tensor, mean: Tensor, scale: Tensor, *, ids: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The tensors of a probe of some neurons, over all ``size`` neurons of the layout."""
    return (
        weight.new_zeros(len(weight), size).index_copy_(1, ids, weight),
        bias,
        mean.new_zeros(size).index_copy_(0, ids, mean),
        scale.new_ones(size).index_copy_(0, ids, scale),
    )
