"""Small problems that tests of probes share, and the optimality conditions by autograd."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from captum_lca.activations import ActivationStore
from captum_lca.activations.store import MemoryShard
from captum_lca.activations.store_index import StoreIndex
from captum_lca.neurons import NeuronLayout
from captum_lca.probes import LinearProbe


def classification(
    classes: int, rows: int = 120, neurons: int = 12, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, list[str]]:
    """Activations with a constant, a duplicated and a collinear neuron, and noisy labels."""
    generator = torch.Generator().manual_seed(100 * classes + rows)
    activations = torch.randn(rows, neurons, dtype=torch.float64, generator=generator)
    noise = torch.randn(rows, classes, dtype=torch.float64, generator=generator)
    activations[:, 7] = 5
    activations[:, 8] = activations[:, 9]
    activations[:, 10] = activations[:, 0] - 2 * activations[:, 1]
    numbers = (activations[:, :classes] + noise).argmax(1)
    numbers[:classes] = torch.arange(classes)
    return activations.to(dtype), [f"class {number}" for number in numbers.tolist()]


def standardised(probe: LinearProbe, activations: Tensor) -> Tensor:
    return (activations.double() - probe.mean) / probe.scale


def violation(
    probe: LinearProbe, activations: Tensor, labels: list[str], l1: float, l2: float
) -> float:
    """Largest breach of the conditions for a minimum, in float64, with the gradient by autograd."""
    slope, bias_slope = loss_slope(probe, activations, labels)
    weight = probe.weight.double()
    slope = slope + 2 * l2 * weight
    at_zero = (slope.abs() - l1).clamp(min=0)
    elsewhere = (slope + l1 * weight.sign()).abs()
    breach = torch.where(weight == 0, at_zero, elsewhere)
    return max(float(breach.max()), float(bias_slope.abs().max()))


def group_violation(
    probe: LinearProbe, activations: Tensor, labels: list[str], strength: float
) -> float:
    """The same for one norm per neuron."""
    slope, bias_slope = loss_slope(probe, activations, labels)
    breaches = [float(bias_slope.abs().max())]
    for weight, pull in zip(probe.weight.double().T, slope.T, strict=True):
        if weight.any():
            breaches.append(float((pull + strength * weight / weight.norm()).abs().max()))
        else:
            breaches.append(max(0.0, float(pull.norm()) - strength) / len(pull) ** 0.5)
    return max(breaches)


def loss_slope(
    probe: LinearProbe, activations: Tensor, labels: list[str], share: Tensor | None = None
) -> list[Tensor]:
    """Gradient of the mean cross-entropy in weights and biases."""
    weight = probe.weight.double().clone().requires_grad_()
    bias = probe.bias.double().clone().requires_grad_()
    logits = standardised(probe, activations) @ weight.T + bias
    targets = torch.tensor([probe.classes.index(label) for label in labels])
    values = cross_entropy(logits, targets, reduction="none")
    loss = values.mean() if share is None else share @ values
    return list(torch.autograd.grad(loss, [weight, bias]))


def store_without(activations: Tensor, layout: NeuronLayout, missing: list[int]) -> ActivationStore:
    """A store of two shards, of a corpus of which some words have no row."""
    cut = len(activations) // 2
    index = StoreIndex(layout, "float64", len(activations) + len(missing), {}, missing)
    return ActivationStore([MemoryShard(activations[:cut]), MemoryShard(activations[cut:])], index)
