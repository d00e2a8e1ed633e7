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
    weight = probe.weight.double().requires_grad_()
    bias = probe.bias.double().requires_grad_()
    logits = standardised(probe, activations) @ weight.T + bias
    targets = torch.tensor([probe.classes.index(label) for label in labels])
    slope, bias_slope = torch.autograd.grad(cross_entropy(logits, targets), [weight, bias])
    slope = slope + 2 * l2 * weight.detach()
    at_zero = (slope.abs() - l1).clamp(min=0)
    elsewhere = (slope + l1 * weight.detach().sign()).abs()
    breach = torch.where(weight.detach() == 0, at_zero, elsewhere)
    return max(float(breach.max()), float(bias_slope.abs().max()))


def store_without(activations: Tensor, layout: NeuronLayout, missing: list[int]) -> ActivationStore:
    """A store of two shards, of a corpus of which some words have no row."""
    cut = len(activations) // 2
    index = StoreIndex(layout, "float64", len(activations) + len(missing), {}, missing)
    return ActivationStore(
        [MemoryShard(activations[:cut]), MemoryShard(activations[cut:])], index
    )
