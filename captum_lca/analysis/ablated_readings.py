"""Every measure at every prediction, of the whole model and with sets of neurons ablated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from captum_lca.ablation import Replacement, ablating, all_but_first
from captum_lca.ablation.model_ablation import ablated_layers
from captum_lca.ablation.replay import replaying
from captum_lca.activations import evaluating
from captum_lca.activations.batching import batches, padded
from captum_lca.analysis.word_predictions import Passage, Predictor
from captum_lca.neurons import NeuronLayout

MEASURES = ("loss", "accuracy", "kl")


@dataclass(frozen=True)
class Readings:
    """Measures of a model and of the same model with sets of neurons ablated."""

    units: NDArray[np.int64]
    """Word or sentence of each prediction."""
    clean: dict[str, NDArray[np.float64]]
    """Measure → one value per prediction, of the whole model."""
    ablated: list[dict[str, NDArray[np.float64]]]
    """The same for each set of neurons."""


@dataclass(frozen=True)
class AblatedSet:
    """Neurons to ablate together, and where."""

    neurons: Tensor
    """Global ids. Shape (chosen,)."""
    at: NDArray[np.bool_] | str
    """``"everywhere"``, ``"later"``: at every token but the first; or at which words of the corpus.
    Shape (words,)."""

    def positions(self, batch: Sequence[Passage], mask: Tensor) -> Tensor | None:
        """Where to ablate in a batch, as for :func:`~captum_lca.ablation.ablating`."""
        if isinstance(self.at, str):
            return all_but_first(mask) if self.at == "later" else None
        chosen = np.append(self.at, False)  # -1, no word, is the last place
        positions = torch.zeros(mask.shape, dtype=torch.bool)
        for row, passage in enumerate(batch):
            positions[row, : len(passage.words)] = torch.from_numpy(chosen[passage.words])
        return positions


@torch.no_grad()
def read_measures(
    predictor: Predictor,
    passages: Sequence[Passage],
    sets: Sequence[AblatedSet],
    layout: NeuronLayout,
    by: Replacement,
    batch_tokens: int,
    progress: bool,
) -> Readings:
    """Every measure at every prediction, of the whole model and with each set ablated."""
    units: list[NDArray[np.int64]] = []
    found: list[list[Tensor]] = [[] for _ in range(len(sets) + 1)]
    in_batches = list(batches(passages, batch_tokens))
    layers = ablated_layers(predictor.model, [each.neurons for each in sets], layout)
    with (
        evaluating(predictor.model),
        tqdm(total=len(in_batches) * len(found), desc="ablate", disable=not progress) as bar,
    ):
        for batch in in_batches:
            texts, attention = padded(batch, predictor.tokenizer.pad_token_id or 0)
            ids, mask = texts.to(predictor.device), attention.to(predictor.device)
            targets = torch.from_numpy(np.concatenate([p.targets for p in batch])).to(ids.device)
            units += [passage.units for passage in batch]
            with replaying(predictor.model, layers):
                clean = _log_probabilities(predictor, batch, ids, mask)
                found[0].append(_measured(clean, clean, targets))
                bar.update()
                for each, measured in zip(sets, found[1:], strict=True):
                    where = each.positions(batch, mask)
                    with ablating(predictor.model, each.neurons, layout, by=by, positions=where):
                        ablated = _log_probabilities(predictor, batch, ids, mask)
                    measured.append(_measured(ablated, clean, targets))
                    bar.update()
    values = [
        dict(zip(MEASURES, torch.cat(parts, 1).double().cpu().numpy(), strict=True))
        for parts in found
    ]
    return Readings(np.concatenate(units), values[0], values[1:])


def _log_probabilities(
    predictor: Predictor, batch: Sequence[Passage], ids: Tensor, mask: Tensor
) -> Tensor:
    """Shape (predictions, classes)."""
    outputs = predictor.outputs(ids, mask)
    numbers = np.repeat(np.arange(len(batch)), [len(passage.units) for passage in batch])
    places = np.concatenate([passage.positions for passage in batch])
    chosen = outputs[torch.from_numpy(numbers), torch.from_numpy(places)]
    return chosen.float().log_softmax(-1)


def _measured(ablated: Tensor, clean: Tensor, targets: Tensor) -> Tensor:
    """Loss, accuracy and KL divergence of every prediction. Shape (3, predictions)."""
    loss = -ablated.gather(1, targets[:, None])[:, 0]
    accuracy = (ablated.argmax(1) == targets).to(loss)
    kl = nn.functional.kl_div(ablated, clean, log_target=True, reduction="none").sum(1)
    return torch.stack([loss, accuracy, kl])
