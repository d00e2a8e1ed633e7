"""Reading batches of windows off the layers of a model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from captum_lca.activations.batching import padded
from captum_lca.activations.calls import input_device, text_arguments
from captum_lca.activations.encoding import Window
from captum_lca.activations.layers import ModelLayer
from captum_lca.activations.taps import read_layers
from captum_lca.neurons import NeuronLayout

PADDING_TOLERANCE = 0.05
"""Change of a layer, as a share of its largest activation, that rounding doesn't explain."""

logger = logging.getLogger(__name__)


class LayerReader:
    """Runs batches of windows through a model and reads its layers off.

    Args:
        model: Run with what :func:`text_arguments` makes of a batch.
        layers: What to read.
        pad_id: Token id that fills windows up to the length of the longest in their batch.
    """

    def __init__(self, model: nn.Module, layers: Sequence[ModelLayer], pad_id: int) -> None:
        self.model = model
        self.layers = layers
        self.pad_id = pad_id
        self.device = input_device(model)

    def read(self, windows: Sequence[Window], stop_early: bool = True) -> list[Tensor]:
        """One tensor per layer, each (windows, tokens of the longest, neurons of the layer)."""
        ids, mask = (tensor.to(self.device) for tensor in padded(windows, self.pad_id))
        return read_layers(
            lambda: self.model(**text_arguments(self.model, ids, mask)),
            self.layers,
            stop_early,
        )

    def layout(self, window: Window) -> NeuronLayout:
        """The layers' widths, from one complete forward pass.

        Raises:
            ValueError: A layer's tensor is not batch × tokens × neurons.
        """
        tensors = self.read([window], stop_early=False)
        expected = (1, len(window.token_ids))
        for layer, tensor in zip(self.layers, tensors, strict=True):
            if tensor.dim() != 3 or tuple(tensor.shape[:2]) != expected:
                raise ValueError(
                    f"layer {layer.name!r} has shape {tuple(tensor.shape)} for one sentence of "
                    f"{expected[1]} tokens; expected (1, {expected[1]}, neurons)"
                )
        names = tuple(layer.name for layer in self.layers)
        return NeuronLayout(names, tuple(tensor.shape[2] for tensor in tensors))

    def notices_padding(self, window: Window) -> bool:
        """Whether the padding behind a text changes the text's activations.

        It does in models that mix positions without regard to the attention mask, such as FNet and
        ConvBERT: in them only windows of the same length can share a batch.
        """
        ids = window.token_ids if len(window.token_ids) > 1 else window.token_ids * 2
        short, whole = (replace(window, token_ids=part) for part in (ids[: len(ids) // 2], ids))
        length = len(short.token_ids)
        for alone, longer in zip(self.read([short]), self.read([short, whole]), strict=True):
            change = (alone[0] - longer[0, :length]).abs().amax()
            if change > PADDING_TOLERANCE * alone.abs().amax():
                logger.info("padding changes this model's activations: batches of equal length")
                return True
        return False
