"""The same model before training: its architecture with random weights."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from captum_lca.activations.calls import input_device


def random_twin(model: nn.Module, seed: int) -> nn.Module:
    """A model of the same class and configuration, initialised as if to be trained from scratch.

    Args:
        model: A transformers model; it is not changed.
        seed: Of the random weights. torch's own random state is left as it was.

    Returns:
        The twin, in evaluation mode, in the precision and on the device of the model.

    Raises:
        ValueError: The model has no configuration to be made from.

    Examples::

        >>> from captum_lca.activations import random_twin
        >>> twin = random_twin(model, seed=0)
        >>> twin.embeddings.word_embeddings.weight.equal(model.embeddings.word_embeddings.weight)
        False
    """
    config = getattr(model, "config", None)
    if config is None or not hasattr(model, "init_weights"):
        raise ValueError(
            f"a random twin needs a transformers model with a configuration; "
            f"found {type(model).__name__}"
        )
    like = next(model.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        twin: nn.Module = type(model)(deepcopy(config))
    return twin.to(device=input_device(model), dtype=like.dtype).eval()
