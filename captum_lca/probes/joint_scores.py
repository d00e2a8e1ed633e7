"""Scores of many probes that share their standardisation, in one pass over the activations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captum_lca.activations import Activations, as_store
from captum_lca.distributed import summed
from captum_lca.probes.labels import Labels, encode_labels
from captum_lca.probes.linear_probe import LinearProbe
from captum_lca.probes.metrics import class_names
from captum_lca.probes.rows import BLOCK, aligned_labels

NO_CLASS = -1


@torch.no_grad()
def score_together(
    probes: Sequence[LinearProbe], activations: Activations, labels: Labels
) -> list[float]:
    """Accuracy of each probe, or R² of each regression.

    Args:
        probes (sequence of LinearProbe): With the same classes, mean and scale.
        activations (Tensor, ndarray or ActivationStore): Rows × neurons.
        labels (sequence or Tensor): One per row. Those unseen in training count as errors.

    Returns:
        list of float: One score per probe.

    Raises:
        ValueError: Misaligned labels, or none at all.
    """
    first = probes[0]
    store = as_store(activations)
    rows, gold = gold_targets(first, aligned_labels(store, labels))
    weight = torch.cat([probe.weight for probe in probes])
    bias = torch.cat([probe.bias for probe in probes])
    missed = torch.zeros(len(probes), dtype=torch.float64)
    for start, block in store.blocks(BLOCK):
        low, high = torch.searchsorted(rows, torch.tensor([start, start + len(block)])).tolist()
        mine = block[rows[low:high] - start].to(weight)
        standardised = (mine - first.mean) / first.scale
        outputs = torch.nn.functional.linear(standardised, weight, bias)
        outputs = outputs.view(len(mine), len(probes), len(first.bias))
        missed += (
            missed_by_row(outputs, gold[low:high].to(weight.device), first.is_regression)
            .sum(0)
            .cpu()
        )
    if first.is_regression:
        worst = ((gold - gold.mean()) ** 2).sum()
    else:
        worst = torch.tensor(float(len(rows)))
    return [float(1 - value / worst) for value in summed(missed)]


def gold_targets(probe: LinearProbe, labels: Labels) -> tuple[Tensor, Tensor]:
    """What a probe should say of held-out rows.

    Returns:
        Numbers of the labelled rows, and their numbers to predict or the positions of their classes
        in the probe's (NO_CLASS: unseen in training). Both of shape (labelled,).

    Raises:
        ValueError: No row has a label.
    """
    if probe.is_regression:
        targets = encode_labels(labels)
        return targets.rows, targets.values
    names = class_names(labels, probe.classes)
    position = {name: number for number, name in enumerate(probe.classes)}
    rows = [row for row, name in enumerate(names) if name is not None]
    if not rows:
        raise ValueError(f"no labelled rows: none of the {len(names)} labels is set")
    gold = [position.get(str(names[row]), NO_CLASS) for row in rows]
    return torch.tensor(rows), torch.tensor(gold)


def missed_by_row(outputs: Tensor, gold: Tensor, is_regression: bool) -> Tensor:
    """What each probe loses on each row: the squared error, or 1 for a wrong class and else 0.

    Args:
        outputs: Logits or predicted numbers. Shape (rows, probes, classes).
        gold: As :func:`gold_targets` gives them. Shape (rows,).
        is_regression: Whether the outputs are numbers to predict.

    Returns:
        Shape (rows, probes), float64.
    """
    if is_regression:
        return (outputs[:, :, 0].double() - gold[:, None]) ** 2
    return (outputs.argmax(2) != gold[:, None]).double()
